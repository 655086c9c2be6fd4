#!/usr/bin/env python3
"""docs/headroom.md and docs/results/headroom.json from runs of `ramoe headroom` (make docs-headroom).

    python3 docs/make_headroom.py runs/docs-headroom    folders MODEL-FORM in it, one for each run
    python3 docs/make_headroom.py                       the page again from docs/results/headroom.json

No number of the page is typed by hand.
"""
import json
import math
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
RESULTS = DOCS / "results" / "headroom.json"

HEAD = """# Headroom: is routing what holds the target languages back?

Made by `make docs-headroom` from the base models in [data/models](../data/models); every number is a command's. The question is ours, not the
paper's: chapters [7.5](../src/ch07_divergence/forced_routing.h) and [7.6](../src/ch07_divergence/headroom.h), `ramoe headroom`.

The base model answers each target item, teacher-forced, while its prompt is routed in the alignment zone as that of the English twin (**own**),
and once more as that of another English item of the task (**OTHER**). Headroom is own minus OTHER. `seq` forces the mean routing of the prompt,
which is what the alignment loss asks for; `last` the logits of the last prompt token. Pairs are those of `{split}`; intervals are 95 %
bootstraps over cells and items. A cell is a task and a language.

"""


def number(value, digits=1):
    """Per cent or points of a share."""
    if value is None or math.isnan(value):
        return "n/a"
    text = f"{100 * value:.{digits}f}"
    return text[1:] if float(text) == 0 and text.startswith("-") else text


def signed(value):
    text = number(value)
    return text if text in ("n/a", "0.0") or text.startswith("-") else "+" + text


def estimate(entry):
    """"+0.3 [-0.2, +0.9]"."""
    if entry["low"] is None:
        return signed(entry["headroom"])
    return f"{signed(entry['headroom'])} [{signed(entry['low'])}, {signed(entry['high'])}]"


def mean(values):
    values = [v for v in values if v is not None]
    return sum(values) / len(values) if values else None


def rescued(cells, key):
    """The share of all ci items of the cells."""
    ci = sum(c["ci"] for c in cells)
    return sum(c["ci"] * c[key] for c in cells if c["ci"]) / ci if ci else None


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def name_of(run):
    return Path(run["model"]).name


def overall(runs):
    rows = []
    for run in runs:
        cells = run["cells"]
        rows.append([name_of(run), run["form"], str(len(cells)), str(sum(c["n"] for c in cells))]
                    + [number(mean([c[key] for c in cells])) for key in ("english", "base", "own", "control")]
                    + [estimate(run), number(rescued(cells, "rescued_own")), number(rescued(cells, "rescued_control"))])
    return table(["model", "form", "cells", "pairs", "English", "base", "own", "OTHER", "headroom, points",
                  "ci rescued by own", "by OTHER"], rows)


def by_cell(runs):
    places = [(c["task"], c["lang"]) for c in runs[0]["cells"]]
    rows = []
    for task, lang in places:
        row = [task, lang]
        for run in runs:
            row += [estimate(c) for c in run["cells"] if (c["task"], c["lang"]) == (task, lang)]
        rows.append(row)
    return table(["task", "language"] + [f"{name_of(run)}, {run['form']}" for run in runs], rows)


def frames(runs):
    rows = []
    for run in {name_of(run): run for run in runs}.values():
        for task in dict.fromkeys(c["task"] for c in run["cells"]):
            cells = [c for c in run["cells"] if c["task"] == task]
            rows.append([name_of(run), task] + [number(mean([c[key] for c in cells]))
                        for key in ("english", "english_frame", "target_frame", "base")])
    return table(["model", "task", "English", "English frame, target names", "target frame, English names", "target"], rows)


def intervals(runs):
    """How many cells lie above 0, below it, and on neither side."""
    cells = [c for run in runs for c in run["cells"]]
    known = [c for c in cells if c["low"] is not None]
    above, below = sum(c["low"] > 0 for c in known), sum(c["high"] < 0 for c in known)
    return (f"Of {len(cells)} cells, {above} have an interval above 0 and {below} one below it; in {len(cells) - len(known)} all items "
            f"are alike and there is no interval. Of intervals around nothing one in forty lies above 0 by chance.\n")


def in_words(runs):
    """What all runs say together."""
    nothing = sum(run["high"] is not None and run["low"] <= 0 and run["high"] < 0.01 for run in runs)
    lower = sum(mean([c["own"] for c in run["cells"]]) < mean([c["base"] for c in run["cells"]]) for run in runs)
    text = (f"In {nothing} of {len(runs)} runs the interval holds 0 and ends below 1 point; in {lower} the mean of own lies under that of base, "
            f"which is not judged.\n")
    if nothing == len(runs):
        text += ("So in these forms and layers it is not the routing that these models lack in the target languages, and whether aligning it helps "
                 "cannot be\ndecided on them.\n")
    return text + "\n"


def page(runs):
    text = HEAD.format(split=runs[0]["split"]) + overall(runs) + "\n" + in_words(runs)
    text += "The program's own sentences:\n\n"
    text += "".join(f"- {name_of(run)}, {run['form']}: {run['words']}\n" for run in runs)
    text += "\n## By task and language\n\nOwn minus OTHER in percentage points.\n\n" + by_cell(runs) + "\n" + intervals(runs)
    text += ("\n## Where transfer breaks\n\nAccuracy in per cent, mean over the languages, of questions in the frame of one language (cue words, "
             "operators, answer) with\nthe names of the other (territories, emoji, numbers): [switched.h](../src/ch06_languages/switched.h). Answers of sums and follow are made of such "
             "names,\nso there the model must translate as well; in facts it must not.\n\n"
             + frames(runs))
    return text


def write(path, text):
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(text)
    beside.replace(path)


def main():
    if len(sys.argv) > 1:
        folders = sorted(Path(sys.argv[1]).glob("*/results.json"))
        if not folders:
            sys.exit(f"{sys.argv[1]} holds no runs of `ramoe headroom`; expected folders with results.json. `make docs-headroom` makes them.")
        runs = [json.loads(path.read_text()) for path in folders]
        write(RESULTS, "[\n" + ",\n".join(json.dumps(run) for run in runs) + "\n]\n")
    write(DOCS / "headroom.md", page(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
