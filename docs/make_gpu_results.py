#!/usr/bin/env python3
"""The measured part of docs/cuda.md, from docs/results/gpu*.json, which `make check-cuda` writes.

    docs/make_gpu_results.py

Standard library only.
"""
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
DOC = HERE / "cuda.md"
BEGIN, END = "<!-- measured: docs/make_gpu_results.py -->", "<!-- end of measured -->"


def table(header, rows):
    right = [not isinstance(cell, str) or cell[:1].isdigit() for cell in rows[0]]
    lines = ["| " + " | ".join(header) + " |",
             "|" + "|".join("---:" if r else "---" for r in right) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return lines


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def products(rows):
    lines = []
    shapes = list(dict.fromkeys(row["shape"] for row in rows))
    names = list(dict.fromkeys((row["kernel"], row["inputs"]) for row in rows))
    cells = {(row["shape"], row["kernel"], row["inputs"]): row for row in rows}
    body = []
    for kernel, inputs in names:
        line = [f"{kernel}, {inputs}"]
        for shape in shapes:
            row = cells.get((shape, kernel, inputs))
            line.append("-" if row is None
                        else f"{number(row['us'])} us" if kernel == "packing"
                        else f"{number(row['TFLOP/s'])} ({row['% of cuBLAS']:.0f} %)")
        body.append(line)
    ours, theirs = ("gemm", "bf16"), ("rounding, cuBLAS", "bf16")
    lines += ["", "Products: TFLOP/s, and the share of cuBLAS's speed for the same inputs. Ours read",
              "fp32 and round while they run; cuBLAS's bf16 gets its inputs rounded."]
    if theirs in names:
        lines += ["*rounding, cuBLAS* is what it takes for the inputs that ours get, with one launch before that",
                  "rounds both; the last row is our speed's share of that one's."]
        body.append(["gemm of rounding, cuBLAS"] +
                    [f"{100 * cells[shape, *theirs]['us'] / cells[shape, *ours]['us']:.0f} %"
                     for shape in shapes])
    lines.append("")
    return lines + table(["kernel, inputs"] + shapes, body)


def kernels(rows):
    """A table by name, without template arguments; what takes under 1 % together."""
    all_us = sum(row["us"] for row in rows)
    body, rest = [], [0, 0.0]
    for row in rows:
        if row["us"] < 0.01 * all_us:
            rest[0] += row["count"]
            rest[1] += row["us"]
            continue
        body.append([f"`{row['kernel']}`", row["count"], f"{row['us'] / row['count']:.1f}",
                     f"{row['us']:.0f}", f"{100 * row['us'] / all_us:.1f}"])
    body.append(["others", rest[0], f"{rest[1] / max(1, rest[0]):.1f}", f"{rest[1]:.0f}",
                 f"{100 * rest[1] / all_us:.1f}"])
    count = sum(row["count"] for row in rows)
    least = min(row["us"] / row["count"] for row in rows)
    return ["", f"The {count} kernels of a replayed step of the mixture in fp32, each timed alone by ncu: "
            f"{all_us:.0f} us together.", f"The smallest takes {least:.1f} us so, and less in the step, "
            "which has no host between them.", ""] + table(
                ["kernel", "launches", "us each", "us", "%"], body)


def steps(sizes):
    lines = []
    what = {"standard": "6 layers, C = H = 128, 16 experts, V = 512: 5.2 M parameters, 32 x 64 tokens",
            "large": "7 layers, C = H = 512, 16 experts, V = 8192: 104 M parameters, 32 x 128 tokens"}
    for size in sizes:
        rows, body = size["rows"], []
        for title, row in rows.items():
            if "error" in row:
                body.append([title, row["error"], ""])
                continue
            base = rows["ours, dense" if "dense" in title else "ours, moe"]["ms"]
            body.append([title, f"{row['ms']:.3f} ({row['range'][0]:.3f} to {row['range'][1]:.3f})",
                         f"{row['ms'] / base:.2f}"])
        arena = rows["ours, moe"].get("arena_bytes", 0) / 2**20
        lines += ["", f"A training step, milliseconds: median and range of the rounds. {what[size['size']]}.",
                  f"PyTorch {size['versions']['torch']}, transformers {size['versions']['transformers']}. "
                  f"Our activations take {arena:.0f} MiB. PyTorch's eager steps wait for the host, whose "
                  "processor is slow here: on another the ratios are smaller.", ""]
        lines += table(["", "ms", "times ours"], body)
    return lines


def section(path):
    report = json.loads(path.read_text())
    m = report["machine"]
    lines = [f"### {m.get('name', 'GPU')}", "",
             f"Driver {m.get('driver_version')}, nvcc {', '.join(m.get('nvcc', []))}, {m.get('date')}, "
             f"revision {m.get('revision')}; "
             f"from [{path.name}](results/{path.name})."]
    if "tests" in report:
        t = report["tests"]
        lines += ["", f"- tests: {t['passed']} passed" +
                  (f", failed: {', '.join(t['failed'])}" if t["failed"] else "") + f", in {t['seconds']} s"]
    if "sanitizer" in report:
        for tool in ("memcheck", "racecheck", "synccheck"):
            part = report["sanitizer"][tool]
            lines.append(f"- compute-sanitizer {tool}, {part['tests']} tests: {part['summary']}")
    if "demo" in report:
        d = report["demo"]
        lines.append(f"- the smoke demo: largest difference from the processor {d['largest']:.2g}; other "
                     f"differences: {', '.join(d['other']) or 0}; {d['cuda']['seconds']} s, on the processor beside it "
                     f"{d['cpu']['seconds']} s")
    bench = report.get("bench", {})
    if "steps" in report:
        lines += steps(report["steps"].get("sizes", []))
    if "kernels" in report.get("profile", {}):
        lines += kernels(report["profile"]["kernels"])
    if "gemm" in bench:
        lines += products(bench["gemm"])
    if "grouped" in bench:
        lines += ["", "Products of 16 experts, 4096 rows in all, 128 to 256 columns, in one launch:", ""]
        lines += table(["product", "inputs", "us", "TFLOP/s"],
                       [[r["product"], r["inputs"], number(r["us"]), number(r["TFLOP/s"])]
                        for r in bench["grouped"]])
    if "memory" in bench:
        lines += ["", "Kernels that memory bounds: the bytes are the least possible, compared with a copy", "of 128 MiB.", ""]
        lines += table(["kernel", "us", "GB/s", "% of copy"],
                       [[r["kernel"], number(r["us"]), number(r["GB/s"]), number(r["% of copy"])]
                        for r in bench["memory"]])
    return lines


def main():
    text = DOC.read_text()
    lines = []
    for path in sorted(HERE.glob("results/gpu*.json")):
        lines += section(path) + [""]
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    DOC.write_text(text[:begin] + "\n" + "\n".join(lines) + text[end:])


if __name__ == "__main__":
    main()
