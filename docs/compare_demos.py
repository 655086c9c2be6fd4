#!/usr/bin/env python3
"""Writes the comparison of two finished demos, fp32 and bf16, into docs/log.md.

    ramoe demo --run=runs/demo
    ramoe demo --run=runs/demo-bf16 --precision=bf16
    python3 docs/compare_demos.py runs/demo runs/demo-bf16

Standard library only; replaces the section that it wrote before. Optional: neither the build nor
the tests need it.
"""
import json
import pathlib
import statistics
import sys

LOG = pathlib.Path(__file__).resolve().parent / "log.md"
TITLE = "## Demo with precision=bf16 beside fp32"
T_11 = 2.201  # Student's t at 97.5 % for the 12 cells of the demo


def read(run, precision):
    folder = pathlib.Path(run)
    config = json.loads((folder / "run.json").read_text(encoding="utf-8"))["config"]
    if config["precision"] != precision:
        sys.exit(f"{run} was made with --precision={config['precision']}; expected {precision} here.")
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def cells(results, method):
    """Accuracy of each language and task: of the base model, or the mean over seeds."""
    if method == "base":
        return [cell["base"] for cell in results["accuracy"]]
    return [statistics.mean(cell["methods"][method]["accuracy"]) for cell in results["accuracy"]]


def row(name, values, form="{:.3f}"):
    return "| " + " | ".join([name] + [form.format(value) for value in values]) + " |"


def table(both):
    losses = [r["pretrain"]["loss"][-20:] for r in both]
    yield row("pre-training loss, mean of the last 20 lines", [statistics.mean(x) for x in losses])
    for task in both[0]["tasks"]:
        yield row(f"English {task} after pre-training",
                  [s["accuracy"] for r in both for s in r["base_accuracy"]
                   if s["lang"] == "en" and s["task"] == task])
    for method, name in (("base", "base model"), ("sft", "SFT"), ("ramoe", "RA-MoE")):
        yield row(f"{name}, mean of the target cells",
                  [statistics.mean(cells(r, method)) for r in both])
    differences = [r["overall"]["ramoe"]["difference"] for r in both]
    yield row("RA-MoE minus SFT, points", [100 * d["mean"] for d in differences], "{:+.2f}")
    yield "| its 95 % interval | " + " | ".join(
        f"{100 * d['low']:+.1f} to {100 * d['high']:+.1f}" for d in differences) + " |"


def words(both):
    for method, name in (("base", "the base models"), ("sft", "SFT"), ("ramoe", "RA-MoE")):
        full, rounded = (cells(r, method) for r in both)
        gaps = [100 * (b - a) for a, b in zip(full, rounded)]
        if len(gaps) != 12:
            sys.exit("the table is for the demo's 12 cells of languages and tasks.")
        reach = T_11 * statistics.stdev(gaps) / len(gaps) ** 0.5
        yield (f"- bf16 minus fp32 of {name} over 12 cells: {statistics.mean(gaps):+.1f} points, 95 % interval "
               f"{statistics.mean(gaps) - reach:+.1f} to {statistics.mean(gaps) + reach:+.1f}; "
               f"single cells {min(gaps):+.1f} to {max(gaps):+.1f}.")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    both = [read(sys.argv[1], "fp32"), read(sys.argv[2], "bf16")]
    section = "\n".join([
        TITLE,
        "Written by `python3 docs/compare_demos.py`, not by hand. Same seeds and data; one base model each, which differ by",
        "chance as two seeds do, so the intervals over cells are what tells.",
        "", "| what | fp32 | bf16 |", "|---|---|---|", *table(both), "", *words(both)]) + "\n"
    log = LOG.read_text(encoding="utf-8")
    start = log.find(TITLE)
    if start >= 0:
        end = log.find("\n## ", start + 1)
        log = log[:start].rstrip("\n") + "\n" + ("" if end < 0 else log[end:])
    beside = LOG.with_suffix(".new")
    beside.write_text(log.rstrip("\n") + "\n\n" + section, encoding="utf-8")
    beside.replace(LOG)


main()
