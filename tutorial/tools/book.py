#!/usr/bin/env python3
"""The tutorial as one page that works offline, and as a PDF.

    tutorial/tools/book.py [--html] [OUT=build/book]

writes OUT/ramoe.html by pandoc, with KaTeX's formulas and the figures inside it, and, unless --html is
given, OUT/ramoe.pdf, printed from it by Chromium. Links between chapters become links within the page; a link
to another file of the repository becomes its path; a link that leads nowhere is an error.

Debian: sudo apt-get install pandoc libjs-katex fonts-katex chromium
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "tutorial"
KATEX = Path("/usr/share/javascript/katex")
PARTS = [
    ("The tutorial", ["00-reading-order.md", "ch*.md", "cuda.md", "evidence.md"]),
    ("The labs", ["labs/README.md", "labs/lab*.md"]),
    ("Teaching", ["teaching.md", "grading.md", "projects.md"]),
    ("Words", ["glossary.md"]),
]
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]


class BookError(Exception):
    pass


def files_of(patterns):
    return [file for pattern in patterns for file in sorted(TUTORIAL.glob(pattern))]


def anchor_of(file):
    """The name of a file in the page: "labs/lab05_router.md" is "labs-lab05_router"."""
    return str(file.relative_to(TUTORIAL).with_suffix("")).replace("/", "-")


def pandoc(arguments, text):
    done = subprocess.run(["pandoc", *arguments], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise BookError(f"pandoc {' '.join(arguments)}: {done.stderr.strip()}")
    warnings = [line for line in done.stderr.splitlines() if line.strip()]
    if warnings:
        raise BookError("pandoc: " + "\n".join(warnings))
    return done.stdout


def visit(node, change):
    """`node` of pandoc's tree with every element replaced by change(element), from the leaves up."""
    if isinstance(node, list):
        return [visit(child, change) for child in node]
    if isinstance(node, dict):
        node = {key: visit(value, change) for key, value in node.items()}
        return change(node) if "t" in node else node
    return node


class Chapter:
    """A file of the tutorial as pandoc's tree, its anchors made unique in the page."""

    def __init__(self, file):
        self.file, self.anchor = file, anchor_of(file)
        # Comments are for weave.py; GitHub's dialect takes them as HTML, as it does <details>.
        text = re.sub(r"^<!--.*?-->\n?", "", file.read_text(), flags=re.M | re.S)
        tree = json.loads(pandoc(["-f", "gfm+tex_math_dollars", "-t", "json"], text))
        self.version, self.blocks = tree["pandoc-api-version"], tree["blocks"]
        if not self.blocks or self.blocks[0]["t"] != "Header" or self.blocks[0]["c"][0] != 1:
            raise BookError(f"{file}: expected a first line \"# Title\"")
        self.anchors = {self.anchor}
        self.blocks = visit(self.blocks, self.name_anchor)
        self.blocks[0]["c"][1][0] = self.anchor

    def name_anchor(self, element):
        if element["t"] == "Header":
            element["c"][1][0] = f"{self.anchor}--{element['c'][1][0]}"
            self.anchors.add(element["c"][1][0])
        if element["t"] in ("RawInline", "RawBlock"):  # <a id="gate"></a>
            def rename(found):
                self.anchors.add(f"{self.anchor}--{found[1]}")
                return f'id="{self.anchor}--{found[1]}"'
            element["c"][1] = re.sub(r'(?:id|name)="([^"]+)"', rename, element["c"][1])
        return element

    def resolve(self, target):
        """The file that a link means and the part after #; None for an address of the web."""
        if re.match(r"[a-z]+:", target):
            return None
        path, _, part = target.partition("#")
        file = (self.file.parent / path).resolve() if path else self.file
        if not file.exists():
            raise BookError(f"{self.file.relative_to(ROOT)}: the link to {target} leads nowhere")
        return file, part

    def join(self, chapters):
        """Links and figures as they are within the page."""
        def change(element):
            if element["t"] == "Image":
                file = self.resolve(element["c"][2][0])
                if file:
                    element["c"][2][0] = str(file[0])
            if element["t"] != "Link":
                return element
            text, target = element["c"][1], element["c"][2][0]
            found = self.resolve(target)
            if not found:
                return element
            file, part = found
            if file not in chapters:  # a file beside the book: its path is what a reader needs
                path = str(file.relative_to(ROOT))
                return {"t": "Span", "c": [["", ["file"], [["title", path]]], text]}
            anchor = chapters[file].anchor + (f"--{part}" if part else "")
            if anchor not in chapters[file].anchors:
                raise BookError(f"{self.file.relative_to(ROOT)}: the link to {target} leads nowhere")
            element["c"][2][0] = "#" + anchor
            return element
        self.blocks = visit(self.blocks, change)


def contents(chapters):
    """The list of contents: a part, its chapters."""
    lines = []
    for title, patterns in PARTS:
        files = files_of(patterns)
        if not files:
            continue
        lines.append(f"<h2>{title}</h2><ul>")
        for file in files:
            chapter = chapters[file]
            tree = {"pandoc-api-version": chapter.version, "meta": {},
                    "blocks": [{"t": "Plain", "c": chapter.blocks[0]["c"][2]}]}
            words = pandoc(["-f", "json", "-t", "html5"], json.dumps(tree)).strip()
            lines.append(f'<li><a href="#{chapter.anchor}">{words}</a></li>')
        lines.append("</ul>")
    return "\n".join(lines)


def make_html(out):
    if not shutil.which("pandoc") or not (KATEX / "katex.min.js").exists():
        raise BookError("pandoc and KaTeX are needed; install them with: "
                        "sudo apt-get install pandoc libjs-katex fonts-katex")
    chapters = {}
    for _, patterns in PARTS:
        for file in files_of(patterns):
            chapters[file] = Chapter(file)
    if not chapters:
        raise BookError(f"{TUTORIAL}: no chapter is there")
    for chapter in chapters.values():
        chapter.join(chapters)
    first = next(iter(chapters.values()))
    tree = {"pandoc-api-version": first.version, "meta": {},
            "blocks": [block for chapter in chapters.values() for block in chapter.blocks]}
    body = Path(__file__).with_name("book.html")
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "contents.html"
        listed.write_text(contents(chapters))
        made = Path(folder) / "ramoe.html"
        pandoc(["-f", "json", "-t", "html5", "--standalone", "--self-contained",
                f"--template={body}", f"--katex={KATEX}/", "--highlight-style=monochrome",
                f"--include-before-body={listed}", "--metadata=title:RA-MoE from scratch",
                "--metadata=lang:en", "--output", str(made)], json.dumps(tree))
        put(made, out / "ramoe.html")
    return len(chapters)


def put(made, file):
    """Beside and renamed: what was there is there until the new one is whole."""
    beside = file.with_name(file.name + ".part")
    shutil.copyfile(made, beside)
    os.replace(beside, file)


def make_pdf(out):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        print("no PDF: Chromium prints it; install it with: sudo apt-get install chromium")
        return
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "ramoe.pdf"
        subprocess.run([browser, "--headless=new", "--no-sandbox", "--disable-gpu",
                        "--disable-dev-shm-usage", f"--user-data-dir={folder}/profile",
                        "--no-pdf-header-footer", "--virtual-time-budget=20000",
                        f"--print-to-pdf={made}", f"file://{out.resolve()}/ramoe.html"],
                       capture_output=True, timeout=300, check=False)
        if not made.exists():
            raise BookError(f"{browser} printed no PDF of {out}/ramoe.html")
        put(made, out / "ramoe.pdf")
    print(f"{out}/ramoe.pdf: {(out / 'ramoe.pdf').stat().st_size // 1024} KB")


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--html"]
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        raise BookError(f"expected [--html] [OUT], found {' '.join(sys.argv[1:])}")
    out = Path(arguments[0]) if arguments else ROOT / "build/book"
    out.mkdir(parents=True, exist_ok=True)
    count = make_html(out)
    print(f"{out}/ramoe.html: {count} chapters, {(out / 'ramoe.html').stat().st_size // 1024} KB")
    if "--html" not in sys.argv:
        make_pdf(out)


if __name__ == "__main__":
    try:
        main()
    except BookError as error:
        sys.exit(f"error: {error}")
