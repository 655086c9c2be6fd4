"""What the page of results is written with: numbers, Markdown, and the files it is made from."""
import json
import re

METHODS = {"sft": "SFT", "ramoe": "RA-MoE", "rise": "RISE", "sara": "SARA", "base": "base model",
           "ramoe-last": "at the last token", "ramoe-last-shuffled": "its control, shuffled",
           "steer-soft-base": "soft steering, base", "steer-hard-base": "hard steering, base",
           "steer-soft-sft": "soft steering, SFT", "steer-hard-sft": "hard steering, SFT"}


class Failure(Exception):
    """What is wrong with the files given; the text says what to do."""


UNITS = {"points": (100, 2), "r": (1, 2), "D": (1, 3)}  # factor and decimals


# ---- Numbers ------------------------------------------------------------------------------------
# null in the files is a number that was not measured: "n/a" here.

def fixed(value, decimals):
    if value is None:
        return "n/a"
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text


def signed(value, decimals):
    text = fixed(value, decimals)
    return "+" + text if value is not None and value > 0 and float(text) != 0 else text


def percent(share):
    return fixed(times(share, 100), 1)


def times(value, factor):
    return None if value is None else factor * value


def mean(values):
    values = list(values)
    return None if not values or None in values else sum(values) / len(values)


def interval(e, factor, decimals):
    """"[-1.2, +3.4]", with more decimals where both ends would read the same."""
    if e["low"] is None or e["high"] is None:
        return "n/a"
    low, high = factor * e["low"], factor * e["high"]
    while decimals < 5 and fixed(low, decimals) == fixed(high, decimals):
        decimals += 1
    return f"[{signed(low, decimals)}, {signed(high, decimals)}]"


def estimate(e, factor, decimals):
    text = signed(times(e["value"], factor), decimals)
    return text if e["low"] is None else f"{text} {interval(e, factor, decimals)}"


def p_text(p):
    return "<0.001" if p is not None and p < 0.001 else fixed(p, 3)


def adjusted_shows(e):
    return e["p_adjusted"] is not None and e["p_adjusted"] < 0.05


def points(e):
    """A difference of a cell in points; the star is that of an adjusted p under 0.05."""
    return estimate(e, 100, 1) + ("*" if adjusted_shows(e) else "")


def counted(n, one, many=None):
    return f"{n} {one if n == 1 else many or one + 's'}"


def span(counts, one):
    """"n = 153 to 300 test items": of the rows or panels that a sentence is about."""
    least, most = min(counts), max(counts)
    return f"n = {counted(most, one)}" if least == most else f"n = {least} to {most} {one}s"


# ---- Markdown -----------------------------------------------------------------------------------

def plain(text):
    """Text from data: nothing in it is read as markup, and line breaks become blanks."""
    text = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*|~]|(?<!\w)_|_(?!\w)|\](?=[(\[:]))", r"\\\1", text)
    return re.sub(r"\s", " ", text)


def table(caption, head, rows, text_columns=1):
    """A table with its caption; the first `text_columns` are text, the others numbers."""
    if not rows:
        return ""
    lines = [list(head), *rows]
    text = ["| " + " | ".join(plain(cell) for cell in line) + " |" for line in lines]
    rule = "".join("---|" if i < text_columns else "---:|" for i in range(len(head)))
    text.insert(1, "|" + rule)
    return (plain(caption) + "\n\n" if caption else "") + "\n".join(text) + "\n\n"


def fold(summary, inside):
    return (f"<details>\n<summary>{plain(summary)}</summary>\n\n{inside.strip()}\n\n</details>\n\n"
            if inside else "")


def item_list(items):
    return "".join(f"- {item}\n" for item in items) + "\n"


# ---- What the page is made from -----------------------------------------------------------------

class Input:
    """The evidence, the facts of the grids that it was weighed from, and the names of languages."""

    def __init__(self, folder):
        self.folder = folder
        weighed = read(folder / "evidence.json")
        self.claims = weighed["claims"]
        self.evidence, self.ablations = weighed["evidence"], weighed["ablations"]
        self.mixture, self.headroom = weighed["mixture"], weighed["headroom"]
        self.decide = weighed["decide"]  # the grid on base models with headroom: all of the above again
        # Comparisons and headroom alone, of its second plan and of its part with few labels.
        self.decide_more, self.decide_pool = weighed["decide_more"], weighed["decide_pool"]
        grids = ["main"] + [name for name in ("ablations", "mixture", "decide", "decide_more", "decide_pool")
                            if (folder / f"{name}.json").exists()]
        self.facts = {name: read(folder / f"{name}.json") for name in grids}
        self.lesions = []  # where routing is made the fault: make_lesion.responses()
        routing = folder / "main_routing.json"
        self.routing = read(routing) if routing.exists() else None
        self.names = self.routing["language_names"] if self.routing else {}
        # data/models were chosen among several for their curve (docs/log.md).
        self.models_were_chosen = any(
            "data/models/" in run for run in self.facts["main"]["plan"]["models"].values())

    def name(self, lang):
        return self.names.get(lang) or lang

    def records(self, wanted):
        """The records of main.jsonl with these ids, by id."""
        with open(self.folder / "main.jsonl", encoding="utf-8") as lines:
            found = (json.loads(line) for line in lines if line.strip())
            return {record["id"]: record for record in found if record["id"] in wanted}


def read(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Failure(f"{path} is missing; `ramoe results {path.parent}` makes evidence.json from "
                      "collected grids (`make grid`, `make docs-grid`).") from None
    except ValueError as error:
        raise Failure(f"{path}: {error}") from None


def compared(evidence, method, against, scope):
    return next((c for c in evidence["comparisons"] if c["method"] == method and
                 c["against"] == against and c["scope"] == scope), None)


def difference(found, method, against, scope="all"):
    """The estimate of accuracy, of a pair of methods that is there."""
    return compared(found, method, against, scope)["accuracy"]


def gained(found, method, against, scope="all"):
    """"+0.90 [+0.40, +1.42]": the same in points."""
    return estimate(difference(found, method, against, scope), 100, 2)


def headroom_of_models(headroom):
    """"olmoe +1.1 [-0.1, +2.3], qwen2_moe +0.7 [0.0, +1.5]", in points."""
    return ", ".join(f"{m['model']} {estimate(m, 100, 1)}" for m in headroom["models"])


def in_cell(cell, method):
    return next((m for m in cell["methods"] if m["name"] == method), None)


def label(method):
    return METHODS.get(method, method)


def in_words(method):
    """"Routing Steering (soft) of the base model", where there is room."""
    steering = re.fullmatch(r"steer-(\w+)-(\w+)", method)
    if not steering:
        return label(method)
    model = "base" if steering[2] == "base" else label(steering[2])
    return f"Routing Steering ({steering[1]}) of the {model} model"


def scope_text(scope):
    return "all cells" if scope == "all" else scope


def exponent(model):
    """0.3 of the mixture's model "exponent=0.3"."""
    return float(model.removeprefix("exponent="))


def short(value):
    return f"{value:g}"
