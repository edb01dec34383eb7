"""The modules of a package, read and parsed but never imported.

Checks built on this return violations as text, `file:line: rule`; no violation is an empty list.
"""

import ast
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, where it is, its lines and its syntax tree."""

    name: str
    path: Path
    lines: int
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """Is this the `__init__` of a package?"""
        return self.path.name == "__init__.py"

    @property
    def parts(self) -> list[str]:
        """The dotted name, split."""
        return self.name.split(".")

    def at(self, line: int, rule: str) -> str:
        """A violation of this module at `line`."""
        return f"{_shown(self.path)}:{line}: {rule}"


@dataclass(frozen=True)
class Package:
    """A package and all modules under it, by dotted name."""

    name: str
    root: Path
    modules: dict[str, Module]

    def __iter__(self) -> Iterator[Module]:
        return iter(self.modules.values())


def read_package(root: Path) -> Package:
    """Parse every Python file under `root`, the folder of a package.

    Raises:
        ValueError: there is no module under `root`: a check of nothing must not pass.
        SyntaxError: a file is no Python.
    """
    modules = {}
    for path in sorted(root.rglob("*.py")):
        parts = [root.name, *path.relative_to(root).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        text = path.read_text(encoding="utf-8")
        name = ".".join(parts)
        modules[name] = Module(name, path, len(text.splitlines()), _parse(text, path))
    if not modules:
        raise ValueError(f"no Python module under {root}")
    return Package(root.name, root, modules)


def _parse(text: str, path: Path) -> ast.Module:
    # The collector may have a traceback logged, which parses, too; CPython 3.11 cannot do both at a time.
    gc.disable()
    try:
        return ast.parse(text, str(path))
    finally:
        gc.enable()


def folder_violations(package: Package) -> list[str]:
    """Folders with modules but no `__init__.py`: they would escape the other rules."""
    folders = {module.path.parent for module in package}
    return [
        f"{_shown(folder)}:1: a folder with modules needs an __init__.py"
        for folder in sorted(folders)
        if not (folder / "__init__.py").exists()
    ]


def _shown(path: Path) -> str:
    """The path as one would type it in the current folder."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
