#!/usr/bin/env python3
"""Grades a tree with labs (tutorial/grading.md).

  grade.py                       grade the tree that this file stands in
    --tree=FOLDER                the student's tree
    --course=FOLDER              where tests and reference are taken from; without it, the first commit
                                 of the student's tree
    --labs=5,9 or LABS=          labs by number or name; without it all
    --hidden=FILE                the hidden cases; without it tests/labs/hidden/open_cases.json, which
                                 anybody can read
    --out=FOLDER                 grade.json and junit.xml; build/grade without it
    --format=gradescope          results.json as well
    --submissions=FOLDER         each folder or .zip in it is a tree; --out=FILE.csv
    --seconds=20 --memory=2048   limits of each process: seconds, MiB
    --need=GUARD,GUARD           stop if one of these guards does not hold on this machine
    --require=POINTS             exit code 1 below so many points; `all` for all of them
    --work=FOLDER                where the course is built; its build/grade without it. A library that lies
                                 compiled in the course's build/release is used
    --jobs=N  --cmake=-DX=Y,...  --without=GUARD,...  --kit=FILE

Exit code: 0 graded, 1 too few points (--require), 2 grading was not possible.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True  # the tree stays as it was

import grade_kit
from grade_kit import GradeError, Kit, Lab
from grade_lab import MOST_SOURCE, Grader
from grade_report import Grade, LabGrade, csv_rows, failures, guard_line, table, write_csv, write_grade
from grade_run import Guard, Limits

HERE = Path(__file__).resolve().parent


# --- files that must stay as they are ---


def states(folders: list[Path]) -> dict[str, tuple[int, int]]:
    """Size and time of all files that a student's code has no business with."""
    found = {}
    for top in folders:
        for folder, below, names in os.walk(top):
            below[:] = [name for name in below if name not in (".git", "build", "CMakeFiles")]
            for name in names:
                path = os.path.join(folder, name)
                facts = os.lstat(path)
                found[path] = (facts.st_size, facts.st_mtime_ns)
    return found


def say(line: str) -> None:
    print(line, flush=True)


def grade_tree(grader: Grader, tree: Path, jobs: int, hidden_file: str) -> Grade:
    """All labs of a tree. If neither a view of files nor Landlock holds, one after another, and files
    are compared after each: whoever changed one loses the lab."""
    labs = grader.kit.labs

    def referenced(lab: Lab) -> None:
        began = time.monotonic()
        grader.reference(lab)
        if time.monotonic() > began + 2:
            say(f"{lab.id}: the reference is ready, {time.monotonic() - began:.0f} s")

    def graded(lab: Lab) -> LabGrade:
        began = time.monotonic()
        of_lab = grader.grade_lab(lab, tree)
        say(f"{lab.id}: {of_lab.points:g} of {of_lab.most:g} points, {time.monotonic() - began:.0f} s")
        return of_lab

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(referenced, labs))
    grade = Grade(str(tree), [], hidden_file=os.path.basename(hidden_file))
    if not grader.guards:  # a compiled library without the reference: nothing has run yet
        grader.guards = grader.guard.run(["/bin/true"]).guards
    walled = "on" in (grader.guards.get("view of files"), grader.guards.get("landlock"))
    if walled:
        before = states([tree])
        with ThreadPoolExecutor(jobs) as pool:
            grade.labs = list(pool.map(graded, labs))
        changed = [path for path, state in states([tree]).items() if before.get(path) != state]
        grade.notes += [f"{path} has changed while it was graded" for path in changed[:5]]
    else:
        watched = [tree, grader.kit.course]
        for lab in labs:
            before = states(watched)
            of_lab = graded(lab)
            after = states(watched)
            changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
            if changed:
                of_lab.refused.append(f"it has written outside its folder: {os.path.relpath(changed[0], tree)}")
                for test in of_lab.tests:
                    test.points, test.status = 0, "refused"
            grade.labs.append(of_lab)
    checks = {name: "off" if name in grader.guard.limits.without else "on"
              for name in ("source check", "object check")}
    grade.guards = dict(sorted((grader.guards | checks).items()))
    return grade


# --- submissions ---


def tree_in(folder: Path, labs: list[Lab]) -> Path | None:
    """The folder itself, or one below it, that holds a file of a lab."""
    files = [file for lab in labs for file in lab.files]
    for top in [folder, *sorted(path for path in folder.glob("*") if path.is_dir()),
                *sorted(path for path in folder.glob("*/*") if path.is_dir())]:
        if any((top / file).is_file() for file in files):
            return top
    return None


def unpack(path: Path, folder: Path, labs: list[Lab]) -> None:
    """Only the files of labs, wherever they lie in the archive."""
    files = [file for lab in labs for file in lab.files]
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            file = next((file for file in files if ("/" + entry.filename).endswith("/" + file)), None)
            if file and entry.file_size <= MOST_SOURCE:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_bytes(archive.read(entry))


def grade_submissions(grader: Grader, top: Path, out: Path, jobs: int, hidden_file: str) -> None:
    graded_all: list[tuple[str, Grade | str]] = []
    for path in sorted(top.iterdir()):
        if not path.is_dir() and path.suffix != ".zip":
            continue
        with tempfile.TemporaryDirectory(prefix="submission-") as folder:
            try:
                if path.suffix == ".zip":
                    unpack(path, Path(folder), grader.kit.labs)
                tree = tree_in(path if path.is_dir() else Path(folder), grader.kit.labs)
                grade = grade_tree(grader, tree, jobs, hidden_file) if tree else "no file of a lab was found in it"
            except (OSError, zipfile.BadZipFile) as error:
                grade = f"cannot be read: {error}"
        graded_all.append((path.name, grade))
        if isinstance(grade, Grade):
            grade.tree = path.name
            write_grade(grade, out.parent / (out.stem + "_grades") / path.stem, "json")
            print(f"{path.name}: {grade.points:g} of {grade.most:g}", flush=True)
        else:
            print(f"{path.name}: {grade}", flush=True)
    write_csv(out, csv_rows(graded_all, [lab.id for lab in grader.kit.labs]))
    print(f"written: {out}")


# --- the command ---


def parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(usage=__doc__, add_help=True, allow_abbrev=False)
    for name, otherwise in {"tree": str(HERE.parent.parent), "course": "", "labs": "", "hidden": "", "out": "",
                            "format": "json", "submissions": "", "seconds": "20", "memory": "2048", "need": "",
                            "require": "", "work": "", "jobs": str(os.cpu_count() or 1), "cmake": "",
                            "without": "", "kit": ""}.items():
        parser.add_argument("--" + name, default=otherwise)
    return parser.parse_args(words)


def compiled_guard(kit: Kit) -> Path:
    source = kit.course / "tests/labs/guard/guard.cpp"
    key = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(source.parent.iterdir()))).hexdigest()[:16]
    program = kit.work / f"guard-{key}"
    if not program.exists():
        compiler = next(word for word in kit.labs[0].link if not word.endswith("ccache"))
        worked, said = grade_kit.run_compiler([compiler, "-std=gnu++20", "-O1", str(source), "-o", f"{program}.part"])
        if not worked:
            raise GradeError(f"the guard does not compile (it needs Linux 5.9 and glibc 2.34):\n{said[-1500:]}")
        os.replace(f"{program}.part", program)
    return program


def locked(work: Path):
    """Two graders in one folder would build the same files: the second waits. Kept until the end."""
    work.mkdir(parents=True, exist_ok=True)
    lock = (work / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print(f"waiting for another grader in {work}", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def grader_of(options: argparse.Namespace, work: Path) -> tuple[Grader, str]:
    tree = Path(options.tree).resolve()
    for name in ("nm", "readelf"):
        if not shutil.which(name):
            raise GradeError(f"{name} is not installed; install binutils")
    if options.kit:
        kit = grade_kit.kit_of_file(Path(options.kit), work, options.labs)
    else:
        course = grade_kit.course_of(tree, options.course, work)
        labs = grade_kit.chosen(grade_kit.read_labs(course / "tutorial/labs/labs.json"), options.labs)
        home = Path(options.course).resolve() if options.course else tree
        kit = grade_kit.kit_of_course(course, work, labs, [word for word in options.cmake.split(",") if word],
                                      int(options.jobs), home)
    hidden_file = options.hidden or str(kit.course / "tests/labs/hidden/open_cases.json")
    try:
        hidden = json.loads(Path(hidden_file).read_text()) if options.hidden or os.path.exists(hidden_file) else {}
    except (OSError, ValueError) as error:
        raise GradeError(f"{hidden_file}: hidden cases cannot be read: {error}")
    limits = Limits(float(options.seconds), int(options.memory),
                    tuple(word.strip() for word in options.without.split(",") if word.strip()))
    guard = Guard(compiled_guard(kit), limits, kit.read)
    return Grader(kit, guard, hidden, bool(options.hidden)), hidden_file


def need(grader: Grader, names: str) -> None:
    if not names:
        return
    grader.reference(grader.kit.labs[0])
    for name in (word.strip() for word in names.split(",")):
        state = grader.guards.get(name, "unknown; known are " + ", ".join(grader.guards))
        if state != "on":
            raise GradeError(f"--need: the guard \"{name}\" does not hold on this machine: {state}")


def main(words: list[str]) -> int:
    options = parsed(words)
    if sys.platform != "linux":
        raise GradeError("the guards of graded processes are Linux's; expected Linux")
    work = Path(options.work or Path(options.course or options.tree) / "build/grade").resolve()
    lock = locked(work)  # noqa: F841
    grader, hidden_file = grader_of(options, work)
    need(grader, options.need)
    jobs = int(options.jobs)
    if options.submissions:
        grade_submissions(grader, Path(options.submissions), Path(options.out or "grades.csv"), jobs, hidden_file)
        return 0
    tree = Path(options.tree).resolve()
    grade = grade_tree(grader, tree, jobs, hidden_file)
    written = write_grade(grade, Path(options.out or tree / "build/grade"), options.format)
    for text in (failures(grade), "\n".join(grade.notes), table(grade), guard_line(grade.guards)):
        if text:
            print(text + "\n")
    print("written: " + ", ".join(os.path.relpath(path) for path in written))
    if options.require:
        least = grade.most if options.require == "all" else float(options.require)
        return 0 if grade.points >= least else 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except GradeError as error:
        print(f"grade: {error}", file=sys.stderr)
        sys.exit(2)
