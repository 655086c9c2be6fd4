#!/usr/bin/env python3
"""Bands for graded experiments: over what the accuracies of correct runs spread.

    python3 tutorial/tools/bands.py [--model=olmoe] [--records=docs/results/main.jsonl]
    python3 tutorial/tools/bands.py --fill     the tables within tutorial/teaching.md again
    python3 tutorial/tools/bands.py --check    says whether they are what it makes, exit 1 if not

The records are those of the committed grid (docs/grid.md): ten seeds of each method. Accuracy is
that on the test split, in %. Needs Python 3 alone.
"""
import argparse
import json
import pathlib

from fill import fill
from tool import ToolError, run

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "tutorial" / "teaching.md"
RECORDS = ROOT / "docs" / "results" / "main.jsonl"
METHODS = {"sft": "SFT", "ramoe": "RA-MoE"}
LANGUAGES = {"zh": "Chinese", "es": "Spanish", "ar": "Arabic", "th": "Thai", "hi": "Hindi",
             "sw": "Swahili"}


def read_records(path: pathlib.Path) -> list[dict]:
    if not path.is_file():
        raise ToolError(f"{path} is missing; `make docs-grid` writes it from a finished grid.")
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ToolError(f"{path}, line {number}: no JSON ({error}).") from None
    return records


def quantile(values: list[float], p: float) -> float:
    """Between the two values around p, as chapter 12 computes it."""
    values = sorted(values)
    position = p * (len(values) - 1)
    below = int(position)
    above = min(below + 1, len(values) - 1)
    return values[below] + (position - below) * (values[above] - values[below])


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def band(shares: list[float]) -> str:
    """min, 5 %, median, 95 %, max"""
    return " / ".join(percent(quantile(shares, p)) for p in (0, 0.05, 0.5, 0.95, 1))


def rate_text(rates: set[float], what: str) -> str:
    if len(rates) != 1:
        raise ToolError(f"{what}: runs of {len(rates)} learning rates; expected one.")
    return f"{rates.pop():g}"


def row(records: list[dict], model: str, task: str, lang: str) -> list[str]:
    of_cell = [r for r in records if (r["model"], r["task"], r["lang"]) == (model, task, lang)]
    base = [r for r in of_cell if r["part"] == "base"]
    if len(base) != 1:
        raise ToolError(f"{model}, {task}, {lang}: {len(base)} records of the base model; "
                      "expected one.")
    cells = [task, LANGUAGES.get(lang, lang), str(base[0]["test"]["n"]),
             percent(base[0]["english"]["accuracy"]), percent(base[0]["test"]["accuracy"])]
    for method in METHODS:
        runs = [r for r in of_cell if r["part"] == "main" and r["variant"] == method]
        if not runs:
            raise ToolError(f"{model}, {task}, {lang}: no runs of {method}.")
        cells += [band([r["test"]["accuracy"] for r in runs]),
                  rate_text({r["learning_rate"] for r in runs}, f"{model}, {task}, {method}")]
    return cells


def table(records: list[dict], model: str) -> str:
    cells = list(dict.fromkeys((r["task"], r["lang"]) for r in records if r["model"] == model))
    if not cells:
        known = ", ".join(dict.fromkeys(r["model"] for r in records))
        raise ToolError(f"no records of model '{model}'; expected one of {known}.")
    head = ["task", "language", "n", "English", "base"]
    for name in METHODS.values():
        head += [f"{name}: min / 5 % / median / 95 % / max", "rate"]
    lines = [head, ["---", "---", "--:", "--:", "--:", "--:", "--:", "--:", "--:"]]
    lines += [row(records, model, task, lang) for task, lang in cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="olmoe")
    parser.add_argument("--records", type=pathlib.Path, default=RECORDS)
    parser.add_argument("--page", type=pathlib.Path, default=PAGE)
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    records = read_records(options.records)
    if options.fill or options.check:
        return fill(options.page, "bands", lambda model: table(records, model or options.model),
                    options.check, "python3 tutorial/tools/bands.py --fill")
    print(table(records, options.model))
    return 0


if __name__ == "__main__":
    run(main)
