#!/usr/bin/env python3
"""Writes fixtures/number_forms.tsv: numbers as CLDR's patterns write them in every locale.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install Babel==2.18.0
    /tmp/venv/bin/python tests/formats/make_number_forms.py

Babel carries the number data of Unicode CLDR 47 (Unicode License V3, data/LICENSE-unicode) for all
locales. Written are decimals, percentages and amounts in the currency of the locale's territory, in the
default, native and Latin digits. Left out: digits that are no decimal digits of Unicode
(hanidec). Locales with the same forms stand together:

    @ en en_US ...         the locales of the lines below
    -1234567.5 TAB text    the number, and how it is written
"""
import collections
import os
import sys

from babel import Locale, core, localedata, numbers

HERE = os.path.dirname(os.path.abspath(__file__))
VALUES = ["1234567.5", "-1234567.5", "100000", "1234", "-1234.25", "-5", "0.5", "-0.125", "12345678901"]
ZEROS = {"latn": 0x30, "arab": 0x660, "arabext": 0x6F0, "nkoo": 0x7C0, "deva": 0x966, "beng": 0x9E6,
         "guru": 0xA66, "gujr": 0xAE6, "orya": 0xB66, "tamldec": 0xBE6, "telu": 0xC66, "knda": 0xCE6,
         "mlym": 0xD66, "thai": 0xE50, "laoo": 0xED0, "tibt": 0xF20, "mymr": 0x1040, "khmr": 0x17E0,
         "mong": 0x1810, "olck": 0x1C50, "vaii": 0xA620, "java": 0xA9D0, "mtei": 0xABF0,
         "cakm": 0x11136, "hmnp": 0x1E140, "adlm": 0x1E950}


def territory_of(locale):
    if locale.territory:
        return locale.territory
    likely = core.get_global("likely_subtags")
    full = likely.get(str(locale)) or likely.get(locale.language) or ""
    return full.split("_")[-1]


def forms(locale):
    """The (value, text) of one locale: plain numbers, and percentages with amounts of money."""
    systems = {"latn", locale.default_numbering_system, locale.other_numbering_systems.get("native")}
    currency = (numbers.get_territory_currencies(territory_of(locale)) or ["USD"])[-1]
    plain, others = [], []
    for system in sorted(systems & ZEROS.keys()):
        symbols = locale.number_symbols.get(system, {})
        with_symbols = {"decimal", "group", "minusSign"} <= symbols.keys()
        given = {"locale": locale, "numbering_system": system if with_symbols else "latn"}
        digits = {ord("0") + d: chr(ZEROS[system] + d) for d in range(10)}
        plain += [(value, numbers.format_decimal(value, **given).translate(digits)) for value in VALUES]
        others.append(("-18", numbers.format_percent("-0.18", **given).translate(digits)))
        others += [(value, numbers.format_currency(value, currency, **given).translate(digits))
                   for value in ("1234567", "-5")]
    return plain, others


def main():
    locales = collections.defaultdict(list)
    for name in sorted(localedata.locale_identifiers()):
        for kind in forms(Locale.parse(name)):
            locales[tuple(dict.fromkeys(kind))].append(name)
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "fixtures", "number_forms.tsv")
    with open(path, "w", encoding="utf-8") as file:
        for texts, names in locales.items():
            file.write("@ " + " ".join(names) + "\n")
            file.writelines(f"{value}\t{text}\n" for value, text in texts)
    count = sum(len(texts) * len(names) for texts, names in locales.items())
    print(f"{count} forms, {len(locales)} kinds")


main()
