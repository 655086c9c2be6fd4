"""Finds definitions by name in a C++ or CUDA source, for listings and for labs.

A name is written as in the code, without template arguments and namespaces:

    route_forward        a function, also a specialisation (`template <> ...`) or a kernel
    AdamW::update        a member, defined in its class or outside
    Zone, AlignmentForm  a class, struct, union or enum
    kIgnore              a constant, an alias, or a function that is only declared here
    RmsNorm.ByHand       a test of GoogleTest
    name#2               the second of several with this name, e.g. of overloads
    :head                the comment that a file begins with

A definition wins over declarations of the same name. It is no compiler: it knows comments, strings,
braces and the ways in which this project writes definitions. Python's standard library alone.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass


class SourceError(Exception):
    """A name that a file does not have, or has more than once."""


@dataclass(frozen=True)
class Definition:
    """Positions are offsets in the text of the file; `end` is after the last character."""

    name: str  # "AdamW::update"
    kind: str  # "function", "type", "test" or "declaration"
    comment: int  # where the line of the comment directly above begins, or its own first line
    start: int  # where the definition itself begins, with its `template <...>`
    body: tuple[int, int] | None  # from behind { to before }; None: a declaration
    end: int

    def text(self, source: str, with_comment: bool = True) -> str:
        return source[self.comment if with_comment else self.start : self.end]


TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|"""
    r"""(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'""",
    re.DOTALL,
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE | re.DOTALL)
# Words before "(" that do not name a function.
NO_NAMES = {"__launch_bounds__", "__attribute__", "alignas", "decltype", "noexcept", "requires",
            "explicit", "sizeof", "static_assert"}
TYPE = re.compile(r"\b(?:class|struct|union|enum(?:\s+(?:class|struct))?)\s+(?:\[\[.*?\]\]\s*)*"
                  r"((?:\w+(?:<[^<>]*>)?::)*[A-Za-z_]\w*)(?:\s*<[^{}]*>)?\s*(?:final\b\s*)?(?::(?!:)[^{}]*)?$", re.DOTALL)
SCOPE = re.compile(r"\s*(?:inline\s+)?namespace\b[^({;]*$|\s*extern\s*$")
TEST = re.compile(r"^(?:TYPED_)?TEST(?:_F|_P)?\s*\(\s*(\w+)\s*,\s*(\w+)\s*\)")
MACRO_LINE = re.compile(r"\s*[A-Z][A-Z0-9_]+\s*\([^()]*\)[ \t]*\n(?=\s*\S)")


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found.group())


def masked(source: str) -> str:
    """The text with comments, strings and directives as blanks; all positions stay."""
    return DIRECTIVE.sub(_blank, TOKEN.sub(_blank, source))


def _closing(code: str, at: int) -> int:
    """The position of the bracket that closes the one at `at`."""
    depth, opening = 0, code[at]
    closing = {"(": ")", "{": "}", "[": "]"}[opening]
    for i in range(at, len(code)):
        depth += (code[i] == opening) - (code[i] == closing)
        if depth == 0:
            return i
    raise SourceError(f"line {code.count(chr(10), 0, at) + 1}: {opening} is never closed")


def _after_template(chunk: str) -> int:
    """Where a declaration goes on behind `template <...>` and attributes."""
    at = 0
    while True:
        found = re.compile(r"\s*(?:template\s*(?=<)|\[\[[^\]]*\]\])").match(chunk, at)
        if not found:
            return at
        at = found.end()
        if at < len(chunk) and chunk[at] == "<":
            depth = 0
            while at < len(chunk):
                if chunk[at] == "(":
                    at = _closing(chunk, at)
                depth += (chunk[at] == "<") - (chunk[at] == ">" and chunk[at - 1] != "-")
                at += 1
                if depth == 0:
                    break


def _without_arguments(name: str) -> str:
    """AdamW<T>::update -> AdamW::update"""
    before = None
    while before != name:
        before, name = name, re.sub(r"<[^<>]*>", "", name)
    return re.sub(r"\s+", "", name)


def _parameters(chunk: str) -> tuple[str, int] | None:
    """The name of the function that a declaration names, and where its parameters end."""
    at = _after_template(chunk)
    while (at := chunk.find("(", at)) >= 0:
        before = chunk[:at].rstrip()
        operator = re.search(r"((?:\w+(?:<[^<>]*>)?::)*operator\s*(?:[^\w\s]+|\w[\w\s:<>*&]*)?)$", before)
        if operator and before.endswith("operator"):  # operator()
            at = chunk.find("(", at + 1)
            return _without_arguments(operator.group(1)) + "()", _closing(chunk, at) + 1
        named = operator or re.search(r"((?:\w+\s*(?:<[^<>]*>)?\s*::\s*)*~?\w+)(?:<[^<>;]*>)?$", before)
        close = _closing(chunk, at)
        if named and _without_arguments(named.group(1)) not in NO_NAMES:
            return _without_arguments(named.group(1)), close + 1
        at = close + 1
    return None


def _has_assignment(chunk: str) -> bool:
    """Whether `=` stands outside of brackets: a variable with an initialiser."""
    flat = chunk[_after_template(chunk):]
    before = None
    while before != flat:
        before, flat = flat, re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", flat)
    flat = re.sub(r"operator\s*[^\w\s]+", "operator", flat)
    return "=" in flat


class _Reader:
    def __init__(self, source: str):
        self.source, self.code = source, masked(source)
        self.found: list[Definition] = []

    def first_line(self, start: int) -> int:
        line = self.source.rfind("\n", 0, start) + 1
        while line > 0:
            above = self.source.rfind("\n", 0, line - 1) + 1
            if not self.source[above : line - 1].lstrip().startswith("//"):
                break
            line = above
        return line

    def add(self, name: str, kind: str, start: int, body: tuple[int, int] | None, end: int) -> None:
        self.found.append(Definition(name, kind, self.first_line(start), start, body, end))

    def scope(self, at: int, end: int, prefix: str) -> None:
        """Reads the declarations between two positions; prefix: of members, "AdamW::"."""
        chunk, initialisers = at, False
        while at < end:
            sign = self.code[at]
            if sign in "([":
                at = _closing(self.code, at)
            elif sign == ";":
                self.declaration(chunk, at + 1, prefix)
                chunk, initialisers = at + 1, False
            elif sign == ":" and re.fullmatch(r"\s*(?:public|protected|private)\s*", self.code[chunk:at]):
                chunk = at + 1
            elif sign == ":" and self.code[at - 1 : at + 2].count(":") == 1:
                initialisers = initialisers or self.begins_initialisers(chunk, at)
            elif sign == "{":
                close = _closing(self.code, at)
                if initialisers and re.search(r"[\w>]\s*$", self.code[chunk:at]):
                    at = close + 1  # a member's initialiser
                    continue
                at = close
                if self.braces(chunk, at, prefix):
                    chunk, initialisers = at + 1, False
            at += 1

    def begins_initialisers(self, chunk: int, at: int) -> bool:
        head = self.code[chunk:at]
        return _parameters(head) is not None and bool(re.search(r"\)\s*(?:noexcept\s*)?$", head))

    def braces(self, chunk: int, close: int, prefix: str) -> bool:
        """Something with braces that end at `close`; false: it goes on to its semicolon."""
        chunk = self.first_word(chunk, close)
        opening = self.opening(chunk, close)
        head = self.code[chunk:opening]
        if SCOPE.fullmatch(head):
            self.scope(opening + 1, close, prefix)
            return True
        test = TEST.match(head)
        if test:
            self.add(f"{test.group(1)}.{test.group(2)}", "test", chunk, (opening + 1, close), close + 1)
            return True
        if _has_assignment(head):
            return False
        rest = head[_after_template(head):]
        aligned = re.sub(r"alignas\s*\((?:[^()]|\([^()]*\))*\)", "", rest)
        kind = TYPE.search(aligned)
        if kind and "(" not in aligned:
            name = prefix + _without_arguments(kind.group(1))
            end = re.compile(r"\s*\w*[^;{}()]*;").match(self.code, close + 1)
            self.add(name, "type", chunk, (opening + 1, close), end.end() if end else close + 1)
            if not rest.lstrip().startswith("enum"):
                self.scope(opening + 1, close, name + "::")
            return False
        named = _parameters(head)
        if named is None:
            return False
        self.add(prefix + named[0], "function", chunk, (opening + 1, close), close + 1)
        return True

    def opening(self, chunk: int, close: int) -> int:
        depth = 0
        for i in range(close, chunk - 1, -1):
            depth += (self.code[i] == "}") - (self.code[i] == "{")
            if depth == 0:
                return i
        raise SourceError("a brace is never opened")

    def first_word(self, chunk: int, end: int) -> int:
        """Behind blanks, and behind macros that stand in lines of their own."""
        while True:
            found = MACRO_LINE.match(self.code, chunk, end)
            if not found or TEST.match(self.code[chunk:end].lstrip()):
                break
            chunk = found.end()
        blank = re.compile(r"\s*").match(self.code, chunk)
        return blank.end() if blank else chunk

    def declaration(self, chunk: int, end: int, prefix: str) -> None:
        chunk = self.first_word(chunk, end)
        text = self.code[chunk : end - 1]
        if re.match(r"(?:class|struct|enum|union|friend|extern|namespace)\b|template\s+(?!<)|\W*$", text):
            return
        if any(d.start == chunk for d in self.found):  # the semicolon behind a class
            return
        alias = re.match(r"using\s+(\w+)\s*=", text[_after_template(text):].lstrip())
        if alias:
            self.add(prefix + alias.group(1), "declaration", chunk, None, end)
            return
        named = None if _has_assignment(text) else _parameters(text)
        variable = re.search(r"(\w+)\s*(?:\[[^\]]*\]\s*)*(?:\{.*|=.*)?$", text.split("=")[0], re.DOTALL)
        if named:
            self.add(prefix + named[0], "declaration", chunk, None, end)
        elif variable:
            self.add(prefix + variable.group(1), "declaration", chunk, None, end)


def definitions(source: str) -> list[Definition]:
    """All that the text defines and declares, in its order; members behind their class."""
    reader = _Reader(source)
    reader.scope(0, len(reader.code), "")
    return reader.found


def head_comment(source: str) -> Definition:
    found = re.match(r"(?:[ \t]*//[^\n]*\n?)+", source)
    if not found:
        raise SourceError(":head: the file does not begin with a comment")
    return Definition(":head", "comment", 0, 0, None, len(found.group().rstrip("\n")))


def find(source: str, name: str, where: str = "the source") -> Definition:
    """The definition of this name. SourceError, with `where`, if there is none or more than one."""
    if name == ":head":
        return head_comment(source)
    wanted, _, number = name.partition("#")
    try:
        found = [d for d in definitions(source) if d.name == wanted]
    except SourceError as error:
        raise SourceError(f"{where}: {error}") from None
    found = [d for d in found if d.kind != "declaration"] or found
    if not found:
        raise SourceError(f"{where}: no definition is named {wanted}")
    if number:
        if not number.isdigit() or not 1 <= int(number) <= len(found):
            raise SourceError(f"{where}: {name}: there are {len(found)} of {wanted}, counted from 1")
        return found[int(number) - 1]
    if len(found) > 1:
        lines = ", ".join(str(source.count("\n", 0, d.start) + 1) for d in found)
        raise SourceError(f"{where}: {wanted} is defined {len(found)} times (lines {lines}); "
                          f"write {wanted}#1, {wanted}#2, ...")
    return found[0]


def listing(source: str, names: list[str], where: str = "the source") -> str:
    """Definitions with the comments above them, one below the other, as a chapter shows them."""
    texts = [textwrap.dedent(find(source, name, where).text(source)).rstrip() for name in names]
    return "\n".join(line.rstrip() for line in "\n\n".join(texts).splitlines())


if __name__ == "__main__":  # cpp_source.py FILE NAME...: what a listing would show
    import sys

    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            print(listing(file.read(), sys.argv[2:], sys.argv[1]))
    except (SourceError, OSError) as said:
        sys.exit(str(said))
