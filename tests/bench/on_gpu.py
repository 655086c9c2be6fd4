#!/usr/bin/env python3
"""All that a GPU should prove, in some eight minutes: tests, sanitizers, times, the smoke demo.

    tests/bench/on_gpu.py --build=build/cuda --out=FILE [--only=tests,demo,steps,bench,profile,...]

`make check-cuda` builds what this needs and calls it. Each part has a time limit; one that fails is
reported and the others go on. FILE gets everything: what the machine is, what passed, all times.
Parts that FILE has of the same revision on the same machine stay in it.
Exit code 1 if a test failed or the demo is not that of the processor.
"""
import argparse
import collections
import concurrent.futures
import csv
import datetime
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOLERANCE = 1e-3  # of the demo's numbers: rounding that training carries on


def run(command, limit, text=""):
    """(exit code or None at the limit, output, seconds); `text` is its input."""
    start = time.time()
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=limit, input=text)
        return done.returncode, done.stdout, time.time() - start
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode(errors="replace"), time.time() - start
    except OSError as error:
        return 127, str(error), time.time() - start


def machine(revision):
    query = "name,driver_version,memory.total,clocks.sm,clocks.max.sm,power.limit"
    code, text, _ = run(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], 20)
    facts = dict(zip(query.split(","), text.strip().split(", "))) if code == 0 else {"error": text}
    code, text, _ = run(["nvcc", "--version"], 20)
    facts["nvcc"] = re.findall(r"release (\S+),", text)[:1]
    facts["date"] = datetime.date.today().isoformat()
    code, text, _ = run(["git", "describe", "--always", "--dirty"], 20)
    facts["revision"] = revision or (text.strip() if code == 0 else None)
    return facts


def with_earlier_parts(report, path):
    earlier = json.loads(path.read_text()) if path.exists() else {}
    same = all(earlier.get("machine", {}).get(fact) == report["machine"].get(fact)
               for fact in ("name", "driver_version", "revision"))
    return {**earlier, **report} if same else report


def tests(options):
    code, text, seconds = run([f"{options.build}/cuda_test"], 90)
    failed = sorted(set(re.findall(r"\[  FAILED  \] ([\w/.]+)", text)))
    passed = re.findall(r"\[  PASSED  \] (\d+) test", text)
    return {"ok": code == 0, "passed": int(passed[-1]) if passed else 0, "failed": failed,
            "seconds": round(seconds, 1), "tail": "" if code == 0 else text[-1500:]}


def sanitizer(options):
    """compute-sanitizer over the list of cases, and but for the slow race check a whole model and
    recordings; the three tools at the same time."""
    def check(tool):
        some = "*AgreesWithPlain*"
        if tool != "racecheck":
            some += ":*GpuGolden*qwen3*:GpuReplay*:GpuRecorded*"
        code, text, seconds = run(["compute-sanitizer", "--tool", tool, "--error-exitcode", "9",
                                   f"{options.build}/cuda_test", f"--gtest_filter={some}"], 90)
        summary = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: .*", text)
        tests = re.findall(r"\[  PASSED  \] (\d+) test", text)
        return {"ok": code == 0, "tests": int(tests[-1]) if tests else 0,
                "summary": summary[-1] if summary else text[-300:], "seconds": round(seconds, 1)}
    tools = ("memcheck", "racecheck", "synccheck")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        parts = dict(zip(tools, pool.map(check, tools)))
    parts["ok"] = all(part["ok"] for part in parts.values())
    return parts


def differences(a, b, path="", found=None):
    found = {"largest": 0.0, "at": "", "other": []} if found is None else found
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a.keys() | b.keys():
            if key not in ("run", "seconds", "device"):
                differences(a.get(key), b.get(key), f"{path}.{key}", found)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            differences(x, y, f"{path}[{i}]", found)
    elif isinstance(a, (int, float)) and isinstance(b, (int, float)):
        if abs(a - b) > found["largest"]:
            found["largest"], found["at"] = abs(a - b), path
    elif a != b:
        found["other"].append(path)
    return found


def demo(options):
    """The smoke demo on the GPU beside the processor."""
    results, report = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for device in ("cpu", "cuda"):
            here = pathlib.Path(folder, "run")  # of both: results name files in it
            code, text, seconds = run([f"{options.build}/ramoe", "demo", "--tier=smoke",
                                       f"--device={device}", f"--run={here}"], 120)
            report[device] = {"seconds": round(seconds, 1)}
            if code != 0:
                return {"ok": False, "tail": text[-1500:], **report}
            results[device] = json.loads((here / "results.json").read_text())
            here.rename(here.with_name(device))
    found = differences(results["cpu"], results["cuda"])
    return {"ok": found["largest"] < TOLERANCE and not found["other"], **found, **report}


def bench(options):
    report = {"ok": True}
    for part in ("memory", "gemm"):
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            code, text, seconds = run([f"{options.build}/cuda_bench", f"--only={part}",
                                       f"--out={out.name}"], 90)
            print(text)
            written = pathlib.Path(out.name).read_text()
        report.update(json.loads(written) if written else {})
        report[f"{part}_seconds"] = round(seconds, 1)
        if code != 0:
            report.update({"ok": False, f"{part}_tail": text[-800:]})
    return report


def steps(options):
    code, _, _ = run([sys.executable, "-c", "import torch, transformers"], 60)
    if code != 0:
        return {"ok": True, "left_out": f"{sys.executable} has no PyTorch and transformers"}
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        code, text, seconds = run([sys.executable, str(HERE / "cuda_steps.py"),
                                   f"--peer={options.build}/cuda_peer", f"--out={out.name}",
                                   f"--rounds={options.rounds}", f"--sizes={options.sizes}",
                                   f"--limit={options.steps_limit}"],
                                  options.steps_limit + 60)
        print(text)
        written = pathlib.Path(out.name).read_text()
    return {"ok": code == 0, "seconds": round(seconds, 1), "tail": "" if code == 0 else text[-800:],
            "sizes": json.loads(written) if written else []}


def profile(options):
    """The kernels of one replayed step of the standard mixture, each timed alone by ncu."""
    if shutil.which("ncu") is None:
        return {"ok": True, "left_out": "there is no ncu (Nsight Compute)"}
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "kernels.csv")
        command = ["ncu", "--csv", "--page=raw", "--metrics=gpu__time_duration.sum",
                   "--print-units=base", "--cache-control=none", "--clock-control=none",
                   f"--log-file={log}", f"{options.build}/cuda_peer", folder, "cuda"]
        code, text, seconds = run(command, 120, "step moe 4\n")
        rows = list(csv.DictReader(line for line in log.read_text().splitlines()
                                   if line.startswith('"'))) if log.exists() else []
    step, steps_of = [], []
    for row in rows:
        if not row["ID"]:
            continue  # units
        step.append(row)
        if "update_kernel" in row["Kernel Name"]:  # AdamW's, the last of a step
            steps_of.append(step)
            step = []
    if code != 0 or not steps_of:
        return {"ok": False, "tail": text[-800:]}
    times, counts = collections.Counter(), collections.Counter()
    for row in steps_of[-1]:
        name = re.search(r"(\w+)(<.*>)?\(", row["Kernel Name"])[1]
        times[name] += 1e-3 * float(row["gpu__time_duration.sum"].replace(",", ""))
        counts[name] += 1
    return {"ok": True, "seconds": round(seconds, 1),
            "kernels": [{"kernel": name, "count": counts[name], "us": round(us, 2)}
                        for name, us in times.most_common()]}


PARTS = {"tests": tests, "demo": demo, "steps": steps, "bench": bench, "profile": profile,
         "sanitizer": sanitizer}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/cuda")
    parser.add_argument("--out", required=True)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--steps_limit", type=float, default=150)
    parser.add_argument("--sizes", default="standard,large", help="of the models of a step")
    parser.add_argument("--rounds", type=int, default=5, help="of each timing of a step")
    parser.add_argument("--revision", help="where the tree is no checkout")
    options = parser.parse_args()
    report = with_earlier_parts({"machine": machine(options.revision)}, pathlib.Path(options.out))
    print(json.dumps(report["machine"]), flush=True)
    for name in options.only.split(","):
        start = time.time()
        report[name] = PARTS[name](options)
        brief = {k: v for k, v in report[name].items()
                 if k not in ("gemm", "grouped", "memory", "sizes")}
        print(f"== {name}: {time.time() - start:.0f} s  {json.dumps(brief)[:1500]}", flush=True)
        os.makedirs(os.path.dirname(os.path.abspath(options.out)), exist_ok=True)
        beside = options.out + ".new"
        pathlib.Path(beside).write_text(json.dumps(report, indent=1) + "\n")
        os.replace(beside, options.out)
    return 0 if all(report[name]["ok"] for name in options.only.split(",")) else 1


if __name__ == "__main__":
    sys.exit(main())
