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

import results_text
from ladder_page import Estimate
from make_headroom import DOCS, estimate, mean, number, signed, table, write
from results_tables import cell_means, edge_of

RESULTS = DOCS / "results"

HEAD = """# A lesion: routing made the fault

Made by `make lesion-models`, the grids `lesion-*` ([grid.md](grid.md)) and `make docs-lesion`; every number is a command's. The question is ours, not the
paper's. The shipped base models have no headroom ([headroom.md](headroom.md)): routing holds nothing back there that a method could give back. Here
it is made the fault. `ramoe lesion` ([7.7](../src/ch07_divergence/lesion.h)) moves the router logits of one target language in the zone, by routers
alone; the experts stay whole, and so does English as far as a direction in the hidden states tells the two apart. What is lost is lost by routing.

"""

FORMS = {"seq-target-both": "seq, prompt and answer, own minus target", "seq-other-both": "the same, own minus OTHER",
         "seq-target-prompt": "seq, prompt, own minus target", "last-target-prompt": "last, own minus target",
         "tokens-target-prompt": "tokens, own minus target"}
SEEN, BLIND = "seq-target-both", "seq-other-both"


def student(values):
    """Mean with its 95 % interval, as make_headroom's estimates; equal values have none."""
    found = Estimate(values)
    return {"headroom": found.value, "low": found.low, "high": found.high}


def gather(runs):
    """What the commands found: a list of lesions, each with the headroom of its forms."""
    lesions = []
    for path in sorted(runs.glob("lesion-*-*/results.json")):
        config = json.loads((path.parent / "run.json").read_text())["config"]
        found, lang, strength = json.loads(path.read_text()), config["languages"][0], config["strength"]
        oracle = {}
        for other in sorted((runs / "lesion-headroom").glob(f"{lang}-{strength:g}-*/results.json")):
            run = json.loads(other.read_text())
            span = json.loads((other.parent / "run.json").read_text())["config"]["span"]
            oracle[f"{run['form']}-{run['control']}-{span}"] = {**{k: run["cells"][0][k] for k in (
                "english", "base", "own", "control", "headroom", "low", "high", "n")}, "name": run["language_names"][lang]}
        lesions.append({"base": config["base"], "lang": lang, "strength": strength, "task": config["tasks"][0],
                        "layers": found["layers"], "accuracies": found["accuracies"], "oracle": oracle})
    return sorted(lesions, key=lambda l: (l["lang"], l["strength"]))


def sft_beside(variant):
    """The SFT that has as many pairs."""
    return "sft-24" if variant.endswith("-24") else "sft"


class Grid:
    """A collected grid of one language: accuracies on test by strength, variant and seed."""

    def __init__(self, path):
        facts = json.loads(path.read_text())
        self.plan = facts["plan"]
        self.lang = self.plan["languages"][0]
        self.facts, self.accuracy, self.base = facts, {}, {}
        for line in path.with_suffix(".jsonl").read_text().splitlines():
            record = json.loads(line)
            strength = float(record["model"].split("=")[1]) if "model" in record else None
            if record["part"] == "main":
                self.accuracy.setdefault((strength, record["variant"]), {})[record["seed"]] = record["test"]["accuracy"]
            elif record["part"] == "base" and "test" in record:
                self.base[strength] = record["test"]["accuracy"]
        self.variants = [v["name"] for v in self.plan["variants"] if v["method"] != "sft"]

    def gain(self, strength, variant):
        """RA-MoE minus SFT on as many pairs, by paired seeds; None if there are none."""
        ours, sft = (self.accuracy.get((strength, name), {}) for name in (variant, sft_beside(variant)))
        seeds = sorted(set(ours) & set(sft))
        return {**student([ours[s] - sft[s] for s in seeds]), "seeds": len(seeds)} if seeds else None

    def dose_response(self, lesions, variant):
        """What RA-MoE gains over SFT for each point of headroom: the least-squares slope over the strengths, by seed."""
        x = {l["strength"]: l["oracle"][SEEN]["headroom"] for l in lesions if l["lang"] == self.lang}
        at = [s for s in sorted(self.base) if s in x]
        sides = [[self.accuracy.get((s, name), {}) for s in at] for name in (variant, sft_beside(variant))]
        seeds = set.intersection(*(set(a) for side in sides for a in side)) if at else set()
        middle = mean([x[s] for s in at])
        spread = sum((x[s] - middle) ** 2 for s in at) if at else 0
        if not seeds or spread == 0:
            return None
        return Estimate([sum((x[s] - middle) * (ours[seed] - sft[seed]) for s, ours, sft in zip(at, *sides)) / spread
                         for seed in sorted(seeds)])

    def edges(self):
        """Searches whose best rate lies at the edge, as the page of results has it."""
        return sorted((float(entry["model"].split("=")[1]), entry["variant"]) for entry in self.facts["chosen"]
                      if edge_of(entry, self.plan))


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
                f"{layer[k]['mean']:.2f} ± {layer[k]['deviation']:.2f}" for k in ("prompts", "answers", "english")])
    return table(["language", "layer", "its prompts", "its answers", "English"], rows)


def dose(lesions):
    rows = []
    for lesion in lesions:
        seq = lesion["oracle"][SEEN]
        rows.append([name_of(lesion), f"{lesion['strength']:g}"] + [number(seq[key]) for key in ("english", "base", "own")]
                    + [estimate(lesion["oracle"][key]) for key in FORMS])
    return table(["language", "strength", "English", "target", "own"] + list(FORMS.values()), rows)


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


def slopes(lesions, grids):
    """The dose-response: (grid, variant, slope), where strengths and seeds allow one."""
    found = [(grid, variant, grid.dose_response(lesions, variant)) for grid in grids for variant in grid.variants]
    return [entry for entry in found if entry[2] is not None]


def verdict(slope):
    return ("no interval" if slope.low is None else "shown" if slope.above() else "contradicted" if slope.below() else "not shown")


def slope_text(slope):
    """Points of gain for each point of headroom."""
    return results_text.estimate({"value": slope.value, "low": slope.low, "high": slope.high}, 1, 2)


def above_sft(grid, variant):
    """At which strengths it gains: a slope alone may come of a harm that shrinks."""
    gains = ((strength, grid.gain(strength, variant)) for strength in sorted(grid.base))
    above = [f"{strength:g}" for strength, gain in gains if gain and gain["low"] is not None and gain["low"] > 0]
    return ", ".join(above) or "no strength"


def slope_table(lesions, grids):
    rows = [[grid.lang, variant, str(slope.n), slope_text(slope), verdict(slope), above_sft(grid, variant)]
            for grid, variant, slope in slopes(lesions, grids)]
    return table(["language", "variant", "seeds", "gain for each point of headroom", "grows with it", "above SFT at"], rows) if rows else ""


def collected(lesions, folder=RESULTS):
    """The grids of the folder, in the order of the lesions' languages."""
    grids = [Grid(path) for path in sorted(folder.glob("lesion-*.json"))]
    return [g for lang in languages(lesions) for g in grids if g.lang == lang]


DRAWN = {"ramoe": "RA-MoE, lambda 1", "lambda=10+both": "lambda 10, prompt and answer"}


def responses(folder):
    """For the picture at the head of docs/results.md: for each language and drawn variant the points (strength, headroom, gain
    over SFT) and the slope of the gain. Empty without a collected lesion."""
    if not (folder / "lesion.json").exists():
        return []
    lesions = json.loads((folder / "lesion.json").read_text())
    found = []
    for grid, variant, slope in slopes(lesions, collected(lesions, folder)):
        if variant not in DRAWN:
            continue
        mine = [l for l in lesions if l["lang"] == grid.lang]
        points = [(l["strength"], l["oracle"][SEEN], gain) for l in mine if (gain := grid.gain(l["strength"], variant))]
        found.append({"lang": grid.lang, "name": name_of(mine[0]), "variant": variant, "points": points, "slope": slope,
                      "above": above_sft(grid, variant)})
    return found


def carried_back(path):
    """The form that got most back, on the undamaged model: a row for each task, and all of them. Empty without its grid."""
    if not path.exists():
        return ""
    plan, cells = json.loads(path.read_text())["plan"], cell_means(path)
    (sharper,) = (v["name"] for v in plan["variants"] if v["method"] != "sft")
    rows = []
    for tasks in [[task] for task in plan["tasks"]] + [plan["tasks"]]:
        values = [ours - cells[task, "sft"][lang] for task in tasks for lang, ours in cells[task, sharper].items()]
        rows.append([", ".join(tasks), str(len(values)), Estimate(values).text()])
    return (f"\n## Carried back to the natural model\n\n{sharper} on the undamaged base model, all of its languages, {plan['seeds']} seeds, minus SFT: points on test, "
            "Student's 95 % interval over\ncells (a task and a language; a cell's value is its mean over seeds), each with its own search of the rate.\n\n"
            + table(["tasks", "cells", f"{sharper} − SFT"], rows))


def joined(items):
    return ", ".join(items) if items else "none"


def dose_words(lesions):
    """Sentences decided by intervals alone."""
    def places(key, holds):
        return [f"{name_of(l)} at {l['strength']:g}" for l in lesions if holds(l["oracle"][key])]
    text = ""
    for key, label in FORMS.items():
        for what, holds in (("above", lambda o: o["low"] is not None and o["low"] > 0), ("below", lambda o: o["low"] is not None and o["high"] < 0)):
            found = places(key, holds)
            if found or what == "above":
                text += f"- {label[0].upper() + label[1:]}: the interval lies {what} 0 in {len(found)} of {len(lesions)} models: {joined(found)}.\n"
    whole = {l["lang"]: l["oracle"][SEEN]["english"] for l in lesions if l["strength"] == 0}
    fallen = [(l, whole[l["lang"]] - l["oracle"][SEEN]["english"]) for l in lesions]
    harmed = [f"{name_of(l)} at {l['strength']:g} ({signed(-fall)} points)" for l, fall in fallen if fall > 0.03]
    return text + f"- English, on the same items, is more than 3 points below the undamaged model in: {joined(harmed)}.\n"


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


INK, GREY = "#222", "#999"  # hues belong to languages elsewhere; here lines differ by dashes and marks
WIDTH, HEIGHT, LEFT, TOP = 250, 190, 44, 34
LABELS = {"lost": "accuracy lost", SEEN: "headroom, own minus target", BLIND: "headroom, own minus OTHER", "ramoe": "gain over SFT, RA-MoE"}
STYLES = {"lost": (GREY, "none", "circle"), SEEN: (INK, "none", "circle"), BLIND: (INK, "2 3", "open"), "ramoe": (INK, "6 3", "triangle")}


def curves(lesions, grids, lang):
    """What is drawn of a language, by name: points (strength, value, low, high)."""
    mine = [l for l in lesions if l["lang"] == lang]
    whole = next(l["oracle"][SEEN]["base"] for l in mine if l["strength"] == 0)
    found = {"lost": [(l["strength"], whole - l["oracle"][SEEN]["base"], None, None) for l in mine]}
    for key in (SEEN, BLIND):
        found[key] = [(l["strength"], *(l["oracle"][key][k] for k in ("headroom", "low", "high"))) for l in mine]
    for grid in grids:
        for variant in ("ramoe", "lambda=10+both") if grid.lang == lang else ():
            found[variant] = [(s, g["headroom"], g["low"], g["high"]) for s in sorted(grid.base) if (g := grid.gain(s, variant))]
    return found


def mark(shape, x, y, colour):
    if shape == "triangle":
        return f'<path d="M{x - 4:.1f} {y + 3:.1f}h8l-4 -7z" fill="{colour}"/>'
    fill = "#fff" if shape in ("open", "square") else colour
    if shape == "square":
        return f'<rect x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6" fill="{fill}" stroke="{colour}"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{fill}" stroke="{colour}"/>'


def label(name):
    return LABELS.get(name, f"gain over SFT, {name}")


def figure(lesions, grids):
    """A panel for each language: strength against what was lost, headroom, and gain over SFT; points, one scale."""
    panels = {lang: curves(lesions, grids, lang) for lang in languages(lesions)}
    values = [v for found in panels.values() for points in found.values() for p in points for v in p[1:] if v is not None]
    low, high = math.floor(10 * min(values)) / 10, math.ceil(10 * max(values)) / 10
    most = max(l["strength"] for l in lesions)
    names = list(dict.fromkeys(name for found in panels.values() for name in found))
    total, floor = LEFT + len(panels) * WIDTH, TOP + HEIGHT

    def y(value):
        return TOP + (high - value) / (high - low) * HEIGHT

    def x(panel, strength):
        return LEFT + panel * WIDTH + 12 + strength / most * (WIDTH - 45)

    def text(at, level, words, more='text-anchor="middle"'):
        return f'<text x="{at:.1f}" y="{level:.1f}" {more}>{words}</text>'

    places, place, level = {}, LEFT, floor + 52  # of the legend, in as many lines as it takes
    for name in names:
        wide = 44 + 7 * len(label(name))
        if place + wide > total and place > LEFT:
            place, level = LEFT, level + 16
        places[name], place = (place, level), place + wide
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {level + 10}" width="{total}" height="{level + 10}" '
           f'font-family="sans-serif" font-size="11" fill="{INK}">', f'<rect width="{total}" height="{level + 10}" fill="#fff"/>']
    for tick in range(round(10 * low), round(10 * high) + 1):
        out.append(f'<line x1="{LEFT}" x2="{total - 20}" y1="{y(tick / 10):.1f}" y2="{y(tick / 10):.1f}" stroke="{GREY if tick == 0 else "#e5e5e5"}"/>')
        out.append(text(LEFT - 6, y(tick / 10) + 4, 10 * tick, 'text-anchor="end"'))
    for panel, (lang, found) in enumerate(panels.items()):
        mine = [l for l in lesions if l["lang"] == lang]
        out.append(text(x(panel, most / 2), TOP - 8, name_of(mine[0]), 'text-anchor="middle" font-weight="bold"'))
        out += [text(x(panel, l["strength"]), floor + 16, f"{l['strength']:g}") for l in mine]
        for name, points in found.items():
            colour, dash, shape = STYLES.get(name, (GREY, "6 3", "square"))
            at = [(x(panel, s) + 2.5 * names.index(name), *(None if v is None else y(v) for v in rest)) for s, *rest in points]
            out.append(f'<polyline points="{" ".join(f"{p[0]:.1f},{p[1]:.1f}" for p in at)}" fill="none" stroke="{colour}" '
                       f'stroke-width="1.5" stroke-dasharray="{dash}"/>')
            out += [f'<line x1="{p[0]:.1f}" x2="{p[0]:.1f}" y1="{p[2]:.1f}" y2="{p[3]:.1f}" stroke="{colour}"/>' for p in at if p[2] is not None]
            out += [mark(shape, p[0], p[1], colour) for p in at]
    out.append(text(total / 2, floor + 32, "strength of the lesion"))
    out.append(text(12, TOP + HEIGHT / 2, "percentage points", f'text-anchor="middle" transform="rotate(-90 12 {TOP + HEIGHT / 2:.0f})"'))
    for name, (place, level) in places.items():
        colour, dash, shape = STYLES.get(name, (GREY, "6 3", "square"))
        out.append(f'<line x1="{place}" x2="{place + 24}" y1="{level - 4}" y2="{level - 4}" stroke="{colour}" stroke-dasharray="{dash}"/>'
                   + mark(shape, place + 12, level - 4, colour) + text(place + 30, level, label(name), ""))
    return "\n".join(out + ["</svg>"]) + "\n"


def page(lesions, grids):
    text = HEAD + "![Strength of the lesion against the accuracy that it cost, headroom and gain](figures/lesion.svg)\n\n"
    text += "## What the lesion does\n\n"
    text += ("d.h, by which the shift of a token is multiplied, mean ± deviation over tokens at strength 1. An ideal lesion has 1 for the prompts of its "
             "language and 0 for\nEnglish; deviations are what no constant can undo.\n\n" + told_apart(lesions))
    text += ("\n## Strength and headroom\n\nThe task is follow, pairs are those of `adapt_train`, teacher-forced. Headroom as in [headroom.md](headroom.md), in points with 95 % "
             "intervals: own is the\nEnglish twin's routing; OTHER another English item's; **target** another item's in the target language itself (`--control=target`). "
             "The lesion is the same for\nall items, so any English routing undoes it: own minus OTHER cannot see it, own minus target can. Columns English to own are of the first form.\n\n")
    text += dose(lesions) + "\n" + dose_words(lesions)
    text += "\n## What fine-tuning gets back\n\n"
    plans = sorted(path.stem for path in (DOCS.parent / "data" / "grids").glob("lesion-*.json"))
    missing = [f"`{plan}`" for plan in plans if not (RESULTS / f"{plan}.json").exists()]
    if grids:
        text += (f"Accuracy on test in per cent after {grids[0].plan['keys']['steps']} steps on all pairs, and RA-MoE minus SFT in points: means over paired "
                 "seeds with Student's\n95 % intervals. Every variant has its own search of the rate, on adapt_valid. ramoe is the paper's setting with lambda 1; both spans "
                 "prompt and answer; router\ngives the alignment gradient to the routers alone; -24 has 24 pairs, and so has the SFT that it is compared with.\n\n")
        text += gains(grids) + "\n" + gain_words(grids)
        text += ("\n## Dose and response\n\nOver the strengths of a language: the slope of the gain over SFT on headroom (seq, prompt and answer, own minus target), in points "
                 "for each point,\none slope for each fine-tuning seed, mean with Student's 95 % interval. One base model for each strength: the interval speaks of seeds alone.\n\n"
                 + slope_table(lesions, grids))
    text += carried_back(RESULTS / "sharper.json")
    if missing:
        text += f"\nNot run yet: the grids {joined(missing)} in [data/grids](../data/grids); `make grid PLAN=...` runs them, minutes of two quiet cores each.\n"
    return text


def main():
    if len(sys.argv) > 1:
        lesions = gather(Path(sys.argv[1]))
        if not lesions:
            sys.exit(f"{sys.argv[1]} holds no runs lesion-LANGUAGE-STRENGTH of `ramoe lesion`; `make lesion-models` makes them.")
        write(RESULTS / "lesion.json", "[\n" + ",\n".join(json.dumps(l) for l in lesions) + "\n]\n")
    lesions = json.loads((RESULTS / "lesion.json").read_text())
    grids = collected(lesions)
    write(DOCS / "figures" / "lesion.svg", figure(lesions, grids))
    write(DOCS / "lesion.md", page(lesions, grids))


if __name__ == "__main__":
    main()
