#!/usr/bin/env python3
"""The lists of the labs, made from labs.json: that of tutorial/labs/README.md and, in each lab's
text, the table of its tests.

    python3 tutorial/tools/lab_list.py --fill     writes them
    python3 tutorial/tools/lab_list.py --check    says whether they are what it makes, and whether
                                                  the texts agree with labs.json; exit 1 if not

Checked of each text: its title and its hours, its parts, every function that is cut, its
prerequisites, and that its steps name the tests that count, all of them and no others. Of
teaching.md: the hours of its sessions. Needs Python 3 alone.
"""
import argparse
import pathlib
import re
import sys

import cpp_source
import labs as course
from fill import fill
from labs import Lab
from tool import ToolError, run

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# In this order: hints come last, where nobody reads them by accident in the raw text.
PARTS = ["What you write", "How to check", "Step by step", "Expected output",
         "What a wrong answer looks like", "Going further", "Hints"]
WARNING = "If you read this file as raw text: stop here"


def page_of(lab: Lab) -> str:
    return pathlib.Path(lab.text).name


def suites_of(lab: Lab, root: pathlib.Path) -> set[str]:
    """The suites of the lab's test files."""
    return {test.name.split(".")[0] for file in lab.tests
            for test in cpp_source.definitions((root / file).read_text(encoding="utf-8"))
            if test.kind == "test"}


def list_table(labs: list[Lab]) -> str:
    lines = ["| lab | chapter | you write | after | hours | points |",
             "|---|---|---|---|--:|--:|"]
    for lab in labs:
        names = ", ".join(f"`{name}`" for cut in lab.cut.values() for name in cut)
        after = ", ".join(str(int(one.removeprefix("lab"))) for one in lab.prerequisites)
        points = sum(lab.points.values())
        lines.append(f"| [{lab.number} {lab.title}]({page_of(lab)}) | "
                     f"[{lab.chapter}](../{lab.chapter}.md) | {names} | {after} | "
                     f"{lab.hours} | {points} |")
    lines.append(f"| | | | | {sum(lab.hours for lab in labs)} | "
                 f"{sum(sum(lab.points.values()) for lab in labs)} |")
    return "\n".join(lines)


def test_table(lab: Lab) -> str:
    lines = ["| test | points |", "|---|--:|"]
    lines += [f"| `{name}` | {points} |" for name, points in lab.points.items()]
    return "\n".join(lines)


def offences(lab: Lab, text: str, root: pathlib.Path) -> list[str]:
    """What a lab's text lacks."""
    found = []
    if not text.startswith(f"# Lab {lab.number}: "):
        found.append(f"expected the first line to begin with '# Lab {lab.number}: '")
    found += [f"expected a part '## {part}'" for part in PARTS if f"\n## {part}\n" not in text]
    parts = re.findall(r"^## (.*)$", text, re.MULTILINE)  # a lab may have more of its own
    if not found and ([part for part in parts if part in PARTS] != PARTS or parts[-1] != PARTS[-1]):
        found.append("expected the parts in this order: " + ", ".join(PARTS))
    if not re.search(rf"\*\*Hours\.\*\* {lab.hours}[.:]", text):
        found.append(f"labs.json says {lab.hours} hours")
    for cut in lab.cut.values():
        found += [f"{name}, which is cut, is not named" for name in cut
                  if name.split("::")[-1] + "(" not in text]
    for one in lab.prerequisites:
        if f"({one}_" not in text.split("## What you write")[0]:
            found.append(f"{one} is a prerequisite and not linked before the first part")
    suites = suites_of(lab, root)
    steps = text.partition("\n## Step by step\n")[2].partition("\n## ")[0]
    named = {f"{suite}.{test}" for suite, test in re.findall(r"`(\w+)\.(\w+)`", steps)
             if suite in suites}
    found += [f"the steps name {name}, which is no test of this lab, or counts nothing"
              for name in sorted(named - set(lab.points))]
    found += [f"no step names the test {name}" for name in lab.points if name not in named]
    before, _, hints = text.partition("\n## Hints\n")
    if not hints.count("<details>") == hints.count("</details>") >= 3:
        found.append("expected at least three hints in <details>")
    if "<details>" in before or WARNING not in hints.partition("<details>")[0]:
        found.append(f"expected no hint before '## Hints' and, below it, a line with '{WARNING}'")
    return found


def wrong_hours(page: pathlib.Path, labs: list[Lab]) -> list[str]:
    """Sessions of the three weeks whose hours are not those of their labs."""
    text = page.read_text(encoding="utf-8")
    weeks = text.partition("\n## Three weeks\n")[2].partition("\n## ")[0]
    hours = {lab.id: lab.hours for lab in labs}
    found, seen = [], []
    for line in weeks.splitlines():
        ids = re.findall(r"\(labs/(lab\d\d)_", line)
        seen += ids
        if ids and f"| {sum(hours[one] for one in ids)} |" not in line:
            found.append(f"expected {sum(hours[one] for one in ids)} hours in: {line}")
    if sorted(seen) != sorted(hours):
        found.append("expected each lab once in the three weeks")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT)
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.fill == options.check:
        raise ToolError("give --fill or --check; --help says more.")
    folder = options.root / "tutorial" / "labs"
    labs = course.load(options.root)
    command = "python3 tutorial/tools/lab_list.py --fill"
    code = fill(folder / "README.md", "labs", lambda _: list_table(labs), options.check, command)
    for lab in labs:
        page = folder / page_of(lab)
        code |= fill(page, "tests", lambda _, lab=lab: test_table(lab), options.check,
                     command)
        for offence in offences(lab, page.read_text(encoding="utf-8"), options.root):
            print(f"{page}: {offence}.", file=sys.stderr)
            code = 1
    guide = options.root / "tutorial" / "teaching.md"
    for offence in wrong_hours(guide, labs):
        print(f"{guide}: {offence}.", file=sys.stderr)
        code = 1
    return code


if __name__ == "__main__":
    run(main)
