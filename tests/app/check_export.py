"""Do the models that `ramoe` writes open in transformers, and answer alike?

    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python tests/app/check_export.py build/release/ramoe runs/a runs/b > docs/export_check.md

Each folder is a run with a model (pretrain, finetune). AutoModelForCausalLM and AutoTokenizer open
it as it is; ids, logits, the router logits of every layer and greedy answers are compared with
those of the program. Exit code 1 if anything differs by more than rounding.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

LANGUAGES = ["en", "zh", "es", "ar", "th", "hi", "sw"]
CLOSE = 1e-4
PLACES = 4  # questions of each task and language
NEW_TOKENS = 24
EAGER = dict(attn_implementation="eager", experts_implementation="eager")


def questions(data, per_language):
    """Questions in the form of the tasks, made from the language packs."""
    lines = []
    for lang in LANGUAGES:
        pack = json.loads((data / "languages" / f"{lang}.json").read_text())
        cues, places, emoji = pack["cues"], list(pack["territories"].values()), list(pack["emoji"].values())
        step = max(1, len(places) // per_language)
        for i in range(per_language):
            place = places[i * step]
            lines += [f"{place} : {cues['currency']} ?",
                      f"{cues['reverse']} : {emoji[i]}, {emoji[i + 7]} ?",
                      f"{pack['numbers'][i % 30]} {pack['operators']['plus']} {pack['numbers'][i % 9]} ?"]
    return lines


def texts(data):
    """Every text of the packs, and lines that tokenizers trip over."""
    lines = []
    for lang in LANGUAGES:
        def walk(value):
            if isinstance(value, str):
                lines.append(value)
            elif isinstance(value, (dict, list)):
                for part in (value.values() if isinstance(value, dict) else value):
                    walk(part)
        walk(json.loads((data / "languages" / f"{lang}.json").read_text()))
    lines += ["", " ", "  two  blanks ", "\ttab", "x=12345678.90;", "e\u0301 \u00e9 A\u030a", "ﬁ ½ Ⅷ ٣٤",
              "👩‍👩‍👧‍👦🏳️‍🌈🇰🇪", "한국어 日本語 ไทย हिन्दी", "if (a<b) { return c[0]; }", "\u200d\ufeff\u00a0"]
    return [line for line in lines if "\n" not in line]


def run(*arguments, text=None):
    done = subprocess.run([str(a) for a in arguments], input=text, capture_output=True,
                          encoding="utf-8", errors="replace")
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}\n{done.stderr}")
    return done.stdout


def compare(ramoe, folder, data):
    model_folder = folder / "model" if (folder / "model").is_dir() else folder
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32, **EAGER).eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    config = model.config

    lines = texts(data)
    with tempfile.TemporaryDirectory() as scratch:
        source = pathlib.Path(scratch) / "lines.txt"
        source.write_text("\n".join(lines) + "\n")
        ours = [json.loads(line) for line in run(ramoe, "tokenize", model_folder,
                                                 f"--input={source}").splitlines()]
        theirs = tokenizer(lines, add_special_tokens=False)["input_ids"]
        same_ids = sum(a == b for a, b in zip(ours, theirs, strict=True))

        prompts = questions(data, PLACES)
        ids = [[tokenizer.bos_token_id] + tokenizer(p, add_special_tokens=False)["input_ids"]
               for p in prompts]
        (pathlib.Path(scratch) / "ids.json").write_text(json.dumps(ids))
        run(ramoe, "logits", model_folder, f"--ids={scratch}/ids.json", f"--out={scratch}/out.safetensors")
        out = load_file(f"{scratch}/out.safetensors")
        routers = sorted((k for k in out if k.startswith("router_logits.")),
                         key=lambda k: int(k.split(".")[1]))
        logits, router = 0.0, 0.0
        for b, row in enumerate(ids):
            with torch.no_grad():
                wanted = model(torch.tensor([row]), output_router_logits=True)
            T = len(row)
            logits = max(logits, (out["logits"][b, :T] - wanted.logits[0]).abs().max().item())
            for name, z in zip(routers, wanted.router_logits, strict=True):
                router = max(router, (out[name][b, :T] - z.reshape(T, -1)).abs().max().item())

    same_answers = 0
    for prompt, row in zip(prompts, ids):
        answer = run(ramoe, "generate", f"--model={model_folder}", f"--prompt={prompt}",
                     f"--max_new_tokens={NEW_TOKENS}", "--threads=1").removesuffix("\n")
        with torch.no_grad():
            made = model.generate(torch.tensor([row]), max_new_tokens=NEW_TOKENS, do_sample=False,
                                  pad_token_id=config.pad_token_id)[0, len(row):]
        same_answers += answer == prompt + tokenizer.decode(made, skip_special_tokens=True)
    good = (same_ids == len(lines) and same_answers == len(prompts)
            and logits < CLOSE and router < CLOSE)
    print(f"| `{config.model_type}` | {sum(p.numel() for p in model.parameters()):,} "
          f"| {same_ids:,} of {len(lines):,} | {logits:.1e} | {router:.1e} "
          f"| {same_answers} of {len(prompts)} |")
    return good


def main():
    ramoe, folders = pathlib.Path(sys.argv[1]), [pathlib.Path(f) for f in sys.argv[2:]]
    data = pathlib.Path(__file__).parents[2] / "data"
    print("# Our models, opened by transformers\n")
    print("Written by `tests/app/check_export.py`; `AutoModelForCausalLM` and `AutoTokenizer` of "
          f"transformers {transformers.__version__} with\ntorch {torch.__version__}, fp32 on the CPU, "
          "against `ramoe tokenize`, `logits` and `generate` on the same folder.\n")
    print("| family | parameters | texts with the same ids | largest difference of a logit "
          "| of a router logit | greedy answers alike |")
    print("|---|---|---|---|---|---|")
    results = [compare(ramoe, folder, data) for folder in folders]
    print(f"\nLogits and router logits are those of {PLACES * 3 * len(LANGUAGES)} questions in seven languages, "
          "at every token and in every layer.")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
