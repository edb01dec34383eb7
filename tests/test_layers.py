"""The shape of `src/antiphon`: layers, cycles, re-exports and budgets; and that the checks see.

The rows are the table of layers: a name may import from the rows before its own.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture.budgets import Budgets, budget_violations
from tests.architecture.imports import (
    cycle_violations,
    edges,
    init_violations,
    layer_violations,
)
from tests.architecture.source import Package, folder_violations, read_package

SOURCE = Path(__file__).parents[1] / "src" / "antiphon"

ROWS = (
    ("errors",),
    ("limits", "signals", "subscription", "codec", "loop"),
    ("wire",),
    ("connection", "channels"),
    ("brokers", "protocols"),
    ("broadcast",),
    ("server",),
    ("app",),
    ("observe", "compat", "testing", "cli"),
)

# A made-up package for the tests of the checks: b stands on a, and so does c; d stands on both.
MADE_UP_ROWS = (("a",), ("b", "c"), ("d",))

Tree = Callable[[dict[str, str]], Package]


@pytest.fixture(scope="module")
def source() -> Package:
    return read_package(SOURCE)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Write files into a package `pkg` and read it; folders get their `__init__.py`."""

    def write(files: dict[str, str]) -> Package:
        root = tmp_path / "pkg"
        for name, text in {"__init__.py": "", **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if not (path.parent / "__init__.py").exists():
                (path.parent / "__init__.py").write_text("")
        return read_package(root)

    return write


def assert_none(violations: list[str]) -> None:
    """Fail with all violations, one a line."""
    if violations:
        pytest.fail("\n".join(violations), pytrace=False)


class TestSource:
    """Antiphon keeps its own rules."""

    def test_all_files_are_read(self, source: Package) -> None:
        """The checks look at every file of the package, and find imports between them."""
        assert {module.path for module in source} == set(SOURCE.rglob("*.py"))
        assert "antiphon.errors" in source.modules
        assert edges(source)

    def test_folders_are_packages(self, source: Package) -> None:
        """No module hides in a folder without `__init__.py`."""
        assert_none(folder_violations(source))

    def test_layers(self, source: Package) -> None:
        """A module imports from rows before its own, or from its own package."""
        assert_none(layer_violations(source, ROWS))

    def test_cycles(self, source: Package) -> None:
        """No modules import one another, in whatever way."""
        assert_none(cycle_violations(source))

    def test_inits_re_export(self, source: Package) -> None:
        """An `__init__.py` holds nothing but re-exports."""
        assert_none(init_violations(source))

    def test_budgets(self, source: Package) -> None:
        """Nothing is larger than its budget."""
        assert_none(budget_violations(source, Budgets()))


class TestReading:
    """The checks cannot pass for want of something to check."""

    def test_nothing_to_read(self, tmp_path: Path) -> None:
        """An empty or missing folder is an error, not a pass."""
        with pytest.raises(ValueError, match="no Python module"):
            read_package(tmp_path / "pkg")

    def test_folder_without_init(self, tree: Tree, tmp_path: Path) -> None:
        """A folder that is no package is found."""
        tree({"b/one.py": ""})
        (tmp_path / "pkg/b/__init__.py").unlink()
        (found,) = folder_violations(read_package(tmp_path / "pkg"))
        assert "pkg/b:1" in found


class TestLayers:
    """The layer check sees every way to import."""

    @pytest.mark.parametrize(
        "statement",
        [
            "import pkg.d",
            "import os, pkg.d as other",
            "from pkg import d",
            "from pkg.d import Thing",
            "from . import d",
            "from .d import Thing",
            "from .d import *",
            "def f():\n    from pkg.d import Thing",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.d import Thing",
            "try:\n    import pkg.d\nexcept ImportError:\n    pass",
            "import importlib\nimportlib.import_module('pkg.d')",
            "from importlib import import_module\nimport_module('pkg.d')",
            "__import__('pkg.d')",
        ],
    )
    def test_later_row(self, tree: Tree, statement: str) -> None:
        """An import from a later row is named with file, line and rule."""
        found = layer_violations(tree({"a.py": statement, "d.py": ""}), MADE_UP_ROWS)
        assert len(found) == 1
        line = len(statement.splitlines()) - ("except" in statement) * 2
        assert found[0].endswith(
            f"a.py:{line}: 'a' of row 0 imports 'pkg.d' of the later row 2: "
            "a module imports from rows before its own only"
        )

    def test_relative_from_a_folder(self, tree: Tree) -> None:
        """Dots are resolved from a module of a package and from its `__init__` alike."""
        package = tree({"b/one.py": "from ..d import x", "b/__init__.py": "from ..d import x", "d.py": ""})
        assert len(layer_violations(package, MADE_UP_ROWS)) == 2

    def test_same_row(self, tree: Tree) -> None:
        """Names of one row do not import one another."""
        (found,) = layer_violations(tree({"b/one.py": "from pkg.c import x", "c.py": ""}), MADE_UP_ROWS)
        assert found.endswith("b/one.py:1: 'b' imports 'pkg.c', of the same row 1")

    def test_whole_package(self, tree: Tree) -> None:
        """Nothing imports from the package's own `__init__`, which imports everything."""
        (found,) = layer_violations(tree({"d.py": "from pkg import Thing"}), MADE_UP_ROWS)
        assert "import from the module that owns the name" in found

    def test_without_a_row(self, tree: Tree) -> None:
        """A top-level name that the table lacks is reported."""
        (found,) = layer_violations(tree({"stray.py": ""}), MADE_UP_ROWS)
        assert found.endswith("stray.py:1: 'stray' has no row in the table of layers")

    def test_allowed(self, tree: Tree) -> None:
        """Earlier rows, the own package, other distributions, and the top `__init__` are fine."""
        package = tree(
            {
                "__init__.py": "from .d import x\nfrom .a import y",
                "__main__.py": "from pkg.d import x",
                "a.py": "import os\nimport pkgother.d\nfrom dd import pkg",
                "b/__init__.py": "from .one import x",
                "b/one.py": "from pkg.a import y\nfrom .two import z",
                "b/two.py": "",
                "d.py": "from pkg.b import x\nfrom pkg.c import x\nfrom pkg import a",
                "c.py": "",
            }
        )
        assert layer_violations(package, MADE_UP_ROWS) == []
        assert cycle_violations(package) == []
        assert len(edges(package)) == 9


class TestCycles:
    """The cycle check sees knots of any length and kind."""

    def test_inside_a_package(self, tree: Tree) -> None:
        """Two modules of one package; one import hides in a function."""
        package = tree(
            {
                "b/one.py": "import os\nfrom .two import x",
                "b/two.py": "def f():\n    from . import one",
            }
        )
        (found,) = cycle_violations(package)
        assert found.endswith("b/one.py:2: import cycle: pkg.b.one -> pkg.b.two -> pkg.b.one")

    def test_of_three(self, tree: Tree) -> None:
        """A longer way round, once."""
        package = tree(
            {"b/x.py": "from . import y", "b/y.py": "from . import z", "b/z.py": "from .x import x"}
        )
        (found,) = cycle_violations(package)
        assert "pkg.b.x -> pkg.b.y -> pkg.b.z -> pkg.b.x" in found

    def test_through_the_own_init(self, tree: Tree) -> None:
        """A module that takes a name from the `__init__` which re-exports it."""
        package = tree({"b/__init__.py": "from .one import x", "b/one.py": "from pkg.b import y"})
        (found,) = cycle_violations(package)
        assert "pkg.b -> pkg.b.one -> pkg.b" in found

    def test_through_a_folder_inside(self, tree: Tree) -> None:
        """Importing a module runs the `__init__` around it, and what that imports."""
        package = tree(
            {
                "b/one.py": "from .inner import leaf",
                "b/inner/__init__.py": "from .other import x",
                "b/inner/leaf.py": "",
                "b/inner/other.py": "from ..one import x",
            }
        )
        (found,) = cycle_violations(package)
        assert "pkg.b.inner" in found

    def test_itself(self, tree: Tree) -> None:
        """A module that imports itself."""
        (found,) = cycle_violations(tree({"a.py": "import pkg.a"}))
        assert found.endswith("a.py:1: import cycle: pkg.a -> pkg.a")

    def test_two_knots(self, tree: Tree) -> None:
        """Each knot is reported."""
        package = tree(
            {
                "b/one.py": "from . import two",
                "b/two.py": "from . import one",
                "d/one.py": "from . import two",
                "d/two.py": "from . import one",
            }
        )
        assert len(cycle_violations(package)) == 2


class TestInits:
    """The re-export check."""

    @pytest.mark.parametrize(
        "statement",
        [
            "x = 1",
            "def f(): ...",
            "class A: ...",
            "if True:\n    import os",
            "print()",
            "__all__[0] = 1",
        ],
    )
    def test_code(self, tree: Tree, statement: str) -> None:
        """Code in an `__init__.py` is found, in any folder."""
        package = tree({"b/__init__.py": f"import os\n{statement}", "b/one.py": statement})
        (found,) = init_violations(package)
        assert "b/__init__.py:2: an __init__.py only re-exports" in found

    def test_allowed(self, tree: Tree) -> None:
        """A docstring, imports, `__all__` and `__version__`."""
        text = '"""Doc."""\nimport os\nfrom .a import x\n__all__ = ["x"]\n__all__ += []\n'
        assert init_violations(tree({"__init__.py": text + '__version__: str = "1"'})) == []


def _function(parameters: str) -> str:
    return f"class A:\n    async def f({parameters}): ..."


CONTRACT = "import abc\nclass A({}):\n" + "".join(f"    def m{number}(self): ...\n" for number in range(9))


class TestBudgets:
    """The budget check: at the limit nothing, one over is found."""

    @pytest.mark.parametrize(
        ("text", "rule"),
        [
            ("\n" * 401, "1: the module has 401 lines, the budget is 400"),
            (
                "\nclass A:\n" + "    x = 1\n" * 300,
                "2: class A has 301 lines, the budget is 300",
            ),
            (
                "class A:\n    @dec\n    def f(self):\n" + "        x = 1\n" * 50,
                "3: function f has 51 lines, the budget is 50",
            ),
            (
                _function("self, a, b, /, c, d, *e, f, g, h, **i"),
                "2: function f has 9 parameters, the budget is 8",
            ),
            (CONTRACT.format("abc.ABC"), "2: contract A has 9 methods, the budget is 8"),
            (CONTRACT.format("Protocol[T]"), "2: contract A has 9 methods, the budget is 8"),
        ],
    )
    def test_over(self, tree: Tree, text: str, rule: str) -> None:
        """What is too large is named with file, line, size and budget."""
        (found,) = budget_violations(tree({"a.py": text}), Budgets())
        assert found.endswith(f"a.py:{rule}")

    @pytest.mark.parametrize(
        "text",
        [
            "\n" * 400,
            "class A:\n" + "    x = 1\n" * 299,
            "def f():\n" + "    x = 1\n" * 49,
            _function("self, a, b, /, c, d, *, f, g, h, **i"),
            _function("cls, a, b, c, d, e, f, g, h"),
            CONTRACT.format("object"),
            CONTRACT.format("Protocol").replace("m8", "_m8"),
        ],
    )
    def test_within(self, tree: Tree, text: str) -> None:
        """What just fits passes."""
        assert budget_violations(tree({"a.py": text}), Budgets()) == []

    def test_folder(self, tree: Tree) -> None:
        """Ten modules fit into a folder beside its `__init__.py`; eleven do not."""
        ten = {f"b/m{number}.py": "" for number in range(10)}
        assert budget_violations(tree(ten), Budgets()) == []
        (found,) = budget_violations(tree({"b/more.py": ""}), Budgets())
        assert found.endswith(": folder b has 11 modules, the budget is 10")
