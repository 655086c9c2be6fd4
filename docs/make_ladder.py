#!/usr/bin/env python3
"""docs/ladder.md and docs/results/ladder.json: base models with ever more and smaller experts, and their
headroom (make docs-ladder). The plan is data/ladder.json.

    python3 docs/make_ladder.py --jobs=16                   all runs of the plan, then both files
    python3 docs/make_ladder.py --only='olmoe-E64-neutral'  runs whose name the expression finds
    python3 docs/make_ladder.py --page                      the page again from docs/results/ladder.json

A run is a base model, FAMILY-RUNG-CORPUS-SEED, and a headroom of each form. Killed? Start it again: what is
finished is not repeated, neither in --runs nor in --results, and a base model goes on from its last
checkpoint. Choices by these numbers are choices on adapt: test is never read. Standard library alone.
"""
import argparse
import concurrent.futures
import hashlib
import json
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import ladder_page
from make_headroom import DOCS, write

ROOT = DOCS.parent


class Failure(Exception):
    """What went wrong; the text says what to do."""


class Run:
    """One base model of the plan."""

    def __init__(self, plan, family, rung, corpus, seed):
        self.family, self.rung, self.corpus, self.seed = family, rung, corpus, seed
        self.name = f"{family}-{rung}-{corpus}-{seed}"
        self.config = {**plan["pretrain"], **plan["families"][family], **plan["rungs"][rung],
                       **plan["corpora"][corpus], "seed": seed, "mixture_seed": seed}
        self.forms, self.keys = plan["headroom"]["forms"], plan["headroom"]["keys"]
        text = json.dumps([self.config, self.forms, self.keys], sort_keys=True)
        self.checksum = hashlib.sha256(text.encode()).hexdigest()[:16]
        # Of one core, as they were measured for the plan.
        seconds = plan["seconds"]
        self.seconds = seconds.get("times", {}).get(corpus, 1) * (
            seconds["step_of_48"][rung] * self.config["steps"] * self.config["batch"] / 48
            + seconds["headroom_of_a_task"] * len(self.forms) * len(self.config["tasks"]))


def runs_of(plan, parts="parts"):
    runs = {}
    for part in plan[parts]:
        for family in part["families"]:
            for rung in part["rungs"]:
                for corpus in part["corpora"]:
                    for seed in part["seeds"]:
                        run = Run(plan, family, rung, corpus, seed)
                        runs[run.name] = run
    return runs


def read(path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Failure(f"{path} is no JSON ({error}); remove it, and what it held is made again.") from error


def is_finished(folder):
    record = read(folder / "run.json")
    return record is not None and record["status"] == "finished" and (folder / "results.json").exists()


def holds(folder, keys):
    """Error: the folder holds a run with other settings than the plan's."""
    record = read(folder / "run.json")
    for key, value in keys.items() if record else ():
        there = record["config"].get(key)
        if there != value:
            raise Failure(f"{folder} holds a run with {key} = {json.dumps(there)}, and the plan has {json.dumps(value)}; "
                          f"expected another --runs, or remove the folder.")


class Workshop:
    """Does runs side by side, each as processes of the program with one thread."""

    def __init__(self, options):
        self.options, self.runs = options, Path(options.runs)
        self.stop, self.lock, self.children = threading.Event(), threading.Lock(), set()

    def call(self, log, device, *arguments):
        line = [self.options.program, *arguments, "--threads=1", f"--device={device}"]
        with open(log, "w") as out:
            with self.lock:
                if self.stop.is_set():
                    return False
                child = subprocess.Popen(line, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
                self.children.add(child)
            code = child.wait()
            with self.lock:
                self.children.discard(child)
        if code != 0 and not self.stop.is_set():
            last = log.read_text().strip().splitlines()[-1:] or ["it said nothing"]
            raise Failure(f"{' '.join(line)} ended with {code}: {last[0]}\n  all of it: {log}")
        return code == 0

    def do(self, run):
        """Whether the run is finished."""
        base = self.runs / run.name
        holds(base, run.config)
        fresh = not is_finished(base)
        if fresh:
            config = self.runs / f"{run.name}.json"
            config.write_text(json.dumps(run.config, indent=1) + "\n")
            again = ["--resume=true"] if (base / "run.json").exists() else []
            if not self.call(self.runs / f"{run.name}.log", self.options.device, "pretrain", str(config.resolve()),
                             f"--run={base.resolve()}", *again):
                return False
        for form in run.forms:
            place = self.runs / f"{run.name}-{form}"
            holds(place, run.keys)
            if is_finished(place) and not fresh:
                continue
            keys = [f"--{key}={value}" for key, value in run.keys.items()]
            if not self.call(self.runs / f"{run.name}-{form}.log", self.options.headroom_device, "headroom",
                             f"--base={base.resolve()}", f"--run={place.resolve()}", f"--form={form}", *keys,
                             "--overwrite=true"):
                return False
        return True

    def end(self):
        """Asks what runs to save and end."""
        with self.lock:
            self.stop.set()
            for child in self.children:
                child.terminate()

    def do_all(self, runs):
        """The finished runs, and what went wrong."""
        began, left, done, wrong = time.monotonic(), sum(run.seconds for run in runs), [], []
        total = left
        alarm = threading.Timer(self.options.limit, self.end) if self.options.limit else None
        if alarm:
            alarm.start()
        try:
            with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
                # The longest first: none of them is then waited for alone.
                jobs = {pool.submit(self.do, run): run for run in sorted(runs, key=lambda run: -run.seconds)}
                for job in concurrent.futures.as_completed(jobs):
                    run = jobs[job]
                    left -= run.seconds
                    try:
                        if not job.result():
                            continue
                        done.append(run)
                    except Failure as failure:
                        wrong.append(str(failure))
                        print(f"{run.name}: {failure}", flush=True)
                        continue
                    passed = time.monotonic() - began
                    rest = passed * left / (total - left)
                    print(f"{run.name} done, {len(done)} of {len(runs)}, {passed / 60:.1f} minutes, "
                          f"some {rest / 60:.1f} left", flush=True)
        except BaseException:
            self.end()
            raise
        finally:
            if alarm:
                alarm.cancel()
        return done, wrong


# ---- Collecting ---------------------------------------------------------------------------------

def times(record):
    """Seconds from start to end by the run's own record."""
    started, finished = (datetime.fromisoformat(record[key].replace("Z", "+00:00")) for key in ("started", "finished"))
    return int((finished - started).total_seconds())


def collected(run, folder):
    """The numbers of a finished run: counts of right answers by cell, in the order of `cells`."""
    base = read(folder / run.name / "run.json")
    entry = {"name": run.name, "family": run.family, "rung": run.rung, "corpus": run.corpus, "seed": run.seed,
             "E": run.config["num_experts"], "K": run.config["num_experts_per_tok"],
             "H": run.config["moe_intermediate_size"], "checksum": run.checksum,
             "build": " ".join(str(base["build"].get(key)) for key in ("compiler", "kernels", "revision")),
             "device": base["config"].get("device", "cpu"), "seconds": times(base), "parameters": read(folder / run.name / "results.json").get("parameters")}
    for form in run.forms:
        result = read(folder / f"{run.name}-{form}" / "results.json")
        cells = result["cells"]
        count = lambda key: [round(cell[key] * cell["n"]) for cell in cells]
        entry["cells"] = [[cell["task"], cell["lang"], cell["n"], cell["ci"]] for cell in cells]
        entry["english"], entry["base"] = count("english"), count("base")
        entry[form] = {"own": count("own"), "other": count("control"), "layers": result["forced"]}
    return entry


def load_results(path):
    return {entry["name"]: entry for entry in (read(path) or [])}


def save_results(path, entries):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(entry, separators=(",", ":")) for entry in entries.values()]
    write(path, "[\n" + ",\n".join(lines) + "\n]\n")


def save_headroom(path, runs, folder):
    """What `ramoe results` reads: whole results of the finished runs, models named as grids name them.
    Of models that are not in the folder it keeps what the file has."""
    before = {(result["model"], result["form"]): result for result in read(path) or ()}
    found = []
    for run in runs:
        for form in run.forms:
            place, model = folder / f"{run.name}-{form}", f"runs/fresh/{run.name}"
            if is_finished(place):
                found.append({**read(place / "results.json"), "model": model})
            elif (model, form) in before:
                found.append(before[model, form])
    if found:
        write(path, "[\n" + ",\n".join(json.dumps(result, ensure_ascii=False) for result in found) + "\n]\n")


# ---- The command --------------------------------------------------------------------------------

def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", default=ROOT / "data" / "ladder.json", type=Path)
    parser.add_argument("--program", default=str(ROOT / "build" / "release" / "ramoe"))
    parser.add_argument("--runs", help="folder of the run folders: runs/ladder, or runs/fresh with --fresh")
    parser.add_argument("--results", type=Path, help="docs/results/ladder.json, or ladder_fresh.json with --fresh")
    parser.add_argument("--write", default=DOCS / "ladder.md", type=Path, help="the page")
    parser.add_argument("--jobs", default=1, type=int, help="runs side by side, one thread each")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="of the base models' training")
    parser.add_argument("--headroom-device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--only", default="", help="regular expression that a run's name must match somewhere")
    parser.add_argument("--limit", default=0, type=float, help="seconds after which what runs is saved and ended")
    parser.add_argument("--fresh", action="store_true",
                        help="the plan's base models that choose nothing: those of grids that decide; no page")
    parser.add_argument("--page", action="store_true", help="run nothing")
    parser.add_argument("--list", action="store_true", help="name the runs and their cost, and run nothing")
    return parser.parse_args(arguments)


def check_options(o):
    o.runs = o.runs or ROOT / "runs" / ("fresh" if o.fresh else "ladder")
    o.results = o.results or DOCS / "results" / ("ladder_fresh.json" if o.fresh else "ladder.json")
    if o.jobs < 1:
        raise Failure(f"--jobs={o.jobs}: expected 1 or more.")
    if not (o.page or o.list) and not Path(o.program).exists():
        raise Failure(f"there is no program {o.program}; `make build` makes it, --program=FILE names another.")
    o.program = str(Path(o.program).resolve())


def hours(seconds):
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{seconds / 60:.0f} minutes"


def work(o, plan):
    """Does what is missing, and adds it to the results. Whether all is finished now."""
    runs = runs_of(plan, "fresh" if o.fresh else "parts")
    chosen = [run for run in runs.values() if re.search(o.only, run.name)]
    if not chosen:
        raise Failure(f"--only={o.only} matches none of the {len(runs)} runs of {o.plan}, such as {next(iter(runs))}.")
    known = load_results(o.results)
    # Grids need the fresh models themselves: numbers alone do not finish them.
    missing = [run for run in chosen if known.get(run.name, {}).get("checksum") != run.checksum
               or o.fresh and not is_finished(Path(o.runs) / run.name)]
    cost = sum(run.seconds for run in missing)
    place = f"{o.results} and {o.runs}" if o.fresh else o.results
    print(f"{len(chosen)} runs, {len(chosen) - len(missing)} of them in {place}; the others take {hours(cost)} of one quiet core, "
          f"with --jobs={o.jobs} and as many cores some {hours(max(cost / o.jobs, max([run.seconds for run in missing], default=0)))}.",
          flush=True)
    if o.list:
        for run in chosen:
            print(f"{run.name}: {'known' if run not in missing else f'{run.seconds:.0f} s'}")
        return True
    workshop = Workshop(o)
    workshop.runs.mkdir(parents=True, exist_ok=True)
    done, wrong = workshop.do_all(missing)
    for run in done:
        known[run.name] = collected(run, workshop.runs)
    # Results of what the plan no longer has, or has otherwise, are left out.
    kept = {name: known[name] for name, run in runs.items() if known.get(name, {}).get("checksum") == run.checksum}
    if kept:
        save_results(o.results, kept)
    if o.fresh:
        save_headroom(o.results.with_name("headroom_fresh.json"), list(runs.values()), workshop.runs)
    if len(done) < len(missing):
        print(f"{len(missing) - len(done)} runs are not finished; the same command goes on with them.")
    return not wrong and len(done) == len(missing)


def main(arguments):
    o = options_of(arguments)
    # As Ctrl-C: what runs is saved and ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended; the same command goes on."))
    try:
        check_options(o)
        plan = read(o.plan)
        if plan is None:
            raise Failure(f"there is no plan {o.plan}; expected a file such as data/ladder.json.")
        well = True if o.page else work(o, plan)
        entries = load_results(o.results)
        if o.list:
            return 0
        if entries and not o.fresh:
            write(o.write, ladder_page.page(plan, list(entries.values()), read(o.results.with_name("bench_fine.json"))))
        elif o.page:
            raise Failure(f"{o.results} holds no results; run this without --page.")
        return 0 if well else 1
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
