"""The tables of the results page: cells, comparisons, ablations, mixture, and how it was made."""
import json

from ladder_page import Estimate
from results_text import (adjusted_shows, compared, counted, estimate, exponent, fixed, fold,
                          in_cell, in_words, item_list, label, mean, p_text, percent, plain, points,
                          read, scope_text, short, span, table, times)


def routing_of_a_pair(page, data):
    page.add("## Routing of one pair")
    if not data.routing:
        page.add("No pair was traced: `ramoe report FOLDER` on the folder of the grid does it "
                 "where its stages and base models are.")
        return
    page.add(f"[report.html]({page.place}/report.html) shows token by token which experts each "
             "layer sends a pair to, before and after RA-MoE. By layer (one pair illustrates and "
             "proves nothing):")
    for trace in data.routing["traces"]:
        english, before, after = trace["english"], trace["before"], trace["after"]
        first, last = trace["zone"]["first"], trace["zone"]["last"]
        rows = [[f"{l}, zone" if first <= l <= last else l] +
                [fixed(side[l], 3) for side in (before["divergence"], after["divergence"],
                                                english["mass"], before["mass"], after["mass"])]
                for l in range(len(trace["task_experts"]))]
        target = trace["target"]
        page.add(table(f'{data.name(trace["lang"])}, {trace["task"]}: "{target["question"]}"; '
                       f'expected "{target["answer"]}", base model "{before["output"]}", after '
                       f'{label(trace["method"])} "{after["output"]}"',
                       ["Layer", "Divergence before", "after", "Mass English", "before", "after"],
                       rows))


# ---- Cells and comparisons ----------------------------------------------------------------------

def cells_of(evidence, model):
    return [cell for task in evidence["tasks"] for cell in evidence["cells"]
            if cell["model"] == model and cell["task"] == task]


def accuracy_table(data, model):
    """SFT and RA-MoE stand first; the others may scroll out of a narrow window."""
    others = [m for m in data.evidence["methods"] if m not in ("sft", "ramoe")]
    rows = []
    for cell in cells_of(data.evidence, model):
        def accuracy(name):
            method = in_cell(cell, name)
            return percent(mean(method["accuracy"])) if method else "n/a"
        ramoe = in_cell(cell, "ramoe")
        rows.append([cell["task"], data.name(cell["lang"]), cell["n"], percent(cell["english"]),
                     percent(cell["base"]), accuracy("sft"), accuracy("ramoe"),
                     points(ramoe["gain"]) if ramoe else "n/a", fixed(100 * cell["ci"], 0)] +
                    [accuracy(name) for name in others])
    return table("Accuracy on test in %, mean over seeds; the gain of RA-MoE over SFT in points "
                 "with its 95 % interval",
                 ["Task", "Language", "n", "English", "Base", "SFT", "RA-MoE", "RA-MoE minus SFT",
                  "ci %"] + [label(name) for name in others], rows, 2)


def gain_table(data, model, known_in_english):
    """Gains over SFT, on all test items or on those that the base model knows in English."""
    methods = [m for m in data.evidence["methods"] if m != "sft"]
    gain, n = (("gain_given_english", "n_english") if known_in_english else ("gain", "n"))
    rows = []
    for cell in cells_of(data.evidence, model):
        found = [in_cell(cell, name) for name in methods]
        rows.append([cell["task"], data.name(cell["lang"]), cell[n]] +
                    [points(method[gain]) if method else "n/a" for method in found])
    return table("Minus SFT in points, on " + ("the test items that the base model knows in English"
                                               if known_in_english else "all test items"),
                 ["Task", "Language", "n"] + [label(m) for m in methods], rows, 2)


def cells(page, data):
    page.add("## Every cell")
    page.add("A star: p under 0.05 after Holm's adjustment over all cells of the method. Base: "
             "the model before fine-tuning; English: the same model on the English side. ci %: "
             "share of the training pairs that it answers in English only. Steering of the base "
             "model draws nothing at random, so it has one value and no interval.")
    for model in data.evidence["models"]:
        page.add(f"### {plain(model)}")
        page.add(accuracy_table(data, model))
        page.add(fold(f"Gains of all methods, {model}",
                      gain_table(data, model, False) + gain_table(data, model, True)))


def judgement(e):
    if e["value"] is None:
        return "was not measured"
    if e["low"] is None:
        return "has no interval, so nothing is shown"
    return ("is shown to be above zero" if e["low"] > 0 else
            "is shown to be below zero" if e["high"] < 0 else "is not shown to differ from zero")


def comparison_table(evidence, scope):
    return table(f"Differences in points over {scope_text(scope)}",
                 ["Method", "Minus", "Accuracy", "p", "p, Holm", "Known in English", "p, Holm",
                  "Cells", "above", "below"],
                 [[in_words(c["method"]), in_words(c["against"]), estimate(c["accuracy"], 100, 2),
                   p_text(c["accuracy"]["p"]), p_text(c["accuracy"]["p_adjusted"]),
                   estimate(c["given_english"], 100, 2), p_text(c["given_english"]["p_adjusted"]),
                   c["cells"], c["above"], c["below"]]
                  for c in evidence["comparisons"] if c["scope"] == scope], 2)


def comparisons(page, data):
    evidence = data.evidence
    against_sft = [compared(evidence, method, "sft", "all") for method in evidence["methods"]]
    page.add("## Methods over many cells")
    page.add(item_list(
        f"**{in_words(c['method'])} minus SFT**: {estimate(c['accuracy'], 100, 2)} points over "
        f"{counted(c['cells'], 'cell')}, which {judgement(c['accuracy'])}."
        for c in against_sft if c))
    page.add(comparison_table(evidence, "all"))
    page.add("above, below: cells whose own interval excludes zero. Holm's adjustment is over the "
             "comparisons of one table, separately for all items and for those known in English.")
    page.add(fold("By model and task", "".join(
        comparison_table(evidence, scope) for scope in evidence["models"] + evidence["tasks"])))


# ---- The other grids ----------------------------------------------------------------------------

def ablations(page, data):
    page.add("## Choices of the alignment loss")
    if not data.ablations:
        page.add("No ablations were collected: `make grid PLAN=ablations` and `make docs-grid "
                 "PLAN=ablations` make them.")
        return
    found = data.ablations
    n_cells = len(found["models"]) * len(found["tasks"]) * len(found["languages"])
    n = f"n = {counted(n_cells, 'cell')}, {counted(found['seeds'], 'seed')} a cell"
    page.add(f"Each row changes one choice; {plain(', '.join(found['models'] + found['tasks']))}, "
             f"{counted(len(found['languages']), 'language')}, {counted(found['seeds'], 'seed')}. "
             "Defaults are chosen on adapt_valid, never on test.")
    page.figure("ablations", "Choices of the alignment loss against the default",
                "Right of zero a choice is better than the default. With this many rows some "
                f"intervals miss zero by chance: see the adjusted p. {n} a row.")
    others = [row for row in found["rows"] if row["variant"] != "ramoe"]
    shown = sum(adjusted_shows(row["against_default"]) for row in others)
    page.add(f"Of {counted(len(others), 'choice')}, {shown} "
             f"{'differs' if shown == 1 else 'differ'} from the default with an adjusted p under "
             "0.05.")
    rows = []
    for row in found["rows"]:
        default = row["variant"] == "ramoe"
        rows.append(["default (RA-MoE)" if default else row["variant"],
                     "" if default else estimate(row["against_default"], 100, 2),
                     "" if default else p_text(row["against_default"]["p_adjusted"]),
                     estimate(row["against_sft"], 100, 2), p_text(row["against_sft"]["p_adjusted"]),
                     "" if default else estimate(row["valid_against_default"], 100, 2),
                     estimate(row["routing_zone"], 1, 3)])
    page.add(table("Points on test; change of divergence from English in the zone against SFT",
                   ["Choice", "Minus default", "p, Holm", "Minus SFT", "p, Holm",
                    "Minus default on adapt_valid", "Divergence in the zone"], rows))
    if not found["learning"]:
        return
    page.add("## How many training pairs")
    page.figure("learning", "Accuracy of SFT and RA-MoE by number of training pairs",
                f"Mean over cells and seeds ({n}); both methods draw the same pairs.")
    page.add(table("Accuracy on test in %, difference in points",
                   ["Pairs", "SFT", "RA-MoE", "RA-MoE minus SFT", "p", "p, Holm"],
                   [[p["pairs"] or "all", percent(p["sft"]), percent(p["ramoe"]),
                     estimate(p["difference"], 100, 2), p_text(p["difference"]["p"]),
                     p_text(p["difference"]["p_adjusted"])] for p in found["learning"]]))


def cell_means(path):
    """Accuracy on test by task and variant, by language: means over seeds. From a collected grid."""
    found = {}
    with open(path.with_suffix(".jsonl"), encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            if record["part"] == "main":
                found.setdefault((record["task"], record["variant"]), {}).setdefault(
                    record["lang"], []).append(record["test"]["accuracy"])
    return {key: {lang: mean(values) for lang, values in by_lang.items()} for key, by_lang in found.items()}


def minus(ours, other):
    return Estimate([value - other[lang] for lang, value in ours.items()])


def label_controls(folder):
    """The grid `labels_controls`: its facts and a row for each variant beside SFT. None without it."""
    path = folder / "labels_controls.json"
    if not path.exists():
        return None, []
    facts, cells = read(path), cell_means(path)
    (task,), (sft, pool, *others) = facts["plan"]["tasks"], [v["name"] for v in facts["plan"]["variants"]]
    return facts, [[name, minus(cells[task, name], cells[task, sft]).text(),
                    minus(cells[task, pool], cells[task, name]).text() if name != pool else ""] for name in (pool, *others)]


def label_counts(folder):
    """The grid `labels`: its facts, and by task and number of labelled pairs SFT's accuracy and what alignment at the last
    token gains over it, of the labelled pairs and with a pool: Student's intervals over languages. None without it."""
    path = folder / "labels.json"
    if not path.exists():
        return None, []
    facts, cells = read(path), cell_means(path)

    def minus_sft(task, name, count):
        ours = cells.get((task, f"{name}-{count}"))
        return minus(ours, cells[task, f"sft-{count}"]) if ours else None
    counts = [v["name"].removeprefix("sft-") for v in facts["plan"]["variants"] if v["method"] == "sft"]
    return facts, [(task, count, mean(cells[task, f"sft-{count}"].values()), minus_sft(task, "last", count),
                    minus_sft(task, "pool-last", count)) for task in facts["plan"]["tasks"] for count in counts]


def labels(page, data):
    facts, rows = label_counts(data.folder)
    if not rows:
        return
    plan = facts["plan"]
    page.add("## How many labels, where there is headroom")
    page.add(f"{', '.join(plan['models'])} of [the ladder](ladder.md) with 64 small experts, {counted(len(plan['languages']), 'language')}, "
             f"{counted(plan['seeds'], 'seed')}; exploration, no part of the [plan](decide.md), whose own part with few labels "
             + ("stands above. " if data.decide_pool else "is not run yet. ") +
             "SFT has a search of its rate for each count; alignment at the last "
             "token (an extension, lambda 5) takes SFT's, which favours SFT. *Labelled pairs* aligns the pairs that have answers, *with a pool* "
             "the prompts of the others too. Points on test, mean over languages with Student's 95 % interval over them.")
    page.add(table("", ["Task", "Pairs with answers", "SFT", "labelled pairs, minus SFT", "with a pool, minus SFT"],
                   [[task, count, percent(sft), last.text(), pool.text() if pool else "n/a"]
                    for task, count, sft, last, pool in rows], 2))
    page.add(edge_warning(facts))
    controls, rows = label_controls(data.folder)
    if rows:
        page.add(table(f"The pool's controls, {counted(controls['plan']['seeds'], 'seed')}, all at SFT's rate: points on test",
                       ["Method", "minus SFT", "pool, last token, minus it"], rows))


def mean_over_tasks(evidence, model, lang, key):
    return mean(cell[key] for cell in evidence["cells"]
                if cell["model"] == model and cell["lang"] == lang)


def mixture(page, data):
    page.add("## The language mixture")
    if not data.mixture:
        page.add("No grid over the exponent of the language mixture was collected.")
        return
    found = data.mixture
    gains = {m: compared(found, "ramoe", "sft", m) for m in found["models"]}
    page.add("A language is seen in pre-training in proportion to (web share / English share) to "
             "the power of an exponent, our choice: 0 treats all languages alike, 1 is as on the "
             "web. There is one base model for each exponent, so the effect of the exponent "
             "cannot be separated from that of the base model's seed.")
    page.figure("mixture", "Base accuracy, gap and gain of RA-MoE by exponent and language",
                "Left and middle: base models on test, each line one language, mean over "
                f"{counted(len(found['tasks']), 'task')}. Right: RA-MoE minus SFT with 95 % "
                "intervals over tasks, languages and seeds; " +
                span([c["cells"] for c in gains.values() if c] or [0], "cell") +
                f" an exponent, {counted(found['seeds'], 'seed')} a cell.")
    rows = []
    for model in found["models"]:
        gain = gains[model]
        gaps = [mean_over_tasks(found, model, lang, "gap") for lang in found["languages"]]
        rows.append([short(exponent(model))] +
                    [percent(mean_over_tasks(found, model, lang, "base"))
                     for lang in found["languages"]] + [percent(mean(gaps))] +
                    ([estimate(gain["accuracy"], 100, 2), p_text(gain["accuracy"]["p"]),
                      p_text(gain["accuracy"]["p_adjusted"])] if gain else ["n/a"] * 3))
    page.add(table("Base accuracy on test in % by language, mean gap and gain in points",
                   ["Exponent"] + [data.name(lang) for lang in found["languages"]] +
                   ["Gap, mean", "RA-MoE minus SFT", "p", "p, Holm"], rows))


# ---- How it was made ----------------------------------------------------------------------------

def said(value):
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"),
                                                           ensure_ascii=False)


def making_rows(facts):
    plan = facts["plan"]
    variants = [v["name"] if isinstance(v, dict) else v for v in plan["variants"]]
    first = plan.get("first_seed", 1)
    rows = [["models", ", ".join(plan["models"])], ["tasks", ", ".join(plan["tasks"])],
            ["languages", ", ".join(plan["languages"])], ["variants", ", ".join(variants)],
            ["seeds", f"{first} to {first + plan['seeds'] - 1}"],
            ["keys", said(plan.get("keys", {}))], ["code", said(facts["code"])]]
    for part in ("build", "machine", "data", "bases"):
        rows += [[f"{part}, {key}", said(value)] for key, value in facts.get(part, {}).items()
                 if key != "revision"]
    cost = facts.get("cost", {})
    seconds = cost.get("core_seconds")
    return rows + [["runs", said(cost.get("runs"))],
                   ["cost", f"{fixed(seconds, 0)} core seconds, "
                            f"{fixed(times(seconds, 1 / 3600), 1)} core hours"]]


def edge_of(entry, plan):
    """"lowest" or "highest" if a chosen rate lies at the edge of the search and no rate between
    does as well, as src/ch12_experiments/grid.cpp has it; otherwise ""."""
    rates = plan.get("search", {}).get("learning_rates", [])
    if len(rates) < 2 or "valid_by_rate" not in entry:
        return ""
    valid = {float(rate): value for rate, value in entry["valid_by_rate"].items()}
    rate = entry["learning_rate"]
    if rate not in (rates[0], rates[-1]) or any(valid[r] >= valid[rate] - 1e-9
                                                for r in rates[1:-1]):
        return ""
    return "lowest" if rate == rates[0] else "highest"


def edge_warning(facts):
    """What a reader must know of rates at the edge of the search; empty if there are none."""
    searched = [entry for entry in facts.get("chosen", []) if "valid_by_rate" in entry]
    edges = [edge_of(entry, facts["plan"]) for entry in searched]
    if not any(edges):
        return ""
    return (f"**Search edges:** {len(edges) - edges.count('')} of {len(searched)} chosen learning "
            f"rates lie at the edge of the search ({edges.count('lowest')} are its lowest, "
            f"{edges.count('highest')} its highest rate): a better rate may lie beyond it, and "
            "what is compared there decides nothing.")


def making(page, data):
    page.add("## How it was made")
    page.add("`make base-models` trains the base models, `make grid PLAN=main` does the runs, "
             "`make docs-grid PLAN=main` collects them, and `make results` makes this page and "
             "its figures from what was collected. docs/grid.md says what is searched, what is "
             "chosen and when test is looked at.")
    for name, facts in data.facts.items():
        chosen = [[entry["model"], entry["task"], label(entry["variant"]),
                   said(entry["learning_rate"]), edge_of(entry, facts["plan"])]
                  for entry in facts.get("chosen", [])]
        page.add(fold(f"Plan {name}",
                      table(f"Plan {name}", ["What", "Value"], making_rows(facts), 2) +
                      table("Learning rates chosen on adapt_valid",
                            ["Model", "Task", "Method", "Rate", "Edge of the search"],
                            chosen, 3)))
