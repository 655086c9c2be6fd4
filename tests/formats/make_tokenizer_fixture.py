#!/usr/bin/env python3
"""Records what the PyPI package `tokenizers` makes of our tokenizer.json, as tokenizer_golden.json.

Never needed to build or test. To make the fixture anew:

    RAMOE_WRITE_TOKENIZER_FIXTURE=1 <build>/ch06_languages_test \
        --gtest_filter=TokenizerFixture.WrittenAnewOnlyWhenAsked     trains fixtures/tokenizer/
    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tokenizers
    /tmp/venv/bin/python tests/formats/make_tokenizer_fixture.py

Each row: text, ids, the text that the reference decodes without special tokens.
"""
import json
import os
import random

import tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "fixtures")
PACKS = os.path.join(HERE, "../../data/languages")
ODD = [
    "", " ", "  ", "\n", " \n ", "\t\ta", "a  b   c    d", "a\n\n\nb", "a \n b", "trailing  ", "\r\nx\r\n",
    "x\u00a0y", "\u3000\u3000x", "\u2028x\u2029", "x\u0085y", "\u200bx\u200cy\u200d", "\ufeffbom", "\ufffd",
    "123 4567 89", "3.14159", "1,000,000", "٤٢ كتاب", "४२", "๔๒", "Ⅷ ½ ²", "a1b2", "x_1", "__init__",
    "don't stop", "it's we'll", "C++ & C#", "https://a.b/c?d=e&f=g#h", "(a)[b]{c}", "...?!", "- - -",
    "🐙 🦑 octopus", "👩‍👩‍👧‍👦", "🇰🇪🇹🇿", "👍🏽", "🐙中文हिन्दी ไทย", "\U0001f419\U0001f419\U0001f419",
    "हिन्दी में क़िताब", "क्षत्रिय", "ภาษาไทยไม่มีช่องว่าง", "น้ำ น้ํา", "中文没有空格。", "全角　空格", "العَرَبِيَّة",
    "e\u0301 é", "\u0301x", "Å Å", "ﬁ ǆ İi", "\x00\x01\x7f", "\u00ad", "\ue000", "\U0010ffff", "\u0378",
    "Kenya : currency ?", "ishirini na saba kuongeza kumi na mbili ?", "ñandú año", "a" * 70, "ab" * 40,
    " " * 33 + "x", "\n" * 9, "Ġa Ċ", "한국어 값", "ქართული", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "𐍈𐍈", "ʼn ʻokina",
    "<|bos|>", "<|bos|>Kenya : currency ?<|eos|><|pad|><|pad|>", "a <|eos|> b", "<|eos|", "<<|eos|>>",
    "<|bos|><|bos|>", "< |bos|>", "x<|pad|>  y", "<|BOS|>",
]


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


def lines():
    rng = random.Random(1)
    pools = []
    for name in sorted(os.listdir(PACKS)):
        if name.endswith(".json"):
            with open(os.path.join(PACKS, name), encoding="utf-8") as f:
                pools.append(sorted(set(texts(json.load(f)))))
    out = list(ODD)
    for pool in pools:
        out += [" ".join(rng.sample(pool, rng.randrange(1, 4))) for _ in range(25)]
    glue = [" ", "  ", "\n", "", ", ", " : ", " = ", "\t", "。", "<|eos|>", " 7", "२", "🐙"]
    for _ in range(120):
        out.append("".join(rng.choice(rng.choice(pools)) + rng.choice(glue)
                           for _ in range(rng.randrange(1, 5))))
    return out


def main():
    reference = tokenizers.Tokenizer.from_file(os.path.join(FIXTURES, "tokenizer/tokenizer.json"))
    rows = []
    for line in lines():
        ids = reference.encode(line).ids
        rows.append([line, ids, reference.decode(ids, skip_special_tokens=True)])
    with open(os.path.join(FIXTURES, "tokenizer_golden.json"), "w", encoding="utf-8") as f:
        f.write('{"reference": "tokenizers %s",\n"lines": [\n' % tokenizers.__version__)
        f.write(",\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
        f.write("\n]}\n")


if __name__ == "__main__":
    main()
