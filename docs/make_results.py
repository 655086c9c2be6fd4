#!/usr/bin/env python3
"""Writes docs/results.md and its figures from what `ramoe results docs/results` weighed.

    python3 docs/make_results.py [FOLDER] [--page=FILE] [--text-only]

    FOLDER       evidence.json with the collected grids beside it; docs/results by default. The
                 figures go into FOLDER/figures
    --page       the page; results.md beside FOLDER by default
    --text-only  the page without its figures: needs the standard library alone

The figures need matplotlib: sudo apt-get install python3-matplotlib, or python3 -m pip install
matplotlib. Optional: neither the build nor the tests need it. Nothing is typed by hand: every
number comes from the files, and every verdict from the program. The same files give the same page.
"""
import argparse
import os
import pathlib
import sys

import make_lesion
import results_tables
from results_decided import HYPOTHESES, by_scope, cells_and_seeds, decided_more, decided_pool, hypothesis
from results_text import (UNITS, Failure, Input, counted, difference, estimate, fold, gained, headroom_of_models, interval, label, p_text,
                          plain, scope_text, signed, span, table, times)

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAPER = "2605.28306"  # what every page names: a file that lacks it is not ours to replace

# ---- The claims ---------------------------------------------------------------------------------

def how_they_came_out(claim):
    """"4 of 6 hold, 2 not shown"."""
    verdicts = [part["verdict"] for part in claim["parts"] if part["deciding"]]
    if not verdicts:
        return "no number decides"
    shown = verdicts.count("shown")
    text = f"{shown} of {len(verdicts)} {'holds' if shown == 1 else 'hold'}"
    for verdict in ("not shown", "contradicted", "not measured"):
        if verdict in verdicts:
            text += f", {verdicts.count(verdict)} {verdict}"
    return text


def deciding_numbers(claim):
    """The numbers where they are few, otherwise how they came out."""
    parts = [part for part in claim["parts"] if part["deciding"]]
    if not 0 < len(parts) <= 3:
        return how_they_came_out(claim)
    return "; ".join(f"{p['what']} {estimate(p, *UNITS[p['unit']])}" for p in parts)


def parts_table(claim, deciding):
    rows = []
    for part in claim["parts"]:
        if part["deciding"] != deciding:
            continue
        factor, decimals = UNITS[part["unit"]]
        rows.append([part["what"], part["verdict"], signed(times(part["value"], factor), decimals),
                     interval(part, factor, decimals), p_text(part["p"]),
                     p_text(part["p_adjusted"]), part["count"],
                     "above 0" if part["claimed_sign"] > 0 else "below 0", part["unit"]])
    return table("Numbers that decide the verdict" if deciding else "Numbers that do not decide",
                 ["Number", "Verdict", "Value", "95 % interval", "p", "p, Holm", "n", "Claimed",
                  "Unit"], rows, 2)


def correlation_words(rows, sides):
    """"Over all cells r = +0.45 [+0.29, +0.62] in the zone and ..."."""
    text = ""
    for row in rows:
        if row["scope"] == "all":
            text += " Within model and task" if row["within"] else " Over all cells"
            text += " r = " + " and ".join(estimate(row[side], 1, 2) + words
                                           for side, words in sides) + "."
    return text.strip()


def centred(row):
    return "within model and task" if row["within"] else "no"


def gap_table(evidence):
    return fold("By model and task", table(
        "Correlation of divergence with the gap; the difference is zone minus outside",
        ["Cells", "Centred", "r in the zone", "r outside", "Difference", "p, Holm (zone)"],
        [[scope_text(g["scope"]), centred(g), estimate(g["zone"], 1, 2),
          estimate(g["outside"], 1, 2), estimate(g["difference"], 1, 2),
          p_text(g["zone"]["p_adjusted"])] for g in evidence["gap"]], 2))


def ci_table(evidence):
    return fold("By model and task", table(
        "Correlation of the share of ci with the gain of RA-MoE over SFT",
        ["Cells", "Centred", "r", "95 % interval", "p", "p, Holm"],
        [[scope_text(c["scope"]), centred(c), signed(c["r"]["value"], 2), interval(c["r"], 1, 2),
          p_text(c["r"]["p"]), p_text(c["r"]["p_adjusted"])] for c in evidence["ci_gain"]], 2))


def routing_table(evidence):
    return table("RA-MoE minus SFT: divergence from English, and mass of the task experts",
                 ["Cells", "Divergence in the zone", "outside", "zone minus outside",
                  "Mass in the zone"],
                 [[scope_text(r["scope"])] + [estimate(r[key], 1, 3) for key in
                                              ("zone", "outside", "difference", "mass_zone")]
                  for r in evidence["routing"]])


def cells_words(evidence):
    """How many cells a figure over all of them rests on."""
    factors = " x ".join(counted(len(evidence[side]), side.removesuffix("s"))
                         for side in ("models", "tasks", "languages"))
    return f"n = {counted(len(evidence['cells']), 'cell')} ({factors})"


def zone_part(page, data):
    page.figure("divergence", "Routing divergence by layer and language",
                "D is 0 where parallel texts in English and the other language use the same "
                "experts equally, and 1 where they differ as much as possible. The shaded zone "
                "was read off the general text on the left; the prompts on the right are other "
                "text. Each line is one language (on the right its mean over "
                f"{counted(len(data.evidence['tasks']), 'task')}), n = "
                f"{counted(len(data.evidence['languages']), 'language')} a panel.")
    if data.models_were_chosen:
        page.add("**No independent evidence:** the base models in data/models were chosen among "
                 "several because their curve on general text is a U (docs/log.md). That these "
                 "curves have a valley is therefore no evidence that such models must have one; "
                 "only the task prompts are text that nobody chose by.")


def gap_part(page, data):
    page.figure("gap", "Divergence in the zone against the gap to English",
                "Each point is a model and language; the dashed line is the least-squares fit of "
                f"its panel. {cells_words(data.evidence)}, {per_panel(data.evidence)}. " +
                correlation_words(data.evidence["gap"], [("zone", " in the zone"),
                                                         ("outside", " outside it")]))
    page.add(gap_table(data.evidence))


def per_panel(evidence):
    counts = [sum(cell["task"] == task for cell in evidence["cells"]) for task in evidence["tasks"]]
    return span(counts, "cell").removeprefix("n = ") + " a panel"


def methods_part(page, data):
    cells = span([c["cells"] for c in data.evidence["comparisons"]], "cell")
    seeds = counted(data.evidence["seeds"], "seed")
    page.figure("comparison", "Methods against SFT with intervals",
                "Right of zero a method is better than SFT. An interval that touches zero shows no "
                f"difference. {cells} a row, {seeds} a cell.")
    page.figure("steering", "Routing Steering against SFT with intervals",
                "Steering changes no weights; steering of the base model competes with training. "
                f"{cells} a row; steering of the base model has one value a cell, that of SFT "
                f"{counted(data.evidence['seeds'], 'seed')}.")


def ci_part(page, data):
    page.figure("ci-gain", "Share of ci pairs against the gain",
                "Each point is a model and language; the dashed line is the least-squares fit of "
                f"its panel. {cells_words(data.evidence)}, {per_panel(data.evidence)}. " +
                correlation_words(data.evidence["ci_gain"], [("r", "")]))
    page.add(ci_table(data.evidence))
    rows = [row for model in data.evidence["models"]
            for row in data.facts["main"]["stages"][model]["taxonomy"]]
    page.add("Stage 1 sorts the training pairs by whether the frozen base model answers them in "
             "English and in the language. The violet part, ci, is known in English only.")
    page.figure("taxonomy", "Types of training pairs by model, task and language",
                "Training pairs by type in per cent; " +
                span([sum(row[t] for t in ("cc", "ci", "ic", "ii")) for row in rows],
                     "training pair") + " a bar.")


def routing_part(page, data):
    evidence = data.evidence
    page.figure("routing-change", "Change of divergence by layer, RA-MoE minus SFT",
                "Below zero the language's routing is closer to English after RA-MoE than after "
                "SFT. A thin line is one task and language, the thick one their mean; " +
                span([sum(cell["model"] == m for cell in evidence["cells"])
                      for m in evidence["models"]], "cell") +
                f" a panel, {counted(evidence['seeds'], 'seed')} a cell.")
    page.add(routing_table(evidence))
    if not evidence["languages"]:
        return
    page.add("### Experts before and after")
    page.add("Which expert gets how much of the routing, in the first language of the plan "
             f"({plain(data.name(evidence['languages'][0]))}) and with seed 1: both were fixed "
             "before anything was looked at.")
    for i, model in enumerate(evidence["models"]):
        n = [c["n"] for c in evidence["cells"]
             if c["model"] == model and c["lang"] == evidence["languages"][0]]
        figure = page.figure_text(
            f"experts-{model}", f"Routing before and after RA-MoE beside English, {model}",
            f"`{model}`: where RA-MoE works, the middle column looks more like the right one than "
            f"the left one does. The bar at the side marks the zone. {span(n, 'test prompt')} a "
            "map.")
        page.add(figure if i == 0 else fold(f"Experts, {model}", figure))


def headroom_part(page, data):
    page.add("The picture at the head of the page shows these cells. What headroom is, and all of its numbers: "
             "[headroom.md](headroom.md).")
    page.add(fold("By model and task", table(
        "Correlation of headroom with the gain of RA-MoE over SFT", ["Form", "Cells", "Centred", "r", "95 % interval", "n"],
        [[h["form"], scope_text(c["scope"]), centred(c), signed(c["r"]["value"], 2), interval(c["r"], 1, 2),
          c["r"]["count"]] for h in data.headroom for c in h["r"]], 3)))


CLAIM_PARTS = {"a": zone_part, "b": gap_part, "c": methods_part, "d": ci_part, "e": routing_part,
               "f": headroom_part}


def dose_rows(lesions):
    """The dose-response as rows of the table of claims: ours, as (f) is, and decided where routing is the fault by construction."""
    return [["(g)", make_lesion.verdict(lesion["slope"]), "yes, by construction",
             f"Where routers are damaged, the gain grows with the damage ({lesion['name']}, {make_lesion.DRAWN[lesion['variant']]}).",
             f"points of gain for each point of headroom {make_lesion.slope_text(lesion['slope'])}; above SFT at {lesion['above']}"]
            for lesion in lesions]


def claims_table(claims_of, models_were_chosen, more=()):
    rows = []
    for claim in claims_of:
        chosen = claim["id"] == "a" and models_were_chosen
        rows.append([f"({claim['id']})", claim["verdict"], claim["decidable"], claim["statement"],
                     deciding_numbers(claim) + ("; the models were selected for it" if chosen
                                                else "")])
    rows += more
    return table("", ["Claim", "Verdict", "Could it be decided here", "The sentence, in our words",
                      "Numbers that decide"], rows, 5)


def claims(page, data):
    page.add("## The claims, weighed")
    page.add(claims_table(data.claims, data.models_were_chosen, dose_rows(data.lesions)))
    if data.lesions:
        page.add("(g) is the dose-response of the positive control, ours as (f) is: [lesion.md](lesion.md) has its design and all of its numbers.")
    page.add("A number is **shown** if its 95 % interval lies on the claimed side of zero, "
             "**contradicted** if it lies on the other side, and **not shown** if it contains "
             "zero. A claim is shown if all of its deciding numbers are, and contradicted if one "
             "of them is. Which numbers stand for a sentence of the abstract is our choice, and "
             "so are models, tasks and sizes: nothing here is said of the paper's own experiments.")
    page.add("**Could it be decided here** is said of claims about a gain: *no* if in every model and form headroom "
             "has an interval that holds 0 and ends below one point, *yes* if in every model some form has headroom "
             "above 0, *open* otherwise. A claim about routing itself needs no headroom: *yes*.")
    page.add("Intervals over cells are from a hierarchical bootstrap (cells, then seeds), those "
             "of a correlation from a bootstrap over cells; p is from two-sided sign flips. "
             "Several tests at once are adjusted by Holm's method, and a star marks an adjusted p "
             "under 0.05. The verdicts rest on the intervals, which are not adjusted.")
    page.add(results_tables.edge_warning(data.facts["main"]))
    if data.models_were_chosen:
        page.add("Claim (a) has the weakest support: the base models of data/models were selected "
                 "for the curve that it describes.")
    for claim in data.claims:
        page.add(f"## Claim ({claim['id']}): {claim['verdict']}")
        page.add(plain(claim["statement"]))
        page.add(plain(claim["how"]))
        page.add(f"**Result:** the claim is **{claim['verdict']}** here "
                 f"({how_they_came_out(claim)}).")
        page.add(parts_table(claim, True))
        CLAIM_PARTS[claim["id"]](page, data)
        page.add(fold("Further numbers, not deciding", parts_table(claim, False)))


# ---- The page -----------------------------------------------------------------------------------

class Page:
    """Markdown, block by block, and the names of the figures that it shows."""

    def __init__(self, place):
        self.text, self.place, self.shown = "", place, []  # place: the folder, from the page

    def add(self, block):
        self.text += block.rstrip("\n") + "\n\n" if block else ""

    def figure_text(self, name, alt, caption):
        self.shown.append(name)
        return f"![{plain(alt)}]({self.place}/figures/{name}.svg)\n\n{caption}"

    def figure(self, name, alt, caption):
        self.add(self.figure_text(name, alt, caption))


def headroom_picture(page, data):
    """What a reader should see first, and three sentences under it for each grid."""
    if not data.headroom:
        return
    grids = [("the shipped base models", data.evidence, data.headroom, data.claims)]
    if data.decide:
        grids.append(("fresh base models with 64 small experts and answers alike in all languages",
                      *(data.decide[key] for key in ("evidence", "headroom", "claims"))))
    measured = sum(value is not None for _, _, found, _ in grids for value in found[0]["by_cell"])
    page.figure("headroom", "Headroom of a base model's cells against the gain of RA-MoE over SFT",
                "Each point is a model, task and language: to the right, how many points the base model gains when its "
                "prompts are routed as in English rather than as another English item "
                f"([headroom](headroom.md), form {data.headroom[0]['form']}); upwards, what RA-MoE gained over SFT, and on the right what "
                "alignment at the last prompt token gained, an extension. Black: the means of a model, with intervals. "
                f"n = {measured} cells."
                + (" The last panel is a positive control: one model whose [routers are damaged](lesion.md) for one language, more from "
                   "point to point." if data.lesions else ""))
    for where, evidence, found, claims_of in grids:
        correlation = next(c["r"] for c in found[0]["r"] if c["scope"] == "all" and not c["within"])
        claim = next(c for c in claims_of if c["id"] == "c")
        page.add(f"**Headroom** of {where} is "
                 f"{headroom_of_models(found[0])} points: "
                 + HEADROOM_WORDS[claim["decidable"]] + f" RA-MoE gained {gained(evidence, 'ramoe', 'sft')} points over SFT. "
                 f"Headroom and gain of a cell go together with r = {estimate(correlation, 1, 2)}.")
    if data.decide:
        evidence = data.decide["evidence"]
        last = next((c["r"] for c in data.decide["headroom"][0]["extensions"]
                     if c["method"] == "ramoe-last" and not c["within"]), None)
        page.add("**Aligned at the last prompt token** on all pairs, an extension, those models gained "
                 f"{gained(evidence, 'ramoe-last', 'sft')} points over SFT, and "
                 f"{gained(evidence, 'ramoe-last', 'ramoe-last-shuffled')} over the same with "
                 f"another item's English side; headroom and this gain go together with r = {estimate(last, 1, 2)}.")
    if data.decide_more:
        page.add(f"**On {counted(len(data.decide_more['models']), 'more base model')}** of that recipe, by a second plan and at SFT's learning rates, RA-MoE "
                 f"gained {gained(data.decide_more, 'ramoe', 'sft')} points over SFT, and alignment at the last token {gained(data.decide_more, 'ramoe-last', 'sft')}.")
    if data.decide_pool:
        sft, self_training, hidden = (gained(data.decide_pool, "pool-last", name) for name in ("sft", "self_training", "pool-last-hidden"))
        pairs = data.facts["decide_pool"]["plan"]["keys"]["train_pairs"]
        page.add(f"**With {pairs} labelled pairs and a pool of prompts** without answers, aligned at the last token, those models gained "
                 f"{sft} points over SFT, {self_training} over self-training on the pool and "
                 f"{hidden} over the same with hidden states in place of routing.")
    pools = [row for row in results_tables.label_counts(data.folder)[1] if row[4]]
    if pools:
        task, count, _, _, pool = max(pools, key=lambda row: row[4].value)
        controls = [f"{name.removesuffix('-' + count)} {difference}" for name, difference, _ in
                    results_tables.label_controls(data.folder)[1][1:]]
        page.add(f"**With few labels** and a pool of prompts without answers it gains most ({task}, {count} pairs with answers: {pool.text()} points"
                 + (f"; its controls on the same pool, minus SFT: {', '.join(controls)}" if controls else "")
                 + "; exploration on one model).")
    if data.lesions:
        verdicts = {verdict: [lesion for lesion in data.lesions if make_lesion.verdict(lesion["slope"]) == verdict]
                    for verdict in ("shown", "contradicted")}
        page.add("**Where routing is the fault by construction**, a gain of RA-MoE over SFT that grows with the damage is shown in "
                 f"{len(verdicts['shown'])} of {len(data.lesions)} comparisons, and the opposite in {len(verdicts['contradicted'])}"
                 + "".join(f"; {lesion['name']}, {make_lesion.DRAWN[lesion['variant']]}: {make_lesion.slope_text(lesion['slope'])} points "
                           f"for each point of headroom, above SFT at {lesion['above']}" for found in verdicts.values() for lesion in found)
                 + " ([the lesions](lesion.md)).")


def decided(page, data):
    """The grid of docs/decide.md: its hypotheses, as they were written before it was run."""
    if not data.decide:
        return
    evidence, claims_of = data.decide["evidence"], {c["id"]: c for c in data.decide["claims"]}
    page.add("## Where it can be decided")
    facts = data.facts["decide"]
    page.add("The plan, written before it was run: [decide.md](decide.md). Base models with headroom, "
             f"{cells_and_seeds(evidence, facts['plan'])}. Chosen on adapt; test was opened once.")
    rows = [hypothesis("H1", "RA-MoE minus SFT", difference(evidence, "ramoe", "sft"))]
    rows += [hypothesis("H2", part["what"], part, part["unit"]) for part in claims_of["c"]["parts"]
             if part["deciding"] and part["what"] != "RA-MoE minus SFT"]
    rows += [hypothesis("H3", part["what"], part, "r") for part in claims_of["f"]["parts"] if part["deciding"]]
    rows.append(hypothesis("H4", "aligned at the last prompt token, on all pairs, minus SFT", difference(evidence, "ramoe-last", "sft")))
    rows.append(hypothesis("H5", "the same minus the control with another item's English side",
                           difference(evidence, "ramoe-last", "ramoe-last-shuffled")))
    page.add(table("", HYPOTHESES, rows, 3))
    by_scope(page, evidence, [("RA-MoE minus SFT", "ramoe", "sft"), ("at the last token minus SFT", "ramoe-last", "sft"),
                              ("minus its control", "ramoe-last", "ramoe-last-shuffled"), ("RISE minus SFT", "rise", "sft")])
    page.add(table("Headroom against the gain over SFT, all cells: exploration but for the number of H3",
                   ["Form of headroom", "Method", "Centred", "r"],
                   [[h["form"], method, centred(r), estimate(r["r"], 1, 2)] for h in data.decide["headroom"]
                    for method, r in [("RA-MoE", r) for r in h["r"] if r["scope"] == "all"] +
                    [(label(r["method"]), r) for r in h["extensions"]]], 3))
    page.add("The paper's claims, weighed on this grid as above:")
    page.add(claims_table(data.decide["claims"], False))
    page.add(results_tables.edge_warning(facts))


HEADROOM_WORDS = {
    "no": "routing holds nothing back in these base models, so aligning it could win next to nothing, and a gain "
          "could not be decided on them.",
    "yes": "routing holds something back in each of these base models, so a gain of aligning it could be decided on "
           "them.",
    "open": "whether routing holds something back is open in some of these base models.",
    "not asked": "it was not measured for all of these base models."}


def make_page(data, place):
    page, evidence = Page(place), data.evidence
    page.add("# What the grid of runs shows")
    page.add("After **Routing-Aligned Fine-Tuning for Multilingual Downstream Tasks in "
             f"Mixture-of-Experts Models** (arXiv {PAPER}), of which only the abstract is public "
             "to us: tiny models, handwritten code, real names and numbers of Unicode CLDR. A "
             "script makes this page from recorded runs; no number is typed by hand.")
    sizes = [counted(len(evidence[side]), words) for side, words in
             (("models", "model"), ("tasks", "task"), ("languages", "target language"))]
    page.add(f"{', '.join(sizes)}, so {counted(len(evidence['cells']), 'cell')}; each method has "
             f"{counted(evidence['seeds'], 'seed')} in each cell. All numbers, machine-readable: "
             f"[evidence.json]({place}/evidence.json).")
    headroom_picture(page, data)
    for part in (decided, decided_more, decided_pool, claims):
        part(page, data)
    for part in (results_tables.routing_of_a_pair, results_tables.cells,
                 results_tables.comparisons, results_tables.ablations, results_tables.labels,
                 results_tables.mixture,
                 results_tables.making):
        part(page, data)
    return page


def write(path, text, mark):
    """Beside and renamed. Refuses to replace a file that lacks the mark of those made here."""
    if path.exists() and mark not in path.read_text(encoding="utf-8"):
        raise Failure(f"{path} was not made by this script and would be written over; move it away "
                      "or choose another place with --page.")
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=ROOT / "docs/results")
    parser.add_argument("--page", type=pathlib.Path)
    parser.add_argument("--text-only", action="store_true")
    options = parser.parse_args()
    folder = options.folder.resolve()
    path = (options.page or folder.parent / "results.md").resolve()
    data = Input(folder)
    data.lesions = make_lesion.responses(folder)
    page = make_page(data, os.path.relpath(folder, path.parent).replace(os.sep, "/"))
    if not options.text_only:
        import results_figures  # here, since matplotlib may be missing
        (folder / "figures").mkdir(exist_ok=True)
        for name in page.shown:
            write(folder / "figures" / f"{name}.svg", results_figures.draw(name, data),
                  results_figures.MARK)
    write(path, page.text.rstrip() + "\n", PAPER)
    print(f"{path}, with {len(page.shown)} figures in {folder / 'figures'}")


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError) as error:
        sys.exit(f"make_results: {error}")
