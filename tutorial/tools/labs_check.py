#!/usr/bin/env python3
"""Proves that the labs work: make labs-check.

Makes a student's tree with the library of a build folder, builds the tests of every lab there and
expects exactly the tests that labs.json lists to fail, each with the message of its lab. Then puts
the uncut files back and expects all of them to pass.

    labs_check.py --build build/release [--out build/labs-check] [--only 5,9] [--jobs 2]
    labs_check.py --build build/release --times    then also tutorial/labs/times.md: how long a
                                                   student waits from an edit to the result

Python's standard library alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import labs as course
from labs import Lab, LabError

MARK = ".labs-check"  # only a folder that has it is removed


def cached(build: Path, key: str) -> str:
    found = re.search(rf"^{key}:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.MULTILINE)
    return found.group(1) if found else ""


def run(command: list[str], what: str) -> None:
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode:
        raise LabError(f"{what}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")


def fresh(out: Path) -> None:
    if out.exists():
        if not (out / MARK).exists():
            raise LabError(f"{out} is there and was not made by this check; name another: --out")
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / MARK).touch()


def configure(tree: Path, build: Path, made_like: Path) -> None:
    command = ["cmake", "-S", str(tree), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release"]
    for key in ("CMAKE_CXX_COMPILER", "CMAKE_CXX_FLAGS", "CMAKE_CXX_COMPILER_LAUNCHER", "RAMOE_DEPS",
                "RAMOE_SANITIZE"):
        if value := cached(made_like, key):
            command.append(f"-D{key}={value}")
    if generator := cached(made_like, "CMAKE_GENERATOR"):
        command += ["-G", generator]
    run(command, "the student's tree can not be configured")


def build_tests(build: Path, labs: list[Lab], jobs: int) -> None:
    programs = [lab.program for lab in labs]
    run(["cmake", "--build", str(build), "-j", str(jobs), "--target", *programs],
        "the tests of the labs can not be built")


def results(build: Path, lab: Lab) -> dict[str, str]:
    """What is said of each test of a lab's program; "" if it has passed."""
    report = build / f"{lab.id}.json"
    report.unlink(missing_ok=True)
    try:
        done = subprocess.run([build / lab.program, f"--gtest_output=json:{report}"], text=True,
                              errors="replace", capture_output=True, timeout=300)
    except subprocess.TimeoutExpired:
        raise LabError(f"{lab.id}: its tests did not end within 300 seconds") from None
    if not report.exists():
        at = re.findall(r"\[ RUN      \] (\S+)", done.stdout)
        raise LabError(f"{lab.id}: the program ended by {done.returncode} in {at[-1:]}: a test of a "
                       f"lab that is cut must fail, not crash\n{done.stderr[-500:]}")
    return {f"{suite['name']}.{test['name']}":
            "\n".join(failure["failure"] for failure in test.get("failures", []))
            for suite in json.loads(report.read_text())["testsuites"]
            for test in suite["testsuite"]}


def wrong_when_cut(lab: Lab, said: dict[str, str]) -> list[str]:
    wrong = [f"{lab.id}: {test} is in labs.json but not in the program"
             for test in lab.points if test not in said]
    for test, failure in said.items():
        if test in lab.points and not failure:
            wrong.append(f"{lab.id}: {test} passes though the lab is cut")
        elif failure and test not in lab.points:
            wrong.append(f"{lab.id}: {test} fails and is not in labs.json")
        elif failure and f"lab {lab.number}, " not in failure:
            wrong.append(f"{lab.id}: {test} does not fail with the lab's message: {failure[:300]}")
    return wrong


def wrong_when_done(lab: Lab, said: dict[str, str]) -> list[str]:
    return [f"{lab.id}: {test} fails with the reference: {failure[:500]}"
            for test, failure in said.items() if failure]


def check_all(build: Path, labs: list[Lab], judge, jobs: int) -> list[str]:  # type: ignore[no-untyped-def]
    def one(lab: Lab) -> list[str]:
        try:
            return judge(lab, results(build, lab))
        except LabError as error:
            return [str(error)]

    with ThreadPoolExecutor(jobs) as pool:
        return [line for lines in pool.map(one, labs) for line in lines]


def no_solutions(root: Path, tree: Path, labs: list[Lab]) -> list[str]:
    """Whether the tree has one commit, and no file of it holds the body of what is cut."""
    wrong = []
    commits = course.git(tree, "rev-list", "--all", "--count").stdout.strip()
    if commits != "1":
        wrong.append(f"the student's tree has {commits} commits; expected 1")
    flat = re.compile(r"^\s+", re.MULTILINE)
    texts = {p: flat.sub("", (tree / p).read_text()) for p in course.tracked(tree)
             if p.endswith((".h", ".cpp", ".cu", ".cuh", ".md"))}
    for lab in labs:
        for path, names in lab.cut.items():
            source = (root / path).read_text()
            for name in names:
                begin, end = course.cpp_source.find(source, name, path).body  # type: ignore[misc]
                body = flat.sub("", source[begin:end].strip())
                wrong += [f"{lab.id}: {p} of the student's tree holds the body of {name}"
                          for p, text in texts.items() if body in text]
    return wrong


def waits(tree: Path, build: Path, lab: Lab) -> tuple[float, float]:
    """From an edit of the lab's files to its points: seconds that pass, and of the processor."""
    for path in lab.cut:
        os.utime(tree / path)
    def processor() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime
    begun, before = time.monotonic(), processor()
    run(["cmake", "-S", str(tree), "-B", str(build)], "it can not be configured")
    build_tests(build, [lab], os.cpu_count() or 1)
    course.points(lab, build / lab.program)
    return time.monotonic() - begun, processor() - before


def write_times(root: Path, tree: Path, build: Path, labs: list[Lab]) -> None:
    os.environ["CCACHE_DISABLE"] = "1"
    rows = [f"| {lab.id} | {lab.name} | {len(lab.points)} | {sum(lab.points.values())} | "
            "{:.1f} | {:.1f} |".format(*waits(tree, build, lab)) for lab in labs]
    course.write(root / course.LABS / "times.md", "\n".join([
        "# From an edit to the result",
        "",
        "Made by `python3 tutorial/tools/labs_check.py --build build/release --times` in a student's",
        "tree with the compiled library: the lab's files are edited, then `make check-lab` configures,",
        "compiles, links and runs its tests one by one. `seconds` pass on the clock, beside whatever",
        "else the machine does; `processor` is what the work itself takes, of one core.",
        "",
        f"Machine: {course_machine()}.",
        "",
        "| lab | name | tests | points | seconds | processor |",
        "|---|---|---:|---:|---:|---:|", *rows, ""]))


def course_machine() -> str:
    try:
        model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        model = None
    name = model.group(1) if model else platform.machine()
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"


def prove(root: Path, made: Path, out: Path, labs: list[Lab], jobs: int, time_it: bool) -> list[str]:
    fresh(out)
    tree, build = out / "tree", out / "build"
    began, times = time.monotonic(), []

    def step(what: str) -> None:
        nonlocal began
        times.append(f"{what} {time.monotonic() - began:.0f} s")
        began = time.monotonic()

    course.make_tree(root, tree, course.load(root), made)
    wrong = no_solutions(root, tree, labs)
    step("tree")
    configure(tree, build, made)
    build_tests(build, labs, jobs)
    step("built, cut")
    wrong += check_all(build, labs, wrong_when_cut, jobs)
    for lab in labs:
        for path in lab.cut:
            course.write(tree / path, (root / path).read_text())
    build_tests(build, labs, jobs)
    step("built, done")
    wrong += check_all(build, labs, wrong_when_done, jobs)
    step("tests")
    print(", ".join(times))
    if time_it and not wrong:
        write_times(root, tree, build, labs)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="Prove that every lab can be failed and solved.")
    parser.add_argument("--root", type=Path, default=course.ROOT)
    parser.add_argument("--build", type=Path, required=True, help="a folder with the library built")
    parser.add_argument("--out", type=Path, help="default: labs-check in the build folder")
    parser.add_argument("--only", default="", help="numbers of labs; default: all")
    parser.add_argument("--times", action="store_true", help="measure, in tutorial/labs/times.md")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    labs = course.load(given.root)
    if given.only:
        labs = [course.lab_of(labs, number) for number in given.only.split(",")]
    wrong = course.offences(given.root, course.load(given.root))
    wrong += prove(given.root, given.build, given.out or given.build / "labs-check", labs, given.jobs,
                   given.times)
    tests = sum(len(lab.points) for lab in labs)
    print("\n".join(wrong) if wrong else
          f"{len(labs)} labs: cut, exactly their {tests} tests fail; done, all pass")
    return 1 if wrong else 0


if __name__ == "__main__":
    course.run(main)
