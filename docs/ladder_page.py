"""The page of the ladder, docs/ladder.md: tables and sentences from the collected results of make_ladder.py.

All intervals are Student's over pre-training seeds: a base model is the unit, and cells and items of one
model are not independent. Sentences are decided by them alone.
"""
import math

from make_headroom import mean, number, signed, table

SMALL = 0.01  # as of `ramoe headroom`: an interval below this is called nothing
LEVEL = 0.95

HEAD = """# The ladder: what makes routing matter

Made by `make docs-ladder` from [data/ladder.json](../data/ladder.json) by [make_ladder.py](make_ladder.py); every number is a command's. The question and the
answer's form are ours, not the paper's.

[Headroom](headroom.md) of the shipped base models is about nothing: no alignment of routing could help them. Here base models are pre-trained
that differ in how fine their experts are, E experts of which K = E/8 answer, with the same active width K\\*H, balance and, within a table, data
and steps{extra}. Headroom is own minus OTHER, of `{split}`, in the alignment zone of each model: `tokens` forces each prompt token's routing, `last` that of the last
one, `seq` the mean over the prompt. Headroom may be no more than the harm that OTHER does, so own minus base stands beside it: what is left to
gain shows in both. Intervals are Student's 95 % over pre-training seeds (a seed's value is its mean over cells; a cell is a task and a
language). Test is not read.

"""


# ---- Intervals ----------------------------------------------------------------------------------

def student_quantile(p, degrees):
    """The p-quantile of Student's t, p > 0.5: the density is summed by Simpson's rule, and the end found by halving."""
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(degrees * math.pi)

    def mass(t, n=2000):
        f = [scale * (1 + (t * i / n) ** 2 / degrees) ** (-(degrees + 1) / 2) for i in range(n + 1)]
        return t / n / 3 * (f[0] + f[-1] + 4 * sum(f[1:-1:2]) + 2 * sum(f[2:-1:2]))

    low, high = 0.0, 1.0
    while mass(high) < p - 0.5:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if mass(middle) < p - 0.5 else (low, middle)
    return (low + high) / 2


class Estimate:
    """The mean of one value a seed, and its interval; none for fewer than two different values."""

    def __init__(self, values):
        self.n, self.value, self.low, self.high = len(values), mean(values), None, None
        if len(values) > 1 and max(values) > min(values):
            deviation = math.sqrt(sum((v - self.value) ** 2 for v in values) / (len(values) - 1))
            half = student_quantile(0.5 + LEVEL / 2, len(values) - 1) * deviation / math.sqrt(len(values))
            self.low, self.high = self.value - half, self.value + half

    def text(self):
        if self.value is None:
            return "n/a"
        return signed(self.value) + (f" [{signed(self.low)}, {signed(self.high)}]" if self.low is not None else "")

    def above(self):
        return self.low is not None and self.low > 0

    def below(self):
        return self.high is not None and self.high < 0


def share(entry, counts, tasks=None):
    """The mean over the cells of counts of right answers."""
    return mean([right / cell[2] for right, cell in zip(counts, entry["cells"]) if tasks is None or cell[0] in tasks])


def headroom(entry, form, tasks=None):
    return share(entry, entry[form]["own"], tasks) - share(entry, entry[form]["other"], tasks)


def over_base(entry, form, tasks=None):
    return share(entry, entry[form]["own"], tasks) - share(entry, entry["base"], tasks)


# ---- Tables -------------------------------------------------------------------------------------

class Ladder:
    def __init__(self, plan, entries):
        self.plan, self.entries, self.forms = plan, entries, plan["headroom"]["forms"]
        self.families, self.rungs = list(plan["families"]), list(plan["rungs"])
        # A corpus that is one change of another one: a row of the table of factors, no table of its own.
        factors = dict(plan.get("factors", {}))
        self.against, self.factors = factors.pop("against", None), factors
        self.corpora = [corpus for corpus in plan["corpora"] if corpus not in self.factors]
        self.tasks = list(dict.fromkeys(cell[0] for e in entries for cell in e["cells"]))
        # Rungs that are compared along the ladder: K = E/8.
        self.steps = [r for r in self.rungs if plan["rungs"][r]["num_experts"] == 8 * plan["rungs"][r]["num_experts_per_tok"]]

    def corpus_words(self, corpus):
        """What the models of a corpus learn."""
        keys = {**self.plan["pretrain"], **self.plan["corpora"][corpus]}
        words = "; those of follow stay words" if "follow" in keys["tasks"] else ""
        answers = {"native": "in the language of the question",
                   "neutral": f"the same in every language (digits and codes{words})"}[keys.get("answers", "native")]
        numbers = ", numbers of questions in digits" if keys.get("numbers") == "digits" else ""
        text = "questions are learnt as text too" if keys.get("question_targets") else "answers alone are learnt"
        return f"Tasks: {', '.join(keys['tasks'])}. Answers are {answers}{numbers}; {text}. {keys['steps']:,} steps."

    def of(self, family, rung, corpus):
        return sorted((e for e in self.entries if (e["family"], e["rung"], e["corpus"]) == (family, rung, corpus)),
                      key=lambda e: e["seed"])

    def groups(self, corpus):
        for family in self.families:
            for rung in self.rungs:
                group = self.of(family, rung, corpus)
                if group:
                    yield family, rung, group

    def rung_cells(self, family, rung):
        keys = self.plan["rungs"][rung]
        return [family] + [str(keys[key]) for key in ("num_experts", "num_experts_per_tok", "moe_intermediate_size")]

    def by_rung(self, corpus):
        form = self.forms[0]
        rows = [self.rung_cells(family, rung) + [str(len(group))]
                + [number(mean([share(e, counts(e)) for e in group])) for counts in (
                    lambda e: e["english"], lambda e: e["base"], lambda e: e[form]["own"], lambda e: e[form]["other"])]
                + [Estimate([over_base(e, form) for e in group]).text()]
                + [Estimate([headroom(e, f) for e in group]).text() for f in self.forms]
                for family, rung, group in self.groups(corpus)]
        return table(["family", "E", "K", "H", "seeds", "English", "base", f"own, {form}", f"OTHER, {form}", "own - base"]
                     + [f"headroom, {f}" for f in self.forms], rows)

    def by_task(self, corpus, form):
        rows, tasks = [], self.tasks_of(corpus)
        for family, rung, group in self.groups(corpus):
            row = self.rung_cells(family, rung)
            for task in tasks:
                english, target = (number(mean([share(e, e[key], [task]) for e in group])) for key in ("english", "base"))
                row += [f"{english} / {target}", Estimate([headroom(e, form, [task]) for e in group]).text()]
            rows.append(row)
        return table(["family", "E", "K", "H"] + [head for task in tasks for head in (f"{task}: English / target", "headroom")], rows)

    def tasks_of(self, corpus):
        return {**self.plan["pretrain"], **self.plan["corpora"][corpus]}["tasks"]

    def seeds_of(self, *groups):
        """Seeds that all groups have, each with its entries."""
        by_seed = [{e["seed"]: e for e in group} for group in groups]
        return [[of[seed] for of in by_seed] for seed in by_seed[0] if all(seed in of for of in by_seed)]

    def slope(self, family, corpus, value):
        """What value(entry) gains with each doubling of E: the least-squares slope over the ladder, by seed."""
        rungs = [r for r in self.steps if self.of(family, r, corpus)]
        if len(rungs) < 3:
            return None
        x = [math.log2(self.plan["rungs"][r]["num_experts"]) for r in rungs]
        middle = mean(x)
        slopes = []
        for entries in self.seeds_of(*(self.of(family, r, corpus) for r in rungs)):
            slopes.append(sum((a - middle) * value(e) for a, e in zip(x, entries)) / sum((a - middle) ** 2 for a in x))
        return Estimate(slopes)

    def by_factor(self):
        """One change at a time, each beside the same seeds without it."""
        rows = []
        for corpus, words in self.factors.items():
            for family, rung, group in self.groups(corpus):
                pairs = self.seeds_of(group, self.of(family, rung, self.against))
                if not pairs:
                    continue
                changed = [a for a, _ in pairs]
                rows.append([f"{words} (`{corpus}`)", family, rung, str(len(pairs))]
                            + [number(mean([share(e, e[key]) for e in changed])) for key in ("english", "base")]
                            + [Estimate([headroom(e, form) for e in changed]).text() for form in self.forms]
                            + [self.contrast(family, rung, corpus, self.against, self.forms[0]).text()])
        return table(["what is otherwise", "family", "rung", "seeds", "English", "base"] + [f"headroom, {f}" for f in self.forms]
                     + [f"minus `{self.against}`, {self.forms[0]}"], rows) if rows else ""

    def contrast(self, family, rung, one, other, form):
        """The difference of two corpora at a rung, by seed, over the tasks that both have."""
        pairs = self.seeds_of(self.of(family, rung, one), self.of(family, rung, other))
        tasks = [t for t in self.tasks if all(t in self.tasks_of(corpus) for corpus in (one, other))]
        return Estimate([headroom(a, form, tasks) - headroom(b, form, tasks) for a, b in pairs]) if pairs and tasks else None


# ---- Sentences ----------------------------------------------------------------------------------

def verdict(estimate, what, above, below):
    """One sentence, decided by the interval alone."""
    if estimate.low is None:
        return f"- {what}: {estimate.text()}; {estimate.n} seeds give no interval."
    said = above if estimate.above() else below if estimate.below() else "not shown: the interval holds 0"
    return f"- {what}: {estimate.text()} points; {said}."


def sentences(ladder):
    form = ladder.forms[0]
    lines = []
    for corpus in [*ladder.corpora, *ladder.factors]:
        groups = list(ladder.groups(corpus))
        if not groups:
            continue
        there = [Estimate([headroom(e, form) for e in group]) for _, _, group in groups]
        above = sum(e.above() for e in there)
        both = sum(e.above() and Estimate([over_base(m, form) for m in group]).above() for e, (_, _, group) in zip(there, groups))
        below = sum(e.below() for e in there)
        nothing = sum(e.high is not None and not e.above() and not e.below() and e.high < SMALL for e in there)
        lines.append(f"- {corpus}, `{form}`: of {len(groups)} rungs {above} have headroom above 0 ({both} with own above base too), {below} below it, and "
                     f"{nothing} none (an interval that holds 0 and ends below 1 point); the others are undecided.")
    for family in ladder.families:
        for corpus in ladder.corpora:
            for name, value in {"headroom": headroom, "own minus base": over_base}.items():
                slope = ladder.slope(family, corpus, lambda e: value(e, form))
                if slope:
                    lines.append(verdict(slope, f"Twice as many experts of half the width, {family}, {corpus}, `{form}`, {name}",
                                         "it grows with the number of experts", "it falls with the number of experts"))
    for family in ladder.families:
        for rung in ladder.rungs:
            for one, other in ladder.plan.get("contrasts", []) + [[factor, ladder.against] for factor in ladder.factors]:
                contrast = ladder.contrast(family, rung, one, other, form)
                if contrast:
                    lines.append(verdict(contrast, f"{one} minus {other}, {family}, {rung}, `{form}`, tasks that both have",
                                         f"more headroom with {one}", f"less headroom with {one}"))
    best = [(Estimate([headroom(e, form) for e in group]), family, rung, corpus)
            for corpus in [*ladder.corpora, *ladder.factors] for family, rung, group in ladder.groups(corpus)]
    top = max(best, key=lambda b: b[0].value)
    lines.append(f"- The largest of {len(best)} is {top[1]}, {top[2]}, {top[3]}: {top[0].text()} points. It was found by looking: it is to be confirmed "
                 f"on fresh seeds before it is called shown.")
    return "\n".join(lines) + "\n"


def products(record):
    """How fast the products of small experts are, from `make bench-fine`."""
    shape = record["config"]
    experts = [row for row in record["runs"][0]["gemm"] if row["name"].startswith("experts")]
    shares = [row["name"].removeprefix("experts ") + " " + " / ".join(f"{100 * row[form]['share']:.0f}" for form in ("NN", "NT", "TN")) + " %"
              for row in experts]
    return (f"\nWhat small experts cost: of the multiply-adds that one thread's registers allow, the products of E = {shape['num_experts']}, "
            f"H = {shape['moe_intermediate_size']} with {experts[0]['rows']} rows an expert reach {', '.join(shares)} (x W / dy W' / x' dy; `make bench-fine`, {record['isa']}).\n")


def page(plan, entries, record=None):
    ladder = Ladder(plan, entries)
    others = [r for r in ladder.rungs if r not in ladder.steps]
    extra = f" (beside them {', '.join(others)}, as the shipped models are)" if others else ""
    text = HEAD.format(extra=extra, split=plan["headroom"]["keys"]["split"])
    for corpus in ladder.corpora:
        if not list(ladder.groups(corpus)):
            continue
        text += (f"## {corpus.capitalize()}\n\n{ladder.corpus_words(corpus)} Means over all tasks and languages; accuracy in per cent, headroom in points.\n\n"
                 f"{ladder.by_rung(corpus)}\n")
        if len(ladder.tasks_of(corpus)) > 1:
            text += f"By task, headroom by `{ladder.forms[0]}`:\n\n{ladder.by_task(corpus, ladder.forms[0])}\n"
    factors = ladder.by_factor()
    if factors:
        text += (f"## One change at a time\n\nEach row is `{ladder.against}` with one thing otherwise, and its difference from `{ladder.against}` is taken over "
                 f"the same pre-training seeds. Parallel text here is the bilingual lexicon (`Kenya = Kenia`).\n\n{factors}\n")
    text += "## In words\n\n" + sentences(ladder)
    keys = plan["pretrain"]
    builds = sorted({f"{e['build']}, trained on {e['device']}" for e in entries})
    text += (f"\nEach base model: {keys['num_hidden_layers']} layers, {keys['batch']} rows a step, rate {keys['learning_rate']}, balance "
             f"{keys['balance']}, {max(e['parameters'] or 0 for e in entries):,} parameters at most. The base models took {sum(e['seconds'] for e in entries) / 3600:.1f} hours of "
             f"one thread each, summed. Program: {'; '.join(builds)}.\n")
    if record:
        text += products(record)
    return text
