"""Runs the Python blocks of a page as the programs they make up.

A program is a module: the blocks that a ``program`` directive begins, in order, in one namespace, under
the page's own line numbers. What stands under ``if __name__ == "__main__"`` is executed as well, with
``app.run`` and its like replaced by a recorder that accepts only calls that the real one accepts.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from antiphon import Antiphon
from antiphon.compat.robyn import Robyn
from tests.docs.markdown import Block, blocks


@dataclass
class Program:
    """The blocks of one program.

    Attributes:
        name: Its name on the page.
        renamed: Which package its imports are made from instead.
        blocks: Its blocks.
    """

    name: str
    renamed: tuple[str, str] | None = None
    blocks: list[Block] = field(default_factory=list)

    @property
    def source(self) -> str:
        """Its text, with every line where the page has it, and imports renamed."""
        lines: list[str] = []
        for block in self.blocks:
            lines += [""] * (block.line - 1 - len(lines))
            lines += block.text.splitlines()
        text = "\n".join(lines) + "\n"
        if self.renamed is None:
            return text
        old, new = self.renamed
        renamed, count = re.subn(rf"^from {old} import ", f"from {new} import ", text, flags=re.MULTILINE)
        assert count, f"{self.name}: nothing is imported from {old}"
        return renamed


def programs(page: str) -> dict[str, Program]:
    """The programs of a page, by their names.

    Raises:
        ValueError: A Python block belongs to no program, or two programs have one name.
    """
    found: dict[str, Program] = {}
    current: Program | None = None
    for block in blocks(page):
        if block.language != "python" or "client" in block.directives:
            continue
        if "program" in block.directives:
            name, _, renaming = block.directives["program"].partition("; ")
            if name in found:
                raise ValueError(f"{block}: there is a program {name!r} already")
            old, _, new = renaming.partition(" is ")
            current = found[name] = Program(name, (old, new) if renaming else None)
        elif "file" in block.directives:
            name = block.directives["file"]
            current = found[name] = Program(name)
        if current is None:
            raise ValueError(f"{block}: no program directive before it")
        current.blocks.append(block)
    return found


def files(page: str) -> dict[str, str]:
    """The files that a page tells its reader to write; of two of one name the last counts."""
    return {block.directives["file"]: block.text for block in blocks(page) if "file" in block.directives}


def write_files(page: str, folder: Path) -> None:
    """Write a page's files into a folder."""
    for name, text in files(page).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@contextmanager
def loaded(page: str, name: str, folder: Path) -> Iterator[Any]:
    """Execute a program, with the page's files beside it; its module is known while the block lasts."""
    program = programs(page)[name]
    write_files(page, folder)
    module = ModuleType(f"program_{re.sub(r'[^a-z0-9]', '_', f'{page}_{name}'.lower())}")
    module.__file__ = str(folder / program.blocks[0].directives.get("file", "app.py"))
    code = compile(_as_main(program.source), page, "exec", dont_inherit=True)
    before = set(sys.modules)
    with (
        patch.dict(sys.modules, {module.__name__: module}),
        patch.object(sys, "path", [str(folder), *sys.path]),
    ):
        try:
            with _not_served():
                exec(code, module.__dict__)
            yield module
        finally:
            # What a program imported from its own folder is not there for the next one.
            for each in set(sys.modules) - before:
                if str(folder) in str(getattr(sys.modules[each], "__file__", "")):
                    del sys.modules[each]


def defined_tests(module: Any) -> list[Any]:
    """The test functions that a program defines."""
    return [value for name, value in vars(module).items() if name.startswith("test_")]


def _as_main(source: str) -> str:
    return source.replace('__name__ == "__main__"', "True")


@contextmanager
def _not_served() -> Iterator[None]:
    """Let the methods that serve an application check their arguments and return."""
    servers: list[tuple[type, str]] = [(Antiphon, "run"), (Robyn, "start")]
    patches = [patch.object(cls, method, _recorder(getattr(cls, method))) for cls, method in servers]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def _recorder(method: Any) -> Any:
    signature = inspect.signature(method)

    def serve(self: Any, *args: Any, **options: Any) -> None:
        signature.bind(self, *args, **options)

    return serve
