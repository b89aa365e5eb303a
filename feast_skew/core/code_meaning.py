"""What a Python function computes, as digests that formatting, comments and decorators do not change."""

from __future__ import annotations

import ast
import bisect
import dis
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Any

_NO_STEPS = ("NOP", "CACHE", "EXTENDED_ARG", "RESUME", "PRECALL")
_JUMPS = frozenset((*dis.hasjabs, *dis.hasjrel))
_STARS = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR | inspect.CO_COROUTINE


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
        return digest(source)
    if isinstance(function, FunctionType):
        return digest(code_of(function.__code__))
    return digest(" ".join(text.split())) if text else ""


def is_code_of(function: Callable[..., Any] | None, text: str) -> bool:
    """Tell whether a function is what a text defines: a text that somebody wrote beside it may say something else."""
    if not isinstance(function, FunctionType):
        return False
    code = function_in(text)
    return code is not None and code_of(code) == code_of(function.__code__)


def function_in(text: str) -> CodeType | None:
    """Give the code of the first function that a text defines; None for a text that is no Python, or defines none. Nothing of it runs."""
    tree = _parsed(text)
    if tree is None:
        return None
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.decorator_list = []
    try:
        codes = [
            one for one in compile(tree, "<text>", "exec", dont_inherit=True).co_consts if isinstance(one, CodeType)
        ]
    except (SyntaxError, ValueError):
        return None
    return next((code for code in codes if not code.co_name.startswith("<")), None)


def digest(content: Any) -> str:
    """Give a digest of something that is spelled the same in every process."""
    return hashlib.sha256(repr(content).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def code_of(code: CodeType) -> Any:
    """Give what byte code does, without lines, file names, its own name and the doc string."""
    steps = [one for one in dis.get_instructions(code) if one.opname not in _NO_STEPS]
    places = {one.offset: place for place, one in enumerate(steps)}
    ends = sorted(places)
    arguments = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _STARS)
    return (
        arguments,
        code.co_varnames,
        code.co_freevars,
        [(one.opname, _argument(one, places, ends)) for one in steps],
    )


def _argument(step: dis.Instruction, places: Mapping[int, int], ends: Sequence[int]) -> Any:
    if step.opcode in _JUMPS:
        at = bisect.bisect_left(ends, step.argval)  # where it goes may be a step that does nothing
        return places[ends[at]] if at < len(ends) else len(ends)
    if isinstance(step.argval, CodeType):
        return code_of(step.argval)
    if isinstance(step.argval, frozenset):
        return sorted(map(repr, step.argval))
    return repr(step.argval)


def names_of(code: CodeType) -> Iterator[str]:
    """Give the names of globals, attributes and modules in code, and what it may ask for by `getattr`."""
    yield from code.co_names
    if "getattr" in code.co_names:
        yield from (one for one in code.co_consts if isinstance(one, str) and one.isidentifier())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_of(constant)


def imports_of(code: CodeType) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """Give what code imports when it runs: the module, the names from it, and how many packages up it starts."""
    steps = [one for one in dis.get_instructions(code) if one.opname not in _NO_STEPS]
    for at, step in enumerate(steps):
        if step.opname == "IMPORT_NAME" and at > 1:
            level, names = steps[at - 2].argval, steps[at - 1].argval
            yield step.argval, tuple(names or ()), level if isinstance(level, int) else 0
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from imports_of(constant)


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _of_source(text: str) -> str:
    """Give the syntax tree of a function, of all that stands beside it, or of a lambda, without what computes nothing; empty where there is none."""
    tree = _parsed(text)
    if tree is None:
        return ""
    functions = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    if len(functions) == len(tree.body) == 1:
        return ast.dump(_bare(functions[0]))
    if functions:
        for node in functions:
            name = node.name
            _bare(node).name = name
        return ast.dump(tree)
    for inner in ast.walk(tree):
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return ast.dump(_bare(inner))
    found = next((node for node in ast.walk(tree) if isinstance(node, ast.Lambda)), None)
    return "" if found is None else ast.dump(found)


def _bare(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.FunctionDef | ast.AsyncFunctionDef:
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
