#!/usr/bin/env python3
"""Copies a base model and damages the routers of some layers: where a positive control begins.

    tutorial/tools/lesion.py data/models/qwen3_moe runs/lesion --layers=4-6 --alpha=2 --seed=1

Each router matrix W (E,C) of these layers becomes W + alpha * deviation(W) * noise, with normal noise; nothing
else of the model changes. Such noise harms all languages: it is the bluntest lesion there is, a place to begin
(tutorial/projects.md). Layers count from 0, as everywhere. Weights must be fp32. Python's standard library is enough.
"""
from __future__ import annotations

import argparse
import array
import json
import random
import shutil
import statistics
import struct
import sys
from pathlib import Path


class LesionError(Exception):
    """What was given, and what was expected."""


def layers_of(text: str) -> list[int]:
    first, _, last = text.partition("-")
    if not first.isdigit() or not (last or first).isdigit():
        raise LesionError(f"--layers={text}: expected a layer or a range, such as 4 or 4-6.")
    return list(range(int(first), int(last or first) + 1))


def damage(path: Path, layers: list[int], alpha: float, seed: int) -> None:
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    begin, values = 8 + struct.unpack("<Q", data[:8])[0], bytearray(data)
    for layer in layers:
        name = f"model.layers.{layer}.mlp.gate.weight"
        if name not in header or header[name]["dtype"] != "F32":
            raise LesionError(f"{path}: {name} is missing or not in fp32; is layer {layer} one with experts?")
        first, last = (begin + offset for offset in header[name]["data_offsets"])
        router, noise = array.array("f", data[first:last]), random.Random(f"{seed} {layer}")
        size = alpha * statistics.pstdev(router)
        values[first:last] = array.array("f", (w + size * noise.gauss(0, 1) for w in router)).tobytes()
    header.get("__metadata__", {}).pop("ramoe_checksum", None)  # that of the undamaged file
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + values[begin:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path, help="run folder of a base model, with model/ in it")
    parser.add_argument("out", type=Path, help="folder of the copy; must be new")
    parser.add_argument("--layers", required=True)
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        layers = layers_of(options.layers)
        if not (options.base / "model/model.safetensors").is_file():
            raise LesionError(f"{options.base} has no model/model.safetensors; expected the run folder of a base model.")
        if options.out.exists():
            raise LesionError(f"{options.out} is there already; give a new folder.")
        shutil.copytree(options.base, options.out, ignore=shutil.ignore_patterns("checksums.txt", "test.json"))
        try:
            damage(options.out / "model/model.safetensors", layers, options.alpha, options.seed)
        except LesionError:
            shutil.rmtree(options.out)  # made a moment ago, by this script
            raise
    except LesionError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.out}: routers of layers {options.layers} + {options.alpha:g} deviations of noise, seed {options.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
