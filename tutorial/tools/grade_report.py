"""A grade in words, as JSON, as JUnit XML, for Gradescope and as a line of CSV."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as xml
from dataclasses import asdict, dataclass, field
from pathlib import Path

from grade_run import Result
from tool import write

SECONDS_DIGITS = 3


@dataclass
class Graded:
    """One test or hidden case, and what it brought."""

    name: str
    points: float
    most: float
    status: str
    message: str = ""
    seconds: float = 0
    hidden: bool = False


@dataclass
class LabGrade:
    number: int
    id: str
    title: str
    refused: list[str] = field(default_factory=list)  # why nothing of it was run
    tests: list[Graded] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(test.points for test in self.tests)

    @property
    def most(self) -> float:
        return sum(test.most for test in self.tests)


@dataclass
class Grade:
    tree: str
    labs: list[LabGrade]
    guards: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    hidden_file: str = ""

    @property
    def points(self) -> float:
        return sum(lab.points for lab in self.labs)

    @property
    def most(self) -> float:
        return sum(lab.most for lab in self.labs)


def graded(result: Result, most: float, hidden: bool = False) -> Graded:
    return Graded(result.name, most if result.status == "passed" else 0, most, result.status, result.message,
                  round(result.seconds, SECONDS_DIGITS), hidden)


def number(value: float) -> str:
    return f"{value:.10g}"


def printable(text: str) -> str:
    return re.sub(r"[^\t\n\x20-\x7e\x80-\ud7ff\ue000-\ufffd]", "?", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text))


def table(grade: Grade) -> str:
    rows = [("lab", "title", "points", "of", "")]
    for lab in grade.labs:
        counted = [test for test in lab.tests if test.status != "skipped"]
        failed = sum(test.status != "passed" for test in counted)
        said = "refused" if lab.refused else f"{failed} of {len(counted)} failed" if failed else "all passed"
        if len(counted) < len(lab.tests) and not lab.refused:
            said += f", {len(lab.tests) - len(counted)} skipped"
        rows.append((lab.id, lab.title, number(lab.points), number(lab.most), said))
    rows.append(("", "sum", number(grade.points), number(grade.most), ""))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]),
                 row[3].rjust(widths[3]), row[4]]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def failures(grade: Grade, most_lines: int = 12) -> str:
    out = []
    skipped: dict[str, int] = {}
    for lab in grade.labs:
        out += [f"{lab.id}: {reason}" for reason in lab.refused]
        out += [f"{lab.id}: {note}" for note in lab.notes]
        for test in lab.tests:
            if test.status == "passed" or lab.refused:
                continue
            if test.hidden and test.status == "skipped":  # all for one reason, said once below
                skipped[test.message] = skipped.get(test.message, 0) + 1
                continue
            lines = printable(test.message).strip().split("\n")
            if len(lines) > most_lines:
                lines = lines[:most_lines] + ["..."]
            out.append(f"{lab.id} {test.name}: {test.status}")
            out += ["    " + line for line in lines]
    out += [f"{count} hidden cases were skipped: {reason}" for reason, count in skipped.items()]
    return "\n".join(out)


def guard_line(guards: dict[str, str]) -> str:
    held = [name for name, state in guards.items() if state == "on"]
    not_held = [f"{name} ({state})" for name, state in guards.items() if state != "on"]
    if not guards:
        return "guards: nothing was run"
    return "guards: " + ", ".join(held) + ("; not held: " + ", ".join(not_held) if not_held else "")


def as_json(grade: Grade) -> dict:
    labs = []
    for lab in grade.labs:
        entry = asdict(lab)
        entry |= {"points": lab.points, "most": lab.most}
        for test in entry["tests"]:
            test["message"] = printable(test["message"])
        labs.append(entry)
    return {"tree": grade.tree, "points": grade.points, "most": grade.most, "guards": grade.guards,
            "hidden_file": grade.hidden_file, "notes": grade.notes, "labs": labs}


def as_junit(grade: Grade) -> str:
    root = xml.Element("testsuites", name="labs")
    for lab in grade.labs:
        suite = xml.SubElement(root, "testsuite", name=lab.id, tests=str(len(lab.tests)),
                               failures=str(sum(test.status != "passed" for test in lab.tests)))
        for test in lab.tests:
            case = xml.SubElement(suite, "testcase", classname=lab.id, name=test.name, time=str(test.seconds))
            if test.status != "passed":
                said = printable(test.message) or "; ".join(lab.refused)
                failure = xml.SubElement(case, "failure", message=said.split("\n")[0][:300])
                failure.text = said
    xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, encoding="unicode") + "\n"


def as_gradescope(grade: Grade) -> dict:
    """The results.json of Gradescope's autograder. Messages of hidden cases come after the due date."""
    tests = []
    for lab in grade.labs:
        for test in lab.tests:
            said = "; ".join(lab.refused) or printable(test.message)
            tests.append({"name": f"{lab.id} {test.name}", "score": test.points, "max_score": test.most,
                          "status": "passed" if test.status == "passed" else "failed", "output": said,
                          "output_format": "text", "visibility": "after_due_date" if test.hidden else "visible"})
    return {"score": grade.points, "output": guard_line(grade.guards), "tests": tests}


def csv_rows(grades: list[tuple[str, Grade | str]], labs: list[str]) -> list[list[str]]:
    rows = [["submission", "points", "most", *labs, "remarks"]]
    for name, grade in grades:
        if isinstance(grade, str):
            rows.append([name, "0", "", *("" for _ in labs), grade])
            continue
        by_id = {lab.id: lab for lab in grade.labs}
        remarks = [reason for lab in grade.labs for reason in lab.refused] + grade.notes
        rows.append([name, number(grade.points), number(grade.most),
                     *(number(by_id[lab].points) if lab in by_id else "" for lab in labs), "; ".join(remarks)])
    return rows


def safe_cell(text: str) -> str:
    """A spreadsheet must not take a remark for a formula."""
    return "'" + text if re.match(r"[=+@\t\r]|-(?![\d.]+$)", text) else text


def write_csv(path: Path, rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([[safe_cell(printable(cell)) for cell in row] for row in rows])
    write(path, text.getvalue())


def write_grade(grade: Grade, folder: Path, form: str) -> list[Path]:
    dumped = json.dumps(as_json(grade), indent=1, ensure_ascii=False) + "\n"
    written = {"grade.json": dumped, "junit.xml": as_junit(grade)}
    if form == "gradescope":
        written["results.json"] = json.dumps(as_gradescope(grade), indent=1, ensure_ascii=False) + "\n"
    for name, text in written.items():
        write(folder / name, text)
    return [folder / name for name in written]
