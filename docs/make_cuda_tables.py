#!/usr/bin/env python3
"""The table of products in docs/cuda.md, from compiled kernels; an error if any kernel spills.

    docs/make_cuda_tables.py [--cuobjdump=PATH] [--check] OBJECT...

Objects are the build's .cu.o files (build/CMakeFiles/ramoe_core.dir/cuda/*/*.o) or any that nvcc made.
Every kernel in them is checked for spills and local memory (--check: nothing else). For the products
the table has registers, blocks on a multiprocessor of sm_90, and the share of multiply-adds (FFMA,
HMMA, HGMMA) among the instructions of their loops.
"""
import argparse
import collections
import pathlib
import re
import subprocess
import sys

DOC = pathlib.Path(__file__).with_name("cuda.md")
BEGIN, END = "<!-- products: docs/make_cuda_tables.py -->", "<!-- end of products -->"
REGISTERS, SHARED, WARPS, BLOCKS = 65536, 228 << 10, 64, 32  # of a multiprocessor of sm_90


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def plain(names):
    """Mangled names as C++ says them, without namespaces and parameters."""
    text = subprocess.run(["c++filt"], input="\n".join(names), check=True, capture_output=True, text=True)
    out = {}
    for mangled, name in zip(names, text.stdout.split("\n")):
        name = re.sub(r"\(anonymous namespace\)::|ramoe::|cuda::|grouped::|\(int\)|\(bool\)|^void ", "", name)
        name = re.sub(r"_INTERNAL\w+::|_GLOBAL__N\w+::", "", name)
        for number, fit in enumerate(("ragged", "aligned", "whole")):
            name = name.replace(f"(Fit){number}", fit)
        name = name.replace("(GemmForm)0", "NN").replace("(GemmForm)1", "NT").replace("(GemmForm)2", "TN")
        out[mangled] = name.split("(")[0]
    return out


def resources(objects, cuobjdump):
    """{(arch, kernel): {"REG": .., "STACK": .., ...}}"""
    found = {}
    for path in objects:
        arch = kernel = ""
        for line in run(cuobjdump, "--dump-resource-usage", path).split("\n"):
            if match := re.search(r"arch = (\S+)", line):
                arch = match[1]
            if match := re.search(r"Function ([^:\s]+):", line):
                kernel = match[1]
            if kernel and "REG:" in line:
                found[arch, kernel] = {k: int(v) for k, v in re.findall(r"([A-Z]+)(?:\[\d+\])?:(\d+)", line)}
                kernel = ""
    return found


def loop_shares(objects, cuobjdump):
    """{kernel: (multiply-adds, instructions) of the body of the loop that has the most of them}"""
    shares = {}
    for path in objects:
        for part in re.split(r"\n\s*Function : ", run(cuobjdump, "-arch=sm_90a", "-sass", path))[1:]:
            kernel = part.split("\n")[0].strip()
            code = [(int(a, 16), re.sub(r"^@!?U?P\w+ ", "", t).strip())
                    for a, t in re.findall(r"/\*([0-9a-f]{4,})\*/\s+(.*?);", part)]
            place = {address: i for i, (address, _) in enumerate(code)}
            best = (0, 1)
            for i, (address, text) in enumerate(code):
                match = re.match(r"BRA.*?(0x[0-9a-f]+)", text)
                if match and int(match[1], 16) in place and int(match[1], 16) <= address:
                    body = [t.split()[0].split(".")[0] for _, t in code[place[int(match[1], 16)]:i + 1]]
                    count = sum(op in ("FFMA", "HMMA", "HGMMA") for op in body)
                    if count * best[1] > best[0] * len(body) and count >= 4:
                        best = (count, len(body))
            shares[kernel] = best
    return shares


def launch_size(name):
    """Threads of a block and its dynamic shared memory."""
    if match := re.search(r"FmaTile<(\d+), (\d+), (\d+), (\d+), (\d+), (\d+)>", name):
        m, n, tm, tn, slices, deep = map(int, match.groups())
        threads = 32 * (m // (4 * tm)) * (n // (8 * tn)) * slices
        def step(rows):  # the larger layout of an operand
            return max(deep * (rows + 4), 0 if tm * tn > 32 else rows * (deep + 4))
        return threads, 4 * max(4 * (step(m) + step(n)), (slices > 1) * tm * tn * threads)
    if match := re.search(r"MmaTile<\w+, (\d+), (\d+), (\d+), (\d+), (\d+)>", name):
        m, n, wm, wn, ahead = map(int, match.groups())
        return 32 * (m // wm) * (n // wn), 4 * (ahead + 1) * 32 * (m + n + 8)
    return {"packed_mma_kernel": (256, 3 * 32768), "wgmma_kernel": (384, 4 * 49152 + 1024),
            "shared_kernel": (1024, 0)}.get(name, (256, 0))


def occupancy(name, use):
    threads, dynamic = launch_size(name)
    registers = -(-use["REG"] // 8) * 8 * threads
    shared = use.get("SHARED", 0) + dynamic + 1024
    blocks = min(REGISTERS // registers, SHARED // shared, WARPS // (threads // 32), BLOCKS)
    return threads, blocks, 100 * blocks * threads // 32 // WARPS


def table(objects, cuobjdump):
    use, shares = resources(objects, cuobjdump), loop_shares(objects, cuobjdump)
    products = {k: u for (arch, k), u in use.items() if arch == "sm_90a"}
    names = plain(list(products))
    lines = ["| kernel (sm_90a) | registers | spills | threads | blocks of a multiprocessor | occupancy "
             "| multiply-adds of the loop |", "|---|---:|---:|---:|---:|---:|---:|"]
    rows = {}
    for kernel, u in products.items():
        name = names[kernel]
        if not re.search(r"gemm_kernel|products_kernel|add_parts|rows_kernel|weights_kernel|mma_kernel|naive"
                         r"|coalesced|shared_kernel|registers_kernel", name):
            continue
        count, of = shares.get(kernel, (0, 1))
        threads, blocks, percent = occupancy(name, u)
        share = f"{100 * count // of} %" if count else "-"
        rows[name] = (f"| `{name}` | {u['REG']} | {u['STACK'] + u['LOCAL']} | {threads} | {blocks} "
                      f"| {percent} % | {share} |")
    return "\n".join(lines + [rows[name] for name in sorted(rows)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cuobjdump", default="cuobjdump")
    parser.add_argument("--check", action="store_true", help="only look for spills")
    parser.add_argument("objects", nargs="+")
    args = parser.parse_args()
    use = resources(args.objects, args.cuobjdump)
    spilled = [f"{arch} {kernel}: {u['STACK']} + {u['LOCAL']} bytes" for (arch, kernel), u in use.items()
               if u.get("STACK", 0) + u.get("LOCAL", 0) > 0]
    if spilled or not use:
        sys.exit("\n".join(["kernels with local memory:"] + spilled if use else ["no kernels found"]))
    print(f"{len(use)} kernels, none spills")
    if not args.check:
        text = DOC.read_text()
        begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
        DOC.write_text(text[:begin] + "\n" + table(args.objects, args.cuobjdump) + "\n" + text[end:])


if __name__ == "__main__":
    main()
