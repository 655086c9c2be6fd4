#!/usr/bin/env python3
"""Labs: definitions cut out of the code, for students to write again (tutorial/labs/labs.json).

    labs.py cut 9 | undo 9        in this tree: make lab N=9, make lab N=9 UNDO=1
    labs.py tree OUT              a student's tree with all labs cut: make labs OUT=dir
    labs.py points 9 PROGRAM      runs the tests of a lab and counts points: make check-lab N=9
    labs.py list                  what is wrong with labs.json; nothing if all is right

Python's standard library alone. Proving that the labs work is labs_check.py's.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import cpp_source
from tool import ToolError, run, write

ROOT = Path(__file__).resolve().parents[2]
LABS = Path("tutorial/labs")
REFERENCE = LABS / "reference"
# Behind the includes of a file that is cut: parameters and helpers wait for their use.
WAITING = '#pragma GCC diagnostic ignored "-Wunused-function"  // while the lab is not done\n' \
          '#pragma GCC diagnostic ignored "-Wunused-parameter"\n'


class LabError(ToolError):
    """A lab, or a tree of labs, that is not as expected."""


@dataclass(frozen=True)
class Lab:
    number: int
    id: str  # "lab05"
    name: str
    title: str
    chapter: str
    cut: dict[str, list[str]]  # names of definitions by file
    header: str
    tests: list[str]
    prerequisites: list[str]
    hours: float
    points: dict[str, int]  # by test, "Suite.Test"

    @property
    def text(self) -> str:
        return f"tutorial/labs/{self.id}_{self.name}.md"

    @property
    def program(self) -> str:
        return f"{self.id}_test"

    def message(self, name: str) -> str:
        return f"lab {self.number}, {name}: not done yet ({self.text})"


def load(root: Path = ROOT) -> list[Lab]:
    path = root / LABS / "labs.json"
    try:
        return [Lab(**lab) for lab in json.loads(path.read_text())["labs"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LabError(f"{path}: {error}") from None


def lab_of(labs: list[Lab], number: str) -> Lab:
    for lab in labs:
        if number.isdigit() and lab.number == int(number):
            return lab
    raise LabError(f'lab "{number}": expected a number from 1 to {len(labs)}, as in N=9')


# ---- Cutting ------------------------------------------------------------------------------------


def refusals(body: str) -> str:
    """The checks that a body begins with stay, and so does the first line of a kernel."""
    code, at, end = cpp_source.masked(body), 0, 0
    statement = re.compile(r"\s*(?:(check\w*|wait_for_earlier_kernels)\s*\([^;{}]*\)|const [^;{}]*=[^;{}]*);")
    while found := statement.match(code, at):
        at = found.end()
        end = at if found.group(1) else end
    return body[:end].rstrip()


def stub(lab: Lab, name: str, indent: str, on_gpu: bool, body: str) -> str:
    """The body in place of the one that is cut."""
    call = "cuda::not_done(" if on_gpu else "fail("
    line = f'{indent}  {call}"{lab.message(name)}");'
    if len(line) > 100:
        line = f'{indent}  {call}\n{indent}      "{lab.message(name)}");'
    return f"{refusals(body)}\n{line}\n{indent}"


def cut_text(source: str, lab: Lab, path: str) -> str:
    """The text of a file with the lab's definitions cut."""
    if is_cut(source, lab):
        raise LabError(f"{path} is cut already: lab {lab.number}. Put it back with: "
                       f"make lab N={lab.number} UNDO=1")
    try:
        found = [(cpp_source.find(source, name, path), name) for name in lab.cut[path]]
    except cpp_source.SourceError as error:
        raise LabError(f"lab {lab.number}: {error}") from None
    on_gpu = path.endswith((".cu", ".cuh"))
    for definition, name in sorted(found, key=lambda f: f[0].start, reverse=True):
        if definition.kind != "function" or definition.body is None:
            raise LabError(f"lab {lab.number}: {path}: {name} is no function")
        line = source.rfind("\n", 0, definition.start) + 1
        indent = re.match(r"[ \t]*", source[line:]).group()  # type: ignore[union-attr]
        begin, end = definition.body
        source = source[:begin] + stub(lab, name, indent, on_gpu, source[begin:end]) + source[end:]
    return with_includes(source, "cuda/support/not_done.h" if on_gpu else "support/error.h")


def with_includes(source: str, header: str) -> str:
    includes = list(re.finditer(r"^#include [^\n]*\n", source, re.MULTILINE))
    at = includes[-1].end() if includes else 0
    wanted = f'#include "{header}"\n'
    own = "" if wanted in source else wanted
    return source[:at] + own + WAITING + source[at:]


def is_cut(source: str, lab: Lab) -> bool:
    return re.search(rf'"lab {lab.number}, [\w:]+: not done yet', source) is not None


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], cwd=root, text=True, capture_output=True)
    except OSError as error:
        raise LabError(f"git: {error}; install it with: sudo apt-get install git") from None


def cut(root: Path, lab: Lab) -> list[str]:
    """Cuts a lab in this tree; the uncut files go to tutorial/labs/reference."""
    cuts = {}
    for path in lab.cut:
        source = (root / path).read_text()
        cuts[path] = (source, cut_text(source, lab, path))
        if git(root, "status", "--porcelain", "--", path).stdout.strip():
            raise LabError(f"{path} has changes that are not committed. Commit them or put them "
                           "aside (git stash), then cut the lab.")
    for path, (source, left) in cuts.items():
        write(root / REFERENCE / path, source)
        write(root / path, left)
    said = [f"lab {lab.number}, {lab.title}. Cut:"]
    said += [f"  {path}: {', '.join(names)}" for path, names in lab.cut.items()]
    return said + [f"Read {lab.text}, write what was cut, then: make check-lab N={lab.number}",
                   f"Everything else is still built from the uncut files, in {REFERENCE}.",
                   f"To put it back (what you wrote stays beside, as *.{lab.id}): "
                   f"make lab N={lab.number} UNDO=1"]


def undo(root: Path, lab: Lab) -> list[str]:
    """Puts back what cut() has cut here; what the student wrote stays beside."""
    kept = {path: root / REFERENCE / path for path in lab.cut}
    missing = [str(REFERENCE / path) for path, reference in kept.items() if not reference.exists()]
    if missing:
        raise LabError(f"lab {lab.number} was not cut by make lab here: there is no {missing[0]}.")
    said = []
    for path, reference in kept.items():
        source, now = reference.read_text(), (root / path).read_text()
        if now not in (source, cut_text(source, lab, path)):
            beside = free_name(root / path, lab)
            write(beside, now)
            said.append(f"what you wrote is in {beside.relative_to(root)}")
        write(root / path, source)
        reference.unlink()
        said.append(f"{path} is as it was")
    remove_empty(root / REFERENCE)
    return said


def free_name(path: Path, lab: Lab) -> Path:
    beside, number = path.with_name(f"{path.name}.{lab.id}"), 1
    while beside.exists():
        number += 1
        beside = path.with_name(f"{path.name}.{lab.id}-{number}")
    return beside


def remove_empty(folder: Path) -> None:
    for inner in sorted(folder.rglob("*"), reverse=True):
        if inner.is_dir() and not any(inner.iterdir()):
            inner.rmdir()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


# ---- A student's tree ---------------------------------------------------------------------------


def relisted(text: str, cut_sources: dict[str, str]) -> str:
    """A chapter whose listings show the cut files as they are now: as weave.py would fill them."""

    def fill(found: re.Match[str]) -> str:
        path, *names = found.group(1).split()
        if path not in cut_sources:
            return found.group()
        try:
            shown = cpp_source.listing(cut_sources[path], names, path)
        except cpp_source.SourceError as error:
            raise LabError(f"a listing of {path}: {error}") from None
        return f"<!-- listing: {found.group(1)} -->\n```cpp\n{shown}\n```\n<!-- end -->"

    return re.sub(r"<!-- listing: ([^\n]*?) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)


STUDENTS_README = """\
> This is a student's tree: what the labs ask for is cut out. Begin with
> [tutorial/labs/README.md](tutorial/labs/README.md); `make check-lab N=1` builds and runs the tests
> of lab 1, and `make build` the program. The rest of this page describes the whole project.

"""


def tracked(root: Path) -> list[str]:
    listed = git(root, "ls-files", "-z")
    if listed.returncode:
        raise LabError(f"{root} is no git checkout, which says what belongs to a tree: "
                       f"{listed.stderr.strip()}")
    return [path for path in listed.stdout.split("\0") if path and (root / path).is_file()]


def make_tree(root: Path, out: Path, labs: list[Lab], library: Path | None = None) -> list[str]:
    """This tree with all labs cut and one commit of history, in a folder that is new or empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise LabError(f"{out} is there and not empty; a student's tree needs a new folder.")
    paths = tracked(root)
    here = [lab for lab in labs for path in lab.cut if (root / REFERENCE / path).exists()]
    if here:
        raise LabError(f"lab {here[0].number} is cut in this tree; first: "
                       f"make lab N={here[0].number} UNDO=1")
    cuts = {path: cut_text((root / path).read_text(), lab, path)
            for lab in labs for path in lab.cut}
    for path in paths:
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, target, follow_symlinks=False)
        if path in cuts:
            write(target, cuts[path])
        elif path == "README.md":
            write(target, STUDENTS_README + (root / path).read_text())
        elif path.startswith("tutorial/") and path.endswith(".md"):
            write(target, relisted((root / path).read_text(), cuts))
    if library:
        copy_library(library, out)
    else:
        pack_reference(root, out, sorted(cuts))
    commit(out)
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    return [f"{out}: {len(paths)} files, {sum(map(len, (l.cut for l in labs)))} of them cut for "
            f"{len(labs)} labs, one commit, {size / 1e6:.0f} MB.",
            f"The rest is built from {LABS / ('library' if library else 'reference.tar.xz')}.",
            "Next, there: make check-lab N=1"]


LIBRARIES = ("libramoe_core.a", "libramoe_results.a", "libramoe_watched.a")


def copy_library(build: Path, out: Path) -> None:
    for name in LIBRARIES:
        if not (build / name).exists():
            raise LabError(f"{build / name} is not there; build it with: cmake --build {build} "
                           "--target ramoe_results ramoe_watched")
        (out / LABS / "library").mkdir(parents=True, exist_ok=True)
        shutil.copy2(build / name, out / LABS / "library" / name)


def pack_reference(root: Path, out: Path, paths: list[str]) -> None:
    """The same bytes each time: without owners and times."""
    with tarfile.open(out / LABS / "reference.tar.xz", "w:xz", format=tarfile.PAX_FORMAT) as pack:
        for path in paths:
            data = (root / path).read_bytes()
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o644
            pack.addfile(member, io.BytesIO(data))


def commit(out: Path) -> None:
    who = ["-c", "user.name=RA-MoE labs", "-c", "user.email=labs@localhost",
           "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null"]
    for step in (["init", "-q"], ["add", "-A", "-f"], [*who, "commit", "-q", "-m", "The labs"]):
        done = git(out, *step)
        if done.returncode:
            raise LabError(f"git {step[0]} in {out}: {done.stderr.strip()}")


# ---- Tests and points ---------------------------------------------------------------------------


def run_test(program: Path, test: str, seconds: float = 120) -> tuple[bool, str]:
    """One test in a process of its own, so that a crash costs no other test."""
    try:
        done = subprocess.run([program.resolve(), f"--gtest_filter={test}", "--gtest_brief=1"],
                              text=True, errors="replace", capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return False, f"{test} did not end within {seconds:.0f} seconds\n"
    said = done.stdout + done.stderr
    if done.returncode < 0:
        said += f"{test} ended by signal {-done.returncode}\n"
    return done.returncode == 0 and "1 test from" in done.stdout, said


FRAME = re.compile(r"Running main|Note: |\[[ =-]*\]|\[  PASSED  \]|\[  FAILED  \]|unknown file: Failure|$")
THROWN = re.compile(r'C\+\+ exception with description "(.*)" thrown in the test body\.')


def words_of(output: str) -> str:
    """What a test says, without what GoogleTest says about itself."""
    lines = [line for line in output.splitlines() if not FRAME.match(line)]
    return THROWN.sub(r"\1", "\n".join(lines))


def points(lab: Lab, program: Path) -> tuple[list[str], bool]:
    if not program.exists():
        raise LabError(f"{program} is not there; make check-lab N={lab.number} builds it.")
    rows, got = [], 0
    told: dict[str, list[str]] = {}  # the tests that say the same
    for test, worth in lab.points.items():
        passed, output = run_test(program, test)
        got += worth if passed else 0
        rows.append(f"  {'ok  ' if passed else '    '} {worth if passed else 0:2} of {worth:2}  {test}")
        if not passed:
            told.setdefault(words_of(output), []).append(test)
    said = [f"{', '.join(tests)}:\n{words}\n" for words, tests in told.items()]
    total = sum(lab.points.values())
    return [*said, *rows, f"lab {lab.number}, {lab.title}: {got} of {total} points"], got == total


# ---- The list itself ----------------------------------------------------------------------------


def offences(root: Path, labs: list[Lab]) -> list[str]:
    """What is wrong with labs.json, line by line."""
    wrong, files = [], set()
    ids = [lab.id for lab in labs]
    for place, lab in enumerate(labs, 1):
        if lab.number != place or lab.id != f"lab{place:02}":
            wrong.append(f"{lab.id}: expected number {place} and lab{place:02}")
        for other in lab.prerequisites:
            if other not in ids[: place - 1]:
                wrong.append(f"{lab.id}: {other} is no earlier lab")
        for path in [lab.header, *lab.tests]:
            if not (root / path).is_file():
                wrong.append(f"{lab.id}: {path} is not there")
        for path, names in lab.cut.items():
            if path in files:
                wrong.append(f"{lab.id}: {path} is cut by another lab too")
            files.add(path)
            reference = root / REFERENCE / path
            source = reference if reference.exists() else root / path
            wrong += cut_offences(source, lab, path)
        there = {d.name for path in lab.tests if (root / path).is_file()
                 for d in cpp_source.definitions((root / path).read_text()) if d.kind == "test"}
        wrong += [f"{lab.id}: no test is named {test}" for test in lab.points if test not in there]
        if not 4 <= len(lab.points):
            wrong.append(f"{lab.id}: {len(lab.points)} tests; expected at least 4")
        wrong += [f"{lab.id}: {test} is worth {worth} points; expected a whole number from 1 on"
                  for test, worth in lab.points.items() if type(worth) is not int or worth < 1]
    return wrong


def cut_offences(source: Path, lab: Lab, path: str) -> list[str]:
    try:
        cut_text(source.read_text(), lab, path)
    except LabError as error:
        return [] if is_cut(source.read_text(), lab) else [f"{lab.id}: {error}"]
    except OSError as error:
        return [f"{lab.id}: {error}"]
    return []


def main() -> int:
    parser = argparse.ArgumentParser(description="Cut labs, make a student's tree, count points.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree; default: this one")
    does = parser.add_subparsers(dest="does", required=True)
    for name in ("cut", "undo", "id"):
        does.add_parser(name).add_argument("number")
    tree = does.add_parser("tree")
    tree.add_argument("out", type=Path)
    tree.add_argument("--library", type=Path, help="the build folder whose library goes along")
    tested = does.add_parser("points")
    tested.add_argument("number")
    tested.add_argument("program", type=Path)
    does.add_parser("list")
    given = parser.parse_args()
    labs, good = load(given.root), True
    if given.does == "tree":
        said = make_tree(given.root, given.out, labs, given.library)
    elif given.does == "list":
        said = offences(given.root, labs)
        good = not said
    else:
        lab = lab_of(labs, given.number)
        if given.does == "points":
            said, good = points(lab, given.program)
        else:
            said = {"cut": lambda: cut(given.root, lab), "undo": lambda: undo(given.root, lab),
                    "id": lambda: [lab.id]}[given.does]()
    print("\n".join(said))
    return 0 if good else 1


if __name__ == "__main__":
    run(main)
