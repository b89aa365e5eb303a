"""What a Python function computes, as digests that formatting, comments and decorators do not change."""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

_PLAIN = (int, float, complex, str, bytes, bool, type(None))
_DEEPEST = 8


def code_digest(function: Callable[..., Any] | None, text: str = "") -> str:
    """Give a digest of what the code of a function does, whatever it uses from outside.

    Parameters
    ----------
    function : callable, optional
        Its byte code is taken where the text cannot be read.
    text : str
        Its source. Where that is Python, it stands for the code, so that another version of Python gives the same digest; any other
        text, such as SQL, counts as it is.

    Returns
    -------
    str
        Hexadecimal; empty for neither a function nor a text. Layout, comments, doc strings, annotations and decorators do not
        change it.
    """
    source = _of_source(text)
    if source:
        return _digest(source)
    if isinstance(function, FunctionType):
        return _digest(_of_code(function.__code__))
    return _digest(" ".join(text.split())) if text else ""


def uses_digest(function: Callable[..., Any] | None) -> str:
    """Give a digest of what a function uses from outside of itself: defaults, constants, helpers and what these use in turn.

    Plain values count as they are, own functions by their byte code, and what comes from an installed package by its name. Empty for a
    function that uses nothing, and for anything else than a function.
    """
    if not isinstance(function, FunctionType):
        return ""
    found = _surroundings(function, 0, {id(function.__code__)})
    nothing = [_of_value(None, 0, set())] * 2
    return "" if found == nothing else _digest(found)


def _digest(content: Any) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()[:32]


def _of_source(text: str) -> str:
    """Give the syntax tree of the first function, or lambda, in a source, without what computes nothing; empty where there is none."""
    try:
        tree = ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return ast.dump(_bare(node))
    found = next((node for node in ast.walk(tree) if isinstance(node, ast.Lambda)), None)
    return "" if found is None else ast.dump(found)


def _bare(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
    """Take decorators, annotations, doc strings and the function's own name off it and what is inside of it."""
    for node in ast.walk(function):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.decorator_list, node.returns = [], None
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            node.annotation = ast.Constant(None)
    function.name = ""
    return function


def _of_code(code: CodeType) -> Any:
    """Give what byte code does, without lines, file names and the doc string."""
    constants = [_of_code(one) if isinstance(one, CodeType) else _of_value(one, 0, set()) for one in code.co_consts]
    # The doc string is the first constant of a function which has one; no instruction of it says so on all versions.
    kept = constants[1:] if code.co_consts and isinstance(code.co_consts[0], str) else constants
    return (code.co_code.hex(), kept, code.co_names, code.co_varnames, code.co_freevars)


def _surroundings(function: FunctionType, depth: int, seen: set[int]) -> list[Any]:
    """Give what a function refers to outside of itself, by name: defaults, closed-over values, globals."""
    found: list[Any] = [
        _of_value(function.__defaults__, depth, seen),
        _of_value(function.__kwdefaults__, depth, seen),
    ]
    cells = function.__closure__ or ()
    for name, cell in sorted(zip(function.__code__.co_freevars, cells, strict=True), key=lambda one: one[0]):
        try:
            found.append((name, _of_value(cell.cell_contents, depth, seen)))
        except ValueError:  # an empty cell
            found.append((name, None))
    known = function.__globals__
    used = (name for name in sorted(set(_names(function.__code__))) if name in known)
    found.extend((name, _of_value(known[name], depth, seen)) for name in used)
    return found


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _of_value(value: Any, depth: int, seen: set[int]) -> Any:
    """Give plain values as they are, own functions by what they compute, and what comes from a library by its name."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if depth > _DEEPEST:
        return type(value).__qualname__
    if isinstance(value, (tuple, list, set, frozenset, Mapping)):
        return _of_items(value, depth + 1, seen)
    if isinstance(value, FunctionType) and not _of_library(value):
        if id(value.__code__) in seen:
            return value.__qualname__
        seen.add(id(value.__code__))
        return (_of_code(value.__code__), _surroundings(value, depth + 1, seen))
    if isinstance(value, ModuleType):
        return value.__name__
    named = value if inspect.isclass(value) or callable(value) else type(value)
    return f"{getattr(named, '__module__', '')}.{getattr(named, '__qualname__', type(named).__qualname__)}"


def _of_items(value: Any, depth: int, seen: set[int]) -> Any:
    if isinstance(value, Mapping):
        return sorted((repr(key), _of_value(one, depth, seen)) for key, one in value.items())
    items = [_of_value(one, depth, seen) for one in value]
    return (type(value).__name__, sorted(items, key=repr) if isinstance(value, (set, frozenset)) else items)


def _of_library(function: FunctionType) -> bool:
    """Tell whether a function comes with an installed package: its version is the environment's business."""
    file = function.__code__.co_filename.replace("\\", "/")
    return "/site-packages/" in file or "/dist-packages/" in file or "/lib/python3" in file
