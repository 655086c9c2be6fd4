#!/usr/bin/env python3
"""Makes the language packs from a checkout of unicode-org/cldr-json (Python 3, standard library only).

    python3 data/make_packs.py --cldr PATH/cldr-json --number-words FILE --emoji-groups FILE \\
        --world --languages en,es,zh,ar,th,hi,sw --out data/languages
    python3 data/make_packs.py --check

--world also rewrites data/world.json, the facts that hold in every language; without it the packs
follow the world.json that is there, so that a new language is one new file. Both extra files are
optional for a new language: numbers come from CLDR's spell-out rules (spellout.py), emoji groups from
world.json.
"""
import argparse
import difflib
import hashlib
import json
import os
import sys
import unicodedata

import plain_names
import spellout

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = ["en", "es", "zh", "ar", "th", "hi", "sw"]  # a fact is kept if all of these can name it
LEAST_POPULATION = 50_000  # smaller territories have no schools to speak of and rare names
KINDS = ["territories", "subregions", "currencies", "languages", "emoji"]


PACKAGES = {"territories and languages": "cldr-localenames-full/main", "currencies": "cldr-numbers-full/main",
            "emoji": "cldr-annotations-full/annotations", "lists": "cldr-misc-full/main",
            "months and days": "cldr-dates-full/main"}


class Fault(Exception):
    """Something a person has to mend; main() prints it on one line."""


class Missing(list):
    """All that a language lacks, each with where to add it."""

    def get(self, make, *arguments):
        """What make(*arguments) gives, or None with its fault noted."""
        try:
            return make(*arguments)
        except Fault as fault:
            self.append(str(fault))
            return None


def load(path, what=""):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        raise Fault(f"{path} is not there{what and ': ' + what}") from None
    except json.JSONDecodeError as error:
        raise Fault(f"{path}, line {error.lineno}, column {error.colno}: not valid JSON") from None


def here(name):
    return load(os.path.join(HERE, name))


def clean(text):
    """NFC, single spaces, no invisible soft hyphens or direction marks."""
    text = "".join(c for c in text if c not in "\u00ad\u200b\u200e\u200f\u061c")
    return " ".join(unicodedata.normalize("NFC", text).split())


class Cldr:
    """The files of one checkout; the full repository or its cldr-json folder."""

    def __init__(self, root):
        inner = os.path.join(root, "cldr-json")
        self.root = inner if os.path.isdir(inner) else root

    def file(self, *parts):
        if not os.path.isdir(os.path.join(self.root, "cldr-core")):
            raise Fault(f"{self.root} has no folder cldr-core: give --cldr the folder cldr-json of a full checkout "
                        "of unicode-org/cldr-json")
        return load(os.path.join(self.root, *parts), "the checkout of unicode-org/cldr-json is not complete")

    def require_language(self, lang):
        """Fault: CLDR, or this checkout of it, does not have the language."""
        lacks = [f"{what} ({package}/{lang})" for what, package in PACKAGES.items()
                 if not os.path.isdir(os.path.join(self.root, package, lang))]
        if len(lacks) < len(PACKAGES):
            if lacks:
                raise Fault(f"{lang}: CLDR has no " + ", no ".join(lacks) + "; is the checkout complete?")
            return
        names = self.names("en", "languages")
        codes = {name.casefold(): code for code, name in names.items()}
        there = sorted(os.listdir(os.path.join(self.root, PACKAGES["territories and languages"])))
        near = difflib.get_close_matches(lang.casefold(), codes, 1, 0.8)
        near = [codes[name] for name in near] or [code for code in there if code.casefold() ==
                                                  lang.casefold().replace("_", "-")]
        if lang in names:
            raise Fault(f'{self.root} has nothing of "{lang}" ({names[lang]}), only {len(there)} languages: '
                        + ", ".join(there[:20]) + ", ..." * (len(there) > 20) + "; take a full checkout")
        raise Fault(f'no such language in CLDR: "{lang}"' + (f'; did you mean "{near[0]}"?' if near else
                    f"; its {len(there)} languages are the folders of {PACKAGES['territories and languages']}"))

    def supplemental(self, name):
        return self.file("cldr-core", "supplemental", name + ".json")["supplemental"][name]

    def main(self, package, lang, name):
        return self.file(package, "main", lang, name + ".json")["main"][lang]

    def names(self, lang, kind):
        data = self.main("cldr-localenames-full", lang, kind)
        return data["localeDisplayNames"][kind]

    def currencies(self, lang):
        data = self.main("cldr-numbers-full", lang, "currencies")["numbers"]["currencies"]
        return {code: entry["displayName"] for code, entry in data.items() if "displayName" in entry}

    def emoji(self, lang):
        data = self.file("cldr-annotations-full", "annotations", lang, "annotations.json")
        return plain_names.EmojiNames(data["annotations"]["annotations"])


# ---- the world: what holds in every language -------------------------------------------------------

def present_currency(entries):
    """CLDR lists currencies in order of preference; the first that is tender and has no end."""
    for entry in entries:
        for code, facts in entry.items():
            if "_to" not in facts and facts.get("_tender") != "false":
                return code
    return None


def official_languages(info):
    """Languages official in the whole territory, by population, scripts and duplicates dropped."""
    found = []
    spoken = info.get("languagePopulation", {})
    for code, facts in sorted(spoken.items(), key=lambda x: -float(x[1]["_populationPercent"])):
        base = code.split("_")[0]
        base = "no" if base in ("nb", "nn") else base
        if facts.get("_officialStatus") in ("official", "de_facto_official") and base not in found:
            found.append(base)
    return found


def make_world(cldr, groups_file, overrides):
    info = cldr.supplemental("territoryInfo")
    regions = cldr.supplemental("currencyData")["region"]
    subregion = {}
    for code, entry in cldr.supplemental("territoryContainment").items():
        if code.isdigit() and entry.get("_grouping") != "true":
            subregion.update({c: code for c in entry["_contains"] if c.isalpha() and len(c) == 2})
    named = {kind: [set(cldr.currencies(l) if kind == "currencies" else cldr.names(l, kind))
                    for l in REFERENCE] for kind in ("territories", "currencies", "languages")}

    def nameable(kind, code):
        return code is not None and all(code in names for names in named[kind])

    territories = {}
    left_out = overrides["world"]["left_out"]
    for code in sorted(info):
        small = int(info[code]["_population"]) < LEAST_POPULATION
        if small or code in left_out or code not in subregion or not nameable("territories", code):
            continue
        official = official_languages(info[code])
        facts = {"subregion": subregion[code], "currency": present_currency(regions.get(code, [])),
                 "language": official[0] if official else None}
        facts.update(overrides["world"]["facts"].get(code, {}).get("use", {}))
        facts = {k: v for k, v in facts.items() if k == "subregion" or
                 nameable("currencies" if k == "currency" else "languages", v)}
        territories[code] = {**facts, "official": official}
    group_of = {e["emoji"].replace("\ufe0f", ""): g["name"]
                for g in load(groups_file) for e in g["emojis"]}
    chosen = " ".join(here("emoji_set.json")["emoji"]).split()
    return {"source": "Unicode CLDR 47 (territoryInfo, currencyData, territoryContainment); data/SOURCES.md",
            "territories": territories, "emoji": {e: group_of[e] for e in chosen}}


# ---- one pack --------------------------------------------------------------------------------------

def short_territory(names, code, overrides):
    """CLDR's short form where the long one is an official title or carries an explanation."""
    if code not in overrides["world"]["short_names"]["territories"]:
        return names[code]
    return names.get(code + "-alt-short", names[code])


def cues_of(lang):
    cues = here("cues.json")
    given = cues["cues"].get(lang, {})
    missing = [key for key in cues["keys"] if not given.get(key)]
    if missing:
        raise Fault(f'data/cues.json: "{lang}": {{...}} under "cues" with ' + ", ".join(missing))
    return {key: clean(given[key]) for key in cues["keys"]}


def web_share_of(lang):
    shares = here("web_share.json")["web_share"]
    if lang not in shares:
        raise Fault(f'data/web_share.json: "{lang}" with the percentage of web pages')
    return shares[lang]


def spellout_of(cldr, lang):
    if not os.path.exists(os.path.join(cldr.root, "cldr-rbnf", "rbnf", lang + ".json")):
        return None
    return spellout.Spellout(cldr.file("cldr-rbnf", "rbnf", lang + ".json"))


def number_words(rules, lang, given):
    """ICU's words if given, CLDR's rules otherwise; says whether the two agree."""
    if rules is None and lang not in given:
        raise Fault(f'number words: CLDR has no spell-out rules; --number-words FILE with "{lang}": [101 words]')
    theirs = [clean(word) for word in given.get(lang, [])]
    if lang in given and len(theirs) != 101:
        raise Fault(f'number words: {len(theirs)} words for "{lang}" in the file of --number-words; 101 expected')
    if rules is None:
        return theirs
    try:
        ours = [clean(rules.spell(n)) for n in range(101)]
    except (ValueError, LookupError, RecursionError) as error:
        if lang in given:
            return theirs
        raise Fault(f'number words: spellout.py cannot follow the rules of CLDR ({error}); --number-words FILE '
                    f'with "{lang}": [101 words]') from None
    if lang not in given:
        print(f"{lang}: numbers 0..100 from CLDR's rules ({rules.entry})")
        return ours
    differ = [f"{n}: {a} | {b}" for n, (a, b) in enumerate(zip(ours, theirs)) if a != b]
    print(f"{lang}: our spell-out rules {'agree with ICU on 0..100' if not differ else differ}")
    return theirs


def wanted(world):
    territories = world["territories"]
    used = {"territories": list(territories), "emoji": list(world["emoji"])}
    for kind, key in (("subregions", "subregion"), ("currencies", "currency"), ("languages", "language")):
        used[kind] = sorted({facts[key] for facts in territories.values() if key in facts})
    return used


def names_of_kind(cldr, lang, kind, codes, overrides, missing):
    """{code: plain name}; what CLDR lacks or names badly, and no override mends, goes to `missing`."""
    emoji = cldr.emoji(lang) if kind == "emoji" else None
    given = {} if emoji else cldr.currencies(lang) if kind == "currencies" else \
        cldr.names(lang, "languages" if kind == "languages" else "territories")
    changed = {code: entry["use"] for code, entry in overrides["names"].get(lang, {}).get(kind, {}).items()}
    found, absent = {}, []
    for code in codes:
        try:
            if code in changed:
                found[code] = changed[code]
            elif kind == "emoji":
                found[code] = emoji.plain_name(code)
            else:
                found[code] = short_territory(given, code, overrides) if kind == "territories" else given[code]
        except KeyError:
            absent.append(code)
        except ValueError as fault:
            missing.append(f"{kind}/{code}: {fault}")
    if absent:
        missing.append(f"names that CLDR lacks: {kind}/" + ", ".join(absent))
    plain = {} if kind == "emoji" else plain_names.without_explanations(
        {code: name for code, name in found.items() if code not in changed})
    return {code: clean(plain.get(code, name)) for code, name in found.items()}


def make_pack(cldr, lang, world, given_numbers, overrides):
    """The pack of a language. Fault: all that is missing and all that is to be mended, at once."""
    cldr.require_language(lang)
    missing = Missing()
    share, cues = missing.get(web_share_of, lang), missing.get(cues_of, lang)
    rules = spellout_of(cldr, lang)
    numbers = missing.get(number_words, rules, lang, given_numbers)
    languages = cldr.names(lang, "languages")
    if lang not in languages:
        missing.append(f"names that CLDR lacks: languages/{lang}, its name for itself")
    lists = cldr.main("cldr-misc-full", lang, "listPatterns")["listPatterns"]
    lists = lists["listPattern-type-standard"]
    dates = cldr.main("cldr-dates-full", lang, "ca-gregorian")["dates"]["calendars"]["gregorian"]
    operators = cldr.emoji(lang).operators(rules.minus if rules else "")
    for key, entry in overrides["names"].get(lang, {}).get("operators", {}).items():
        operators[key] = entry["use"]
    missing += [f"operators/{key}: CLDR has no name for its sign" for key, word in operators.items() if not word]
    names = {kind: names_of_kind(cldr, lang, kind, codes, overrides, missing)
             for kind, codes in wanted(world).items()}
    faults = faults_of_names({**names, "numbers": numbers or []})
    if missing or faults:
        files = [part for part in missing if part.startswith(("data/", "number words"))]
        of_names = [part for part in missing if part not in files] + faults
        if of_names:
            of_names[-1] += (f". Names are mended in data/overrides.json, under names/{lang}/KIND/CODE, "
                             'with {"use": ..., "reason": ...}')
        raise Fault(f"{lang}: " + "; ".join(["add " + part for part in files] + of_names))
    return {"code": lang, "english_name": cldr.names("en", "languages")[lang],
            "own_name": clean(languages[lang]), "web_share": share,
            "source": "Unicode CLDR 47; data/SOURCES.md",
            "list": {key: unicodedata.normalize("NFC", lists[key])
                     for key in ("2", "start", "middle", "end")},
            "operators": {key: clean(operators[key]) for key in ("plus", "minus")},
            "cues_source": "hand-written, data/cues.json", "cues": cues,
            **{kind: {key: clean(name) for key, name in dates[kind]["stand-alone"]["wide"].items()}
               for kind in ("months", "days")},
            "numbers": numbers, **names}


def faults_of_names(names):
    """Two concepts with one name make an answer ambiguous; odd signs make a name hard to verify."""
    faults = []
    for kind in KINDS + ["numbers"]:
        entries = names[kind].items() if kind != "numbers" else enumerate(names[kind])
        by_name = {}
        for code, name in entries:
            other = by_name.setdefault(name.casefold(), code)
            if other != code:
                faults.append(f'{kind}: {other} and {code} are both "{name}"')
            if any(sign in name for sign in "()[]{}:;?=/،,"):
                faults.append(f'{kind}: {code} "{name}" holds a sign that questions are made with')
    return faults


# ---- writing ---------------------------------------------------------------------------------------

def write(path, value):
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
    os.replace(path + ".tmp", path)


def data_files():
    packs = os.path.join(HERE, "languages")
    names = [os.path.join("languages", name) for name in sorted(os.listdir(packs)) if name.endswith(".json")]
    return ["world.json"] + names


def sha256(name):
    with open(os.path.join(HERE, name), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def write_checksums():
    with open(os.path.join(HERE, "checksums.txt"), "w", encoding="utf-8") as file:
        file.writelines(f"{sha256(name)}  {name}\n" for name in data_files())


def check():
    """Compares every pack with checksums.txt and looks for ambiguous names again."""
    with open(os.path.join(HERE, "checksums.txt"), encoding="utf-8") as file:
        expected = {line.split()[1]: line.split()[0] for line in file}
    found = data_files()
    wrong = sorted(set(found) ^ set(expected))
    wrong += [name for name in found if name in expected and sha256(name) != expected[name]]
    if wrong:
        raise Fault("not as in data/checksums.txt: " + ", ".join(wrong) + "; make the packs again")
    for name in found[1:]:
        faults = faults_of_names(here(name))
        if faults:
            raise Fault(f"{name}: " + "; ".join(faults))
    print(f"{len(found)} files are as in data/checksums.txt")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cldr", help="folder cldr-json of a checkout of unicode-org/cldr-json")
    parser.add_argument("--number-words", help="JSON {language: [101 words]} made by ICU; optional")
    parser.add_argument("--emoji-groups", help="data-by-group.json of unicode-emoji-json; for --world")
    parser.add_argument("--world", action="store_true", help="rewrite data/world.json as well")
    parser.add_argument("--languages", default=",".join(REFERENCE))
    parser.add_argument("--out", default=os.path.join(HERE, "languages"))
    parser.add_argument("--check", action="store_true", help="compare the packs with data/checksums.txt")
    options = parser.parse_args()
    if options.check:
        return check()
    if not options.cldr:
        raise Fault("--cldr PATH/cldr-json is needed (or --check)")
    cldr, overrides = Cldr(options.cldr), here("overrides.json")
    given = load(options.number_words) if options.number_words else {}
    if options.world:
        if not options.emoji_groups:
            raise Fault("--world needs --emoji-groups FILE")
        write(os.path.join(HERE, "world.json"), make_world(cldr, options.emoji_groups, overrides))
    world = here("world.json")
    faults = Missing()
    languages = [lang.strip() for lang in options.languages.split(",") if lang.strip()]
    packs = [faults.get(make_pack, cldr, lang, world, given, overrides) for lang in languages]
    if faults or not packs:
        raise Fault("\n  ".join(["these languages lack something:"] * (len(faults) > 1) + faults) or
                    "--languages names none")
    os.makedirs(options.out, exist_ok=True)
    for pack in packs:  # only after all are sound
        write(os.path.join(options.out, pack["code"] + ".json"), pack)
    if os.path.abspath(options.out) == os.path.join(HERE, "languages"):
        write_checksums()
    print("  ".join(f"{kind} {len(packs[0][kind])}" for kind in KINDS))


if __name__ == "__main__":
    try:
        main()
    except Fault as fault:
        sys.exit(f"make_packs.py: {fault}")
