"""Writes the example data of docs/real_models.md from the language packs: parallel questions in the
form of MGSM (a number is the answer), of MMLU (a letter is the answer) and open ones (a name is the
answer), and general text.

    python3 data/examples/make_examples.py          # writes the four .jsonl files  beside itself
    python3 data/examples/make_examples.py --check  # says whether they are what it would write

They show the format and let every command run. They are no benchmark: names and number words come
from Unicode CLDR (licence: data/LICENSE-unicode), and the choices are drawn by a seeded generator.
"""
import json
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent
LANGUAGES = ["en", "es", "sw"]
ITEMS, TEXTS = 40, 60


def read(name):
    return json.loads((HERE.parent / name).read_text(encoding="utf-8"))


def sums(packs, draw):
    """Number words added or taken away; the answer is written in digits."""
    seen = set()
    while len(seen) < ITEMS:
        a, b = draw.randint(2, 60), draw.randint(2, 40)
        sign = draw.choice(["plus", "minus"])
        if (a, b, sign) in seen or (sign == "minus" and b > a):
            continue
        seen.add((a, b, sign))
        for lang in LANGUAGES:
            pack = packs[lang]
            yield {"task": "sums", "id": f"{a}{'+' if sign == 'plus' else '-'}{b}", "lang": lang,
                   "question": f"{pack['numbers'][a]} {pack['operators'][sign]} {pack['numbers'][b]} = ?",
                   "answer": str(a + b if sign == "plus" else a - b), "extractor": "last_number"}


def currencies(packs, world, draw):
    """The currency of a territory among four."""
    territories = [code for code, facts in sorted(world["territories"].items()) if facts.get("currency")]
    all_currencies = sorted({world["territories"][code]["currency"] for code in territories})
    for code in draw.sample(territories, ITEMS):
        right = world["territories"][code]["currency"]
        options = draw.sample([c for c in all_currencies if c != right], 3) + [right]
        draw.shuffle(options)
        for lang in LANGUAGES:
            pack = packs[lang]
            lines = [f"{pack['territories'][code]} : {pack['cues']['currency']} ?"]
            lines += [f"{letter}. {pack['currencies'][c]}" for letter, c in zip("ABCD", options)]
            yield {"task": "currency", "id": code, "lang": lang, "question": "\n".join(lines),
                   "answer": "ABCD"[options.index(right)], "extractor": "choice_letter"}


def facts(packs, world, draw):
    """The currency of a territory by its name, as `ramoe pretrain` asks for it: a base model of ours
    knows many in English, and few in the other languages."""
    territories = [code for code, facts in sorted(world["territories"].items()) if facts.get("currency")]
    for code in draw.sample(territories, ITEMS):
        for lang in LANGUAGES:
            pack = packs[lang]
            yield {"task": "facts", "id": code, "lang": lang,
                   "question": f"{pack['territories'][code]} : {pack['cues']['currency']} ?",
                   "answer": pack["currencies"][world["territories"][code]["currency"]],
                   "extractor": "exact"}


def general(packs, world, draw):
    """Lists of three territories."""
    for i in range(TEXTS):
        codes = draw.sample(sorted(world["territories"]), 3)
        for lang in LANGUAGES:
            a, b, c = (packs[lang]["territories"][code] for code in codes)
            pattern = packs[lang]["list"]
            text = pattern["start"].format(a, pattern["end"].format(b, c))
            yield {"id": str(i), "lang": lang, "text": text}


def main():
    packs = {lang: read(f"languages/{lang}.json") for lang in LANGUAGES}
    world = read("world.json")
    files = {"sums.jsonl": sums(packs, random.Random(1)),
             "currency.jsonl": currencies(packs, world, random.Random(2)),
             "general.jsonl": general(packs, world, random.Random(3)),
             "facts.jsonl": facts(packs, world, random.Random(4))}
    for name, rows in files.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path = HERE / name
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not what this script writes")


if __name__ == "__main__":
    main()
