"""Turns files of MGSM and of MMLU-like sets into the JSONL that `ramoe import` reads.

    python3 data/convert.py mgsm en=mgsm_en.tsv sw=mgsm_sw.tsv > mgsm.jsonl
    python3 data/convert.py mmlu en=en.jsonl sw=sw.jsonl > mmlu.jsonl

mgsm  tab-separated, no heading: question, answer in digits; line number n is the same problem in all
      languages and becomes the id.
mmlu  one JSON object a line: sample_id, question, option_a to option_d and answer (A to D), the fields
      of Global-MMLU. An optional `subject` is left out; so are all other fields.
"""
import json
import sys


def mgsm(lang, path):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            fields = line.rstrip("\r\n").split("\t")
            if len(fields) != 2:
                sys.exit(f"{path}, line {number}: {len(fields)} fields; wanted question, tab, answer")
            yield {"task": "mgsm", "id": str(number), "lang": lang, "question": fields[0],
                   "answer": fields[1], "extractor": "last_number"}


def mmlu(lang, path):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            row = json.loads(line)
            missing = {"sample_id", "question", "option_a", "option_b", "option_c", "option_d",
                       "answer"} - row.keys()
            if missing:
                sys.exit(f"{path}, line {number}: without {', '.join(sorted(missing))}")
            options = "\n".join(f"{letter}. {row['option_' + letter.lower()]}" for letter in "ABCD")
            yield {"task": "mmlu", "id": row["sample_id"], "lang": lang,
                   "question": f"{row['question']}\n{options}", "answer": row["answer"],
                   "extractor": "choice_letter"}


def main():
    forms = {"mgsm": mgsm, "mmlu": mmlu}
    if len(sys.argv) < 3 or sys.argv[1] not in forms or not all("=" in a for a in sys.argv[2:]):
        sys.exit(__doc__)
    for argument in sys.argv[2:]:
        lang, path = argument.split("=", 1)
        for row in forms[sys.argv[1]](lang, path):
            print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()
