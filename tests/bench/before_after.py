#!/usr/bin/env python3
"""Whole programs of two revisions in turn: time on the wall and of the processor.

    tests/bench/before_after.py BEFORE AFTER [--rounds=3] [--out=docs/results/before_after.json]

BEFORE and AFTER are checkouts, each with its program and tests in build/release (`make test`). Timed
are `ramoe demo --tier=smoke`, 300 steps of pre-training of BEFORE's data/configs/base-olmoe.json, and
of the tests those that both have. A round runs before, then after; a ratio is of one round. Standard
library only.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from peers import Failure, machine, say, write

ROOT = pathlib.Path(__file__).resolve().parents[2]


def tests_of(checkout):
    """{name: number} of ctest."""
    done = subprocess.run(["ctest", "-N"], cwd=checkout / "build/release", capture_output=True,
                          text=True)
    return {name: number for number, name in re.findall(r"Test\s+#(\d+): (\S+)", done.stdout)}


def commands(checkout, config, scratch, common):
    """{what: (command, folder to run it in)}"""
    ramoe = str(checkout / "build/release/ramoe")
    numbers = tests_of(checkout)
    chosen = scratch / f"tests-{checkout.name}"
    chosen.write_text("0,0,0," + ",".join(numbers[name] for name in common), encoding="utf-8")
    return {"`ramoe demo --tier=smoke`": ([ramoe, "demo", "--tier=smoke", "--run={run}"], checkout),
            "pre-training, 300 steps of base-olmoe.json":
                ([ramoe, "pretrain", str(config), "--steps=300", "--run={run}"], checkout),
            f"the {len(common)} tests of both, ctest -j2":
                (["ctest", "-j2", "-I", str(chosen)], checkout / "build/release")}


def timed(command, folder):
    """(wall, processor) seconds of a command and its children."""
    with tempfile.TemporaryDirectory() as scratch:
        words = [word.format(run=scratch + "/run") for word in command]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise Failure(f"{' '.join(words)} failed in {folder}: {(done.stdout + done.stderr)[-600:]}")
    return wall, sum(getattr(after, f) - getattr(before, f) for f in ("ru_utime", "ru_stime"))


def revision_of(checkout):
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=checkout,
                          capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=pathlib.Path)
    parser.add_argument("after", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path,
                        default=ROOT / "docs/results/before_after.json")
    options = parser.parse_args()
    sides = {"before": options.before.resolve(), "after": options.after.resolve()}
    for checkout in sides.values():
        if not (checkout / "build/release/ramoe").exists():
            raise Failure(f"{checkout}/build/release/ramoe is missing; run `make test` there.")
    known = [tests_of(checkout) for checkout in sides.values()]
    common = [name for name in known[0] if name in known[1]]
    if not common:
        raise Failure("the two have no test in common; run `make test` in both.")
    found = {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
             "machine": machine(), "rounds": options.rounds,
             **{side: {"revision": revision_of(checkout)} for side, checkout in sides.items()},
             "work": []}
    with tempfile.TemporaryDirectory() as scratch:
        config = sides["before"] / "data/configs/base-olmoe.json"
        todo = {side: commands(checkout, config, pathlib.Path(scratch), common)
                for side, checkout in sides.items()}
        for what in todo["before"]:
            seconds = {side: [] for side in sides}
            for _ in range(options.rounds):
                for side in sides:
                    seconds[side].append(timed(*todo[side][what]))
            line = {"name": what}
            for i, kind in enumerate(("wall", "cpu")):
                mine = {side: [s[i] for s in seconds[side]] for side in sides}
                ratios = [b / a for b, a in zip(mine["before"], mine["after"])]
                line[kind] = {**{side: statistics.median(mine[side]) for side in sides},
                              "ratio": statistics.median(ratios),
                              "least": min(ratios), "most": max(ratios)}
            found["work"].append(line)
            say(f"{what}: {line['wall']['before']:.1f} s before, {line['wall']['after']:.1f} s "
                f"after, {line['wall']['ratio']:.2f} times as fast")
    write(options.out, found)
    print(f"The numbers are in {options.out}.")


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError) as why:
        sys.exit(f"before_after.py: {why}")
    except KeyboardInterrupt:
        sys.exit("before_after.py: interrupted; no numbers were written.")
