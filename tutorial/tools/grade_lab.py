"""One lab of one student: its file is taken, looked at, compiled, linked twice and run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import grade_kit
from grade_check import Symbols, object_offences, preprocessed_offences, source_offences, symbols_of, text_of, tool
from grade_kit import GradeError, Kit, Lab
from grade_report import Graded, LabGrade, graded
from grade_run import Guard, Limits, Numbers, Result, difference, numbers_of, test_result

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
        self.locks: dict[str, threading.Lock] = {}
        self.lock = threading.Lock()

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
                calls = {name for name in programs.objects.undefined if re.match(r"_ZN?K?(5ramoe|9emulation)", name)}
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
        """Its programs, what its tests say on this machine, and its numbers for the hidden cases. Labs are
        graded side by side; of those with one reference the first makes it, and the others wait."""
        key = self.reference_key(lab)
        with self.lock:
            lock = self.locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self.references:
                self.references[key] = self.made_reference(lab, key)
        lab.points = lab.points or dict.fromkeys(self.references[key][1], 1.0)
        return self.references[key]

    def made_reference(self, lab: Lab, key: str) -> tuple[Programs, dict[str, Result], dict[str, Numbers]]:
        programs = self.reference_programs(lab, self.kit.work / "references" / key)
        results: dict[str, Result] = {}
        numbers: dict[str, Numbers] = {}
        if self.kit.reference is not None:
            lab.points = lab.points or {name: 1.0 for name in self.listed(programs.tests)}
            for name in lab.points:
                results[name] = self.run_test(lab, programs, name)
            for name, case in self.cases(lab):
                numbers[name] = self.run_case(lab, programs, case)
                if numbers[name].error:
                    raise GradeError(f"{lab.id} {name}: the reference itself fails: {numbers[name].error}")
        return programs, results, numbers

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

    def limits(self, lab: Lab) -> Limits:
        return replace(self.guard.limits, reserves=lab.reserves)

    def cases(self, lab: Lab) -> list[tuple[str, dict]]:
        if not lab.hidden:
            return []
        listed = self.hidden.get("labs", {}).get(lab.id, {}).get("cases", [])
        return [(f"hidden.{case.get('name', i)}", case) for i, case in enumerate(listed, 1)]

    def run_test(self, lab: Lab, programs: Programs, name: str) -> Result:
        outcome = self.guard.run([programs.tests, f"--gtest_filter={name}"], limits=self.limits(lab))
        self.guards = outcome.guards or self.guards
        return test_result(name, outcome, self.guard.limits)

    def run_case(self, lab: Lab, programs: Programs, case: dict) -> Numbers:
        given = "".join(f"{key}={int(value) if isinstance(value, bool) else value}\n" for key, value in case.items())
        outcome = self.guard.run([programs.hidden], "\n" + given, self.limits(lab))
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
                result = Result(name, "refused") if grade.refused else self.run_test(lab, programs, name)
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
            message = difference(self.run_case(lab, programs, case), numbers[name], of_lab.get("tolerance", 1e-6),
                                 of_lab.get("absolute", 1e-9), self.secret)
            result = Result(name, "failed" if message else "passed", message)
        return graded(result, most, hidden=True)


def compile_message(file: str, said: str, overlay: Path) -> str:
    text = said.replace(str(overlay) + "/", "")
    lines = text.strip().split("\n")
    return f"{file}: it does not compile\n" + "\n".join(lines[:30] + (["..."] if len(lines) > 30 else []))
