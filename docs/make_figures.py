#!/usr/bin/env python3
"""Copies what a finished `make demo` made into docs/: figures and the printed results.

    python3 docs/make_figures.py runs/demo

Standard library only; nothing is typed by hand. Optional: neither the build nor the tests need it.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIGURES = ("taxonomy", "headroom-gain-ramoe-last")


def printed(run):
    """What `ramoe report` prints of a run, without the place of the page."""
    return subprocess.run([ROOT / "build/release/ramoe", "report", run], check=True, text=True,
                          capture_output=True).stdout.rsplit("The report is", 1)[0].strip()


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
    words = "\n".join(f"- {sentence}" for sentence in results["words"])
    seeds = ", ".join(str(seed) for seed in results["seeds"])
    headroom = "\n\n".join(printed(run / f"headroom-{h['form']}") for h in results["headroom"])
    (ROOT / "docs/demo.md").write_text(
        "# What one run of `make demo` printed\n\n"
        "Made by `python3 docs/make_figures.py runs/demo`, not by hand. One base model, one seed of it, of the kind in which\n"
        "routing holds something back ([ladder.md](ladder.md)): many small experts, and answers that are the same in every\n"
        "language. `last token (ours)` is an extension of ours, not the paper's method: alignment at the last prompt token, of\n"
        "all pairs, five times as heavy.\n\n"
        "[Headroom](headroom.md) before any fine-tuning, of the adapt part, teacher-forced; `seq`, the mean routing of the\n"
        "prompt, is what the paper's loss asks for, `last` what the extension asks for:\n\n"
        f"```\n{headroom}\n```\n\n"
        "Accuracy is exact match on the test split, which no target language has seen; fine-tuning seeds\n"
        f"{seeds}:\n\n"
        f"```\n{printed(run)}\n```\n\nIn words:\n\n{words}\n", encoding="utf-8")


main()
