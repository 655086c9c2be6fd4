"""The figures of the results page, each from the evidence to an SVG. Needs matplotlib.

A colour has one meaning: hues are languages, violet is ci, all else is ink and greys, told apart
by place, by dashes or by the shape of a point. Text stays text, and no date, no version and no
random name enters a file: the same numbers give the same drawing.
"""
import collections
import io
import re
import sys

from results_text import (compared, estimate, exponent, in_cell, label, mean, scope_text, short,
                          times)

try:
    import matplotlib
except ImportError:
    sys.exit("make_results: the figures need matplotlib, which is missing; install it with\n"
             "  sudo apt-get install python3-matplotlib\nor\n  python3 -m pip install matplotlib\n"
             "or make the page alone with --text-only.")
matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.patches import Patch, Rectangle  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

MARK = "RA-MoE: docs/make_results.py"
INK, SOFT, AXIS, GRID, BAND = "#222222", "#555555", "#888888", "#e3e3e3", "#eeeeea"
HEAT = matplotlib.colors.LinearSegmentedColormap.from_list("heat", ["#ffffff", "#33475b"])
# Okabe and Ito (2008): told apart with every common colour vision.
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (7, 2, 1, 2)))
SHAPES = ("o", "s", "^", "D", "v", "P")
TYPES = {"cc": ("both right", "#b4b4b4"), "ci": ("English only", "#bd93e0"),
         "ic": ("target only", "#d6d6d6"), "ii": ("both wrong", "#efefef")}
WIDTH = 5.4  # inches: 390 points, so that text of 8 points still reads on a telephone

plt.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "ramoe", "font.family": "sans-serif", "font.size": 8,
    "text.color": INK, "axes.labelcolor": SOFT, "axes.edgecolor": AXIS, "axes.titlesize": 8.5,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.spines.top": False,
    "axes.spines.right": False, "axes.axisbelow": True, "axes.grid": True, "grid.color": GRID,
    "grid.linewidth": 0.7, "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5, "axes.unicode_minus": False, "legend.frameon": False,
    "legend.fontsize": 8, "figure.facecolor": "white"})


def values(numbers):
    """A list for drawing: what was not measured leaves a hole."""
    return [float("nan") if v is None else v for v in numbers]


def svg(figure):
    """The drawing as text, with two decimals: more would only tell versions of matplotlib apart."""
    file = io.StringIO()
    figure.savefig(file, format="svg", bbox_inches="tight", pad_inches=0.04,
                   metadata={"Date": None, "Creator": MARK})
    plt.close(figure)
    text = re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."),
                  file.getvalue())
    return smaller("\n".join(line.rstrip() for line in text.splitlines()) + "\n")


def smaller(text):
    """The same drawing in fewer bytes: a path in one line, and styles used more than twice as classes."""
    text = re.sub(r' d="([^"]*)"', lambda m: f' d="{" ".join(m[1].split())}"', text)
    styles = collections.Counter(re.findall(r' style="([^"]*)"', text))
    rules = ""
    for i, style in enumerate(style for style, count in styles.items() if count > 2):
        text = text.replace(f' style="{style}"', f' class="s{i}"')
        rules += f"\n.s{i}{{{style}}}"
    return text.replace("</style>", rules + "</style>", 1)


def rows_of_panels(n, columns, height, **options):
    rows = -(-n // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, height * rows), squeeze=False,
                                constrained_layout=True, **options)
    for spare in axes.flat[n:]:
        spare.set_visible(False)
    return figure, list(axes.flat[:n])


def legend(figure, *rows):
    """Above all panels: the drawing grows by it. matplotlib fills columns, we think in rows."""
    columns = max(len(row) for row in rows)
    figure.legend(handles=[row[c] for c in range(columns) for row in rows if c < len(row)],
                  loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=columns, handlelength=1.8,
                  columnspacing=1.2)


def language_line(data, evidence, lang, **options):
    """How every figure draws a language."""
    i = evidence["languages"].index(lang)
    return {"color": HUES[i % len(HUES)], "linestyle": DASHES[i // len(HUES) % len(DASHES)],
            "label": data.name(lang), "linewidth": 1.2, **options}


def language_handles(data, evidence):
    return [Line2D([], [], **language_line(data, evidence, lang)) for lang in evidence["languages"]]


MEAN = {"color": INK, "linewidth": 2.4, "label": "mean"}


def shade_zone(axes, zone, layers):
    low, high = max(zone["first"] - 0.5, 0), min(zone["last"] + 0.5, layers - 1)
    axes.axvspan(low, high, color=BAND, zorder=0, linewidth=0)


def mean_by_layer(curves):
    return [mean(column) for column in zip(*curves)]


# ---- By layer -----------------------------------------------------------------------------------

def divergence(data):
    """A row for each model: general text, task prompts; a line for each language and the mean."""
    evidence = data.evidence
    figure, panels = rows_of_panels(2 * len(evidence["curves"]), 2, 1.45, sharex=False, sharey=True)
    for i, curves in enumerate(evidence["curves"]):
        by_task = {lang: mean_by_layer([c[lang] for c in curves["by_task"].values() if lang in c])
                   for lang in evidence["languages"]}
        for axes, where, lines, average in (
                (panels[2 * i], "general text", curves["general_by_language"], curves["general"]),
                (panels[2 * i + 1], "task prompts", by_task, curves["prompts"])):
            shade_zone(axes, curves["zone"], len(average))
            for lang, line in lines.items():
                if line:
                    axes.plot(values(line), **language_line(data, evidence, lang))
            axes.plot(values(average), **MEAN)
            axes.set_title(f"{curves['model']}, {where}")
            axes.set_xticks(range(len(average)))
            axes.grid(axis="x", visible=False)
        panels[2 * i].set_ylabel("D from English")
        panels[2 * i].set_ylim(bottom=0)
    for axes in panels[-2:]:
        axes.set_xlabel("layer l, counted from 0; shaded: zone")
    legend(figure, language_handles(data, evidence) + [Line2D([], [], **MEAN)])
    return figure


def routing_change(data):
    """A panel for each model: a thin line for each task and language, and their mean."""
    evidence = data.evidence
    figure, panels = rows_of_panels(len(evidence["curves"]), 3, 1.9, sharey=True)
    for axes, curves in zip(panels, evidence["curves"]):
        shade_zone(axes, curves["zone"], len(curves["general"]))
        axes.axhline(0, color=SOFT, linewidth=0.8)
        for cell in evidence["cells"]:
            ramoe = in_cell(cell, "ramoe")
            if cell["model"] == curves["model"] and ramoe:
                axes.plot(values(ramoe["divergence_change"]),
                          **language_line(data, evidence, cell["lang"], linewidth=0.8, alpha=0.7))
        for change in evidence["routing"]:
            if change["scope"] == curves["model"]:
                axes.plot(values(change["by_layer"]), **MEAN)
        axes.set_title(curves["model"])
        axes.set_xticks(range(len(curves["general"])))
        axes.grid(axis="x", visible=False)
        axes.set_xlabel("layer l; shaded: zone")
    panels[0].set_ylabel("change of D; below 0: closer")
    legend(figure, language_handles(data, evidence) + [Line2D([], [], **MEAN)])
    return figure


# ---- Cell by cell -------------------------------------------------------------------------------

def fitted_line(axes, x, y):
    """Least squares, where the points differ in x."""
    centre_x, centre_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((v - centre_x) ** 2 for v in x)
    if spread > 0:
        slope = sum((v - centre_x) * (w - centre_y) for v, w in zip(x, y)) / spread
        ends = [min(x), max(x)]
        axes.plot(ends, [centre_y + slope * (v - centre_x) for v in ends], color=INK,
                  linewidth=1.2, linestyle=(0, (5, 3)), zorder=1)


def shape_of(evidence, model):
    return SHAPES[evidence["models"].index(model) % len(SHAPES)]


def cell_point(data, axes, cell, x, y):
    """A model by its shape, a language by its hue."""
    axes.plot(x, y, shape_of(data.evidence, cell["model"]), markersize=4.5, markeredgecolor="white",
              color=language_line(data, data.evidence, cell["lang"])["color"], markeredgewidth=0.4)


def cell_legend(data, figure):
    evidence, point = data.evidence, {"linestyle": "", "markersize": 4.5}
    legend(figure, [Line2D([], [], color=language_line(data, evidence, lang)["color"], marker="o",
                           label=data.name(lang), **point) for lang in evidence["languages"]],
           [Line2D([], [], color=INK, marker=shape_of(evidence, model), label=model, **point)
            for model in evidence["models"]])


def scatter(data, x_of, y_of, x_label, y_label, correlations, side):
    """A panel for each task: a point for each model (by shape) and language (by hue)."""
    evidence = data.evidence
    figure, panels = rows_of_panels(len(evidence["tasks"]), 3, 2.0, sharey=True)
    for axes, task in zip(panels, evidence["tasks"]):
        found = [(x_of(c), y_of(c), c) for c in evidence["cells"] if c["task"] == task]
        found = [(x, y, c) for x, y, c in found if x is not None and y is not None]
        for x, y, cell in found:
            cell_point(data, axes, cell, x, y)
        if found:
            fitted_line(axes, [f[0] for f in found], [f[1] for f in found])
        axes.set_title(task + "\n")
        for c in correlations:
            if c["scope"] == task and not c["within"]:
                axes.text(0, 1.04, f"r = {estimate(c[side], 1, 2)}", transform=axes.transAxes)
        axes.set_xlabel(x_label)
    panels[0].set_ylabel(y_label)
    cell_legend(data, figure)
    return figure


def gap(data):
    figure = scatter(data, lambda c: c["divergence_zone"],
                     lambda c: times(c["gap"], 100), "mean D in the zone",
                     "gap to English (points)", data.evidence["gap"], "zone")
    figure.axes[0].set_ylim(bottom=min(0, figure.axes[0].get_ylim()[0] + 5))
    figure.axes[0].yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2.5, 5, 10]))
    return figure


def ci_gain(data):
    def gain(cell):
        ramoe = in_cell(cell, "ramoe")
        return times(ramoe["gain"]["value"], 100) if ramoe else None
    figure = scatter(data, lambda c: 100 * c["ci"], gain, "share of ci (%)",
                     "RA-MoE minus SFT (points)", data.evidence["ci_gain"], "r")
    for axes in figure.axes:
        axes.axhline(0, color=SOFT, linewidth=0.8)
    return figure


def headroom(data):
    """A panel for each grid: all cells; in black the mean of each model with the intervals of both sides. The last: the lesion."""
    grids = [("shipped models\nRA-MoE", data.evidence, data.headroom, "ramoe")]
    if data.decide:
        decide = data.decide["evidence"], data.decide["headroom"]
        grids += [("small experts\nRA-MoE", *decide, "ramoe"),
                  ("small experts\nlast token", *decide, "ramoe-last")]
    count = len(grids) + bool(data.lesions)
    figure, panels = rows_of_panels(count, count, 2.4, sharey=True)
    for axes, (title, evidence, found, method) in zip(panels, grids):
        axes.axhline(0, color=SOFT, linewidth=0.8)
        axes.axvline(0, color=SOFT, linewidth=0.8)
        for cell, x in zip(evidence["cells"], found[0]["by_cell"]):
            trained = in_cell(cell, method)
            if x is not None and trained and trained["gain"]["value"] is not None:
                cell_point(data, axes, cell, 100 * x, 100 * trained["gain"]["value"])
        for m in found[0]["models"]:
            gain = compared(evidence, method, "sft", m["model"])["accuracy"]
            if None not in (m["low"], gain["low"]):
                axes.errorbar(100 * m["value"], 100 * gain["value"], color=INK, markersize=6,
                              marker=shape_of(data.evidence, m["model"]), xerr=arms(m), yerr=arms(gain))
        axes.set_title(title)
        axes.set_xlabel("headroom (points)")
    for lesion in data.lesions:
        points = [(100 * room["headroom"], 100 * gain["headroom"], gain) for _, room, gain in lesion["points"]]
        dashes, marker = {"ramoe": ("-", "^"), "lambda=10+both": ("--", "s")}[lesion["variant"]]
        panels[-1].errorbar([x for x, _, _ in points], [y for _, y, _ in points], linewidth=1, linestyle=dashes, marker=marker,
                            yerr=[[0 if gain["low"] is None else 100 * abs(gain[end] - gain["headroom"]) for _, _, gain in points]
                                  for end in ("low", "high")],
                            color=language_line(data, data.evidence, lesion["lang"])["color"], markersize=4)
    if data.lesions:
        panels[-1].axhline(0, color=SOFT, linewidth=0.8)
        panels[-1].axvline(0, color=SOFT, linewidth=0.8)
        panels[-1].set_title("routers damaged\nRA-MoE, by strength")
        panels[-1].set_xlabel("headroom over its own\nlanguage's routing (points)")
        panels[-1].legend(handles=[Line2D([], [], color=INK, linestyle=dashes, marker=marker, markersize=4, label=words)
                                   for dashes, marker, words in (("-", "^", "lambda 1"), ("--", "s", "lambda 10, both"))],
                          loc="lower right", fontsize=6, handlelength=1.5, borderaxespad=0.1)
    panels[0].set_ylabel("minus SFT (points)")
    cell_legend(data, figure)
    return figure


def arms(e):
    """How far an interval reaches to both sides, in points."""
    return [[100 * (e["value"] - e["low"])], [100 * (e["high"] - e["value"])]]


def taxonomy(data):
    """A column for each model, a bar of 100 % for each task and language; ci with its number."""
    evidence = data.evidence
    bars = [(task, lang) for task in evidence["tasks"] for lang in evidence["languages"]]
    height = 0.5 + 0.155 * (len(bars) + len(evidence["tasks"]))
    figure, panels = rows_of_panels(len(evidence["models"]), 3, height, sharey=True)
    places = [-(i + 1.3 * evidence["tasks"].index(task)) for i, (task, lang) in enumerate(bars)]
    for axes, model in zip(panels, evidence["models"]):
        counts = {(row["task"], row["lang"]): row
                  for row in data.facts["main"]["stages"][model]["taxonomy"]}
        for y, bar in zip(places, bars):
            row, left = counts.get(bar), 0
            total = sum(row[t] for t in TYPES) if row else 0
            for kind, (_, colour) in TYPES.items() if total else ():
                share = 100 * row[kind] / total
                axes.barh(y, share, left=left, color=colour, height=0.8, edgecolor="white",
                          linewidth=0.4)
                if kind == "ci" and share > 12:
                    axes.text(left + share / 2, y, f"{share:.0f}", ha="center", va="center",
                              fontsize=6.5)
                left += share
        axes.set_title(model)
        axes.set_xlim(0, 100)
        axes.set_xticks([0, 50, 100])
        axes.set_xlabel("% of pairs")
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False)
        for task in evidence["tasks"]:
            top = places[bars.index((task, evidence["languages"][0]))]
            axes.text(1, top + 0.95, task, fontweight="bold", va="center", fontsize=7.5)
    panels[0].set_yticks(places, [data.name(lang) for task, lang in bars])
    panels[0].set_ylim(places[-1] - 0.6, 1.4)
    legend(figure, [Patch(facecolor=colour, edgecolor=AXIS, linewidth=0.4, label=f"{kind}: {words}")
                    for kind, (words, colour) in TYPES.items()])
    return figure


def experts(data, model):
    """The target's routing before and after RA-MoE beside English's, a row for each task."""
    evidence, lang = data.evidence, data.evidence["languages"][0]
    cells = {task: f"{model}/{task}/{lang}" for task in evidence["tasks"]}
    ends = ("/base", "/ramoe/1")
    records = data.records({cell + end for cell in cells.values() for end in ends})
    tasks = [t for t in cells if all("q" in records.get(cells[t] + end, {}) for end in ends)]
    maps = {t: [records[cells[t] + "/base"]["q"], records[cells[t] + "/ramoe/1"]["q"],
                records[cells[t] + "/base"]["q_english"]] for t in tasks}
    outlined = {e["task"]: e["experts"] for e in data.facts["main"]["stages"][model]["experts"]}
    zone = data.facts["main"]["stages"][model]["divergence"]["zone"]
    seen = sorted(v for rows in maps.values() for q in rows for layer in q for v in layer)
    top = seen[int(0.98 * (len(seen) - 1))] if seen else 1  # one cell in fifty is darker
    name = data.name(lang)
    figure, panels = rows_of_panels(3 * max(1, len(tasks)), 3, 1.25, sharex=True, sharey=True)
    for r, task in enumerate(tasks):
        for c, q in enumerate(maps[task]):
            axes = panels[3 * r + c]
            mesh = axes.pcolormesh(q, cmap=HEAT, vmin=0, vmax=top, edgecolors=GRID, linewidth=0.3)
            for l, chosen in enumerate(outlined.get(task, [])):
                for e in chosen:
                    axes.add_patch(Rectangle((e + 0.06, l + 0.06), 0.88, 0.88, fill=False,
                                             edgecolor=INK, linewidth=1))
            layers, width = len(q), len(q[0])
            axes.add_patch(Rectangle((-0.035 * width, zone["first"]), 0.02 * width,
                                     zone["last"] - zone["first"] + 1, color=INK, clip_on=False,
                                     linewidth=0))
            axes.set_xlim(0, width)
            axes.set_ylim(layers, 0)
            axes.set_xticks([e + 0.5 for e in range(width)], range(width))
            axes.set_yticks([l + 0.5 for l in range(0, layers)], range(0, layers))
            axes.tick_params(length=0, labelsize=6.5)
            axes.grid(visible=False)
            axes.spines[:].set_visible(False)
            if r == 0:
                axes.set_title((f"{name}, base model", f"{name}, RA-MoE", "English, base model")[c])
            if r == len(tasks) - 1:
                axes.set_xlabel("expert e")
        panels[3 * r].set_ylabel(f"{task}\nlayer l")
    if tasks:
        figure.colorbar(mesh, ax=panels, shrink=0.5, aspect=30, pad=0.02,
                        label="mean router probability", extend="max")
    return figure


# ---- Methods, choices, mixtures -----------------------------------------------------------------

def dots(groups, x_label):
    """Groups of rows: a dot at the mean with its 95 % interval, against a line at zero."""
    groups = [(heading, rows) for heading, rows in groups if rows]
    lines = sum(len(rows) + 1.2 for _, rows in groups)
    figure, axes = plt.subplots(figsize=(WIDTH, 0.55 + 0.165 * lines), constrained_layout=True)
    axes.axvline(0, color=INK, linewidth=1)
    y, places, labels, headings = 0, [], [], []
    for heading, rows in groups:
        headings.append(len(labels))
        for name, e in [(heading, None), *rows]:
            places.append(y)
            labels.append(name)
            if e and e["low"] is not None:
                axes.plot([100 * e["low"], 100 * e["high"]], [y, y], color=SOFT, linewidth=2)
            if e:
                axes.plot(100 * e["value"], y, "o", color=INK, markersize=4.5)
            y -= 1
        y -= 0.2
    axes.set_yticks(places, labels)
    for i in headings:
        axes.get_yticklabels()[i].set(fontweight="bold", color=INK)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(y + 0.6, 0.8)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(x_label)
    return figure


def against_sft(data, scopes, wanted):
    groups = []
    for scope in scopes:
        found = [(label(m), compared(data.evidence, m, "sft", scope))
                 for m in data.evidence["methods"] if wanted(m)]
        rows = [(name, c["accuracy"]) for name, c in found
                if c and c["accuracy"]["value"] is not None]
        cells = [c["cells"] for _, c in found if c]
        groups.append((f"{scope_text(scope)} (n = {max(cells)})" if cells else scope, rows))
    return dots(groups, "minus SFT, test accuracy (percentage points)")


def steered(method):
    return method.startswith("steer-")


def comparison(data):
    return against_sft(data, ["all"] + data.evidence["models"] + data.evidence["tasks"],
                       lambda m: not steered(m))


def steering(data):
    return against_sft(data, ["all"] + data.evidence["models"], steered)


def ablations(data):
    groups = {}
    for row in data.ablations["rows"]:
        if row["variant"] == "ramoe":
            sft = row["against_sft"]
            turned = {"value": -sft["value"], "low": None if sft["high"] is None else -sft["high"],
                      "high": None if sft["low"] is None else -sft["low"]}
            groups["no alignment"] = [("SFT", turned)]
        elif row["group"] != "train_pairs" and row["against_default"]["value"] is not None:
            choice = row["variant"].removeprefix(row["group"] + "=")
            groups.setdefault(row["group"], []).append((choice, row["against_default"]))
    return dots(list(groups.items()), "minus default RA-MoE, test accuracy (percentage points)")


def with_interval(axes, x, estimates):
    """Dots with their 95 % intervals at x = 0, 1, ..."""
    axes.axhline(0, color=INK, linewidth=1)
    for at, e in zip(x, estimates):
        if e["low"] is not None:
            axes.plot([at, at], [100 * e["low"], 100 * e["high"]], color=SOFT, linewidth=2)
        if e["value"] is not None:
            axes.plot(at, 100 * e["value"], "o", color=INK, markersize=4.5)


def learning(data):
    """Left both methods, right their difference."""
    found = data.ablations["learning"]
    places, names = range(len(found)), [point["pairs"] or "all" for point in found]
    figure, (left, right) = rows_of_panels(2, 2, 2.0)
    left.plot(places, [100 * point["sft"] for point in found], color=INK, linewidth=1.5,
              linestyle=(0, (5, 2)), marker="o", markersize=4, markerfacecolor="white", label="SFT")
    left.plot(places, [100 * point["ramoe"] for point in found], color=INK, linewidth=1.5,
              marker="s", markersize=3, label="RA-MoE")
    left.set_ylim(bottom=0)
    left.set_title("test accuracy (%)")
    left.legend(loc="upper left")
    with_interval(right, places, [point["difference"] for point in found])
    right.set_title("RA-MoE minus SFT (points)")
    for axes in (left, right):
        axes.set_xticks(places, names)
        axes.set_xlabel("training pairs of the target language")
        axes.set_xlim(-0.3, len(found) - 0.7)
        axes.grid(axis="x", visible=False)
    return figure


def mixture(data):
    """By exponent: the base model's accuracy, its gap to English, and the gain of RA-MoE."""
    evidence = data.mixture
    models = sorted(evidence["models"], key=exponent)
    places = range(len(models))
    figure, panels = rows_of_panels(3, 3, 2.0)
    for axes, key, title in zip(panels, ("base", "gap"),
                                ("base model, target (%)", "gap to English (points)")):
        for lang in evidence["languages"]:
            line = [mean(c[key] for c in evidence["cells"] if c["model"] == m and c["lang"] == lang)
                    for m in models]
            axes.plot(places, [100 * v for v in values(line)], marker="o", markersize=3,
                      **language_line(data, evidence, lang))
        axes.set_ylim(bottom=0)
        axes.set_title(title)
    gains = [compared(evidence, "ramoe", "sft", m) for m in models]
    with_interval(panels[2], [i for i, c in enumerate(gains) if c],
                  [c["accuracy"] for c in gains if c])
    panels[2].set_title("RA-MoE minus SFT (points)")
    for axes in panels:
        axes.set_xticks(places, [short(exponent(m)) for m in models])
        axes.set_xlim(-0.3, len(models) - 0.7)
        axes.set_xlabel("exponent (0: alike, 1: web)")
        axes.grid(axis="x", visible=False)
    legend(figure, language_handles(data, evidence))
    return figure


FIGURES = {"divergence": divergence, "gap": gap, "comparison": comparison, "steering": steering,
           "headroom": headroom, "ci-gain": ci_gain, "taxonomy": taxonomy, "routing-change": routing_change,
           "ablations": ablations, "learning": learning, "mixture": mixture}


def draw(name, data):
    """The SVG of a figure that the page names."""
    if name.startswith("experts-"):
        return svg(experts(data, name.removeprefix("experts-")))
    return svg(FIGURES[name](data))
