"""The hypotheses of docs/decide.md on the page of results: numbers and verdicts."""
from results_tables import edge_warning
from results_text import (UNITS, compared, counted, difference, estimate, gained, headroom_of_models, p_text,
                          scope_text, table)


def verdict(e):
    """Of a number that should lie above 0."""
    if e["low"] is None:
        return "not measured"
    return "shown" if e["low"] > 0 else "contradicted" if e["high"] < 0 else "not shown"


HYPOTHESES = ["Hypothesis", "Number", "Verdict", "Value", "p", "n"]


def hypothesis(name, what, e, unit="points"):
    return [name, what, verdict(e), estimate(e, *UNITS[unit]), p_text(e["p"]), e["count"]]


def by_scope(page, found, pairs):
    """Differences of pairs of methods, (caption, method, against), over all cells and by model and task."""
    page.add("By model and task, all of it exploration:")
    page.add(table("", ["Cells"] + [caption for caption, _, _ in pairs],
                   [[scope_text(scope)] + [gained(found, a, b, scope) for _, a, b in pairs]
                    for scope in ["all"] + found["models"] + found["tasks"]]))


def cells_and_seeds(found, plan):
    """"108 cells, 2 seeds of the 3 planned"."""
    cells = compared(found, "ramoe", "sft", "all")["cells"]
    return (f"{counted(cells, 'cell')}, {counted(found['seeds'], 'seed')} of the {plan['seeds']} planned, "
            "each whole in every cell and method")


def decided_more(page, data):
    """The second plan of docs/decide.md: more base models, one rate for all methods."""
    found = data.decide_more
    if not found:
        return
    page.add("### More base models of the recipe")
    page.add(f"The [second plan](decide.md#a-second-plan-more-base-models): {cells_and_seeds(found, data.facts['decide_more']['plan'])}. "
             "All methods take the rate that the first plan's search chose for SFT, by family and task."
             + "".join(f" Headroom (form {h['form']}): {headroom_of_models(h)} points." for h in found["headroom"][:1]))
    rows = [hypothesis("H8", "RA-MoE minus SFT", difference(found, "ramoe", "sft"))]
    if "with_decide" in found:
        rows.append(hypothesis("H9", "the same, with the cells of the first plan", found["with_decide"]["accuracy"]))
    rows.append(hypothesis("H10", "aligned at the last prompt token, on all pairs, minus SFT",
                           difference(found, "ramoe-last", "sft")))
    page.add(table("", HYPOTHESES, rows, 3))
    by_scope(page, found, [("RA-MoE minus SFT", "ramoe", "sft"), ("at the last token minus SFT", "ramoe-last", "sft")])


def decided_pool(page, data):
    """The part of the first plan that has few labels and a pool of prompts."""
    found = data.decide_pool
    if not found:
        return
    facts = data.facts["decide_pool"]
    page.add("### Few labels and a pool of prompts")
    page.add(f"The same base models and [plan](decide.md), {facts['plan']['keys']['train_pairs']} pairs with answers, the others as prompts alone: "
             f"{cells_and_seeds(found, facts['plan'])}.")
    others = [("self_training", "self-training on the pool"), ("pool-last-hidden", "hidden states aligned instead of routing"),
              ("pool-last-own", "the base model's own target routing as the aim"),
              ("pool-last-shuffled", "another item's English side")]
    page.add(table("", HYPOTHESES,
                   [hypothesis("H6", "the pool's prompts aligned at the last token, minus SFT", difference(found, "pool-last", "sft"))]
                   + [hypothesis("H7", f"the same minus {what}", difference(found, "pool-last", name)) for name, what in others], 3))
    by_scope(page, found, [("minus SFT", "pool-last", "sft")] + [(f"minus {name}", "pool-last", name) for name, _ in others])
    page.add(table("The others against SFT, all cells, exploration", ["Method", "minus SFT"],
                   [[name, gained(found, name, "sft")] for name in ["ramoe"] + [name for name, _ in others]]))
    page.add(edge_warning(facts))
