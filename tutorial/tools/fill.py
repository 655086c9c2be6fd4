"""A table within a Markdown page that a command makes: what stands between two comments.

    <!-- bands: olmoe -->
    ... replaced ...
    <!-- end of bands -->
"""
import pathlib
import re
import sys

from tool import ToolError, write


def filled(text: str, name: str, where: str, make) -> str:
    """`text` with the part of each comment `name` replaced by make(its argument)."""
    pattern = re.compile(rf"(<!-- {name}(?::([^\n]*?))? -->\n)(.*?)(<!-- end of {name} -->)", re.S)
    parts = len(pattern.findall(text))
    if parts == 0 or parts != len(re.findall(rf"<!-- {name}(?::[^\n]*?)? -->", text)):
        raise ToolError(f"{where}: expected <!-- {name} --> and <!-- end of {name} --> around each "
                      "table that is made.")
    return pattern.sub(lambda m: m[1] + "\n" + make((m[2] or "").strip()) + "\n\n" + m[4], text)


def first_difference(old: str, new: str) -> str:
    before, after = old.splitlines(), new.splitlines()
    for i in range(max(len(before), len(after))):
        is_now = before[i] if i < len(before) else "(nothing)"
        should = after[i] if i < len(after) else "(nothing)"
        if is_now != should:
            return f"line {i + 1}\n  is:     {is_now}\n  should: {should}"
    return "the ends of lines"


def fill(page: pathlib.Path, name: str, make, check: bool, command: str) -> int:
    """Fills the page, or with `check` says whether it is as it would be. The exit code."""
    if not page.is_file():
        raise ToolError(f"{page} is missing.")
    old = page.read_text(encoding="utf-8")
    new = filled(old, name, str(page), make)
    if new == old:
        return 0
    if check:
        print(f"{page}: {first_difference(old, new)}\nMake it again: {command}", file=sys.stderr)
        return 1
    write(page, new)
    return 0
