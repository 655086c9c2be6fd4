#!/usr/bin/env python3
"""Fills the listings and outputs of tutorial/**/*.md from the code and the program, or checks them.

    tutorial/tools/weave.py                fill in place (make tutorial)
    tutorial/tools/weave.py --check        exit 1 and name file, line and difference
    tutorial/tools/weave.py FILE.md ...    of these files alone

In a text, everything between a comment of one of these forms and `<!-- end -->` is replaced:

    <!-- listing: src/ch04_moe/router.cpp route_forward route_backward -->
    <!-- output: explain router --base=data/models/olmoe -->        what the program prints
    <!-- output: inspect data/models/olmoe | lines 1-12 -->         lines of it
    <!-- error: explain router --layer=9 -->                        a command that fails: its message
    <!-- file: data/models/olmoe/metrics.jsonl | lines 1-2 -->      a recorded file, or lines of it
    <!-- table: docs/cuda.md "kernel, inputs" naive shared -->      the first table from the first line with
                                                                    that text on; of its rows those named

Names of a listing are those of cpp_source.py. Commands run in a passing folder with links to the
folders of the project, one folder for a text: what they write (--run=runs/x) is there for later
commands of the same text and then goes. Python's standard library is enough.
"""
from __future__ import annotations

import argparse
import difflib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from itertools import takewhile
from pathlib import Path

from cpp_source import SourceError, listing
from tool import write

BLOCK = re.compile(r"^<!-- (listing|output|error|table|file): (.*?) -->\n(.*?)^<!-- end -->$", re.M | re.S)
OPENING = re.compile(r"^<!-- (listing|output|error|table|file): ", re.M)
LINES = re.compile(r"\s*\|\s*lines (\d+)-(\d+)\s*$")
SECONDS = 600  # more than the slowest command takes under sanitizers


class WeaveError(Exception):
    """A listing or an output that cannot be made, with file and line."""


class Weaver:
    def __init__(self, root: Path, program: Path):
        self.root, self.program = root, program
        self.sources: dict[str, str] = {}

    def woven(self, name: str, text: str, folder: Path) -> str:
        """The text with its blocks filled anew; WeaveError with file and line."""
        if len(OPENING.findall(text)) != len(BLOCK.findall(text)):
            raise WeaveError(f"{name}: a listing or an output has no '<!-- end -->' behind it.")

        def filled(match: re.Match[str]) -> str:
            kind, what = match.group(1), match.group(2).strip()
            if OPENING.search(match.group(3)):
                problem = "no '<!-- end -->' before the next one begins."
            else:
                try:
                    if kind == "table":
                        return f"<!-- {kind}: {what} -->\n\n{self.table(what)}\n\n<!-- end -->"
                    content = self.content(kind, what, folder)
                    fence = "cpp" if kind == "listing" else "text"
                    return f"<!-- {kind}: {what} -->\n```{fence}\n{content}\n```\n<!-- end -->"
                except (SourceError, WeaveError) as error:
                    problem = str(error)
            line = text.count("\n", 0, match.start()) + 1
            raise WeaveError(f"{name}:{line}: {kind} '{what}': {problem}")

        return BLOCK.sub(filled, text)

    def content(self, kind: str, what: str, folder: Path) -> str:
        if kind == "listing":
            return self.listing(what)
        chosen = LINES.search(what)
        name = what[: chosen.start()] if chosen else what
        lines = (self.read(name) if kind == "file" else self.output(kind, name, folder)).rstrip().splitlines()
        if chosen:
            first, last = int(chosen.group(1)), int(chosen.group(2))
            if not 1 <= first <= last <= len(lines):
                raise WeaveError(f"lines {first}-{last} were asked for; there are {len(lines)}.")
            lines = lines[first - 1 : last]
        return "\n".join(line.rstrip() for line in lines)

    def read(self, path: str) -> str:
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except OSError as error:
            raise WeaveError(f"{path}: {error.strerror}; it cannot be read.") from None

    def listing(self, what: str) -> str:
        path, *names = what.split()
        if not names:
            raise WeaveError("expected a file and the names of its definitions.")
        if path not in self.sources:
            self.sources[path] = self.read(path)
        return listing(self.sources[path], names, path)

    def table(self, what: str) -> str:
        try:
            path, text, *wanted = shlex.split(what)
        except ValueError:
            raise WeaveError('expected a file and a text, as in docs/cuda.md "kernel, inputs".') from None
        lines = self.read(path).splitlines()
        first = next((i for i, line in enumerate(lines) if text in line), len(lines))
        first = next((i for i in range(first, len(lines)) if lines[i].startswith("|")), len(lines))
        rows = list(takewhile(lambda line: line.startswith("|"), lines[first:]))
        if not rows:
            raise WeaveError(f"{path} has no table from a line with '{text}' on.")
        for name in wanted:
            if not any(row_name(row).startswith(name) for row in rows[2:]):
                raise WeaveError(f"the table of {path} from '{text}' on has no row '{name}'.")
        return "\n".join(rows[:2] + [row for row in rows[2:] if not wanted
                                     or any(row_name(row).startswith(name) for name in wanted)])

    def output(self, kind: str, command: str, folder: Path) -> str:
        """What the program prints, or says when it fails."""
        try:
            done = subprocess.run([self.program, *shlex.split(command)], cwd=folder, text=True, timeout=SECONDS,
                                  stdin=subprocess.DEVNULL, capture_output=True)
        except OSError as error:
            raise WeaveError(f"{self.program} cannot be run ({error.strerror}); `make build` makes it.") from None
        except subprocess.TimeoutExpired:
            raise WeaveError(f"it took more than {SECONDS} s.") from None
        if (done.returncode == 0) != (kind == "output"):
            raise WeaveError(f"the command ended with code {done.returncode}: {done.stderr.strip() or 'no message'}")
        return done.stdout if kind == "output" else done.stderr


def row_name(row: str) -> str:
    return row.strip("|").split("|")[0].strip(" `")


def linked_folder(root: Path, folder: Path) -> Path:
    """Links to the folders of the project, so that a command finds data/ and writes elsewhere."""
    for entry in root.iterdir():
        if entry.name not in ("runs", "build") and not entry.name.startswith("."):
            os.symlink(entry, folder / entry.name)
    return folder


def differences(name: str, now: str, should: str) -> str:
    return "\n".join(difflib.unified_diff(now.splitlines(), should.splitlines(), f"{name} (as it stands)",
                                          f"{name} (woven anew)", lineterm="", n=1))


def weave(root: Path, program: Path, files: list[Path], check: bool) -> list[str]:
    """Fills or checks the files; returns what is wrong, one message each."""
    weaver, wrong = Weaver(root, program), []
    for path in files:
        name, now = os.path.relpath(path, root), path.read_text(encoding="utf-8")
        try:
            with tempfile.TemporaryDirectory() as folder:
                should = weaver.woven(name, now, linked_folder(root, Path(folder)))
        except WeaveError as error:
            wrong.append(str(error))
            continue
        if should == now:
            continue
        if check:
            at = next((i for i, (a, b) in enumerate(zip(now.splitlines(), should.splitlines())) if a != b), 0)
            wrong.append(f"{name}:{at + 1}: differs from the code or the program; `make tutorial` fills it anew.\n"
                         + differences(name, now, should))
        else:
            write(path, should)
            print(f"filled {name}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="default: every .md below tutorial/")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something differs")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--program", type=Path, help="default: build/release/ramoe")
    options = parser.parse_args()
    root = options.root.resolve()
    program = (options.program or root / "build/release/ramoe").resolve()
    files = [f.resolve() for f in options.files] or sorted((root / "tutorial").rglob("*.md"))
    for path in files:
        if not path.is_file():
            print(f"{path}: no such file.", file=sys.stderr)
            return 1
    wrong = weave(root, program, files, options.check)
    for message in wrong:
        print(message, file=sys.stderr)
    if not wrong:
        print(f"{len(files)} texts: listings and outputs are those of the code and the program.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
