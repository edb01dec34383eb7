"""The fenced blocks of a Markdown page, with the directives that stand before them.

A directive is an HTML comment on a line of its own, directly before the block, so readers do not see it:

    <!-- program: NAME -->           a Python block that begins a program; later Python blocks continue it
    <!-- program: NAME; a is b.c --> the same; its imports of the package `a` are made from `b.c`
    <!-- file: NAME -->              the block is also a file of that name, beside the program
    <!-- client: PROGRAM -->         a program of its own, to be run while PROGRAM is served on port 8000
    <!-- output -->                  what the client before it prints
    <!-- serves: PATH -->            each command of the block serves the page's files, with an echo at PATH
    <!-- table: NAME -->             a table that a test compares with the code
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]

# This page's one block is run by tests/wire/test_docs.py.
ELSEWHERE = {"docs/topics/wire.md": "tests/wire/test_docs.py"}

DIRECTIVE = re.compile(r"<!-- (program|file|client|output|serves|table)(?:: (.*))? -->")
KNOWN = {
    "python",
    "console",
    "sh",
    "nginx",
    "html",
    "toml",
    "text",
}


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: The page, relative to the repository.
        line: The line of its first line of text, from 1.
        language: The word behind the fence.
        text: What is in it.
        directives: Those before it.
    """

    page: str
    line: int
    language: str
    text: str
    directives: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.language or 'no language'})"


def pages() -> list[str]:
    """README and every page of the documentation, relative to the repository."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [str(path.relative_to(ROOT)) for path in found]


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page.

    Raises:
        ValueError: A fence is not closed, or a comment looks like a directive and is none.
    """
    found = []
    directives: dict[str, str] = {}
    lines = enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), start=1)
    for number, line in lines:
        if line.lstrip().startswith("```"):
            if line != line.lstrip():
                raise ValueError(f"{page}:{number}: an indented fence is not read here")
            found.append(Block(page, number + 1, line[3:].strip(), _until_fence(lines, page), directives))
            directives = {}
        elif match := DIRECTIVE.fullmatch(line):
            directives[match[1]] = match[2] or ""
        elif line.startswith("<!--"):
            raise ValueError(f"{page}:{number}: {line!r} is no directive")
        elif line:
            directives = {}
    return found


def _until_fence(lines: Iterator[tuple[int, str]], page: str) -> str:
    text = []
    for _, line in lines:
        if line == "```":
            return "".join(f"{each}\n" for each in text)
        text.append(line)
    raise ValueError(f"{page}: the last fence is not closed")


def table(page: str, name: str) -> list[list[str]]:
    """The rows of a marked table, without its head."""
    text = (ROOT / page).read_text(encoding="utf-8")
    _, mark, rest = text.partition(f"<!-- table: {name} -->\n\n")
    assert mark, f"{page} has no table {name!r}"
    rows = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
