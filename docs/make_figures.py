#!/usr/bin/env python3
"""Copies what a finished `make demo` made into docs/: two figures and the printed result.

    python3 docs/make_figures.py runs/demo

Standard library only; nothing is typed by hand. Optional: neither the build nor the tests need it.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIGURES = ("divergence", "taxonomy")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    run = pathlib.Path(sys.argv[1])
    page = (run / "report.html").read_text(encoding="utf-8")
    (ROOT / "docs/figures").mkdir(exist_ok=True)
    for name in FIGURES:
        found = re.search(r'<svg(?:(?!</svg>).)*?id="%s-title".*?</svg>' % name, page, re.S)
        if found is None:
            sys.exit(f"{run}/report.html has no figure {name}; was the demo finished?")
        svg = found.group(0)
        if "xmlns=" not in svg.split(">", 1)[0]:
            svg = svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        svg = re.sub(r"var\(--[a-z0-9]+, ([^)]*)\)", r"\1", svg)  # the colours of a bright page
        # Alone, without the page's style: a font, and white behind it for dark readers.
        svg = svg.replace("<svg", '<svg font-family="sans-serif" style="background:#fff"', 1)
        (ROOT / f"docs/figures/{name}.svg").write_text(svg + "\n", encoding="utf-8")
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    table = subprocess.run([ROOT / "build/release/ramoe", "report", run], check=True, text=True,
                           capture_output=True).stdout.rsplit("The report is", 1)[0]
    words = "\n".join(f"- {sentence}" for sentence in results["words"])
    seeds = ", ".join(str(seed) for seed in results["seeds"])
    (ROOT / "docs/demo.md").write_text(
        "# What one run of `make demo` printed\n\n"
        "Made by `python3 docs/make_figures.py runs/demo`, not by hand. Accuracy is exact match on the test\n"
        f"split, which no target language has seen; fine-tuning seeds {seeds}; one base model, one seed of it.\n\n"
        f"```\n{table.strip()}\n```\n\n{words}\n", encoding="utf-8")


main()
