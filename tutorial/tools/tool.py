"""What the tools of the tutorial share: errors for readers, and files that are whole or old."""
from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path


class ToolError(Exception):
    """What was given, what was expected, and what to do."""


def write(path: Path, text: str) -> None:
    """Written beside and renamed: whoever reads finds the old file or the new one. Its mode stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    if path.exists():
        shutil.copymode(path, beside)
    os.replace(beside, path)


def run(main: Callable[[], int]) -> None:
    """Ends the program with main's exit code, or with 1 and an error in words."""
    try:
        sys.exit(main())
    except ToolError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
