#!/usr/bin/env python3
"""Records what the PyPI package `tokenizers` makes of texts in which added tokens stand side by side,
for many sets of tokens and flags. Never needed to build or test.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tokenizers==0.23.*
    P=/tmp/venv/bin/python; F=tests/formats/make_added_tokens_fixture.py
    $P $F                                                          writes fixtures/added_tokens.json
    $P $F --sets=5000 --texts=20 --seed=7 --out=/tmp/more.json     more of them; then
    RAMOE_ADDED_TOKENS=/tmp/more.json <build>/ch06_languages_test --gtest_filter='AddedTokens.*'

A set is a list of added tokens, whether text is brought to NFC, and rows: text, ids with special
tokens recognised, ids with their text plain. null stands for a text on which `tokenizers` panics
("AddedVocabulary bad split"): two tokens claim the same white space.
"""
import json
import os
import random
import sys

from tokenizers import Tokenizer, pre_tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
CONTENTS = ["<A>", "<B>", "<A><B>", "<A", " ", "  ", "   ", "\t", "\n", " \n", " <A>", "<A> ", "<B>\t", "x", "xy", "xyz",
            "e\u0301", "\u00a0", "\u3000", "\u3000 ", "\u0939\u093f", "_", "1"]
GLUE = [" ", " ", "  ", "   ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2028", "\u0085", "\u200b", "", "", "a", "x", "xy", "1",
        "_", "-", "e\u0301", "\u00e9", "\u0301", "\u0939", "\u4e2d", ".", "<", "<A"]


def base(tokens, nfc):
    """A tokenizer.json whose vocabulary is the 256 letters of the bytes, so that ids show the text."""
    vocab = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    free, added = 256, []
    for token in tokens:
        known = token["content"] in vocab
        added.append({"id": vocab[token["content"]] if known else free, **token})
        free += not known
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": {"type": "NFC"} if nfc else None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": []}}


def ids_of(tokenizer, text):
    try:
        return tokenizer.encode(text, add_special_tokens=False).ids
    except BaseException as error:  # a panic of the library is no Exception
        if "bad split" not in str(error):
            raise
        return None


def make_set(rng, texts):
    tokens = [{"content": content, **{flag: rng.random() < 0.5 for flag in FLAGS}}
              for content in rng.sample(CONTENTS, rng.randrange(1, 5))]
    nfc = rng.random() < 0.3
    tokenizer, rows = Tokenizer.from_str(json.dumps(base(tokens, nfc))), []
    for _ in range(texts):
        pieces = [rng.choice(tokens)["content"] if rng.random() < 0.45 else rng.choice(GLUE) for _ in range(rng.randrange(1, 9))]
        row = ["".join(pieces)]
        for plain in (False, True):
            tokenizer.encode_special_tokens = plain
            row.append(ids_of(tokenizer, row[0]))
        rows.append(row)
    return {"added": base(tokens, nfc)["added_tokens"], "nfc": nfc, "rows": rows}


def main():
    options = dict(arg[2:].split("=", 1) for arg in sys.argv[1:])
    rng = random.Random(int(options.get("seed", 1)))
    sets = [make_set(rng, int(options.get("texts", 6))) for _ in range(int(options.get("sets", 150)))]
    with open(options.get("out", os.path.join(HERE, "fixtures/added_tokens.json")), "w", encoding="ascii") as f:
        f.write('{"base": %s,\n"sets": [\n' % json.dumps(base([], False), separators=(",", ":")))
        f.write(",\n".join(json.dumps(s, separators=(",", ":")) for s in sets))
        f.write("\n]}\n")
    rows = [row for s in sets for row in s["rows"]]
    print(len(sets), "sets,", len(rows), "texts, on", sum(None in row for row in rows), "of them the library panics")


main()
