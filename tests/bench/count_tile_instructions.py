#!/usr/bin/env python3
"""Counts the instructions of the matrix product's innermost loops in an object file.

    python3 tests/bench/count_tile_instructions.py OBJECT [--objdump=aarch64-linux-gnu-objdump]
                                                   [--set=Neon] [--all]

OBJECT is what src/fast/gemm_kernels.cpp compiles to. A line for each tile: width in vectors and
rows, instructions and vector multiply-adds of one round of its loop over k, their ratio, and how
often the round reads or writes the stack. Exit code 1 if one does, or if a factor is copied to all
lanes: then accumulators have left their registers, or copies compete with the multiply-adds.
Without --all only the tallest tile of each width is printed; all are checked.
"""
import argparse
import collections
import re
import subprocess
import sys

MULTIPLY_ADD = re.compile(r"fmla|vfmadd\w*ps")
COPIES = ("dup", "ld1r")


def functions(text):
    """{name: [(address, operation, arguments)]} of a disassembly."""
    found, code = {}, []
    for line in text.splitlines():
        if head := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            code = found.setdefault(head[1], [])
        elif one := re.match(r"\s*([0-9a-f]+):\s+(\S+)\s*(.*)", line):
            code.append((int(one[1], 16), one[2], one[3]))
    return found


def inner_loop(code):
    """The instructions of the loop without a loop in it that has the most multiply-adds."""
    place = {address: i for i, (address, _, _) in enumerate(code)}
    loops = []
    for i, (_, _, arguments) in enumerate(code):
        target = re.match(r"(?:\w+, )*([0-9a-f]+) <", arguments)
        begin = place.get(int(target[1], 16), len(code)) if target else len(code)
        if begin <= i:
            loops.append((begin, i))
    inner = [code[b:e + 1] for b, e in loops
             if not any(b <= other[0] and other[1] < e for other in loops)]
    return max(inner, key=lambda loop: count(loop, MULTIPLY_ADD), default=[])


def count(loop, pattern):
    return sum(1 for _, operation, _ in loop if re.fullmatch(pattern, operation))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("object")
    parser.add_argument("--objdump", default="aarch64-linux-gnu-objdump")
    parser.add_argument("--set", default="Neon")
    parser.add_argument("--all", action="store_true")
    given = parser.parse_args()
    text = subprocess.run([given.objdump, "-d", "--no-show-raw-insn", "-C", given.object],
                          check=True, capture_output=True, text=True).stdout
    tiles = {}
    for name, code in functions(text).items():
        if tile := re.search(given.set + r"::tile<(\d+), (\d+)>", name):
            tiles[int(tile[1]), int(tile[2])] = inner_loop(code)
    if not tiles:
        sys.exit(f"{given.object} has no tiles of {given.set}")
    bad = False
    for (vectors, rows), loop in sorted(tiles.items()):
        products = count(loop, MULTIPLY_ADD)
        stack = sum(1 for _, _, arguments in loop if "[sp" in arguments or "(%rsp" in arguments)
        copies = sum(1 for _, operation, _ in loop if operation in COPIES)
        bad |= stack + copies > 0 or products == 0
        if given.all or stack + copies > 0 or (vectors, rows + 1) not in tiles:
            kinds = collections.Counter(operation for _, operation, _ in loop)
            print(f"{rows:2} x {vectors} vectors: {len(loop)} instructions, {products} "
                  f"multiply-adds, {len(loop) / max(products, 1):.2f} each; stack {stack}; "
                  + ", ".join(f"{n} {operation}" for operation, n in kinds.most_common()))
    sys.exit(bad)


main()
