#!/usr/bin/env python3
"""Kills and damage: what survives them, counted. Python's standard library only; optional, for make test
has a few of these cases.

    python3 tests/app/check_kills.py build/release/ramoe                         # 20 of each: minutes
    python3 tests/app/check_kills.py build/release/ramoe --kills=200 --flips=100  # an hour of two cores

Kills: `pretrain`, `finetune` (every method in turn) and `experiment` are started on models of seconds, killed
with SIGKILL at a random moment, resumed, killed again, until a process comes to its end; then weights, checkpoint,
metrics and results must be those of a run that was never killed, bit by bit. Kills are counted only if the process
was still alive.

Flips: one random bit of a checkpoint, of a model that was just trained and of a copy of the base models in
data/models is flipped; the program must refuse each with one line that names the file, exit with 1, and leave
all files as they were.

Ends with a table, and with exit code 1 if anything was different.
"""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SMALL = ("--languages=en,es,sw --tasks=facts,follow --tokenizer_documents=300 --vocab_size=500 --hidden_size=16 "
         "--num_hidden_layers=2 --num_attention_heads=2 --num_key_value_heads=2 --num_experts=4 "
         "--moe_intermediate_size=8 --batch=8").split()
METHODS = [["--method=sft"], ["--method=ramoe"], ["--method=ramoe", "--english_side=current"], ["--method=rise"],
           ["--method=sara"], ["--method=ramoe", "--keep_model=false"]]


class World:
    """The program, a work folder and what went wrong."""

    def __init__(self, binary, work, seed):
        self.binary = os.path.abspath(binary)
        self.work = work
        self.random = random.Random(seed)
        self.faults = []

    def path(self, *names):
        return os.path.join(self.work, *names)

    def start(self, arguments):
        return subprocess.Popen([self.binary] + arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, arguments):
        """Exit code and output; stops the script if a run that must succeed does not."""
        process = self.start(arguments)
        text = process.communicate()[0].decode(errors="replace")
        return process.returncode, text

    def must(self, arguments):
        began = time.monotonic()
        code, text = self.run(arguments)
        if code != 0:
            sys.exit(f"ramoe {' '.join(arguments)} ended with {code}:\n{text}")
        return time.monotonic() - began

    def fault(self, text):
        self.faults.append(text)
        print("FAULT: " + text, flush=True)

    def killed(self, arguments, longest):
        """Whether the process was killed at a random moment up to `longest` seconds; False: it ended before."""
        process = self.start(arguments)
        try:
            text = process.communicate(timeout=self.random.uniform(0, longest))[0]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            if process.returncode == -signal.SIGKILL:
                return True
        if process.returncode != 0:
            self.fault(f"ramoe {' '.join(arguments)} ended with {process.returncode}: "
                       + (text.decode(errors='replace')[-300:] if text else ""))
        return False


def content(path):
    """The bytes of a file; None if it is not there."""
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        return file.read()


def records(folder):
    """The records of an experiment without their processor time."""
    found = {}
    for place, _, names in os.walk(os.path.join(folder, "results")):
        for name in names:
            if name.endswith(".json"):
                with open(os.path.join(place, name), encoding="utf-8") as file:
                    record = json.load(file)
                record.pop("seconds", None)
                found[os.path.relpath(os.path.join(place, name), folder)] = record
    return found


def same_runs(world, whole, killed):
    names = ["model/model.safetensors", "model/config.json", "model/tokenizer.json", "checksums.txt",
             "training.safetensors", "metrics.jsonl", "results.json"]
    different = [name for name in names if content(os.path.join(whole, name)) != content(os.path.join(killed, name))]
    if records(whole) != records(killed):
        different.append("results/")
    if different:
        world.fault(f"{killed} differs from {whole} in {', '.join(different)}")
    return not different


def kill_chains(world, name, kills, commands, longest=1.3):
    """Kills `commands` (one after another, each with its --run) until there were `kills`, each at a moment up to
    `longest` times the seconds of a whole run."""
    count = chains = equal = 0
    reference = {}
    while count < kills:
        which = chains % len(commands)
        command, resume = commands[which]
        if which not in reference:
            whole = world.path(f"{name}-whole-{which}")
            reference[which] = (whole, world.must(command + ["--run=" + whole]))
        whole, seconds = reference[which]
        folder = world.path(f"{name}-killed")
        shutil.rmtree(folder, ignore_errors=True)
        arguments = command + ["--run=" + folder] + resume
        while count < kills and world.killed(arguments, longest * seconds):
            count += 1
        world.must(arguments)  # to its end, or once more behind it
        chains += 1
        equal += same_runs(world, whole, folder)
        print(f"{name}: {count} kills, {equal} of {chains} runs as if never killed", flush=True)
    return f"{name:10s} {count:4d} kills   {equal} of {chains} runs have the same bits as one that was never killed"


def flipped(world, path):
    """Flips a random bit of the file; returns where and the bytes that were there."""
    good = content(path)
    at, bit = world.random.randrange(len(good)), world.random.randrange(8)
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(bytes([good[at] ^ 1 << bit]))
    return f"byte {at}, bit {bit} of {path}", good


def flips(world, name, count, paths, command, kept=()):
    """Flips one bit of one of the files at a time; `command` must refuse it and leave `kept` alone."""
    found = 0
    for i in range(count):
        path = paths[i % len(paths)]
        place, good = flipped(world, path)
        bad, before = content(path), [content(other) for other in kept]
        code, text = world.run(command)
        lines = [line for line in text.splitlines() if line.startswith("ramoe: ")]
        if code != 1 or len(lines) != 1 or os.path.basename(path) not in lines[0]:
            world.fault(f"{place} was not refused (exit code {code}): {text[-200:]}")
        elif content(path) != bad or before != [content(other) for other in kept]:
            world.fault(f"{place} was found, but files were changed")
        else:
            found += 1
        with open(path, "wb") as file:
            file.write(good)
    code, text = world.run(command)
    if code != 0:
        world.fault(f"the undamaged files are refused: {text[-200:]}")
    return f"{name:10s} {count:4d} flips   {found} found"


def make_stages(world, base):
    """The stages that fine-tuning builds on; returns its keys."""
    for stage in ("divergence", "taxonomy", "experts"):
        world.must([stage, "--base=" + base, "--run=" + world.path(stage), "--max_new_tokens=4"])
    return ["--base=" + base, "--language=es", "--max_new_tokens=4"] + [
        f"--{stage}_run=" + world.path(stage) for stage in ("divergence", "taxonomy", "experts")]


def make_plan(world, base):
    with open(os.path.join(ROOT, "data/grids/smoke.json"), encoding="utf-8") as file:
        plan = json.load(file)
    plan.update(models={"tiny": base}, tasks=["facts"], languages=["es"])
    plan["keys"]["max_new_tokens"] = 4
    with open(world.path("smoke.json"), "w", encoding="utf-8") as file:
        json.dump(plan, file)
    return world.path("smoke.json")


def measure(world, o):
    rows = []
    resume = ["--resume=true"]
    pretrain = ["pretrain"] + SMALL + ["--steps=60", "--save_every=2", "--log_every=3"]
    base = world.path("base")
    world.must(pretrain + ["--run=" + base])
    if "pretrain" in o.only:
        rows.append(kill_chains(world, "pretrain", o.kills, [(pretrain, resume)]))
    if "finetune" in o.only:
        finetune = ["finetune"] + make_stages(world, base) + [
            "--batch=8", "--steps=60", "--save_every=2", "--log_every=3", "--examples=all", "--learning_rate=0.003"]
        rows.append(kill_chains(world, "finetune", o.kills, [(finetune + method, resume) for method in METHODS]))
    if "experiment" in o.only:
        experiment = ["experiment", make_plan(world, base)]
        rows.append(kill_chains(world, "experiment", o.kills, [(experiment, [])], 0.6))
    if "flips" in o.only:
        folder = world.path("stopped")
        arguments = pretrain + ["--run=" + folder] + resume
        state, model = os.path.join(folder, "training.safetensors"), os.path.join(folder, "model")
        process = world.start(arguments)
        while not os.path.exists(state) and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.communicate()
        rows.append(flips(world, "checkpoint", o.flips, [state], arguments, [os.path.join(folder, "metrics.jsonl")]))
        small = ["config.json", "tokenizer.json", "tokenizer_config.json"]
        generate = ["generate", "--prompt=x", "--max_new_tokens=1", "--model=" + folder]
        rows.append(flips(world, "own model", o.flips,
                          [os.path.join(model, name) for name in ["model.safetensors"] * 3 + small], generate))
        for name in sorted(os.listdir(os.path.join(ROOT, "data/models"))):
            copy = world.path("copy-" + name)
            shutil.copytree(os.path.join(ROOT, "data/models", name), copy)
            paths = [os.path.join(copy, "model", one) for one in ["model.safetensors"] * 3 + small]
            rows.append(flips(world, name, o.flips, paths, generate[:-1] + ["--model=" + copy]))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="the program, such as build/release/ramoe")
    parser.add_argument("--kills", type=int, default=20, help="of each of pretrain, finetune, experiment")
    parser.add_argument("--flips", type=int, default=20, help="of a checkpoint and of each base model")
    parser.add_argument("--only", default="pretrain,finetune,experiment,flips", help="parts, joined by commas")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and places")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ramoe-kills-") as work:
        world = World(o.binary, work, o.seed)
        rows = measure(world, o)
    print("\n" + "\n".join(rows))
    print(f"{len(world.faults)} faults")
    sys.exit(1 if world.faults else 0)


if __name__ == "__main__":
    main()
