#!/usr/bin/env python3
"""Writes src/support/unicode_tables.inc from the PyPI package unicodedata2.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install unicodedata2==16.0.0
    /tmp/venv/bin/python data/make_unicode_tables.py                write the tables
    /tmp/venv/bin/python data/make_unicode_tables.py --fixture      write the test's expectations

Unicode 16 because the regular expressions of `tokenizers` 0.23 classify by it; the file names the
version. What unicodedata2 lacks is below: White_Space and the circled letters of Other_Alphabetic are
PropList.txt's, and lower case is Python's own or, for letters newer than Python, read off the
names. Building and testing need neither Python nor this script.
"""
import json
import os
import random
import sys
import unicodedata

import unicodedata2 as ud

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLES = os.path.join(ROOT, "src/support/unicode_tables.inc")
FIXTURE = os.path.join(ROOT, "tests/formats/fixtures/unicode.json")
WHITE_SPACE = {*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029,
               0x202F, 0x205F, 0x3000}
# Letters to a regular expression's \\w, though symbols by category.
CIRCLED = {*range(0x24B6, 0x24EA), *range(0x1F130, 0x1F14A), *range(0x1F150, 0x1F16A),
           *range(0x1F170, 0x1F18A)}
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def char_class(c):
    if c in WHITE_SPACE:
        return "S"
    first = ud.category(chr(c))[0]
    return first if first in "LMN" else ""


def joins_words(c):
    """Whether \\w holds c although it is neither letter nor mark (Unicode TR 18, annex C)."""
    return ud.category(chr(c)) in ("Nd", "Nl", "Pc") or c in CIRCLED or c in (0x200C, 0x200D)


def simple_lower(c):
    """The one-character mapping. Only U+0130 has a longer full one; its simple one is 'i'."""
    low = chr(c).lower()
    if low == chr(c) and ud.category(low) == "Lu" and unicodedata.category(low) == "Cn":
        return ord(ud.lookup(ud.name(low).replace("CAPITAL", "SMALL")))
    return ord(low) if len(low) == 1 else ord("i")


def ranges(value_of):
    """Maximal runs (first, last, value) of code points with the same value, if it is not empty."""
    runs = []
    for c in CODE_POINTS:
        value = value_of(c)
        if not value:
            continue
        if runs and runs[-1][1] == c - 1 and runs[-1][2] == value:
            runs[-1][1] = c
        else:
            runs.append([c, c, value])
    return runs


def lower_ranges():
    """Runs (first, last, step, delta): first, first+step, ..., last all map to themselves + delta."""
    runs = []
    for c in CODE_POINTS:
        delta = simple_lower(c) - c
        if not delta:
            continue
        if runs and runs[-1][3] == delta:
            gap = c - runs[-1][1]
            if runs[-1][0] == runs[-1][1] and gap <= 2:
                runs[-1][2] = gap
            if gap == runs[-1][2] and gap <= 2:
                runs[-1][1] = c
                continue
        runs.append([c, c, 1, delta])
    return runs


def decompositions():
    """(character, first, second or 0) for each canonical decomposition; Hangul is done by formula."""
    rows = []
    for c in CODE_POINTS:
        text = ud.decomposition(chr(c))
        if text and not text.startswith("<"):
            parts = [int(part, 16) for part in text.split()]
            rows.append((c, parts[0], parts[1] if len(parts) > 1 else 0))
    return rows


def wrap(name, kind, items):
    lines, line = [], " "
    for item in items:
        if len(line) + len(item) + 2 > 100:
            lines.append(line)
            line = " "
        line += " " + item + ","
    lines.append(line)
    return "constexpr %s %s[] = {\n%s\n};\n" % (kind, name, "\n".join(lines))


def tables():
    names = {"L": "kL", "M": "kM", "N": "kN", "S": "kS"}
    rows = decompositions()
    # Composition exclusions, singletons and non-starter decompositions are what NFC takes apart.
    composes = [i for i, (c, _, b) in enumerate(rows) if b and ud.normalize("NFC", chr(c)) == chr(c)]
    composes.sort(key=lambda i: rows[i][1:])
    out = "// Made by data/make_unicode_tables.py from Unicode %s. Do not edit.\n" % ud.unidata_version
    out += "// Long because it is data: %d decompositions alone.\n" % len(rows)
    out += 'constexpr char kUnicodeVersion[] = "%s";\n' % ud.unidata_version
    out += "\n// first, last, class: Letter, Mark, Number, White_Space\n"
    out += wrap("kClasses", "ClassRange",
                ["{0x%X, 0x%X, %s}" % (a, b, names[v]) for a, b, v in ranges(char_class)])
    out += "\n// first, last, 1: joins words, but is neither Letter nor Mark\n"
    out += wrap("kJoining", "CombiningRange",
                ["{0x%X, 0x%X, %d}" % tuple(r) for r in ranges(lambda c: int(joins_words(c)))])
    zeros = [c for c in CODE_POINTS if ud.category(chr(c)) == "Nd" and ud.decimal(chr(c)) == 0]
    out += "\n// the zeros of all decimal digits (Nd); the nine others of a set follow their zero\n"
    out += wrap("kDigitZeros", "char32_t", ["0x%X" % c for c in zeros])
    out += "\n// first, last, canonical combining class (0 left out)\n"
    out += wrap("kCombining", "CombiningRange",
                ["{0x%X, 0x%X, %d}" % tuple(r) for r in ranges(lambda c: ud.combining(chr(c)))])
    out += "\n// first, last, step, what to add for simple lower case\n"
    out += wrap("kLower", "LowerRange", ["{0x%X, 0x%X, %d, %d}" % tuple(r) for r in lower_ranges()])
    out += "\n// character, its canonical decomposition (second 0: only one)\n"
    out += wrap("kDecompositions", "Decomposition", ["{0x%X, 0x%X, 0x%X}" % row for row in rows])
    out += "\n// rows of kDecompositions that also compose, sorted by (first, second)\n"
    out += wrap("kCompositions", "std::uint16_t", [str(i) for i in composes])
    return out


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return "%016x" % h


def answer(text):
    low = "".join(chr(simple_lower(ord(c))) for c in ud.normalize("NFC", text))
    low = ud.normalize("NFC", low)
    spaced = "".join(" " if ord(c) in WHITE_SPACE else c for c in low)
    return " ".join(part for part in spaced.split(" ") if part)


def fixture():
    rng = random.Random(1)
    texts = ["한국어", ud.normalize("NFD", "한국어 값 읽기"), "ᄀ가", "각", "각ᆨ", "ᄀᆨ", "क़", "क़", "ड़ढ़", "ऩऩ",
             "हिन्दी में", "Tiếng Việt", ud.normalize("NFD", "Tiếng Việt được dùng ở Huế"), "ệ", "ê\u0323",
             "e\u0302\u0323", "e\u0323\u0302", "آأؤإئ", "ا\u0653ا\u0654", "مُحَمَّد", "م\u064e\u0651", "م\u0651\u064e",
             "Å", "Å", "A\u030a", "\u0344", "\u0308\u0301", "ǖ", "u\u0304\u0308", "ཱི", "\u0f71\u0f72",
             "\u1100\u1161\u11a8", "\u0061\u0328\u0301", "\u0301\u0061", "Ω", "≠", "=\u0338", "שׁ", "豈", "\u2126",
             "ภาษาไทย", "น้ำ", "น\u0e4dา", "ß ẞ İ ı ǅ Σς", "\u00a0x\u3000y\u2009z", "", " ", "a\u0300\u0301b\u0323\u0300",
             "\U0001d15e", "\U000110ab", "\u09c7\u09be", "\u0b47\u0b56", "\u0dd9\u0dcf\u0dca", "ज़\u0901"]
    marks = [c for c in CODE_POINTS if ud.combining(chr(c))]
    makers = [c for c, _, _ in decompositions()]
    pools = [marks, makers, range(0x1100, 0x11FF), range(0xAC00, 0xD7A4), range(0x900, 0x980),
             range(0x41, 0x7B), range(0x600, 0x670), range(0xC0, 0x250), range(0x1E00, 0x1F00)]
    for _ in range(300):
        text = "".join(chr(rng.choice(rng.choice(pools))) for _ in range(rng.randrange(1, 7)))
        texts.append(rng.choice([text, ud.normalize("NFD", text)]))
    broken = [bytes(rng.choice([0x41, 0x80, 0xBF, 0xC0, 0xC3, 0xE0, 0xE2, 0xED, 0xA0, 0x9F, 0xF0, 0x90,
                                0xF4, 0x8F, 0xF5, 0xFF]) for _ in range(rng.randrange(1, 9)))
              for _ in range(150)]
    every = {
        "nfc": "".join(ud.normalize("NFC", chr(c)) + "\n" for c in CODE_POINTS),
        # Between an acute above, a dot below and an o: reordering and composition around each c.
        "nfc_among_marks": "".join(
            ud.normalize("NFC", "o" + chr(c) + "\u0301\u0323") + "\n" for c in CODE_POINTS),
        "lower": "".join(chr(simple_lower(c)) for c in CODE_POINTS),
        "words": "".join("w" if joins_words(c) or char_class(c) in "LM" and char_class(c) else "-"
                         for c in CODE_POINTS),
        "classes": "".join(char_class(c) or "-" for c in CODE_POINTS),
        "digits": "".join(str(ud.decimal(chr(c), "-")) for c in CODE_POINTS),
    }
    return {"unicode": ud.unidata_version,
            "every_code_point": {key: fnv(text.encode()) for key, text in every.items()},
            "nfc": [[text, ud.normalize("NFC", text)] for text in texts],
            "answer": [[text, answer(text)] for text in texts],
            "broken": [[raw.hex(), raw.decode("utf-8", "replace")] for raw in broken]}


def main():
    if "--fixture" in sys.argv[1:]:
        with open(FIXTURE, "w", encoding="ascii") as f:
            data = fixture()
            f.write("{\n")
            f.write(",\n".join(
                json.dumps(key) + ": " + (json.dumps(value) if not isinstance(value, list) else
                "[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]")
                for key, value in data.items()))
            f.write("\n}\n")
    else:
        with open(TABLES, "w", encoding="ascii") as f:
            f.write(tables())


main()
