#!/usr/bin/env python3
"""Ours beside OpenBLAS, oneDNN, PyTorch and transformers, in one session on one machine.

    tests/bench/peers.py --build=build/peers --python=build/peers/venv/bin/python --out=FILE

`make bench-peers` makes what this needs and calls it. Three parts:

    sgemm      the 72 matrix products of src/bench/bench_sizes.h (sgemm_peers.cpp)
    step       one training step of the bench's mixture and of its dense counterpart
    generate   greedy generation with the cache, one prompt and 64

Ours and the peers are processes that do nothing until they are asked (our_peer.cpp,
torch_peers.py); one works at a time. A peer has our weights, and before it is timed its first three
losses must be ours, or its generated tokens must be ours. Then come rounds: for each peer in turn
ours, then the peer. A ratio is the peer's time over ours, both of the same round; the median over
the rounds is reported with its range. One process and one environment for each number of threads.
With one thread processor time is counted, with several the clock on the wall.

Standard library only; the torch processes run under --python.
"""
import argparse
import datetime
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOLERANCE = 2e-5  # of a loss near 7; rounding makes 2e-6, leaving weight decay out 1e-4
LEAST_SECONDS = 0.25  # of one timing

SORTED = ["sorted_slices", "sorted_grouped_mm", "sorted_padded_bmm", "hf_grouped_mm"]
COMPILED = ["hf_loop_compiled", "hf_grouped_mm_compiled", "sorted_slices_compiled",
            "sorted_grouped_mm_compiled", "sorted_padded_bmm_compiled"]
# A ratio's name: who of us it is, and the peers of that kind, of which the fastest is named.
STEPS = {"MoE step, Hugging Face loop": ("ours_moe", ["hf_loop", "hf_eager"]),
         "MoE step, sorted and stacked, eager": ("ours_moe", SORTED),
         "MoE step, torch.compile": ("ours_moe", COMPILED),
         "dense step, eager": ("ours_dense", ["dense"]),
         "dense step, torch.compile": ("ours_dense", ["dense_compiled"])}
GENERATION = {"transformers' generate": ["generate_hf_loop", "generate_hf_grouped_mm",
                                         "generate_hf_batched_mm"],
              "transformers' model in a plain loop": ["hand_hf_loop", "hand_hf_grouped_mm",
                                                      "hand_hf_batched_mm"],
              "PyTorch in a plain loop": ["torch"]}
BATCHES = {1: 48, 64: 64 * 48}  # prompts, and the tokens that they become
# The batched product copies the weights of every choice: for few tokens only.
FEW = "batched_mm"


class Failure(Exception):
    """What went wrong; the text says what to do."""


class Process:
    """One that answers each line with a line of JSON; what else it says goes to a file."""

    def __init__(self, command, environment, log):
        words = [str(word) for word in command]
        self.name = pathlib.Path(next((word for word in words if word.endswith(".py")), words[0])).name
        self.log = log
        with open(log, "w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(words, text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=errors, env=environment)

    def ask(self, *words):
        line = " ".join(map(str, words))
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            code, text = self.process.wait(), self.log.read_text(encoding="utf-8").strip()
            raise Failure(f"{self.name} ended with {code} at \"{line}\": {text[-400:]}")
        return json.loads(answer)

    def end(self):
        self.process.kill()
        self.process.wait()


def say(text):
    print(text, file=sys.stderr, flush=True)


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(v) for v in values))


def ratio(part, threads, name, ours, peer, values):
    return {"part": part, "threads": threads, "name": name, "ours": ours, "peer": peer,
            "median": statistics.median(values), "least": min(values), "most": max(values)}


# What keeps the others to the instructions that RAMOE_ISA leaves ours.
KEPT_TO = {"avx2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
                    "ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2",
                    "OPENBLAS_CORETYPE": "Zen"}}


def kept_to():
    isa = os.environ.get("RAMOE_ISA", "")
    if isa in ("", "avx512", "neon"):  # all that the processor has
        return {}
    if isa not in KEPT_TO:
        raise Failure(f"RAMOE_ISA={isa}: the others cannot be kept to these instructions; expected "
                      "avx2, or none for all that the processor has.")
    return KEPT_TO[isa]


def environment(threads, **more):
    """Of processes with so many threads. MKL would else choose fewer by itself, and OpenBLAS's own
    threads would spin for longer than the pause before the next one is timed."""
    return {**os.environ, **kept_to(), "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads),
            "MKL_DYNAMIC": "FALSE", "OPENBLAS_THREAD_TIMEOUT": "4", **more}


# ---- Matrix products ----------------------------------------------------------------------------

def sgemm_peers(options, threads, **more):
    done = subprocess.run([options.build / "sgemm_peers", str(threads), str(options.seconds)],
                          stdout=subprocess.PIPE, text=True, env=environment(threads, **more))
    if done.returncode:
        raise Failure("sgemm_peers failed; see above.")
    return json.loads(done.stdout)


def ours_over(who, seconds):
    return statistics.median(theirs / ours for theirs, ours in zip(seconds[who], seconds["ours"]))


def asked_for_avx512(options, threads, chosen):
    """The same beside OpenBLAS's kernels for AVX-512, where it chose others by itself; or None."""
    if not chosen["openblas"].endswith(("Haswell", "Zen")) or chosen["isa"] != "avx512":
        return None
    asked = sgemm_peers(options, threads, OPENBLAS_CORETYPE="SkylakeX")
    return asked if asked["openblas"].endswith("SkylakeX") else None


def sgemm(options, threads, found):
    """Per size and library the median over rounds; oneDNN is the faster of its two ways."""
    tree = sgemm_peers(options, threads)
    found["versions"].update(openblas=tree["openblas"], onednn=tree["onednn"])
    sizes, ratios = [], {"openblas": [], "onednn": []}
    if asked := asked_for_avx512(options, threads, tree):
        found["versions"]["openblas_asked"] = asked["openblas"]
        ratios["openblas_asked"] = [(size["form"], ours_over("openblas", size["seconds"]))
                                    for size in asked["sizes"]]
    for size in tree["sizes"]:
        seconds = size["seconds"]
        flops = 2.0 * size["tokens"] * size["in"] * size["out"]
        seconds["onednn"] = min((seconds.pop("onednn_sgemm"), seconds.pop("onednn_matmul")),
                                key=statistics.median)
        line = {key: size[key] for key in ("form", "tokens", "in", "out")}
        for who, values in seconds.items():
            line[who + "_gflops"] = flops / statistics.median(values) / 1e9
        for who in ("openblas", "onednn"):
            line["over_" + who] = ours_over(who, seconds)
            ratios[who].append((size["form"], line["over_" + who]))
        sizes.append(line)
    for who, values in ratios.items():
        for form in ("", "NN", "NT", "TN"):
            chosen = [value for of, value in values if form in ("", of)]
            name = (f"SGEMM {form}, geometric mean of 24 sizes" if form
                    else "SGEMM, geometric mean of 72 sizes")
            line = ratio("sgemm", threads, name, "ours", who, chosen)
            line["median"] = geometric_mean(chosen)
            found["ratios"].append(line)
            say(f"  {name}, over {who}: {line['median']:.2f}")
    found["sgemm"].append({"threads": threads, "sizes": sizes})


# ---- In turn ------------------------------------------------------------------------------------

def in_turn(rounds, pairs):
    """{name: (our seconds, their seconds)} by round, of pairs name: (ours(), theirs())."""
    seconds = {name: ([], []) for name in pairs}
    for _ in range(rounds):
        for name, both in pairs.items():
            for side, run in zip(seconds[name], both):
                time.sleep(0.02)  # threads of the other may still be spinning
                side.append(run())
    return seconds


def runner(process, command):
    """Times a command so often that it takes long enough; returns the seconds of one."""
    def once(count):
        answer = process.ask(*command, count)
        if "error" in answer:
            raise Failure(answer["error"])
        return answer["seconds"]
    count = max(1, math.ceil(LEAST_SECONDS / max(once(1), 1e-6)))
    return lambda: once(count)


def add_ratios(found, part, threads, name, kinds, ours_of, seconds):
    """The ratio over the fastest of each kind, from the rounds in which both ran."""
    for kind, peers in kinds.items():
        there = [peer for peer in peers if peer in seconds]
        if not there:
            continue
        best = min(there, key=lambda peer: statistics.median(seconds[peer][1]))
        ours, theirs = seconds[best]
        line = ratio(part, threads, name(kind), ours_of(kind), best,
                     [b / a for a, b in zip(ours, theirs)])
        found["ratios"].append(line)
        say(f"  {line['name']}: {line['median']:.2f} over {best}")


def steps(options, threads, ours, torch, found):
    first = {"ours_moe": ours.ask("step", "moe", 3)["losses"],
             "ours_dense": ours.ask("step", "dense", 3)["losses"]}
    part = {"threads": threads, "peers": {}, "failed": {}}
    pairs = {}
    of_us = {which: runner(ours, ("step", which.removeprefix("ours_"))) for which in first}
    for which, peers in STEPS.values():
        for peer in peers:
            if peer.endswith("_compiled") and threads not in options.compile:
                continue
            begin = time.monotonic()
            answer = torch.ask("make", peer)
            if "error" in answer:
                part["failed"][peer] = answer["error"]
            else:
                gap = max(abs(a - b) for a, b in zip(answer["losses"], first[which]))
                known = found["checked"]["peers"]
                known[peer] = max(gap, known.get(peer, 0))
                if not gap <= TOLERANCE:
                    part["failed"][peer] = f"its losses differ from ours by {gap:.2g}"
            if peer not in part["failed"]:
                pairs[peer] = (of_us[which], runner(torch, ("step", peer)))
            say(f"  {peer}: {part['failed'].get(peer, 'agrees')} "
                f"({time.monotonic() - begin:.0f} s to make)")
    seconds = in_turn(options.rounds, pairs)
    tokens = 32 * 64
    for peer, (_, theirs) in seconds.items():
        part["peers"][peer] = {"tokens_per_second": tokens / statistics.median(theirs)}
    for which in first:
        all_ours = [s for peer, (mine, _) in seconds.items() for s in mine
                    if pairs[peer][0] is of_us[which]]
        if all_ours:
            part["peers"][which] = {"tokens_per_second": tokens / statistics.median(all_ours)}
    found["step"].append(part)
    add_ratios(found, "step", threads, lambda kind: kind,
               {kind: peers for kind, (_, peers) in STEPS.items()},
               lambda kind: STEPS[kind][0], seconds)


def generation(options, threads, ours, torch, found):
    for batch, tokens in BATCHES.items():
        part = {"threads": threads, "batch": batch, "peers": {}, "failed": {}}
        wanted = ours.ask("generate", batch, 1)["tokens"]
        of_us, pairs = runner(ours, ("generate", batch)), {}
        for peer in sum(GENERATION.values(), []):
            if batch > 1 and peer.endswith(FEW):
                continue
            answer = torch.ask("generate", peer, batch, 1)
            if "error" in answer:
                part["failed"][peer] = answer["error"]
            elif answer["tokens"] != wanted:
                same = statistics.fmean(a == b for mine, theirs in zip(wanted, answer["tokens"])
                                        for a, b in zip(mine, theirs))
                part["failed"][peer] = f"{100 * (1 - same):.1f} % of its tokens are not ours"
            else:
                pairs[peer] = (of_us, runner(torch, ("generate", peer, batch)))
            if peer in part["failed"]:
                say(f"  {peer}, batch {batch}: {part['failed'][peer]}")
        seconds = in_turn(options.rounds, pairs)
        for peer, (_, theirs) in seconds.items():
            part["peers"][peer] = {"tokens_per_second": tokens / statistics.median(theirs)}
        all_ours = [s for mine, _ in seconds.values() for s in mine]
        if all_ours:
            part["peers"]["ours"] = {"tokens_per_second": tokens / statistics.median(all_ours)}
        found["generate"].append(part)
        add_ratios(found, "generate", threads, lambda kind: f"generation, batch {batch}, {kind}",
                   GENERATION, lambda kind: "ours", seconds)


# ---- The session --------------------------------------------------------------------------------

def machine():
    def fact(path, key):
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
        return None
    memory = fact("/proc/meminfo", "MemTotal")
    return {"cpu": fact("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
            "memory_bytes": 1024 * int(memory.split()[0]) if memory else None,
            "busy_at_start": busy_share()}


def busy_share(seconds=1.0):
    """Share of all cores' time that is in use just now."""
    def times():
        values = pathlib.Path("/proc/stat").read_text(encoding="utf-8").split("\n")[0].split()[1:9]
        return [int(value) for value in values]
    before = times()
    time.sleep(seconds)
    spent = [b - a for a, b in zip(before, times())]
    return 1 - (spent[3] + spent[4]) / max(1, sum(spent))  # idle, and waiting for a disk


def revision():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True,
                          capture_output=True)
    return done.stdout.strip() or "unknown"


def write(path, tree):
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".tmp")
    try:
        beside.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def session(options):
    found = {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
             "machine": machine(), "versions": {"ours": {"revision": revision()}}, "kept_to": kept_to(),
             "rounds": options.rounds, "checked": {"tolerance": TOLERANCE, "peers": {}},
             "sgemm": [], "step": [], "generate": [], "ratios": []}
    if found["machine"]["busy_at_start"] > 0.1:
        say(f"warning: {100 * found['machine']['busy_at_start']:.0f} % of the machine is in use; with "
            "several threads PyTorch then loses most of its speed.")
    for threads in sorted({1, options.threads}):
        say(f"== {threads} thread" + ("s" if threads > 1 else ""))
        if "sgemm" in options.only:
            sgemm(options, threads, found)
        if not {"step", "generate"} & set(options.only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            folder, started = pathlib.Path(folder), []
            try:
                started.append(ours := Process([options.build / "our_peer", folder, threads],
                                               environment(threads), folder / "ours.log"))
                ours.ask("ready")  # its files are written
                started.append(torch := Process(
                    [options.python, pathlib.Path(__file__).with_name("torch_peers.py"), folder,
                     threads], environment(threads, TORCHINDUCTOR_CACHE_DIR=
                                           str(options.build / "inductor")),
                    folder / "torch.log"))
                found["versions"].update(torch.ask("versions"))
                if "step" in options.only:
                    steps(options, threads, ours, torch, found)
                if "generate" in options.only:
                    generation(options, threads, ours, torch, found)
            finally:
                for process in started:
                    process.end()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/peers")
    parser.add_argument("--python", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "runs/bench_peers.json")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="beside 1 thread")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each product and library")
    parser.add_argument("--compile", type=int, nargs="*", help="thread counts of torch.compile; "
                        "by default the larger one, because compiling takes minutes")
    parser.add_argument("--only", nargs="*", default=["sgemm", "step", "generate"],
                        choices=["sgemm", "step", "generate"])
    options = parser.parse_args()
    options.python = options.python or options.build / "venv/bin/python"
    options.compile = [options.threads] if options.compile is None else options.compile
    for file in (options.build / "our_peer", options.build / "sgemm_peers", options.python):
        if not file.exists():
            raise Failure(f"{file} is missing; `make bench-peers` makes it.")
    begin = time.monotonic()
    found = session(options)
    found["seconds"] = round(time.monotonic() - begin)
    write(options.out, found)
    print(f"The numbers are in {options.out} ({found['seconds']} s).")


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError) as why:
        sys.exit(f"peers.py: {why}")
    except KeyboardInterrupt:
        sys.exit("peers.py: interrupted; no numbers were written.")
