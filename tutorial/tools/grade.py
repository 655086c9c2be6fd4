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
    --work=FOLDER                where the course is built; build/grade without it
    --jobs=N  --cmake=-DX=Y,...  --without=GUARD,...  --kit=FILE

Exit code: 0 graded, 1 too few points (--require), 2 grading was not possible.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

sys.dont_write_bytecode = True  # the tree stays as it was

import grade_kit
from grade_check import (Symbols, object_offences, preprocessed_offences, source_offences, symbols_of, text_of, tool)
from grade_kit import GradeError, Kit, Lab
from grade_report import (Grade, Graded, LabGrade, csv_rows, failures, graded, guard_line, table, write_csv,
                          write_grade)
from grade_run import Guard, Limits, Numbers, Result, difference, numbers_of, test_result

HERE = Path(__file__).resolve().parent
MOST_SOURCE = 1 << 20


class Programs:
    """One lab's programs, tests and hidden checks, linked with a student's file or the reference's."""

    def __init__(self, tests: str = "", hidden: str = "", objects: Symbols | None = None):
        self.tests, self.hidden, self.objects = tests, hidden, objects or Symbols()


class Grader:
    def __init__(self, kit: Kit, guard: Guard, hidden: dict, secret: bool):
        self.kit, self.guard, self.hidden, self.secret = kit, guard, hidden, secret
        self.stamp = grade_kit.stamp_of(kit.course)
        self.guards: dict[str, str] = {}
        self.taken: dict[str, set[str]] = {}
        self.references: dict[str, tuple[Programs, dict, dict]] = {}
        self.keys: dict[str, str] = {}

    # --- building ---

    def trusted_objects(self, lab: Lab) -> list[str]:
        command = next(iter(lab.tests.values()))
        own = self.kit.course / "tests/labs"
        return [self.course_object(command, own / "trusted_main.cpp"), self.course_object(command, own / "trusted.cpp")]

    def hidden_objects(self, lab: Lab, overlay: Path | None) -> list[str]:
        command = next(iter(lab.tests.values()))
        own = self.kit.course / "tests/labs"
        return [self.course_object(command, Path(lab.hidden), overlay),
                self.course_object(command, own / "hidden/hidden.cpp"), self.course_object(command, own / "trusted.cpp")]

    def course_object(self, command: list[str], source: Path, overlay: Path | None = None) -> str:
        return grade_kit.cached_object(self.kit, command, str(source), overlay, self.stamp)

    def link(self, lab: Lab, objects: list[str], out: str) -> str:
        """What it says if it fails. Trusted objects come first: of what several define, theirs counts."""
        worked, said = grade_kit.run_compiler([*lab.link, "-Wl,-z,muldefs", "-Wl,-z,now", *objects, "-o", out,
                                               *lab.libraries])
        return "" if worked else said

    def taken_names(self, lab: Lab, tests: list[str]) -> set[str]:
        """What a student's object may not define besides its own: names of the library and of the tests."""
        archives = [library for library in lab.libraries if library.endswith((".a", ".o"))]
        key = " ".join(archives + tests)
        if key not in self.taken:
            names: set[str] = set()
            for line in tool("nm", "-gP", *archives, *tests).split("\n"):
                words = line.split()
                if len(words) >= 2 and words[0].startswith("_Z") and words[1] not in "WVun":
                    names.add(words[0])
            self.taken[key] = names
        return self.taken[key]

    def build(self, lab: Lab, overlay: Path, out: Path, reference: Programs | None) -> tuple[Programs, list[str]]:
        """Programs with the files of `overlay`; or why they are refused. Without `reference` these are it."""
        units, programs = [], Programs()
        for file, command in lab.units.items():
            obj = str(out / (Path(file).name + ".o"))
            worked, said = grade_kit.run_compiler(grade_kit.filled(command, str(overlay / file), obj, overlay))
            if not worked:
                return programs, [compile_message(file, said, overlay)]
            units.append(obj)
        tests = []
        for source, command in lab.tests.items():
            if reference is None or not lab.in_headers:
                tests.append(self.course_object(command, Path(source), overlay if lab.in_headers else None))
                continue
            tests.append(str(out / (Path(source).name + ".test.o")))
            worked, said = grade_kit.run_compiler(grade_kit.filled(command, source, tests[-1], overlay))
            if not worked:
                return programs, [compile_message(lab.files[0], said, overlay)]
        hidden = []
        if lab.hidden:
            try:
                hidden = self.hidden_objects(lab, overlay if lab.in_headers else None)
            except GradeError as error:
                return programs, [compile_message(lab.files[0], str(error), overlay)]
        programs.objects = symbols_of(units + (tests + hidden[:1] if lab.in_headers else []))
        if reference is not None and "object check" not in self.guard.limits.without:
            trusted = self.trusted_objects(lab) + ([] if lab.in_headers else tests)
            known = reference.objects
            if self.kit.reference is None:  # only the cut file is there: what the uncut one calls is not known
                calls = {name for name in programs.objects.undefined if re.match(r"_ZN?K?5ramoe", name)}
                known = replace(known, undefined=known.undefined | calls)
            offences = object_offences(", ".join(lab.files), programs.objects, known,
                                       self.taken_names(lab, trusted), self.header_text(lab))
            if offences:
                return programs, offences
        programs.tests = str(out / "tests")
        said = self.link(lab, tests + self.trusted_objects(lab) + units, programs.tests)
        if not said and hidden:
            programs.hidden = str(out / "hidden")
            said = self.link(lab, hidden + units, programs.hidden)
        return programs, ["the program does not link:\n" + said[-2000:]] if said else []

    # --- the reference ---

    def reference(self, lab: Lab) -> tuple[Programs, dict[str, Result], dict[str, Numbers]]:
        """Its programs, what its tests say on this machine, and its numbers for the hidden cases."""
        key = self.reference_key(lab)
        if key in self.references:
            lab.points = lab.points or dict.fromkeys(self.references[key][1], 1.0)
            return self.references[key]
        programs = self.reference_programs(lab, self.kit.work / "references" / key)
        results: dict[str, Result] = {}
        numbers: dict[str, Numbers] = {}
        if self.kit.reference is not None:
            lab.points = lab.points or {name: 1.0 for name in self.listed(programs.tests)}
            for name in lab.points:
                results[name] = self.run_test(programs, name)
            for name, case in self.cases(lab):
                numbers[name] = self.run_case(programs, case)
                if numbers[name].error:
                    raise GradeError(f"{lab.id} {name}: the reference itself fails: {numbers[name].error}")
        self.references[key] = (programs, results, numbers)
        return self.references[key]

    def reference_file(self, file: str) -> Path:
        first = (self.kit.reference or self.kit.course) / file
        return first if first.exists() else self.kit.course / file

    def reference_key(self, lab: Lab) -> str:
        """Changes with whatever the reference's programs and their numbers are made of."""
        if lab.id not in self.keys:
            key = hashlib.sha256(self.stamp.encode())
            inputs = [*map(self.reference_file, lab.files), *map(Path, lab.tests), *([Path(lab.hidden)] if lab.hidden else [])]
            for path in inputs:
                key.update(path.read_bytes() + b"\0")
            for library in lab.libraries:
                if os.path.exists(library):
                    facts = os.stat(library)
                    key.update(f"{library} {facts.st_size} {facts.st_mtime_ns}\n".encode())
            key.update(json.dumps([list(lab.units.values()), list(lab.tests.values()), lab.link, lab.points,
                                   self.cases(lab)]).encode())
            self.keys[lab.id] = key.hexdigest()[:24]
        return self.keys[lab.id]

    def reference_programs(self, lab: Lab, folder: Path) -> Programs:
        """Built once; later runs of the grader find them."""
        done = folder / "done"
        for file in lab.files if not done.exists() else []:
            (folder / "files" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.reference_file(file), folder / "files" / file)
        objects = folder / "objects.json"
        if done.exists():
            programs = Programs(str(folder / "tests"), str(folder / "hidden") if lab.hidden else "")
            programs.objects = Symbols.from_json(json.loads(objects.read_text()))
            return programs
        programs, offences = self.build(lab, folder / "files", folder, None)
        if offences:
            raise GradeError(f"{lab.id}: the reference itself does not build: {offences[0]}")
        objects.write_text(json.dumps(programs.objects.to_json()))
        done.write_text("")
        return programs

    def listed(self, program: str) -> list[str]:
        """All tests of the reference's program, for a lab whose list gives no points."""
        outcome = self.guard.run([program, "--gtest_list_tests"])
        names, suite = [], ""
        for line in outcome.output.split("\n"):
            if line.startswith("  "):
                names.append(suite + line.split("#")[0].strip())
            elif line.split("#")[0].strip().endswith("."):
                suite = line.split("#")[0].strip()
        return names

    # --- running ---

    def cases(self, lab: Lab) -> list[tuple[str, dict]]:
        if not lab.hidden:
            return []
        listed = self.hidden.get("labs", {}).get(lab.id, {}).get("cases", [])
        return [(f"hidden.{case.get('name', i)}", case) for i, case in enumerate(listed, 1)]

    def run_test(self, programs: Programs, name: str) -> Result:
        outcome = self.guard.run([programs.tests, f"--gtest_filter={name}"])
        self.guards = outcome.guards or self.guards
        return test_result(name, outcome, self.guard.limits)

    def run_case(self, programs: Programs, case: dict) -> Numbers:
        given = "".join(f"{key}={int(value) if isinstance(value, bool) else value}\n" for key, value in case.items())
        outcome = self.guard.run([programs.hidden], "\n" + given)
        self.guards = outcome.guards or self.guards
        return numbers_of(outcome, self.guard.limits)

    # --- one lab ---

    def take_files(self, lab: Lab, tree: Path, overlay: Path) -> list[str]:
        offences = []
        for file in lab.files:
            path = tree / file
            if path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(tree.resolve()):
                offences.append(f"{file}: the file is missing" if not path.is_symlink() else f"{file}: a link")
                continue
            if path.stat().st_size > MOST_SOURCE:
                offences.append(f"{file}: larger than {MOST_SOURCE >> 20} MiB")
                continue
            (overlay / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, overlay / file)
            if "source check" not in self.guard.limits.without:
                offences += source_offences(file, text_of(overlay / file), self.reference_text(lab, file))
        return offences

    def reference_text(self, lab: Lab, file: str) -> str:
        return text_of(self.reference_file(file))

    def header_text(self, lab: Lab) -> str:
        return "".join(self.reference_text(lab, file) for file in lab.files) if lab.in_headers else ""

    def second_look(self, lab: Lab, overlay: Path) -> list[str]:
        offences = []
        for file in lab.files if "source check" not in self.guard.limits.without else []:
            command = lab.units.get(file) or next(iter(lab.tests.values()))
            source, out = str(overlay / file), str(overlay / "preprocessed")
            words = grade_kit.filled(command, source, out, overlay)
            words[words.index("-c"):words.index("-c") + 1] = ["-E", "-x", "c++"]
            worked, said = grade_kit.run_compiler(words)
            if not worked:
                offences.append(compile_message(file, said, overlay))
                continue
            offences += preprocessed_offences(file, text_of(Path(out)), source, self.reference_text(lab, file))
        return offences

    def grade_lab(self, lab: Lab, tree: Path) -> LabGrade:
        grade = LabGrade(lab.number, lab.id, lab.title)
        reference, expected, numbers = self.reference(lab)
        with tempfile.TemporaryDirectory(prefix="student-", dir=self.kit.work) as folder:
            os.chmod(folder, 0o755)
            overlay = Path(folder) / "files"
            overlay.mkdir()
            grade.refused = self.take_files(lab, tree, overlay) or self.second_look(lab, overlay)
            programs = Programs()
            if not grade.refused:
                programs, grade.refused = self.build(lab, overlay, Path(folder), reference)
            for name, most in lab.points.items():
                if expected and expected[name].status != "passed":
                    grade.notes.append(f"{name} is not counted: the reference does not pass it on this machine "
                                       f"({expected[name].message.strip().split(chr(10))[0]})")
                    continue
                result = Result(name, "refused") if grade.refused else self.run_test(programs, name)
                grade.tests.append(graded(result, most))
            for name, case in self.cases(lab):
                grade.tests.append(self.hidden_case(lab, name, case, programs, numbers, bool(grade.refused)))
        return grade

    def hidden_case(self, lab: Lab, name: str, case: dict, programs: Programs, numbers: dict[str, Numbers],
                    refused: bool) -> Graded:
        most = float(case.get("points", 1))
        if name not in numbers:
            return Graded(name, 0, 0, "skipped", "without the reference's source there are no numbers to compare with",
                          hidden=True)
        result = Result(name, "refused")
        if not refused:
            of_lab = self.hidden["labs"][lab.id]
            message = difference(self.run_case(programs, case), numbers[name], of_lab.get("tolerance", 1e-6),
                                 of_lab.get("absolute", 1e-9), self.secret)
            result = Result(name, "failed" if message else "passed", message)
        return graded(result, most, hidden=True)


def compile_message(file: str, said: str, overlay: Path) -> str:
    text = said.replace(str(overlay) + "/", "")
    lines = text.strip().split("\n")
    return f"{file}: it does not compile\n" + "\n".join(lines[:30] + (["..."] if len(lines) > 30 else []))


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


def grade_tree(grader: Grader, tree: Path, jobs: int, hidden_file: str) -> Grade:
    """All labs of a tree. If neither a view of files nor Landlock holds, one after another, and files
    are compared after each: whoever changed one loses the lab."""
    labs = grader.kit.labs
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(grader.reference, labs))
    grade = Grade(str(tree), [], hidden_file=os.path.basename(hidden_file))
    walled = "on" in (grader.guards.get("view of files"), grader.guards.get("landlock"))
    if walled:
        before = states([tree])
        with ThreadPoolExecutor(jobs) as pool:
            grade.labs = list(pool.map(lambda lab: grader.grade_lab(lab, tree), labs))
        changed = [path for path, state in states([tree]).items() if before.get(path) != state]
        grade.notes += [f"{path} has changed while it was graded" for path in changed[:5]]
    else:
        watched = [tree, grader.kit.course]
        for lab in labs:
            before = states(watched)
            of_lab = grader.grade_lab(lab, tree)
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
        print("building the course's library: minutes at first, seconds later", flush=True)
        kit = grade_kit.kit_of_course(course, work, labs, [word for word in options.cmake.split(",") if word],
                                      int(options.jobs))
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
    work = Path(options.work or Path(options.tree) / "build/grade").resolve()
    lock = locked(work)  # noqa: F841
    grader, hidden_file = grader_of(options, work)
    need(grader, options.need)
    jobs = int(options.jobs)
    if options.submissions:
        grade_submissions(grader, Path(options.submissions), Path(options.out or "grades.csv"), jobs, hidden_file)
        return 0
    tree = Path(options.tree).resolve()
    grade = grade_tree(grader, tree, jobs, hidden_file)
    written = write_grade(grade, Path(options.out or grader.kit.work), options.format)
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
