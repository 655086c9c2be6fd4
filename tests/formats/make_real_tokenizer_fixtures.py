#!/usr/bin/env python3
"""Trains small tokenizers that are built like those of real models, and records what the PyPI package
`tokenizers` makes of some thousand lines with them. Never needed to build or test.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tokenizers==0.23.* unicodedata2==16.0.0
    P=/tmp/venv/bin/python; F=tests/formats/make_real_tokenizer_fixtures.py
    $P $F                                            writes fixtures/real/
    $P $F --compare=build/release/ramoe --count=20000 [--seed=1]    random strings, both ways
    $P $F --unicode                                  where the library's Unicode differs from ours

fixtures/real/lines.json holds the lines, <kind>/tokenizer.json the tokenizer, and <kind>/ids.txt one
line each: the ids with special tokens recognised, and after a bar the ids with their text plain
where these differ.
"""
import json
import os
import random
import subprocess
import sys
import tempfile

import unicodedata2 as ud
from make_tokenizer_fixture import texts
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
REAL = os.path.join(HERE, "fixtures/real")
PACKS = os.path.join(HERE, "../../data/languages")
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
CODE = [
    "def f(x):\n    if x > 0:\n        return x * 2\n    return None\n", "for (int i = 0; i < n; ++i) {\n\ta[i] += b[i];\n}\n",
    "SELECT name, count(*) FROM t WHERE x >= 1.5 GROUP BY name;", "<div class=\"a b\">\r\n  <p>x &amp; y</p>\r\n</div>\r\n",
    "#include <vector>\r\n\r\nint main() { return 0; }\r\n", "x = {'a': [1, 2, 3], \"b\": None}  # comment", "\tif a:\n\t\tb()\n\telse:\n\t\tc()\n",
    "git commit -m 'it''s done' && echo $HOME/*.txt | wc -l", "f'{x:>10.3f}' + \"\\n\\t\\\\\"", "https://a.example/b?c=d&e=%20#f", "user@mail.example",
    "0x1F + 1e-5 - 3.14_159", "            deeply indented", "                                     37 blanks", "a                        24 blanks",
    "    \n        \n    x\n", "\n\n\n  \n\t\n", " \r\n \r\n", "x  \r\n  y", "\r\r\n\n", "a\u2028b\u2029c\u0085d", "\t \t x", "   ", "  a  b   c    d     e",
    "--flag=value -x -- ...", "()[]{}<>!?@#$%^&*_+|~`", "C++ & C#, F#; a->b::c", "CamelCase snake_case kebab-case ALLCAPS", "$1,234,567.89 12345678901234567890",
]
EMOJI = ["👩‍👩‍👧‍👦", "👩🏽‍🚀", "🏳️‍🌈", "🇰🇪", "🇹🇿🇲🇽", "👍🏿", "🐙", "❤️", "☝🏻", "🧑‍🤝‍🧑", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🫱🏼‍🫲🏾", "🪿", "🫩", "⌚", "©️", "🐙🐙🐙"]
DIGITS = ["0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳", "०१२३४५६७८९", "๐๑๒๓๔๕๖๗๘๙", "一二三四五", "０１２３", "𝟘𝟙𝟚", "½ ¾ ⅐", "ⅣⅧⅫ", "²³¹", "①②③", "৪২", "𐒠𐒡"]
ODD = ["don't DON'T it's IT'S we'll WE'LL I'm I'M they've you'd we're 'tis rock'n'roll", "it'ſ 'ſx 'ﬆ '\u212a", "'s 'S 't 'LL 'lL 'Ve 'vE ' s", "''s '''ll",
       "e\u0301 é E\u0301\u0323 ệ ê\u0323", "한국어 값 읽기", "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165", "\u1100\u1161\u11a8\u11a8", "क़ खि क्षत्रिय हिन्दी में", "น้ำ นํ้า ภาษาไทยไม่มีช่องว่าง",
       "العَرَبِيَّةُ", "中文没有空格。全角　空格", "日本語の文章、カタカナ", "Tiếng Việt ở Huế", "ǆ Ǆ ǅ ﬁ ß ẞ İ ı", "Ω Å \u2126 \u212b", "\ufeffbom \u200bzero\u200cwidth\u200djoin", "\x00\x01\x7f\x9f",
       "\ufffd\uffff\U0010ffff", "\u0378 \ue000 \U000e0001", "x\u0301\u0301\u0301 \u0301x", "\u00a0x\u00a0 \u3000y", "𝔘𝔫𝔦 𐍈𐍈 𞤀𞤁", "a_b __init__ _", "١٢٣abc४२", "ʼn ʻokina", "Ġa Ċ Âł", "\U00010d50\U00010d70 \u1c89\u1c8a \U000323af",
       "", " ", "  ", "\n", "\t", "\r", "\r\n", "\u3000", "a", "'", "é", "<", "|||"]
SPECIAL_GLUE = ["", " ", "  ", "\n", "x", "é", "e\u0301", ".", "\t ", "1", "_", "\u3000", "'s", "<|", "|>"]


def packs():
    pools = []
    for name in sorted(os.listdir(PACKS)):
        if name.endswith(".json"):
            with open(os.path.join(PACKS, name), encoding="utf-8") as f:
                pools.append(sorted(set(texts(json.load(f)))))
    return pools


def added(content, special, **flags):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": special, **flags}


def byte_level(add_prefix_space, trim_offsets, use_regex):
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": trim_offsets, "use_regex": use_regex}


def split(pattern):
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}, byte_level(False, True, False)]}


def learn(pre_tokenizer, size, first, alphabet, nfc):
    """vocab and merges as the trainer of `tokenizers` learns them."""
    teacher = Tokenizer(models.BPE())
    teacher.pre_tokenizer = pre_tokenizer
    if nfc:
        teacher.normalizer = normalizers.NFC()
    lines = [line for pool in packs() for line in pool] + CODE * 8 + [" ".join(EMOJI)] * 4 + DIGITS * 2 + ODD
    # An alphabet of one's own has to hold every byte of the text; GPT-NeoX lacks the 13 that UTF-8 never uses.
    teacher.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=size, special_tokens=first, initial_alphabet=alphabet,
                                                           show_progress=False, limit_alphabet=256))
    model = json.loads(teacher.to_str())["model"]
    return model["vocab"], model["merges"]


def with_ids(vocab, tokens):
    """Ids for added tokens: the vocabulary's own, or the next free one."""
    out, free = [], len(vocab)
    for token in tokens:
        known = token["content"] in vocab
        out.append({"id": vocab[token["content"]] if known else free, **token})
        free += not known
    return sorted(out, key=lambda token: token["id"])


def assemble(tokens, normalizer, pre_tokenizer, post_processor, decoder, model):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens, "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": post_processor, "decoder": decoder, "model": model}


def bpe(vocab, merges, **more):
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": False, **more, "vocab": vocab, "merges": merges}


def olmoe():
    """GPT-NeoX-20B's as OLMoE uses it: 13 bytes missing, runs of blanks added and normalised."""
    letter = {byte: letter for letter, byte in zip(*alphabet_order())}
    alphabet = [letter[b] for b in range(256) if b not in (0xC0, 0xC1) and b < 0xF5]
    vocab, merges = learn(pre_tokenizers.ByteLevel(add_prefix_space=False), 2300, ["|||IP_ADDRESS|||", "<|padding|>"], alphabet, True)
    tokens = [added("|||IP_ADDRESS|||", False, normalized=True), added("<|padding|>", True)]
    tokens += [added(" " * n, False, normalized=True) for n in range(24, 1, -1)]
    tokens += [added("|||EMAIL_ADDRESS|||", False, normalized=True), added("|||PHONE_NUMBER|||", False, normalized=True)]
    tokens += [added("<|endoftext|>", True)]
    level = byte_level(False, True, True)
    template = {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {}}
    return (assemble(with_ids(vocab, tokens), {"type": "NFC"}, level, template, level, bpe(vocab, merges)),
            {"add_bos_token": False, "add_eos_token": False, "add_prefix_space": False, "bos_token": None, "clean_up_tokenization_spaces": True,
             "eos_token": "<|endoftext|>", "model_max_length": 1000000000000000019884624838656, "pad_token": "<|padding|>",
             "tokenizer_class": "GPTNeoXTokenizer", "unk_token": None, "chat_template": "{{ bos_token }}{% for m in messages %}x{% endfor %}"})


def qwen():
    """Qwen2's and Qwen3's: no bos, control tokens behind the vocabulary, merges as strings."""
    vocab, merges = learn(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"),
                                                   pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]), 2400, [], BYTES, True)
    names = ["endoftext", "im_start", "im_end", "object_ref_start", "object_ref_end", "box_start", "box_end", "quad_start", "quad_end",
             "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad"]
    tokens = [added("<|%s|>" % name, True) for name in names]
    tokens += [added(name, False) for name in ("<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
                                               "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>")]
    tokens = with_ids(vocab, tokens)
    model = bpe(vocab, [" ".join(pair) for pair in merges])
    model.update(continuing_subword_prefix="", end_of_word_suffix="", ignore_merges=False)
    decoder_of = {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in tokens}
    return (assemble(tokens, {"type": "NFC"}, split(QWEN2), byte_level(False, False, False), byte_level(False, False, False), model),
            {"add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": decoder_of,
             "additional_special_tokens": [t["content"] for t in tokens[1:14]], "bos_token": None, "chat_template": "{{ messages }}",
             "clean_up_tokenization_spaces": False, "eos_token": {"__type": "AddedToken", "content": "<|im_end|>", "lstrip": False,
             "normalized": False, "rstrip": False, "single_word": False}, "errors": "replace", "model_max_length": 131072,
             "pad_token": "<|endoftext|>", "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer", "unk_token": None})


def llama():
    """Llama 3's: digits by threes, whole pieces before merges, a template that puts bos in front."""
    vocab, merges = learn(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                                                   pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]), 2000, [], BYTES, False)
    extra = [pool[i] for pool in packs() for i in range(5, len(pool), 29)]
    for word in extra:  # tokens that no merge makes: only ignore_merges gives them
        for name in (to_letters(word), to_letters(" " + word)):
            vocab.setdefault(name, len(vocab))
    names = ["begin_of_text", "end_of_text", "reserved_special_token_0", "start_header_id", "end_header_id", "eot_id"]
    tokens = with_ids(vocab, [added("<|%s|>" % name, True) for name in names])
    bos = {"SpecialToken": {"id": "<|begin_of_text|>", "type_id": 0}}
    a, b = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}
    template = {"type": "TemplateProcessing", "single": [bos, a], "pair": [bos, a, bos, b],
                "special_tokens": {"<|begin_of_text|>": {"id": "<|begin_of_text|>", "ids": [tokens[0]["id"]], "tokens": ["<|begin_of_text|>"]}}}
    post = {"type": "Sequence", "processors": [byte_level(True, False, True), template]}
    return (assemble(tokens, None, split(LLAMA3), post, byte_level(True, True, True), bpe(vocab, merges, ignore_merges=True)),
            {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>", "tokenizer_class": "PreTrainedTokenizerFast"})


def flags():
    """Bytes alone, and added tokens with every flag."""
    vocab = {name: i for i, name in enumerate(BYTES)}
    tokens = [added("<l>", True, lstrip=True), added("<r>", True, rstrip=True), added("<lr>", False, lstrip=True, rstrip=True),
              added("ing", False, single_word=True), added("<w>", False, single_word=True, lstrip=True, rstrip=True), added("<n>", False, normalized=True),
              added("caf\u00e9", False, normalized=True), added("cafe\u0301s", False), added("caf", False), added("  ", False, normalized=True),
              added("a b", False, normalized=True, lstrip=True), added("<special", True), added("<special>", False), added("cial>x", False),
              added("12", False, normalized=True, single_word=True), added("<n>!", True, normalized=True), added("\u4e2d\u6587", False, rstrip=True)]
    level = byte_level(False, True, True)
    return assemble(with_ids(vocab, tokens), {"type": "NFC"}, level, None, level, bpe(vocab, [])), None


def alphabet_order():
    """The byte letters, and the byte of each."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(0x100 + i) for i in range(len(others))], printable + others


def to_letters(text):
    letter = {byte: letter for letter, byte in zip(*alphabet_order())}
    return "".join(letter[b] for b in text.encode())


KINDS = {"olmoe": olmoe, "qwen": qwen, "llama": llama, "flags": flags}


def same_nfc(text, nfc=normalizers.NFC()):
    """Whether the library's NFC, of Unicode 9, agrees with Unicode 16: it does not know newer marks."""
    return nfc.normalize_str(text) == ud.normalize("NFC", text)


def make_lines(specials):
    rng = random.Random(1)
    pools = packs()
    out = ODD + CODE + EMOJI + DIGITS + specials
    for pool in pools:
        out += [rng.choice([" ", ", ", " : ", ""]).join(rng.sample(pool, rng.randrange(1, 3))) for _ in range(140)]
    mixed = [[x for x in pool if len(x) < 24] for pool in pools] + [EMOJI, DIGITS, [x for x in CODE if len(x) < 30]]
    for _ in range(350):
        out.append("".join(rng.choice(rng.choice(mixed)) + rng.choice(SPECIAL_GLUE) for _ in range(rng.randrange(1, 4))))
    for _ in range(150):
        out.append("".join(rng.choice(specials) + rng.choice(SPECIAL_GLUE) for _ in range(rng.randrange(1, 4))))
    for _ in range(100):
        out.append(ud.normalize("NFD", " ".join(rng.sample(rng.choice(mixed), 2))))
    for _ in range(100):
        out.append(rng.choice(["", "a", "\n", "é"]) + rng.choice([" ", "\t", "\n", "\u00a0"]) * rng.randrange(1, 60) + rng.choice(["", "x", "\n", " y"]))
    assigned = [c for c in range(0x110000) if ud.category(chr(c)) not in ("Cs", "Co", "Cn")]
    for _ in range(250):
        out.append("".join(chr(rng.choice(assigned)) for _ in range(rng.randrange(1, 8))))
    for _ in range(150):
        out.append("".join(random_character(rng) for _ in range(rng.randrange(1, 16))))
    return [line for line in dict.fromkeys(out) if same_nfc(line)]


TRICKY = (" \n\r\t'\u0085\u00a0\u2009\u2028\u3000\u200b\u200d_-.<>|sStTdDmMlLvVrReE\u017f\u212aaé\u0301\u0323\u0308\u0915\u093f\u094d\u093c\u0e33\u0e19"
          "\u0e49\u0645\u064e\u0651\u4e2d\u6587\u1112\u1161\u11ab\ud55c019\u0661\u0967\u0e51\u00bd\u2167\u00b2\u2460\ufe0f\u20e3\ufeff\ufffd"
          "\U0001f468\U0001f3fd\U0001f1f0\U0001f1ea\U00010d50\U00010d4a\u1c89\U000e0067\U0010ffff\x00\x7f")


def random_character(rng):
    return rng.choice(TRICKY) if rng.random() < 0.93 else chr(rng.choice([rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)]))


def random_text(rng, specials):
    parts = [random_character(rng) for _ in range(rng.randrange(0, 40))]
    for _ in range(rng.randrange(0, 4) if rng.random() < 0.4 else 0):
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(specials))
    return "".join(parts)


def load(kind):
    return Tokenizer.from_file(os.path.join(REAL, kind, "tokenizer.json"))


def both_ids(tokenizer, line):
    ids = []
    for plain in (False, True):
        tokenizer.encode_special_tokens = plain
        ids.append(tokenizer.encode(line, add_special_tokens=False).ids)
    tokenizer.encode_special_tokens = False
    return ids


def special_texts(kinds):
    return list(dict.fromkeys(t["content"] for data, _ in kinds.values() for t in data["added_tokens"]))


def write():
    made = {kind: make() for kind, make in KINDS.items()}
    lines = make_lines(special_texts(made))
    for kind, (data, config) in made.items():
        folder = os.path.join(REAL, kind)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as f:
            json.dump(data, f, ensure_ascii=False, separators=(",", ":"))
        if config:
            with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as f:
                json.dump(config, f, indent=1)
        tokenizer = load(kind)
        with open(os.path.join(folder, "ids.txt"), "w", encoding="ascii") as f:
            for line in lines:
                ids, plain = both_ids(tokenizer, line)
                f.write(" ".join(map(str, ids)) + ("" if plain == ids else "|" + " ".join(map(str, plain))) + "\n")
        print(kind, tokenizer.get_vocab_size(), "tokens")
    with open(os.path.join(REAL, "lines.json"), "w", encoding="ascii") as f:
        f.write("[\n" + ",\n".join(json.dumps(line) for line in lines) + "\n]\n")
    print(len(lines), "lines")


def compare(binary, count, seed):
    rng = random.Random(seed)
    for kind in KINDS:
        tokenizer = load(kind)
        specials = [t.content for t in tokenizer.get_added_tokens_decoder().values()]
        lines = [random_text(rng, specials) for _ in range(count)]
        kept = [line for line in lines if kind == "llama" or same_nfc(line)]
        wanted = [both_ids(tokenizer, line) for line in kept]
        for plain in (False, True):
            got = run(binary, kind, kept, "--special=" + ("false" if plain else "true"))
            wrong = [(line, w[plain], g) for line, w, g in zip(kept, wanted, got) if w[plain] != g]
            print("%s, special tokens as %s: %d strings, %d tokens, %d differ, %d left out for their newer marks" % (
                kind, "text" if plain else "tokens", len(kept), sum(len(w[plain]) for w in wanted), len(wrong), len(lines) - len(kept)))
            for line, w, g in wrong[:5]:
                print("   ", ascii(line), w, g)
        if kind != "flags":
            back = run(binary, kind, [w[0] for w in wanted], "--decode=true", "--special=true")
            wrong = [line for line, b, w in zip(kept, back, wanted) if b != tokenizer.decode(w[0], skip_special_tokens=False)]
            print("%s, decoded: %d differ" % (kind, len(wrong)))


def run(binary, kind, lines, *more):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
        f.write("".join(json.dumps(line) + "\n" for line in lines))
        f.flush()
        out = subprocess.run([binary, "tokenize", os.path.join(REAL, kind), "--json=true", "--input=" + f.name, *more],
                             check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.split("\n")[:-1]]


def show_unicode():
    """Every code point: its class in the library's regular expressions, and its NFC among marks."""
    points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    for name, pattern in (("L", r"\p{L}"), ("M", r"\p{M}"), ("N", r"\p{N}")):
        splitter, found = pre_tokenizers.Split(Regex(pattern), "isolated"), set()
        for i in range(0, len(points), 4096):
            chunk = points[i:i + 4096]
            text = "".join(chr(c) + "\U0010ffff" for c in chunk)
            found |= {chunk[a // 2] for _, (a, b) in splitter.pre_tokenize_str(text) if b - a == 1 and a % 2 == 0}
        ours = {c for c in points if ud.category(chr(c))[0] == name}
        print("\\p{%s}: %d code points in the library, %d in Unicode %s, %d differ" % (name, len(found), len(ours), ud.unidata_version, len(found ^ ours)))
    other = [c for c in points if not all(same_nfc(t) for t in (chr(c), "o" + chr(c) + "\u0301\u0323"))]
    blocks = [*range(0x250), *range(0x600, 0x780), *range(0x900, 0x980), *range(0xE00, 0xE80), *range(0x4E00, 0xA000)]
    print("NFC: %d code points differ, %d of them in the main blocks of the seven languages: %s" % (
        len(other), len(set(other) & set(blocks)), " ".join("%04X" % c for c in other)))


def main():
    options = dict(arg[2:].split("=", 1) if "=" in arg else (arg[2:], "") for arg in sys.argv[1:])
    if "compare" in options:
        compare(options["compare"], int(options.get("count", 20000)), int(options.get("seed", 1)))
    elif "unicode" in options:
        show_unicode()
    else:
        write()


main()
