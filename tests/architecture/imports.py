"""What imports what: layers, cycles, and what an `__init__` may hold.

Every import statement counts: at the top, inside functions, under TYPE_CHECKING; so does
`import_module` with a literal name. Importing a module also imports the packages it lies in, and
those edges count for cycles.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .source import Module, Package

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Edge:
    """`importer` imports the module called `target`, on that line."""

    importer: Module
    target: str
    line: int


def edges(package: Package) -> list[Edge]:
    """All imports of the package's modules by its modules, as written."""
    return [
        Edge(module, target, line)
        for module in package
        for line, names in _imported_names(module)
        for name in names
        if (target := _owner(package, name)) is not None
    ]


def layer_violations(package: Package, rows: Rows) -> list[str]:
    """Imports that `rows` (lowest first, each a row of top-level names) does not allow.

    A module imports from lower rows, or from inside its own top-level name. `package/__init__.py`
    may import everything, and nothing may import it. `__main__` stands above all rows.
    """
    row_of = {name: number for number, row in enumerate(rows) for name in row}
    row_of["__main__"] = len(rows)
    found = []
    for module in package:
        if len(module.parts) > 1 and module.parts[1] not in row_of:
            found.append(module.at(1, f"{module.parts[1]!r} has no row in the table of layers"))
    for edge in edges(package):
        rule = _layer_rule(edge, row_of)
        if rule is not None:
            found.append(edge.importer.at(edge.line, rule))
    return found


def _layer_rule(edge: Edge, row_of: dict[str, int]) -> str | None:
    """The rule that an import breaks, or None."""
    importer, target = edge.importer.parts, edge.target.split(".")
    if len(importer) == 1:
        return None
    if len(target) == 1:
        return f"import from the module that owns the name, not from {edge.target!r} itself"
    upper, lower = importer[1], target[1]
    if upper == lower or upper not in row_of or lower not in row_of:
        return None  # a name without a row is reported by itself
    if row_of[lower] == row_of[upper]:
        return f"{upper!r} imports {edge.target!r}, of the same row {row_of[upper]}"
    if row_of[lower] > row_of[upper]:
        return (
            f"{upper!r} of row {row_of[upper]} imports {edge.target!r} of the later row "
            f"{row_of[lower]}: a module imports from rows before its own only"
        )
    return None


def cycle_violations(package: Package) -> list[str]:
    """Each cycle of imports, once, at the first import that takes part in it."""
    graph: dict[str, dict[str, int]] = {name: {} for name in package.modules}
    for edge in edges(package):
        for target in _run_by(edge, package):
            graph[edge.importer.name].setdefault(target, edge.line)
    found = []
    for knot in _knots(graph):
        cycle = _shortest_cycle(graph, knot)
        module = package.modules[cycle[0]]
        path = " -> ".join([*cycle, cycle[0]])
        line = graph[cycle[0]][cycle[1 % len(cycle)]]
        found.append(module.at(line, f"import cycle: {path}"))
    return found


def init_violations(package: Package) -> list[str]:
    """Statements in an `__init__.py` other than a docstring, imports, `__all__`, `__version__`."""
    return [
        module.at(statement.lineno, "an __init__.py only re-exports: move this to a module")
        for module in package
        if module.is_package
        for number, statement in enumerate(module.tree.body)
        if not _re_exports(statement, first=number == 0)
    ]


def _re_exports(statement: ast.stmt, *, first: bool) -> bool:
    match statement:
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Constant(value=str())):
            return first
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in {"__all__", "__version__"}
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            return name in {"__all__", "__version__"}
    return False


def _imported_names(module: Module) -> Iterator[tuple[int, list[str]]]:
    """The dotted names that each import statement asks for, absolute, with its line."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=aliases):
                yield node.lineno, [alias.name for alias in aliases]
            case ast.ImportFrom(names=aliases):
                source = _absolute(module, node)
                yield node.lineno, [f"{source}.{alias.name}" for alias in aliases]
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str() as name), *_],
            ):
                yield node.lineno, [name]


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    """The module after `from`, with its dots resolved."""
    if not node.level:
        return node.module or ""
    package = module.parts if module.is_package else module.parts[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def _owner(package: Package, name: str) -> str | None:
    """The module that `name` is, or is found in: None when it is not of this package."""
    if name.split(".")[0] != package.name:
        return None
    while name not in package.modules and "." in name:
        name = name.rpartition(".")[0]
    return name if name in package.modules else None


def _run_by(edge: Edge, package: Package) -> Iterator[str]:
    """The modules an import runs: its target, and the packages around it that are not our own."""
    yield edge.target
    around = edge.target.split(".")[:-1]
    while len(around) > 1:
        name = ".".join(around)
        if not f"{edge.importer.name}.".startswith(f"{name}.") and name in package.modules:
            yield name
        around.pop()


def _knots(graph: dict[str, dict[str, int]]) -> list[set[str]]:
    """The groups of modules that all reach one another, and modules that reach themselves."""
    reach = {start: _reachable(graph, start) for start in graph}
    knots: list[set[str]] = []
    for name in graph:
        if name in reach[name] and not any(name in knot for knot in knots):
            knots.append({other for other in reach[name] if name in reach[other]})
    return knots


def _reachable(graph: dict[str, dict[str, int]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph[name])
    return seen


def _shortest_cycle(graph: dict[str, dict[str, int]], knot: set[str]) -> list[str]:
    """The shortest way from the first module of a knot back to itself."""
    start = min(knot)
    paths = [[start]]
    seen: set[str] = set()
    while paths:
        path = paths.pop(0)
        for target in graph[path[-1]]:
            if target == start:
                return path
            if target in knot and target not in seen:
                seen.add(target)
                paths.append([*path, target])
    raise AssertionError(f"{start} is in no cycle")
