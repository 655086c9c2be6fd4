"""What grading needs of the course: its tests, its reference and the commands that compile a lab.

CMake configures the course in a folder of the grader's own; compile and link commands of the targets
labNN_test are read from there. Each can be run again for a student's file with these changes: the
file is taken from the student's folder, main() is the trusted one, and what the student's file may
not hold is looked at before it is linked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

COMPILE_SECONDS, COMPILE_BYTES = 180, 6 << 30


class GradeError(Exception):
    """Grading cannot begin, or the course itself is wrong; what to do stands in the text."""


@dataclass
class Lab:
    number: int
    id: str
    name: str
    title: str
    files: list[str]
    points: dict[str, float]
    units: dict[str, list[str]] = field(default_factory=dict)  # file -> compile command
    tests: dict[str, list[str]] = field(default_factory=dict)  # source -> compile command
    link: list[str] = field(default_factory=list)  # compiler and flags
    libraries: list[str] = field(default_factory=list)
    hidden: str = ""  # the source of its program of hidden checks

    @property
    def reserves(self) -> bool:
        return any(file.startswith("cuda/") for file in self.files)

    @property
    def in_headers(self) -> bool:
        return any(file.endswith((".h", ".cuh")) for file in self.files)


@dataclass
class Kit:
    course: Path
    work: Path
    reference: Path | None  # the folder of uncut files; None: only the compiled library is there
    labs: list[Lab]
    read: list[str] = field(default_factory=list)  # what graded programs may read


# --- the list of labs ---


def read_labs(path: Path) -> list[Lab]:
    try:
        listed = json.loads(path.read_text())["labs"]
    except (OSError, ValueError, KeyError) as error:
        raise GradeError(f"{path}: the list of labs cannot be read: {error}")
    labs = []
    for lab in listed:
        points = {name: float(value) for name, value in lab.get("points", {}).items()}
        labs.append(Lab(lab["number"], lab["id"], lab["name"], lab["title"], list(lab["cut"]), points))
    return labs


def chosen(labs: list[Lab], words: str) -> list[Lab]:
    """`5,9`, `lab05` or `router`; nothing: all of them."""
    if not words:
        return labs
    found = []
    for word in re.split(r"[,\s]+", words.strip()):
        hits = [lab for lab in labs if word in (str(lab.number), lab.id, lab.name, f"{lab.number:02}")]
        if not hits:
            raise GradeError(f"LABS: no lab is called \"{word}\"; expected one of "
                             + ", ".join(f"{lab.number} {lab.name}" for lab in labs))
        found += hits
    return found


# --- where the tests come from ---


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def is_student_tree(folder: Path) -> bool:
    labs = folder / "tutorial/labs"
    return (labs / "reference.tar.xz").exists() or (labs / "library").is_dir()


def course_of(tree: Path, given: str, work: Path) -> Path:
    """The folder with the tests as they were handed out: --course, or the tree's first commit."""
    if given:
        return Path(given).resolve()
    if not is_student_tree(tree):
        return tree  # the course itself
    root = git(tree, "rev-list", "--max-parents=0", "HEAD").split("\n")[-1]
    if not root or git(tree, "rev-parse", "--is-shallow-repository") == "true":
        raise GradeError(f"{tree}: its first commit is not here, from which the tests are taken. Clone it with its "
                         "whole history (git fetch --unshallow), or name the course with --course=FOLDER")
    course = work / "course"
    if (course / ".commit").is_file() and (course / ".commit").read_text() == root:
        return course
    shutil.rmtree(course, ignore_errors=True)
    course.mkdir(parents=True)
    with subprocess.Popen(["git", "-C", str(tree), "archive", root], stdout=subprocess.PIPE) as packed:
        subprocess.run(["tar", "-x", "-C", str(course)], stdin=packed.stdout, check=True)
    (course / ".commit").write_text(root)
    return course


def reference_of(course: Path, build: Path) -> Path | None:
    for folder in (build / "reference", course / "tutorial/labs/reference"):
        if folder.is_dir():
            return folder
    return None if (course / "tutorial/labs/library").is_dir() else course


# --- commands, from CMake ---


def run_tool(command: list[str], what: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().split("\n")[-25:])
        raise GradeError(f"{what} failed:\n{tail}")
    return done.stdout


def configure(course: Path, build: Path, options: list[str]) -> None:
    command = ["cmake", "-S", str(course), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release",
               "-DRAMOE_TESTS=ON", "-DRAMOE_CUDA=OFF", f"-DRAMOE_TESTED_TREE={course}", *options]
    if not (build / "CMakeCache.txt").exists() and shutil.which("ninja"):
        command += ["-G", "Ninja"]
    run_tool(command, "configuring the course with CMake")


def link_line(build: Path, target: str) -> list[str]:
    makefile = build / f"CMakeFiles/{target}.dir/link.txt"
    if makefile.exists():
        return shlex.split(makefile.read_text())
    line = run_tool(["ninja", "-C", str(build), "-t", "commands", target], "asking ninja").strip().split("\n")[-1]
    line = re.sub(r"^(?:ninja: .*\n)?: && ", "", line)
    return shlex.split(line.split(" && ")[0])


def template(entry: dict) -> tuple[str, list[str]]:
    """(object, command) with {in} and {out}, usable from any folder."""
    words = shlex.split(entry["command"])
    out = words[words.index("-o") + 1]
    source = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
    command, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("-o", "-c", "-Werror"):
            skip = word == "-o"
        elif os.path.normpath(os.path.join(entry["directory"], word)) != source:
            command.append(word)
    return out, command + ["-c", "{in}", "-o", "{out}"]


def add_commands(kit: Kit, build: Path) -> None:
    entries = json.loads((build / "compile_commands.json").read_text())
    for lab in kit.labs:
        for entry in entries:
            out, command = template(entry)
            source = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
            if f"{lab.id}_student.dir" in out:
                lab.units[os.path.relpath(source, kit.course)] = command
            elif f"{lab.id}_test.dir" in out:
                lab.tests[source] = command
        if not lab.tests:
            raise GradeError(f"{lab.id}: CMake has no target {lab.id}_test. Is this the whole course?")
        words = link_line(build, f"{lab.id}_test")
        lab.link = [words[0], *(word for word in words[1:] if word.startswith("-") and not word.startswith("-o")
                                and not word.startswith("-l"))]
        for word in words[words.index("-o") + 2:]:
            if word.endswith(".a") or ".so" in word or word.startswith("-l"):
                if "gtest_main" not in word:
                    lab.libraries.append(word if word.startswith("-l") else os.path.join(build, word))
        hidden = kit.course / f"tests/labs/hidden/lab{lab.number:02}_{lab.name}.cpp"
        lab.hidden = str(hidden) if hidden.exists() else ""


def kit_of_course(course: Path, work: Path, labs: list[Lab], options: list[str], jobs: int) -> Kit:
    build = work / "build"
    configure(course, build, options)
    kit = Kit(course, work, reference_of(course, build), labs,
              [str(course / name) for name in ("tests", "data") if (course / name).is_dir()])
    add_commands(kit, build)
    wanted = {re.sub(r"^lib|\.a$", "", os.path.basename(library)) for lab in labs for library in lab.libraries
              if library.startswith(str(build)) and library.endswith(".a")}
    if wanted:  # nothing, if the library came compiled
        run_tool(["cmake", "--build", str(build), "-j", str(jobs), "--target", *sorted(wanted)],
                 "building the course's library")
    return kit


def kit_of_file(path: Path, work: Path, words: str) -> Kit:
    """A kit that is written out, without CMake: for courses that are built in another way, and tests."""
    given = json.loads(path.read_text())
    labs = [Lab(**lab) for lab in given["labs"]]
    return Kit(Path(given["course"]), work, Path(given["reference"]), chosen(labs, words), given.get("read", []))


# --- compiling ---


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (COMPILE_BYTES, COMPILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (COMPILE_SECONDS, COMPILE_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


def run_compiler(command: list[str]) -> tuple[bool, str]:
    """Whether it worked, and what it said. A source can make a compiler run for ever, too."""
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   start_new_session=True, preexec_fn=limited)
    except OSError as error:
        raise GradeError(f"{command[0]}: {error.strerror}")
    try:
        said, _ = process.communicate(timeout=2 * COMPILE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return False, f"the compiler did not end within {2 * COMPILE_SECONDS} s"
    return process.returncode == 0, said.decode(errors="replace")


def filled(command: list[str], source: str, out: str, overlay: Path | None) -> list[str]:
    """A compile command for a source; headers of the overlay stand before all others."""
    words = [source if word == "{in}" else out if word == "{out}" else word for word in command]
    if overlay:
        at = next((i for i, word in enumerate(words) if word.startswith("-I")), words.index("-c"))
        words[at:at] = [f"-I{overlay}/src", f"-I{overlay}"]
    return words + ["-ffunction-sections"]


def cached_object(kit: Kit, command: list[str], source: str, overlay: Path | None, stamp: str) -> str:
    """An object of the course's own sources, compiled once for each state of the course."""
    key = hashlib.sha256()
    for part in [stamp, source, Path(source).read_text(errors="replace"), *command]:
        key.update(part.encode() + b"\0")
    if overlay:
        key.update(b"".join(path.read_bytes() for path in sorted(overlay.rglob("*")) if path.is_file()))
    folder = kit.work / "objects"
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / (key.hexdigest()[:24] + ".o")
    if not out.exists():
        partial = f"{out}.{os.getpid()}.{threading.get_ident()}.part"
        worked, said = run_compiler(filled(command, source, partial, overlay))
        if not worked:
            raise GradeError(f"{source} of the course does not compile:\n{said[-3000:]}")
        os.replace(partial, out)
    return str(out)


def stamp_of(course: Path) -> str:
    """Changes when a header of the course does."""
    key = hashlib.sha256()
    for top in ("src", "cuda", "tests"):
        for path in sorted((course / top).rglob("*.*h")):
            facts = path.stat()
            key.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return key.hexdigest()
