"""The goals of docs/speed.md, and how its numbers are written; part of make_speed_tables.py."""
import re


def get(tree, *keys):
    """The value under the keys, or None where a part is missing."""
    for key in keys:
        if not isinstance(tree, (dict, list)):
            return None
        try:
            tree = tree[key]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def number(value, digits=1):
    return f"{value:,.{digits}f}"


def percent(value, digits=0):
    return f"{100 * value:.{digits}f} %"


def table(head, rows):
    """A Markdown table; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def threads_text(run):
    return f"{run['threads']} thread" + ("s" if run["threads"] > 1 else "")


def at_least(wanted, further=None, show=lambda v: f"{v:g} x"):
    return {"sign": "at least", "ok": lambda v, limit: v >= limit, "wanted": wanted,
            "further": further, "show": show}


def at_most(wanted, further=None, show=lambda v: f"{v:.1f}".removesuffix(".0")):
    return {"sign": "at most", "ok": lambda v, limit: v <= limit, "wanted": wanted,
            "further": further, "show": show}


def peer_ratios(peers, part, name, peer=None):
    """Ours over theirs by thread count."""
    return {r["threads"]: r["median"] for r in (peers or {}).get("ratios", [])
            if r["part"] == part and r["name"] == name and peer in (None, r["peer"])}


def sweep_points(run, name):
    return get(run, "scaling", name, "points") or []


def worst(values):
    values = [abs(v) for v in values]
    return max(values) if values else None


def openblas_kernels(peers):
    """The best of OpenBLAS that was compared with: what it was asked for, where it chose less."""
    return "openblas_asked" if get(peers, "versions", "openblas_asked") else "openblas"


def goals(bench, peers):
    """[(what, rule, [measured, ...])]; a goal is reached if every measured number does."""
    runs = bench["runs"]
    most = max(run["threads"] for run in runs)
    share = {run["threads"]: get(run, "step", "moe", "share") for run in runs}
    step = lambda name: [peer_ratios(peers, "step", name).get(most)]
    sgemm = lambda peer: [peer_ratios(peers, "sgemm", "SGEMM, geometric mean of 72 sizes",
                                      peer).get(1)]
    experts = [p["relative"] for run in runs for p in sweep_points(run, "experts")
               if p["value"] == 32]
    layers = [worst(p["beside_line"] for p in sweep_points(run, "layers")) for run in runs]
    tokens = [worst(p["relative"] - 1 for p in sweep_points(run, "sequences")
                    if p["rows_per_expert"] >= 128) for run in runs]
    many = f"{most} thread" + ("s" if most > 1 else "")
    memory = lambda *keys: [get(bench, "memory", *keys)]
    shown, small = percent, lambda v: percent(v, 4 if v < 0.001 else 1)
    return [
        (f"MoE step over transformers' loop, {many}", at_least(3, 4.5),
         step("MoE step, Hugging Face loop")),
        (f"MoE step over the fastest sorted and stacked eager one, {many}", at_least(2.2, 3),
         step("MoE step, sorted and stacked, eager")),
        (f"dense step over eager PyTorch, {many}", at_least(1.5), step("dense step, eager")),
        ("MoE step, share of the FMA peak, 1 thread", at_least(0.5, 0.65, shown), [share.get(1)]),
        *([(f"MoE step, share of the FMA peak, {many}", at_least(0.45, 0.6, shown),
            [share[most]])] if most > 1 else []),
        ("SGEMM over OpenBLAS, geometric mean of 72 sizes, 1 thread", at_least(1.1),
         sgemm(openblas_kernels(peers))),
        ("SGEMM over oneDNN, the same", at_least(0.95, 1.0), sgemm("onednn")),
        ("cost of a step with E = 32 experts over that with 8", at_most(1.2, 1.15, number_x),
         experts),
        ("cost against layers: farthest from a straight line", at_most(0.1, 0.05, small), layers),
        ("cost per token against sequences, from 128 rows per expert on: largest change",
         at_most(0.1, 0.05, small), tokens),
        ("bytes of weight, gradient and moments per parameter", at_most(16),
         memory("state_bytes_per_parameter")),
        ("activations and gradients, C floats per token and layer", at_most(25, 16),
         memory("floats_per_token_and_layer_in_c", "moe")),
        ("tape and arena, share of a step", at_most(0.001, None, small), memory("tape_share")),
        ("times that the arena asks for memory after the first step", at_most(0),
         memory("arena_allocations_after_first_step")),
    ]


def number_x(value):
    return f"{value:.2f} x"


def measured_text(rule, value):
    shown = rule["show"](value)
    return f"{value:.2f} x" if shown.endswith(" x") else shown


def goal_row(what, rule, values):
    wanted = f"{rule['sign']} {rule['show'](rule['wanted'])}"
    if rule["further"] is not None:
        wanted += f" ({rule['show'](rule['further'])})"
    values = [v for v in values if v is not None]
    if not values:
        return [what, wanted, "", "not measured"]
    reached = all(rule["ok"](v, rule["wanted"]) for v in values)
    further = rule["further"] is not None and all(rule["ok"](v, rule["further"]) for v in values)
    state = "reached, the further one too" if further else "reached" if reached else "**not reached**"
    return [what, wanted, " / ".join(measured_text(rule, v) for v in values), state]


def goals_section(bench, peers):
    rows = [goal_row(*goal) for goal in goals(bench, peers)]
    head = ["goal", "wanted (further)", "measured", ""]
    lines = ["| " + " | ".join(head) + " |", "|---|---|---|---|"]
    return ("## Goals\n\nSeveral numbers are those of the thread counts measured, in their order; "
            "the goal is reached if all do.\n\n" +
            "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n" +
            openblas_note(get(peers, "versions") or {}))


def openblas_note(versions):
    """Said of a peer that did not use the vectors that the processor has."""
    used = re.search(r"OpenBLAS ([\d.]+).*kernels (Haswell|Zen)\b", str(versions.get("openblas")))
    if not used or "AVX512" not in str(versions.get("torch_uses")):
        return ""
    chose = (f"\nThe OpenBLAS of this record is {used[1]} with its {used[2]} kernels, which are for AVX2, on a processor with "
             "AVX-512: ")
    if "openblas_asked" in versions:
        return (chose + "it chooses them by itself. The rows \"asked for AVX-512\" below are beside the same library with "
                "`OPENBLAS_CORETYPE=SkylakeX`, which is what it can do here; goals are held against these.\n")
    return (chose + "the ratio to it says little of what a newer one reaches. `make bench-peers` now takes the newest from PyPI, "
            "with the kernels that it chooses by itself.\n")


# ---- Kinds of machine ---------------------------------------------------------------------------

def product_rows(bench):
    """Share of the peak of a step's products on one thread, as {what: [of each form]}."""
    run = next((run for run in bench["runs"] if run["threads"] == 1), {})
    return {f"{line['name']}: x W / dy W' / x' dy, 1 thread":
            [line[form]["share"] for form in ("NN", "NT", "TN") if form in line]
            for line in run.get("gemm") or []}


def kernels_text(bench):
    isa = bench.get("isa", "unknown")
    best = bench.get("isa_of_processor", isa)
    return isa if best == isa else f"{isa}, on a processor with {best} (RAMOE_ISA={isa})"


def kinds_section(machines):
    """[(name, bench, peers)] side by side: what depends on the machine."""
    if len(machines) < 2:
        return ""
    rows, columns = {}, [name for name, _, _ in machines]
    for name, bench, peers in machines:
        facts = {"processor": get(bench, "machine", "cpu") or "unknown",
                 "kernels": kernels_text(bench),
                 "recorded": str(bench.get("date", "unknown"))[:10],
                 "revision": get(bench, "build", "revision") or "unknown",
                 "OpenBLAS": str(get(peers, "versions", "openblas") or "not measured"),
                 "oneDNN": str(get(peers, "versions", "onednn") or "not measured")}
        peak = [get(run, "peak", "fma_gflops") for run in bench["runs"]]
        if all(peak):
            facts["FMA peak, GFLOP/s"] = " / ".join(number(value, 0) for value in peak)
        for what, rule, values in goals(bench, peers)[:7]:
            values = [value for value in values if value is not None]
            facts[what] = " / ".join(measured_text(rule, v) for v in values) or "not measured"
        for form in ("NN", "NT", "TN"):
            value = peer_ratios(peers, "sgemm", f"SGEMM {form}, geometric mean of 24 sizes",
                                openblas_kernels(peers)).get(1)
            facts[f"SGEMM {form} over OpenBLAS, 1 thread"] = (
                f"{value:.2f} x" if value else "not measured")
        for what, shares in product_rows(bench).items():
            facts[what] = " / ".join(percent(share) for share in shares)
        for what, text in facts.items():
            rows.setdefault(what, {})[name] = text.replace("|", "/")
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += ["| " + " | ".join([what] + [texts.get(name, "") for name in columns]) + " |"
              for what, texts in rows.items()]
    return ("## Kinds of machine\n\nEach column is of one machine and one time; the rest of this page "
            "is of the first. A number stands for the program of its revision: what changed since is "
            "not in it. Versions differ, too: each is the one that was compared with.\n\n" +
            "\n".join(lines) + "\n")
