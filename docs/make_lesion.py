#!/usr/bin/env python3
"""docs/lesion.md, its figure and docs/results/lesion.json: the lesions, their headroom and what fine-tuning gets back.

    python3 docs/make_lesion.py runs     from runs/lesion-LANGUAGE-STRENGTH and runs/lesion-headroom (make lesion-models)
    python3 docs/make_lesion.py          the page again from docs/results/lesion.json and docs/results/lesion-*.json

Grids that are not collected yet are named on the page. No number of the page is typed by hand.
"""
import json
import math
import sys
from pathlib import Path

from make_headroom import DOCS, estimate, mean, number, signed, table, write

RESULTS = DOCS / "results"

HEAD = """# A lesion: routing made the fault

Made by `make lesion-models`, the grids `lesion-*` ([grid.md](grid.md)) and `make docs-lesion`; every number is a command's. The question is ours, not the
paper's. The shipped base models have no headroom ([headroom.md](headroom.md)): routing holds nothing back there that a method could give back. Here
it is made the fault. `ramoe lesion` ([7.7](../src/ch07_divergence/lesion.h)) moves the router logits of one target language in the zone, by routers
alone; the experts stay whole, and so does English as far as a direction in the hidden states tells the two apart. What is lost is lost by routing.

"""

T975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110,
        2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042]  # Student's t, 1 to 30


def student(values):
    """Mean with its 95 % interval, as make_headroom's estimates; equal values have none."""
    n = len(values)
    middle = mean(values)
    if n < 2 or len(set(values)) == 1:
        return {"headroom": middle, "low": None, "high": None}
    deviation = math.sqrt(sum((v - middle) ** 2 for v in values) / (n - 1))
    half = T975[min(n - 1, 30) - 1] * deviation / math.sqrt(n)
    return {"headroom": middle, "low": middle - half, "high": middle + half}


def gather(runs):
    """What the commands found: a list of lesions, each with the headroom of its forms."""
    lesions = []
    for path in sorted(runs.glob("lesion-*-*/results.json")):
        config = json.loads((path.parent / "run.json").read_text())["config"]
        found, lang, strength = json.loads(path.read_text()), config["languages"][0], config["strength"]
        oracle = {}
        for other in sorted((runs / "lesion-headroom").glob(f"{lang}-{strength:g}-*/results.json")):
            run = json.loads(other.read_text())
            oracle[f"{run['form']}-{run['control']}"] = {**{k: run["cells"][0][k] for k in (
                "english", "base", "own", "control", "headroom", "low", "high", "n")}, "name": run["language_names"][lang]}
        lesions.append({"base": config["base"], "lang": lang, "strength": strength, "task": config["tasks"][0],
                        "layers": found["layers"], "accuracies": found["accuracies"], "oracle": oracle})
    return sorted(lesions, key=lambda l: (l["lang"], l["strength"]))


class Grid:
    """A collected grid of one language: accuracies on test by strength, variant and seed."""

    def __init__(self, path):
        facts = json.loads(path.read_text())
        self.plan = facts["plan"]
        self.lang = self.plan["languages"][0]
        self.accuracy, self.rate, self.base = {}, {}, {}
        for line in path.with_suffix(".jsonl").read_text().splitlines():
            record = json.loads(line)
            strength = float(record["model"].split("=")[1]) if "model" in record else None
            if record["part"] == "main":
                self.accuracy.setdefault((strength, record["variant"]), {})[record["seed"]] = record["test"]["accuracy"]
                self.rate[strength, record["variant"]] = record["learning_rate"]
            elif record["part"] == "base" and "test" in record:
                self.base[strength] = record["test"]["accuracy"]
        self.variants = [v["name"] for v in self.plan["variants"] if v["name"] != "sft"]

    def gain(self, strength, variant):
        """RA-MoE minus SFT, seeds in pairs; None if there are no pairs."""
        ours, sft = self.accuracy.get((strength, variant), {}), self.accuracy.get((strength, "sft"), {})
        seeds = sorted(set(ours) & set(sft))
        return {**student([ours[s] - sft[s] for s in seeds]), "seeds": len(seeds)} if seeds else None

    def edges(self):
        """Searches whose best rate is the smallest or the largest."""
        rates = self.plan["search"]["learning_rates"]
        return sorted(key for key, rate in self.rate.items() if rate in (min(rates), max(rates)))


def languages(lesions):
    return list(dict.fromkeys(l["lang"] for l in lesions))


def name_of(lesion):
    return next((o["name"] for o in lesion["oracle"].values()), lesion["lang"])


def told_apart(lesions):
    """How cleanly the direction tells the language from English; strength 1 alone, the others hardly differ."""
    rows = []
    for lesion in lesions:
        if lesion["strength"] != 1:
            continue
        for layer in lesion["layers"]:
            rows.append([name_of(lesion), str(layer["layer"])] + [
                f"{layer[k]['mean']:.2f} ± {layer[k]['deviation']:.2f}" for k in ("target", "english", "answers")])
    return table(["language", "layer", "its prompts", "English", "its answers"], rows)


def dose(lesions):
    rows = []
    for lesion in lesions:
        seq = lesion["oracle"].get("seq-target") or lesion["oracle"]["seq-other"]
        rows.append([name_of(lesion), f"{lesion['strength']:g}", number(seq["english"]), number(seq["base"]), number(seq["own"])]
                    + [estimate(lesion["oracle"][k]) if k in lesion["oracle"] else "n/a"
                       for k in ("seq-target", "seq-other", "last-target", "tokens-target")])
    return table(["language", "strength", "English", "target", "own", "seq, own minus target", "seq, own minus OTHER",
                  "last, own minus target", "tokens, own minus target"], rows)


def gains(grids):
    parts = []
    for grid in grids:
        rows = []
        for strength in sorted(grid.base):
            sft = list(grid.accuracy.get((strength, "sft"), {}).values())
            cells = []
            for variant in grid.variants:
                gain = grid.gain(strength, variant)
                cells.append(f"{estimate(gain)}" if gain else "not run")
            rows.append([grid.lang, f"{strength:g}", number(grid.base[strength]), number(mean(sft))] + cells)
        parts.append(table(["language", "strength", "base", "SFT"] + [f"{v} − SFT" for v in grid.variants], rows))
    return "\n".join(parts)


def joined(items):
    return ", ".join(items) if items else "none"


def dose_words(lesions):
    """Sentences decided by intervals alone."""
    def places(key, holds):
        return [f"{name_of(l)} at {l['strength']:g}" for l in lesions if key in l["oracle"] and holds(l["oracle"][key])]
    above = lambda o: o["low"] is not None and o["low"] > 0
    text = ""
    for key, label in (("seq-target", "own minus target, form seq,"), ("last-target", "own minus target, form last,"),
                       ("tokens-target", "own minus target, form tokens,"), ("seq-other", "own minus OTHER, form seq,")):
        found = [l for l in lesions if key in l["oracle"]]
        if found:
            text += f"- The interval of {label} lies above 0 in {len(places(key, above))} of {len(found)} models: {joined(places(key, above))}.\n"
    whole = {l["lang"]: l["oracle"]["seq-other"]["english"] for l in lesions if l["strength"] == 0}
    harmed = [f"{name_of(l)} at {l['strength']:g} ({signed(l['oracle']['seq-other']['english'] - whole[l['lang']])} points)"
              for l in lesions if l["lang"] in whole and whole[l["lang"]] - l["oracle"]["seq-other"]["english"] > 0.03]
    return text + f"- English is more than 3 points below the undamaged model in: {joined(harmed)}.\n"


def gain_words(grids):
    won, lost, open_, missing = [], [], 0, 0
    for grid in grids:
        for strength in sorted(grid.base):
            for variant in grid.variants:
                gain = grid.gain(strength, variant)
                place = f"{grid.lang} at {strength:g}, {variant}"
                if gain is None or gain["low"] is None:
                    missing += 1
                elif gain["low"] > 0:
                    won.append(f"{place} ({estimate(gain)})")
                elif gain["high"] < 0:
                    lost.append(f"{place} ({estimate(gain)})")
                else:
                    open_ += 1
    edges = [f"{grid.lang} at {s:g}, {v}" for grid in grids for s, v in grid.edges()]
    return (f"- RA-MoE is above SFT: {joined(won)}.\n- RA-MoE is below SFT: {joined(lost)}.\n- The interval holds 0 in {open_} comparisons; "
            f"{missing} have not been run or have no interval.\n- The best rate of a search lies at its edge, which decides nothing, in: "
            f"{joined(edges)}.\n")


COLOURS = {"lost": "#444", "seq-target": "#6d28d9", "seq-other": "#999"}


def figure(lesions, grids):
    """A panel for each language: strength against what was lost, headroom, and gain over SFT; points, one scale."""
    langs, width, height, left, top, bottom = languages(lesions), 250, 190, 44, 34, 40
    values = [0.0]
    series = []  # (panel, label, colour, dash, points of (x, y, low, high))
    for panel, lang in enumerate(langs):
        mine = [l for l in lesions if l["lang"] == lang and "seq-other" in l["oracle"]]
        whole = next(l["oracle"]["seq-other"]["base"] for l in mine if l["strength"] == 0)
        series.append((panel, "lost", COLOURS["lost"], "", [(l["strength"], whole - l["oracle"]["seq-other"]["base"], None, None) for l in mine]))
        for key, dash in (("seq-target", ""), ("seq-other", "4 3")):
            series.append((panel, key, COLOURS[key], dash, [(l["strength"], *(l["oracle"][key][k] for k in ("headroom", "low", "high")))
                                                            for l in mine if key in l["oracle"]]))
        for grid in grids:
            if grid.lang != lang:
                continue
            for variant, colour in (("ramoe", "#0f766e"), (grid.variants[-1], "#b45309")):
                points = [(s, g["headroom"], g["low"], g["high"]) for s in sorted(grid.base) if (g := grid.gain(s, variant))]
                series.append((panel, variant, colour, "", points))
    for _, _, _, _, points in series:
        values += [v for p in points for v in p[1:] if v is not None]
    low, high = math.floor(10 * min(values)) / 10, math.ceil(10 * max(values)) / 10
    most = max(l["strength"] for l in lesions)
    total = left + len(langs) * width
    y = lambda v: top + (high - v) / (high - low) * height
    x = lambda panel, s: left + panel * width + 12 + s / most * (width - 40)
    labels = {"lost": "accuracy lost", "seq-target": "headroom, own minus target", "seq-other": "headroom, own minus OTHER",
              "ramoe": "gain over SFT, RA-MoE"}
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{top + height + bottom + 22}" '
           f'viewBox="0 0 {total} {top + height + bottom + 22}" font-family="sans-serif" font-size="11" fill="#222">',
           f'<rect width="{total}" height="{top + height + bottom + 22}" fill="#fff"/>']
    for tick in range(round(10 * low), round(10 * high) + 1):
        place = y(tick / 10)
        out.append(f'<line x1="{left}" x2="{total - 20}" y1="{place:.1f}" y2="{place:.1f}" stroke="{"#888" if tick == 0 else "#e5e5e5"}"/>')
        out.append(f'<text x="{left - 6}" y="{place + 4:.1f}" text-anchor="end">{10 * tick}</text>')
    for panel, lang in enumerate(langs):
        mine = [l for l in lesions if l["lang"] == lang]
        out.append(f'<text x="{x(panel, most / 2):.1f}" y="{top - 8}" text-anchor="middle" font-weight="bold">{name_of(mine[0])}</text>')
        for l in mine:
            out.append(f'<text x="{x(panel, l["strength"]):.1f}" y="{top + height + 16}" text-anchor="middle">{l["strength"]:g}</text>')
    shift = {name: 2.5 * i for i, name in enumerate(dict.fromkeys(s[1] for s in series))}
    for panel, name, colour, dash, points in series:
        at = [(x(panel, s) + shift[name], y(v), lo, hi) for s, v, lo, hi in points]
        if len(at) > 1:
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b, _, _ in at)
            out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash or "none"}"/>')
        for a, b, lo, hi in at:
            if lo is not None:
                out.append(f'<line x1="{a:.1f}" x2="{a:.1f}" y1="{y(lo):.1f}" y2="{y(hi):.1f}" stroke="{colour}"/>')
            out.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.6" fill="{colour}"/>')
    out.append(f'<text x="{total / 2:.0f}" y="{top + height + 32}" text-anchor="middle">strength of the lesion</text>')
    out.append(f'<text x="12" y="{top + height / 2:.0f}" transform="rotate(-90 12 {top + height / 2:.0f})" text-anchor="middle">points</text>')
    place = left
    for name in shift:
        text = labels.get(name, f"gain over SFT, {name}")
        colour, dash = next((s[2], s[3]) for s in series if s[1] == name)
        level = top + height + 50
        out.append(f'<line x1="{place}" x2="{place + 18}" y1="{level - 4}" y2="{level - 4}" stroke="{colour}" stroke-width="2" '
                   f'stroke-dasharray="{dash or "none"}"/><text x="{place + 22}" y="{level}">{text}</text>')
        place += 34 + 6 * len(text)
    return "\n".join(out + ["</svg>"]) + "\n"


def page(lesions, grids):
    text = HEAD + "![Strength of the lesion against the accuracy that it cost, headroom and gain](figures/lesion.svg)\n\n"
    text += "## What the lesion does\n\n"
    text += ("d.h, by which the shift of a token is multiplied, mean ± deviation over tokens at strength 1. An ideal lesion has 1 for the prompts of its "
             "language and 0 for\nEnglish; deviations are what no constant can undo.\n\n" + told_apart(lesions))
    text += ("\n## Strength and headroom\n\nThe task is follow, pairs are those of `adapt_train`, teacher-forced. Headroom as in [headroom.md](headroom.md), in points with 95 % "
             "intervals: own is the\nEnglish twin's routing; OTHER another English item's; **target** another item's in the target language itself (`--control=target`). "
             "The lesion is the same for\nall items, so any English routing undoes it: own minus OTHER cannot see it, own minus target can.\n\n")
    text += dose(lesions) + "\n" + dose_words(lesions)
    text += "\n## What fine-tuning gets back\n\n"
    missing = [l for l in languages(lesions) if l not in [g.lang for g in grids]]
    if grids:
        keys = grids[0].plan["keys"]
        text += (f"Accuracy on test in per cent after {keys['steps']} steps on {keys['train_pairs']} pairs, and RA-MoE minus SFT in points: means over paired seeds with "
                 "Student's 95 % intervals.\nEvery variant has its own search of the rate, on adapt_valid. ramoe is the paper's setting with lambda 1, both spans prompt and answer, router gives the alignment gradient to the routers alone.\n\n")
        text += gains(grids) + "\n" + gain_words(grids)
    if missing:
        text += f"\nNot run yet: the grids of {joined(missing)} (`data/grids/lesion-*.json`); `ramoe experiment` goes on where it stopped.\n"
    return text


def main():
    if len(sys.argv) > 1:
        lesions = gather(Path(sys.argv[1]))
        if not lesions:
            sys.exit(f"{sys.argv[1]} holds no runs lesion-LANGUAGE-STRENGTH of `ramoe lesion`; `make lesion-models` makes them.")
        write(RESULTS / "lesion.json", "[\n" + ",\n".join(json.dumps(l) for l in lesions) + "\n]\n")
    lesions = json.loads((RESULTS / "lesion.json").read_text())
    grids = [Grid(path) for path in sorted(RESULTS.glob("lesion-*.json"))]
    grids = [g for lang in languages(lesions) for g in grids if g.lang == lang]
    write(DOCS / "figures" / "lesion.svg", figure(lesions, grids))
    write(DOCS / "lesion.md", page(lesions, grids))


if __name__ == "__main__":
    main()
