"""How large things may grow: modules, classes, functions, contracts, parameter lists, folders.

Lines are counted from the `def` or `class` to the end, blank lines and docstrings included.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from .source import Module, Package

Function = ast.FunctionDef | ast.AsyncFunctionDef
Sized = ast.ClassDef | Function


@dataclass(frozen=True)
class Budgets:
    """The largest sizes allowed."""

    module_lines: int = 400
    class_lines: int = 300
    function_lines: int = 50
    parameters: int = 8
    contract_methods: int = 8
    folder_modules: int = 10


# asyncio.Protocol is no contract but a base with methods to override.
_CONTRACTS = {"ABC", "abc.ABC", "ABCMeta", "abc.ABCMeta", "Protocol", "typing.Protocol"}


def budget_violations(package: Package, budgets: Budgets) -> list[str]:
    """Everything in the package that is over its budget."""
    found = []
    for module in package:
        if module.lines > budgets.module_lines:
            found.append(module.at(1, _over("the module", module.lines, "lines", budgets.module_lines)))
        for node in ast.walk(module.tree):
            if isinstance(node, Sized):
                found += [module.at(node.lineno, rule) for rule in _node_rules(node, budgets)]
    return found + list(_folder_rules(package, budgets))


def _node_rules(node: Sized, budgets: Budgets) -> Iterator[str]:
    """The rules that one class or function breaks."""
    match node:
        case ast.ClassDef():
            name = f"class {node.name}"
            yield from _rule(name, _lines(node), "lines", budgets.class_lines)
            if _is_contract(node):
                yield from _rule(f"contract {node.name}", _methods(node), "methods", budgets.contract_methods)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            name = f"function {node.name}"
            yield from _rule(name, _lines(node), "lines", budgets.function_lines)
            yield from _rule(name, _parameters(node), "parameters", budgets.parameters)


def _folder_rules(package: Package, budgets: Budgets) -> Iterator[str]:
    """The folders with too many modules."""
    counts = Counter(module.path.parent for module in package if not module.is_package)
    first: dict[object, Module] = {}
    for module in package:
        first.setdefault(module.path.parent, module)
    for folder, count in counts.items():
        for rule in _rule(f"folder {folder.name}", count, "modules", budgets.folder_modules):
            yield first[folder].at(1, rule)


def _rule(what: str, size: int, unit: str, limit: int) -> Iterator[str]:
    if size > limit:
        yield _over(what, size, unit, limit)


def _over(what: str, size: int, unit: str, limit: int) -> str:
    return f"{what} has {size} {unit}, the budget is {limit}"


def _lines(node: Sized) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _parameters(node: Function) -> int:
    """How many parameters a caller may give: `self` and `cls` do not count."""
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    if positional and positional[0].arg in {"self", "cls"}:
        positional.pop(0)
    variadic = [argument for argument in (given.vararg, given.kwarg) if argument is not None]
    return len(positional) + len(given.kwonlyargs) + len(variadic)


def _is_contract(node: ast.ClassDef) -> bool:
    """Does the class say itself that it is an abstract class or a Protocol?"""
    named = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    named += [keyword.value for keyword in node.keywords if keyword.arg == "metaclass"]
    return any(ast.unparse(base) in _CONTRACTS for base in named)


def _methods(node: ast.ClassDef) -> int:
    """How many different methods a contract asks for: of an abstract class, the abstract ones."""
    methods = [method for method in node.body if isinstance(method, Function)]
    abstract = {method.name for method in methods if _is_abstract(method)}
    public = {
        method.name for method in methods if not method.name.startswith("_") or method.name.endswith("__")
    }
    return len(abstract or public)


def _is_abstract(method: Function) -> bool:
    return any("abstractmethod" in ast.unparse(decorator) for decorator in method.decorator_list)
