"""Turns files of MGSM and of MMLU-like sets into the JSONL that `ramoe import` reads.

    python3 data/convert.py mgsm en=mgsm_en.tsv sw=mgsm_sw.tsv > mgsm.jsonl
    python3 data/convert.py mmlu en=en.jsonl sw=sw.jsonl > mmlu.jsonl

mgsm  tab-separated, no heading: question, answer in digits; the n-th problem of a file is the same in
      all languages, and n becomes the id.
mmlu  one JSON object a line: sample_id, question, option_a to option_d and answer (A to D), the fields
      of Global-MMLU. An optional `subject` is left out; so are all other fields.

Blank lines and a byte order mark are passed over. Where a blank line may stand for a problem that a
file lacks, so that all behind it would be shifted, this is said and nothing is written.
"""
import json
import sys


def lines(path):
    """Number and text of each line that is not blank."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        sys.exit(f"{path} cannot be read: {error.strerror}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        sys.exit(f"{path}: this is UTF-16 or UTF-32; save the file as UTF-8")
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        line = line.rstrip(b"\r")
        if b"\0" in line:
            sys.exit(f"{path}, line {number}, column {line.index(0) + 1}: a NUL byte; the file is damaged")
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            sys.exit(f"{path}, line {number}, column {error.start + 1}: no valid UTF-8; save the file as UTF-8")
        if text.strip():
            yield number, text


def mgsm(lang, path):
    last = 0
    for problem, (number, line) in enumerate(lines(path), 1):
        fields = line.split("\t")
        if len(fields) != 2 or not all(field.strip() for field in fields):
            sys.exit(f"{path}, line {number}: expected question, tab, answer, both not empty")
        gap = number if number != last + 1 else 0
        last = number
        yield gap, {"task": "mgsm", "id": str(problem), "lang": lang, "question": fields[0], "answer": fields[1],
                    "extractor": "last_number"}


def mmlu(lang, path):
    wanted = {"sample_id", "question", "option_a", "option_b", "option_c", "option_d", "answer"}
    for number, line in lines(path):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            sys.exit(f"{path}, line {number}, column {error.colno}: no JSON ({error.msg}); expected one object a line")
        if not isinstance(row, dict):
            sys.exit(f"{path}, line {number}: expected a JSON object, such as {{\"sample_id\": ...}}")
        if missing := {key for key in wanted if row.get(key) is None}:
            sys.exit(f"{path}, line {number}: without {', '.join(sorted(missing))}")
        if row["answer"] not in ("A", "B", "C", "D"):
            sys.exit(f"{path}, line {number}: answer is {json.dumps(row['answer'])}; expected A, B, C or D")
        options = "\n".join(f"{letter}. {row['option_' + letter.lower()]}" for letter in "ABCD")
        yield 0, {"task": "mmlu", "id": str(row["sample_id"]), "lang": lang, "question": f"{row['question']}\n{options}",
                  "answer": row["answer"], "extractor": "choice_letter"}


def main():
    forms = {"mgsm": mgsm, "mmlu": mmlu}
    if len(sys.argv) < 3 or sys.argv[1] not in forms or not all("=" in a for a in sys.argv[2:]):
        sys.exit(__doc__)
    rows, counts, gaps = [], {}, []
    for argument in sys.argv[2:]:
        lang, path = argument.split("=", 1)
        made = list(forms[sys.argv[1]](lang, path))
        counts[path] = len(made)
        gaps += [f"{path}, line {gap - 1}" for gap, _ in made if gap]
        rows += [row for _, row in made]
    if gaps and len(set(counts.values())) > 1:
        sys.exit(f"{gaps[0]}: a blank line, and the files differ in their numbers of problems ("
                 + ", ".join(f"{path}: {n}" for path, n in counts.items())
                 + "); those behind it may be shifted. Remove the line, or put the missing problem there")
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()
