#!/usr/bin/env python3
"""Writes docs/speed.md and its figures from recorded numbers.

    python3 docs/make_speed_tables.py [--bench=FILE] [--peers=FILE] [--before-after=FILE]
                                      [--out=FOLDER]

    --bench   of `make bench OUT=docs/results/bench.json`; must be there
    --peers   of `make bench-peers`; without it the page says that the others were not measured
    --before-after   of tests/bench/before_after.py; without it the page has no such section
    --out     folder of speed.md and figures/speed_*.svg; docs by default

Files bench-NAME.json beside it, with bench_peers-NAME.json, are of other machines: they get a column
each in a table that shows all side by side.

Parts that a run left out are left out of the page. Standard library only; nothing is typed by hand.
"""
import argparse
import html
import json
import os
import pathlib
import sys

from speed_goals import (get, goals_section, kernels_text, kinds_section, number, percent,
                         sweep_points, table, threads_text)
from speed_peers import before_after_section, peer_name, peers_section

ROOT = pathlib.Path(__file__).resolve().parent.parent

INTRO = """# How fast it is

Made by `make docs-speed` from [results/bench.json](results/bench.json) (`make bench
OUT=docs/results/bench.json`) and, where others are named, results/bench_peers.json (`make
bench-peers`); no number is typed by hand.

{machine}

The standard configuration is L=6 C=128 NH=4 V=512, E=16 experts of H=128, K=2 per token, and a step
of B=32 sequences of T=64 tokens: forward, backward and AdamW in fp32. "Dense" has one SwiGLU of
width K*H in every layer instead of the experts, so a token costs as many multiply-adds.

## How to read the numbers

- A time belongs to one machine and one minute. **Shares and ratios** can be compared between
  machines; both sides of each were measured in turn, within the same minute.
- **Share of FMA**: of the multiply-adds that the machine's registers allow, sampled around every
  round of the measurement. A step's FLOPs are those of its matrix products alone, two for each
  multiply-add, backward twice the forward; everything else in a step counts as lost time.
- **Share of copy**: of the rate at which as many bytes are copied, from the same cache. A piece of
  work is charged each input and output once, so an operation that computes much for each byte (an
  exponential, say) is bound by neither ceiling and shows a small share.
- With one thread, processor time is counted; with several, the clock on the wall.
"""


class Failure(Exception):
    """What is wrong with the files given; the text says what to do."""


# ---- Tables -------------------------------------------------------------------------------------

def step_section(bench):
    rows = []
    for run in bench["runs"]:
        for name, step in (run.get("step") or {}).items():
            rows.append([f"{'MoE' if name == 'moe' else name}, {threads_text(run)}",
                         number(step["tokens_per_second"], 0), number(step["ms_per_step"]),
                         number(step["gflops"]), percent(step["share"]),
                         number(step["parameters"] / 1e6, 2),
                         number(step["mflop_per_token"], 2)])
    if not rows:
        return ""
    return "## A training step\n\n" + table(
        ["", "tokens/s", "ms", "GFLOP/s", "share of FMA", "M parameters", "MFLOP/token"],
        rows) + hand_over_text(bench)


def hand_over_text(bench):
    """How near the threads were to one another, part by part: cores of a virtual machine move."""
    text = ""
    for run in bench["runs"]:
        trips = run.get("line_round_trip_ns") or {}
        every = [ns for pair in trips.values() for ns in pair]
        if not every:
            continue
        step = trips.get("step")
        text += (f"\nWith {threads_text(run)}, a cache line went from one to another and back in "
                 f"{min(every):.0f} to {max(every):.0f} ns, sampled around every part of the "
                 "measurement" +
                 (f"; {step[0]:.0f} and {step[-1]:.0f} ns around the step" if step else "") +
                 ". Some 100 ns mean that the cores share a last-level cache, several times as many "
                 "that they do not: a step on several threads then takes longer, while the FMA peak "
                 "stays. The host of a virtual machine may change that at any time.\n")
    return text


def ideas_section(bench):
    groups = bench.get("ideas") or []
    # The product's ladder (chapter 1.7) is recorded with the share of the peak of each rung.
    ladder = any("fma_share" in version for group in groups for version in group["versions"])
    rows = []
    for group in groups:
        for i, version in enumerate(group["versions"]):
            share = version.get("fma_share")
            rows.append([f"{group['name']}, {group['size']}" if i == 0 else "", version["idea"],
                         number(1e6 * version["seconds"]), f"{version['over_last']:.2f}",
                         f"{version['over_plain']:.2f}"] +
                        ([percent(share) if share is not None else ""] if ladder else []))
    if not rows:
        return ""
    head = ["work", "idea", "us", "times the line before", "times the plain version"]
    head += ["share of FMA"] if ladder else []
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    old = ("" if ladder else
           "This record is older than the ladder of the product in "
           "[gemm_ladder.h](../src/ch01_tensor/gemm_ladder.h): its rows of the product lack the rungs "
           "rows, blocked and packed and each rung's share of the peak, and its plain versions computed "
           "in float, not in double. `ramoe bench --only=ideas` prints today's.\n\n")
    return ("## What each idea gains\n\nOne thread; the plain version, then one idea after the other, in "
            f"turn.\n\n{old}" +
            "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n")


def bf16_section(bench):
    rows, bounds = [], []
    for run in bench["runs"]:
        bf16 = run.get("bf16")
        if bf16:
            rows += [[f"multiply-adds in registers ({bf16['isa']}), {threads_text(run)}",
                      number(bf16["peak_gflops"]) + " GFLOP/s", f"{bf16['peak_times_fp32']:.2f}"],
                     [f"{len(bf16['products'])} products, geometric mean", "",
                      f"{bf16['geomean_times_as_fast']:.2f}"],
                     ["training step of the mixture",
                      number(bf16["step"]["tokens_per_second"], 0) + " tokens/s",
                      f"{bf16['step']['times_as_fast']:.2f}"]]
            # p of a step are products: 1 - p + p / their gain = 1 / the step's gain.
            gain, of_step = bf16["geomean_times_as_fast"], bf16["step"]["times_as_fast"]
            if gain > of_step > 1:
                products = (1 - 1 / of_step) / (1 - 1 / gain)
                best = 1 / (1 - products + products / bf16["peak_times_fp32"])
                bounds.append(f"With {threads_text(run)}, a step that gains {of_step:.2f} from products that "
                              f"gain {gain:.2f} spends {percent(products)} of its time in them: if they "
                              f"gained all of {bf16['peak_times_fp32']:.2f}, it would gain {best:.2f}.")
    return rows and ("## In bf16\n\n`precision=bf16` beside fp32, in turn.\n\n" +
                     table(["", "in bf16", "times as fast as fp32"], rows) +
                     "".join(f"\n{bound}\n" for bound in bounds))


def ops_section(bench):
    text = ""
    for run in bench["runs"]:
        rows = []
        for op in run.get("ops") or []:
            for way in ("forward", "backward", "update"):
                speed = op.get(way)
                if not speed or "share" not in speed:
                    continue
                copy = speed["bound"] == "copy"
                rate = (number(speed["gb_per_s"]) + " GB/s" if copy
                        else number(speed["gflops"]) + " GFLOP/s")
                rows.append([f"{op['name']} {op['dims']}" if way != "backward" else "", way,
                             number(1e6 * speed["seconds"]), rate, percent(speed["share"]),
                             "copy" if copy else "FMA"])
        if rows:
            text += f"\n{threads_text(run)}:\n\n" + table(
                ["operation", "", "us", "rate", "share", "of"], rows)
    return text and ("## Operations\n\nBy themselves, at the sizes of the step; the ceiling named is "
                     "the one that the operation comes nearer to.\n" + text)


def gemm_section(bench):
    text = ""
    for run in bench["runs"]:
        rows = [[f"{line['name']}: {line['count']} x ({line['rows']},{line['in']})"
                 f"({line['in']},{line['out']})"] +
                [f"{number(line[form]['gflops'])} ({percent(line[form]['share'])})"
                 for form in ("NN", "NT", "TN")] for line in run.get("gemm") or []]
        if rows:
            text += f"\n{threads_text(run)}:\n\n" + table(
                ["products of a step, GFLOP/s (share of FMA)", "x W", "dy W'", "x' dy"], rows)
        sizes = get(run, "sgemm", "sizes") or []
        layers = list(dict.fromkeys((s["in"], s["out"]) for s in sizes))
        rows = []
        for form, tokens in dict.fromkeys((s["form"], s["tokens"]) for s in sizes):
            shares = {(s["in"], s["out"]): s["share"] for s in sizes
                      if (s["form"], s["tokens"]) == (form, tokens)}
            rows.append([f"{form}, {tokens} rows"] +
                        [percent(shares[layer]) if layer in shares else "" for layer in layers])
        if rows:
            text += (f"\n{threads_text(run)}, the 72 sizes, share of FMA; geometric mean "
                     f"{percent(run['sgemm']['geomean_share'], 1)}:\n\n" +
                     table(["in x out"] + [f"{i}x{o}" for i, o in layers], rows))
    return text and "## Matrix products\n" + text


SWEEPS = {"experts": ("experts E", "a step"), "layers": ("layers L", "a layer"),
          "sequences": ("sequences B", "a token"), "tokens": ("tokens T", "a token")}


def scaling_section(bench):
    text = ""
    for run in bench["runs"]:
        for name, (title, unit) in SWEEPS.items():
            points = sweep_points(run, name)
            if not points:
                continue
            text += "\n" + table(
                [f"{title}, {threads_text(run)}"] + [str(p["value"]) for p in points],
                [["ms per step"] + [number(p["ms_per_step"]) for p in points],
                 [f"cost of {unit}"] + [f"{p['relative']:.3f}" for p in points],
                 ["cost of a FLOP"] + [f"{p['relative_per_flop']:.3f}" for p in points],
                 ["rows per expert"] + [f"{p['rows_per_expert']:g}" for p in points]])
    return text and ("## As sizes grow\n\nOne size of the standard configuration at a time, relative "
                     "to the point where the cost is 1.000; the points of a sweep ran in turn. AdamW "
                     "works on all experts' weights whatever the batch, which small batches pay "
                     "for.\n" + text)


def use_section(bench):
    text = ""
    rows = [[threads_text(run)] + [number(g["tokens_per_second"], 0) for g in run["generate"]]
            for run in bench["runs"] if run.get("generate")]
    if rows:
        batches = next(run["generate"] for run in bench["runs"] if run.get("generate"))
        text += "## Generation, start and memory\n\n" + table(
            ["tokens/s with the cache"] + [f"batch {g['batch']}" for g in batches], rows)
    start, memory = bench.get("start"), bench.get("memory")
    rows = []
    if start:
        loading = start["load_model"]
        for what, t in (("`ramoe help`, from start to end", start["help"]),
                        (f"loading a model of {number(loading['bytes'] / 1e6)} MB", loading)):
            rows.append([what, f"{number(t['wall_ms'])} ms ({number(t['cpu_ms'])} ms of processor)"])
    if memory:
        rows += [["a training process at most", number(memory["peak_rss_bytes"] / 1e6) + " MB"],
                 ["of it the arena", number(memory["arena_bytes"] / 1e6) + " MB"],
                 ["operations on the tape of a step", number(memory["tape_operations"], 0)],
                 ["page faults of a later step", number(memory["page_faults_per_step"])]]
    if rows:
        text += ("\n" if text else "## Start and memory\n\n") + table(["", ""], rows)
    if memory:
        text += ("\nThe tape's own cost is the time of a tape with as many leaves and operations and "
                 "as much memory handed out, whose operations compute nothing.\n")
    return text


# ---- Figures ------------------------------------------------------------------------------------

def bar_chart(name, title, description, bars, show):
    """Horizontal bars from 0; `bars` is [(label, value, colour)]."""
    left = 20 + max(6.5 * len(label) for label, _, _ in bars)
    wide, high, top = 330, 20, 30
    most = max(value for _, value, _ in bars)
    height = top + high * len(bars) + 10
    out = [f'<svg font-family="sans-serif" style="background:#fff" '
           f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + wide + 80} {height}" '
           f'width="{left + wide + 80}" height="{height}" role="img" '
           f'aria-labelledby="{name}-title {name}-desc">',
           f'<title id="{name}-title">{html.escape(title)}</title>',
           f'<desc id="{name}-desc">{html.escape(description)}</desc>',
           f'<text x="10" y="18" font-size="12" fill="#222">{html.escape(title)}</text>']
    for i, (label, value, colour) in enumerate(bars):
        y, length = top + high * i, max(1.0, wide * value / most)
        out += [f'<text x="{left - 6}" y="{y + 13}" font-size="11" fill="#222" '
                f'text-anchor="end">{html.escape(label)}</text>',
                f'<rect x="{left}" y="{y + 3}" width="{length:.1f}" height="{high - 6}" '
                f'fill="{colour}"/>',
                f'<text x="{left + length + 5:.1f}" y="{y + 13}" font-size="11" '
                f'fill="#555">{html.escape(show(value))}</text>']
    return "\n".join(out + ["</svg>"]) + "\n"


OURS, THEIRS, COPY = "#2b6cb0", "#b0b0b0", "#dd8a2f"


def figures(bench, peers):
    """{name: svg} of what was measured."""
    found = {}
    steps = [part for part in (peers or {}).get("step", []) if part["peers"]]
    if steps:
        part = max(steps, key=lambda p: p["threads"])
        bars = [(peer_name(name), p["tokens_per_second"],
                 OURS if name.startswith("ours") else THEIRS)
                for name, p in sorted(part["peers"].items(),
                                      key=lambda item: -item[1]["tokens_per_second"])]
        found["speed_step"] = bar_chart(
            "speed_step", f"Training step, {threads_text(part)}: tokens per second",
            "Tokens per second of one training step, ours and peers.", bars, lambda v: number(v, 0))
    run = bench["runs"][0]
    bars = [(f"{op['name']}, {way}", op[way]["share"], COPY if op[way]["bound"] == "copy" else OURS)
            for op in run.get("ops") or [] for way in ("forward", "backward", "update")
            if "share" in op.get(way, {})]
    if bars:
        found["speed_ops"] = bar_chart(
            "speed_ops", f"Operations, {threads_text(run)}: share of FMA (blue) or copy (orange)",
            "Share of the ceiling that binds each operation, forward and backward.", bars, percent)
    return found


CAPTIONS = {"speed_step": "Tokens per second of a training step, ours and others",
            "speed_ops": "Share of its ceiling that each operation reaches"}


# ---- The page -----------------------------------------------------------------------------------

def machine_text(bench, peers):
    def one(file, facts, revision):
        m = facts.get("machine", {})
        memory = m.get("memory_bytes")
        return (f"{file}: {m.get('cpu') or 'a processor that does not say its name'}, "
                f"{m.get('cores', '?')} cores" +
                (f", {memory / 2**30:.0f} GiB" if memory else "") +
                f"; {facts.get('date', 'no date')}; {revision}.")

    build = bench.get("build", {})
    lines = [one("bench.json", bench,
                 f"{build.get('compiler', '?')}, {build.get('type', '?')}, kernels "
                 f"{kernels_text(bench)}, revision {build.get('revision', 'unknown')}")]
    if peers:
        ours = get(peers, "versions", "ours", "revision") or "unknown"
        lines.append(one("bench_peers.json", peers, f"revision {ours}"))
    return "  \n".join(lines)


def other_machines(bench):
    """[(name, bench, peers)] of the files bench-NAME.json beside it."""
    found = []
    for path in sorted(bench.parent.glob("bench-*.json")):
        name = path.stem.removeprefix("bench-")
        found.append((name, read(path, f"make bench OUT={path}", True),
                      read(path.with_name(f"bench_peers-{name}.json"), "make bench-peers", False)))
    return found


def page(bench, peers, before_after, others, pictures):
    picture = lambda name: (f"![{CAPTIONS[name]}](figures/{name}.svg)\n" if name in pictures else "")
    sections = [INTRO.format(machine=machine_text(bench, peers)), goals_section(bench, peers),
                kinds_section([(bench.get("isa", "first"), bench, peers)] + others),
                step_section(bench), peers_section(peers), picture("speed_step"),
                before_after_section(before_after), ideas_section(bench), bf16_section(bench),
                ops_section(bench), picture("speed_ops"), gemm_section(bench),
                scaling_section(bench), use_section(bench)]
    return "\n".join(section for section in sections if section)


def read(path, command, needed):
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not needed:
            return None
        raise Failure(f"{path} is missing; `{command}` writes it.") from None
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be read: {error}; `{command}` writes it anew.") from None
    if not isinstance(tree, dict) or (needed and not tree.get("runs")):
        raise Failure(f"{path} holds no numbers of `{command}`.")
    return tree


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".tmp")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    results = ROOT / "docs/results"
    parser.add_argument("--bench", type=pathlib.Path, default=results / "bench.json")
    parser.add_argument("--peers", type=pathlib.Path, default=results / "bench_peers.json")
    parser.add_argument("--before-after", type=pathlib.Path,
                        default=results / "before_after.json")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs")
    options = parser.parse_args()
    bench = read(options.bench, "make bench OUT=docs/results/bench.json", True)
    peers = read(options.peers, "make bench-peers", False)
    before_after = read(options.before_after, "tests/bench/before_after.py", False)
    others = other_machines(options.bench)
    try:
        pictures = figures(bench, peers)
        text = page(bench, peers, before_after, others, pictures)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Failure(f"the numbers are not as this script knows them ({type(error).__name__}: "
                      f"{error}); record them anew.") from None
    for name, svg in pictures.items():
        write(options.out / "figures" / f"{name}.svg", svg)
    write(options.out / "speed.md", text)
    print(f"{options.out / 'speed.md'}: written, with {len(pictures)} figures")


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError) as why:
        sys.exit(f"make_speed_tables.py: {why}")
