"""Runs programs that are not trusted, through the guard, and reads what they report.

The guard (tests/labs/guard) holds the limits; here the clock is watched once more, output is cut, and
reports without the nonce of this run are not believed.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

MOST_OUTPUT = 4 << 20  # bytes; beyond it the program is stopped
KEPT_OUTPUT = 4000     # characters that are shown


@dataclass
class Limits:
    seconds: float = 20
    memory_mib: int = 2048
    without: tuple[str, ...] = ()
    reserves: bool = False  # addresses without memory, as the emulation of CUDA does


@dataclass
class Outcome:
    """How a guarded process ended, and what it reported over the trusted descriptor."""

    reports: list[str] = field(default_factory=list)
    output: str = ""
    forged: bool = False  # something without the nonce stood in the reports
    flooded: bool = False  # more output than is allowed
    late: bool = False
    swollen: bool = False  # more memory than is allowed
    code: int = -1
    signal: int = 0
    seconds: float = 0
    processor: float = 0
    peak_mib: int = 0
    guards: dict[str, str] = field(default_factory=dict)
    broken: str = ""  # the guard itself failed

    def how_it_ended(self, limits: Limits) -> str:
        if self.broken:
            return f"the guard did not run: {self.broken}"
        if self.flooded:
            return f"stopped: more than {MOST_OUTPUT >> 20} MiB of output"
        if self.late or self.signal == signal.SIGXCPU:
            return (f"stopped after {limits.seconds:g} s: an endless loop, or too slow "
                    f"({self.processor:.1f} s of processor time)")
        if self.swollen:
            return f"stopped: more than {limits.memory_mib} MiB of memory"
        if self.signal == signal.SIGSEGV:
            return "the program crashed: a pointer or index outside its memory, or endless recursion (SIGSEGV)"
        if self.signal == signal.SIGABRT:
            return "the program aborted (SIGABRT)"
        if self.signal:
            try:
                name = signal.Signals(self.signal).name
            except ValueError:
                name = str(self.signal)
            return f"the program was ended by a signal ({name})"
        return f"the program ended by itself, with exit code {self.code}, before the test was finished"


class Guard:
    """The compiled guard, and the folder whose subfolders are the only ones that may be written."""

    def __init__(self, program: Path, limits: Limits, read: list[str]):
        self.program, self.limits, self.read = program, limits, read

    def run(self, command: list[str], given: str = "", limits: Limits | None = None) -> Outcome:
        limits = limits or self.limits
        scratch = tempfile.mkdtemp(prefix="ramoe-grade-")
        os.chmod(scratch, 0o755)
        try:
            return self._run(command, given, limits, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _run(self, command: list[str], given: str, limits: Limits, scratch: str) -> Outcome:
        nonce = secrets.token_hex(16)
        report_read, report_write = os.pipe()
        facts_read, facts_write = os.pipe()
        words = [str(self.program), f"--seconds={limits.seconds}", f"--memory={limits.memory_mib}",
                 f"--scratch={scratch}", f"--report={report_write}", f"--facts={facts_write}"]
        words += [f"--read={path}" for path in self.read]
        if limits.reserves:
            words.append("--reserves")
        if limits.without:
            words.append("--without=" + ",".join(limits.without))
        try:
            process = subprocess.Popen(words + ["--"] + command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, pass_fds=(report_write, facts_write),
                                       start_new_session=True)
        except OSError as error:
            os.close(report_read), os.close(facts_read)
            return Outcome(broken=str(error))
        finally:
            os.close(report_write)
            os.close(facts_write)
        try:
            process.stdin.write((nonce + given).encode())
            process.stdin.close()
        except BrokenPipeError:
            pass
        texts, flooded = collect(process, {"out": process.stdout.fileno(), "report": report_read,
                                           "facts": facts_read}, limits.seconds + 15)
        process.stdout.close()
        os.close(report_read)
        os.close(facts_read)
        return outcome_of(texts, nonce, flooded, process.returncode)


def collect(process: subprocess.Popen, sources: dict[str, int], seconds: float) -> tuple[dict[str, bytes], bool]:
    """All that comes until every source ends. What is too much, or too late, ends the guard."""
    texts = {name: bytearray() for name in sources}
    seen = {name: 0 for name in sources}
    flooded, deadline, told = False, time.monotonic() + seconds, False
    with selectors.DefaultSelector() as waiting:
        for name, source in sources.items():
            waiting.register(source, selectors.EVENT_READ, name)
        while waiting.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                if told:
                    break
                process.kill()  # all of its children are told to die with it
                told, deadline = True, time.monotonic() + 5
                continue
            for key, _ in waiting.select(left):
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    waiting.unregister(key.fd)
                    continue
                seen[key.data] += len(chunk)
                if seen[key.data] <= MOST_OUTPUT:
                    texts[key.data] += chunk
                elif not flooded:
                    flooded = True
                    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return {name: bytes(text) for name, text in texts.items()}, flooded


def outcome_of(texts: dict[str, bytes], nonce: str, flooded: bool, code: int) -> Outcome:
    outcome = Outcome(flooded=flooded)
    outcome.output = texts["out"].decode(errors="replace")[:KEPT_OUTPUT]
    for line in texts["report"].decode(errors="replace").split("\n"):
        if line.startswith(nonce + " "):
            outcome.reports.append(unescaped(line[len(nonce) + 1:]))
        elif line:
            outcome.forged = True
    try:
        facts = json.loads(texts["facts"].decode())
    except ValueError:
        outcome.broken = f"its exit code is {code}. {outcome.output[:300]}".strip()
        return outcome
    outcome.swollen = facts["swollen"]
    outcome.late, outcome.code, outcome.signal = facts["late"], facts["code"], facts["signal"]
    outcome.seconds, outcome.processor = facts["seconds"], facts["processor"]
    outcome.peak_mib = facts["peak_mib"]
    outcome.guards = {name: state for name, state in facts["guards"].items() if state}
    return outcome


def unescaped(text: str) -> str:
    out, at = [], 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            out.append("\n" if text[at + 1] == "n" else text[at + 1])
            at += 2
        else:
            out.append(text[at])
            at += 1
    return "".join(out)


# --- what the reports say ---


@dataclass
class Result:
    name: str
    status: str  # passed, failed, skipped, refused
    message: str = ""
    seconds: float = 0


def test_result(name: str, outcome: Outcome, limits: Limits) -> Result:
    """Of one test that ran alone. Only a complete report of it, and of nothing else, is a pass."""
    failures = [line[5:] for line in outcome.reports if line.startswith("fail ")]
    ends = [line for line in outcome.reports if line.startswith("end ")]
    skips = [line[5:] for line in outcome.reports if line.startswith("skip ")]
    result = Result(name, "failed", seconds=outcome.seconds)
    if outcome.forged:
        result.message = "something besides the tests wrote into their report"
    elif failures:
        result.message = "\n".join(failures)
        if ends != [f"end {name} failed"]:
            result.message += "\n" + outcome.how_it_ended(limits)
    elif ends == [f"end {name} passed"] and not outcome.flooded and (outcome.code, outcome.signal) == (0, 0):
        result.status = "passed"
    elif ends == [f"end {name} skipped"]:
        result.status, result.message = "skipped", "\n".join(skips)
    else:
        result.message = outcome.how_it_ended(limits)
        if outcome.output.strip() and not outcome.flooded:
            result.message += "\n" + last_lines(outcome.output, 8)
    return result


def last_lines(text: str, count: int) -> str:
    lines = [line for line in text.strip().split("\n") if not line.startswith(("[", "Note: ", "Running main"))]
    return "\n".join(lines[-count:])


@dataclass
class Numbers:
    """What a program of hidden checks printed: its names in order, each with its numbers."""

    values: list[tuple[str, list[float]]] = field(default_factory=list)
    error: str = ""


def numbers_of(outcome: Outcome, limits: Limits) -> Numbers:
    numbers = Numbers()
    for line in outcome.reports:
        word, _, rest = line.partition(" ")
        if word == "value":
            name, _, list_of = rest.partition(" ")
            count, *values = list_of.split()
            if len(values) != int(count):
                numbers.error = f"{name}: a broken line"
            numbers.values.append((name, [float(value) for value in values]))
        elif word == "error":
            numbers.error = numbers.error or rest
    if outcome.forged:
        numbers.error = "something besides the check wrote into its report"
    elif not numbers.error and (outcome.reports[-1:] != ["end"] or outcome.flooded or outcome.code != 0):
        numbers.error = outcome.how_it_ended(limits)
    return numbers


def same_number(got: float, wanted: float, relative: float, absolute: float) -> bool:
    if math.isnan(wanted) or math.isinf(wanted):
        return math.isnan(got) == math.isnan(wanted) and (math.isnan(wanted) or got == wanted)
    return abs(got - wanted) <= absolute + relative * abs(wanted)


def difference(got: Numbers, wanted: Numbers, relative: float, absolute: float, secret: bool) -> str:
    """The first difference in words; without the expected numbers, which the next try would print."""
    if got.error:
        return got.error
    for i, (name, values) in enumerate(wanted.values):
        if i >= len(got.values) or got.values[i][0] != name:
            return f"{name}: not computed"
        mine = got.values[i][1]
        if len(mine) != len(values):
            return f"{name}: {len(mine)} numbers" + ("" if secret else f", expected {len(values)}")
        for at, (a, b) in enumerate(zip(mine, values)):
            if not same_number(a, b, relative, absolute):
                place = name if len(values) == 1 else f"{name}[{at}]"
                return f"{place} is {a:.9g}" + (", which is wrong" if secret else f", expected {b:.9g}")
    if len(got.values) != len(wanted.values):
        return "more was printed than the check prints"
    return ""
