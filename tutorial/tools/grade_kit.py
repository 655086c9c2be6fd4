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
import time
from collections import deque
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


def run_build(build: Path, targets: list[str], jobs: int, what: str) -> None:
    """Builds, and says how far it is: at first, then every ten seconds."""
    command = ["cmake", "--build", str(build), "-j", str(jobs), "--target", *targets]
    last: deque[str] = deque(maxlen=25)
    began = time.monotonic()
    spoken = began - 10
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace") as process:
        for line in process.stdout:
            last.append(line)
            step = re.match(r"\[\s*(\d+)(?:/(\d+)|%)\]", line)
            now = time.monotonic()
            if step and now >= spoken + 10:
                done, of, passed = int(step[1]), int(step[2] or 100), now - began
                left = f", some {passed * (of - done) / done:.0f} s more" if done and passed > 5 else ""
                print(f"  {what}: {done} of {of}{' steps' if step[2] else ' %'}, {passed:.0f} s{left}", flush=True)
                spoken = now
    if process.returncode != 0:
        raise GradeError(f"building {what} failed:\n{''.join(last).strip()}")


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
        lab.units, lab.tests, lab.libraries = {}, {}, []
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


def pristine(tree: Path, labs: list[Lab]) -> bool:
    """Whether a student's tree holds, besides the files of its labs, what was handed out."""
    root = git(tree, "rev-list", "--max-parents=0", "HEAD").split("\n")[-1]
    sources = ["src", "cuda", "tests", "cmake", "CMakeLists.txt", "tutorial/labs"]
    others = [f":(exclude){file}" for lab in labs for file in lab.files]
    changed = git(tree, "diff", "--name-only", root, "--", *sources, *others)
    new = git(tree, "ls-files", "--others", "--exclude-standard", "--", "src", "cuda", "tests", "cmake")
    return bool(root) and not changed and not new


def compiled_library(home: Path, wanted: list[str], jobs: int, all_labs: list[Lab]) -> Path | None:
    """The library that `make check-lab` or `make test` has compiled in a checkout, brought up to date.
    None if there is none, if it was built otherwise, or if it may not be what was handed out."""
    build = home / "build/release"
    try:
        cache = (build / "CMakeCache.txt").read_text()
        commands = (build / "compile_commands.json").read_text()
    except OSError:
        return None
    expected = [r"^CMAKE_HOME_DIRECTORY:INTERNAL=" + re.escape(str(home)) + "$", r"^CMAKE_BUILD_TYPE:\w+=Release$",
                r"^RAMOE_TESTS:BOOL=ON$", r"^RAMOE_SANITIZE:BOOL=OFF$", r"^RAMOE_CUDA_EMULATION:BOOL=OFF$"]
    if not all(re.search(line, cache, re.MULTILINE) for line in expected) or re.search(r"-DRAMOE_CUDA(?!_)", commands):
        return None
    if not (build / "libramoe_core.a").is_file() or is_student_tree(home) and not pristine(home, all_labs):
        return None
    run_build(build, wanted, jobs, "the library in build/release")
    return build


def kit_of_course(course: Path, work: Path, labs: list[Lab], options: list[str], jobs: int, home: Path) -> Kit:
    """`home`: the checkout whose compiled library will do, the teacher's own or, alone, the student's."""
    build = work / "build"
    print("configuring the course with CMake", flush=True)
    configure(course, build, [*options, "-DRAMOE_LIBRARY="])
    kit = Kit(course, work, reference_of(course, build), labs,
              [str(course / name) for name in ("tests", "data") if (course / name).is_dir()])
    add_commands(kit, build)
    wanted = sorted({re.sub(r"^lib|\.a$", "", os.path.basename(library)) for lab in labs for library in lab.libraries
                     if library.startswith(str(build)) and library.endswith(".a")})
    if not wanted:
        print("the library came compiled with the tree", flush=True)
        return kit
    library = compiled_library(home, wanted, jobs, read_labs(course / "tutorial/labs/labs.json"))
    if library:
        print(f"the library that {library} holds is used", flush=True)
        configure(course, build, [*options, f"-DRAMOE_LIBRARY={library}"])
        add_commands(kit, build)
    else:
        print(f"compiling the course's library, with {jobs} jobs: minutes at first, seconds later", flush=True)
        run_build(build, wanted, jobs, "the library")
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
