#!/usr/bin/env python3
"""A training step on the GPU beside PyTorch's, in one session on one GPU.

    tests/bench/cuda_steps.py --peer=build/cuda/our_peer --out=FILE [--sizes=standard,large]

For each size the steps of our_peer.cpp (fp32, and with bf16 products) and of torch_peers.py: the
loop of transformers over the experts, tokens sorted and stacked in eager mode, and torch.compile.
All have the same weights, and the first three losses must agree before anything is timed (rounding lets the later ones differ). Then come
rounds, one after another, and the median of the rounds is reported with its range.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time

from peers import Failure, Process

HERE = pathlib.Path(__file__).resolve().parent
# Of a loss near 7 to 9: before any update, and after two. AdamW's first steps go by the sign of a
# gradient, which rounding decides where it is nearly 0.
TOLERANCE, LATER = 1e-4, 2e-2
PEERS = {"Hugging Face loop": "hf_loop", "sorted, grouped_mm": "sorted_grouped_mm",
         "sorted, slices": "sorted_slices", "dense, eager": "dense",
         "dense, compiled": "dense_compiled",
         "compiled, sorted, grouped_mm": "sorted_grouped_mm_compiled"}


def timed(process, name, rounds, seconds):
    """Milliseconds of a step: the median over the rounds, and the range."""
    one = process.ask(f"step {name} 10")["seconds"]
    count = max(10, int(seconds / max(one, 1e-6)))
    times = sorted(1e3 * process.ask(f"step {name} {count}")["seconds"] for _ in range(rounds))
    return {"ms": statistics.median(times), "range": [times[0], times[-1]]}


def measure(size, options):
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        ours = Process([options.peer, folder, "cuda", size], None, pathlib.Path(folder, "ours.log"))
        ours.ask("ready")
        losses = {name: ours.ask(f"step {name} 3")["losses"] for name in ("moe", "dense")}
        torch = Process([options.python, HERE / "torch_peers.py", folder, "cuda"], None,
                        pathlib.Path(folder, "torch.log"))
        versions = torch.ask("versions")
        for name in ("moe", "dense"):
            rows[f"ours, {name}"] = timed(ours, name, options.rounds, options.seconds)
        rows["ours, moe"]["arena_bytes"] = ours.ask("step moe 1")["arena_bytes"]
        bf16 = Process([options.peer, folder, "cuda-bf16", size], None, pathlib.Path(folder, "bf16.log"))
        bf16.ask("step moe 3")
        rows["ours, moe, bf16 products"] = timed(bf16, "moe", options.rounds, options.seconds)
        for title, name in PEERS.items():
            if name.endswith("_compiled") and time.time() - options.begin > options.limit / 2:
                rows[title] = {"error": "left out: no time was left"}
                continue
            made = torch.ask(f"make {name}")
            if "error" in made:
                rows[title] = made
                continue
            wanted = losses["dense" if name.startswith("dense") else "moe"]
            off = [abs(a - b) for a, b in zip(made["losses"], wanted)]
            if off[0] > TOLERANCE or max(off) > LATER:
                rows[title] = {"error": f"the first losses differ by {off}"}
                continue
            rows[title] = {**timed(torch, name, options.rounds, options.seconds), "off": off}
        for process in (ours, bf16, torch):
            process.end()
    return {"size": size, "losses": losses, "versions": versions, "rows": rows}


def print_table(result):
    rows = result["rows"]
    print(f"\n{result['size']}: one training step, milliseconds (lowest to highest of the rounds)")
    for title, row in rows.items():
        if "error" in row:
            print(f"  {title:28} {row['error']}")
            continue
        base = rows["ours, dense" if "dense" in title else "ours, moe"]["ms"]
        print(f"  {title:28} {row['ms']:9.3f} ({row['range'][0]:.3f} to {row['range'][1]:.3f})"
              f"  {row['ms'] / base:6.2f} x ours")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--out", required=True)
    parser.add_argument("--sizes", default="standard,large")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one timing")
    parser.add_argument("--limit", type=float, default=300, help="seconds for everything, about")
    options = parser.parse_args()
    options.begin = time.time()
    results = []
    for size in options.sizes.split(","):
        results.append(measure(size, options))
        print_table(results[-1])
        pathlib.Path(options.out).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
