"""Rules that turn CLDR's names into the plain words that questions are made of, in any language.

CLDR names some things by more than their word, differently from language to language. What is right
stands in CLDR itself, mostly among an emoji's keywords:

    face    "rosto de raposa", キツネの顔, "морда лисицы"     the keyword for the animal: raposa, キツネ, лисица
    list    "केला, फल" (banana, fruit)                       the first of the list
    sign    "símbolo de adição", "znak plus"                the word beside the spoken minus: mais, plus
    bracket コンゴ民主共和国(キンシャサ), "Myanmar (Burma)"          without what is in brackets at the end
"""
import collections
import re
import unicodedata

FACES = "🐵🐶🐱🐭🐮🐯🐰🐲🐴🐷"    # named "... face" in English
ANIMALS = "🐒🐕🐈🐁🐄🐅🐇🐉🐎🐖"  # the same, whole
HEADS = "🦊🦝🐻🐨🐼🦁🐺🐗🐸🐹🐔🦄🫎🫏"  # drawn as faces, but English names the animal
PLUS, MINUS = ("➕", "+"), ("➖", "−")
BRACKETS = {"(": ")", "[": "]", "（": "）", "［": "］", "【": "】", "〔": "〕", "｟": "｠"}


def words(text):
    return re.findall(r"[^\s\u200b]+", text.casefold())


def without_explanation(name):
    """Without what stands in brackets at the end, with a blank before them or not."""
    for opening, closing in BRACKETS.items():
        if name.endswith(closing) and opening in name:
            short = name[:name.rindex(opening)].strip()
            if short:
                return short
    return name


def without_explanations(names):
    """{code: name} without brackets at the end. Two names that then are one keep what was in them, without
    ASCII brackets, which questions are made with: Kongo Kinshasa, 刚果（金）."""
    short = {code: without_explanation(name) for code, name in names.items()}
    count = collections.Counter(name.casefold() for name in short.values())
    kept = {code: name if count[name.casefold()] == 1 else names[code] for code, name in short.items()}
    return {code: " ".join(name.translate(str.maketrans("()[]", "    ")).split())
            for code, name in kept.items()}


def skeleton(word):
    """The consonants, which cases change less than vowels: льва and лев are лв."""
    plain = "".join(c for c in unicodedata.normalize("NFD", word.casefold()) if not unicodedata.combining(c))
    return re.sub("[aeiouyаеёиоуыэюяіїєьъ]", "", plain)


def likeness(a, b):
    """The share of the longer skeleton that both begin with."""
    a, b = skeleton(a), skeleton(b)
    same = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return same / max(len(a), len(b), 1)


class EmojiNames:
    """The names of one language; `annotations` is CLDR's {emoji: {"tts": [name], "default": [keywords]}}."""

    def __init__(self, annotations):
        self.annotations = annotations
        self.face_words = self.find_face_words()

    def name(self, emoji):
        return (self.annotations.get(emoji, {}).get("tts") or [""])[0]

    def keywords(self, emoji):
        return self.annotations.get(emoji, {}).get("default", [])

    def find_face_words(self):
        """Words of most names of faces, but of no whole animal and of few other things: "rosto", 顔."""
        animals = " ".join(map(self.name, ANIMALS)).casefold()
        faces = [self.name(face).casefold() for face in FACES]
        candidates = {word.casefold() for face in FACES for word in self.keywords(face)}
        candidates |= {word for name in faces for word in words(name)}
        others = [set(words(self.name(emoji))) for emoji in self.annotations if emoji not in FACES + HEADS]
        return {word for word in candidates if word not in animals
                and sum(word in name for name in faces) * 2 >= len(faces)
                and sum(word in name for name in others) * 10 < len(others)}

    def has_face(self, name):
        return any(word in name.casefold() for word in self.face_words)

    def cut_face(self, name):
        """The name without its word for the face."""
        for word in sorted(self.face_words, key=len, reverse=True):
            at = name.casefold().find(word)
            if at >= 0:
                return " ".join((name[:at] + name[at + len(word):]).split())
        return name

    def without_face(self, emoji):
        """The animal in the name of its face, or None. "kot" for "głowa kota": a keyword that is one of the
        words, is like one, or is inside; what is left of the name where that is how animals are named."""
        name = self.name(emoji)
        rest = [word for word in words(name) if not self.has_face(word)]
        best = (0, 0, None)
        for keyword in self.keywords(emoji):
            if self.has_face(keyword):
                continue
            low = keyword.casefold()
            whole = set(words(low)) <= set(rest)
            like = max((likeness(low, word) for word in rest), default=0) if " " not in low else 0
            score = 2 if whole else max(like, 0.9 if low in name.casefold() else 0)
            best = max(best, (score, len(keyword), keyword))
        if best[0] >= 0.6:
            return best[2]
        same = sum(self.cut_face(self.name(face)) == self.name(animal) != ""
                   for face, animal in zip(FACES, ANIMALS))
        return self.cut_face(name) if same >= 3 else None

    def plain_name(self, emoji):
        """The emoji's plain name. KeyError: it has none. ValueError: its fault, with what can be said."""
        name = self.annotations[emoji]["tts"][0]
        first = re.split("[,،、|;]", name)[0].strip()
        if first != name and first:
            return first
        if emoji not in HEADS or not self.has_face(name):
            return name
        plain = self.without_face(emoji)
        if plain is None:
            raise ValueError(f'"{name}" says "face of", and no keyword of CLDR is the animal\'s name')
        return plain

    def operators(self, spoken_minus):
        """The words for plus and minus between two numbers. `spoken_minus` is that of the spell-out rules, or
        "". "sinal de menos" holds it: so plus is "mais" of "sinal de mais". Names that say "sign" give way
        to keywords."""
        found = {"plus": self.name(PLUS[0]), "minus": self.name(MINUS[0])}
        for plus, minus in zip(PLUS[::-1], MINUS[::-1]):
            before, holds, after = self.name(minus).partition(spoken_minus) if spoken_minus else ("", "", "")
            other = self.name(plus)
            if holds and other.startswith(before) and other.endswith(after):
                found = {"plus": other[len(before):len(other) - len(after)], "minus": spoken_minus}
                break
        sign_words = {word for plus, minus in zip(PLUS, MINUS)
                      for word in set(words(self.name(plus))) & set(words(self.name(minus)))}
        sign_words |= {word.casefold() for word in self.keywords(PLUS[0]) if word in self.keywords(MINUS[0])}
        for key, signs in (("plus", PLUS), ("minus", MINUS)):
            if any(word in sign_words for word in words(found[key])):
                found[key] = self.word_of(signs, sign_words) or found[key]
        return found

    def word_of(self, signs, sign_words):
        """The first keyword of a sign that is also a word of one of its names, but no word for "sign"."""
        for sign in signs:
            parts = [word for word in words(self.name(sign)) if word not in sign_words]
            for keyword in self.keywords(signs[0]) + self.keywords(signs[1]):
                if keyword.casefold() in parts:
                    return keyword
        return None
