"""What a Python function uses from outside of itself, by name: constants as they are, code by digests; the same in every process."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import re
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from uuid import UUID

import numpy as np

from feast_skew.core.code_meaning import code_of, digest, imports_of, names_of

_PLAIN = (int, float, complex, str, bytes, bool, type(None), type(...))
_SPELLED = (date, time, timedelta, timezone, Decimal, Fraction, PurePath, UUID, range, re.Pattern, np.dtype, np.generic)
"""Whose `repr` says all of them, and nothing of where they lie in memory."""

_DEEPEST, _MOST, _LONGEST = 8, 5_000, 80
_SECRET = re.compile("pass(word|wd)?|secret|token|credential|api_?key", re.IGNORECASE)
_LIBRARIES = tuple(
    {f"{path}/".replace("\\", "/") for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := sysconfig.get_path(name))}
)  # fmt: skip


def uses_of(function: Callable[..., Any] | None, code: CodeType | None = None) -> dict[str, str]:
    """Give what a function uses from outside of itself: defaults, constants, helpers, modules of its repository, and what these use in turn.

    Parameters
    ----------
    function : callable, optional
        What it imports in its body counts, too, as long as the module is no installed one; such a module is imported for that.
    code : code, optional
        Other code that runs in the place of the function, of which the imports are known alone.

    Returns
    -------
    dict
        By name, such as `RATE`, `RATE of helpers` and `limit of tax`: short plain values as they are, everything else by a digest,
        and what comes from an installed package by its name. Nothing of it says in which file something stands.
    """
    walk = _Walk()
    if isinstance(function, FunctionType):
        walk.know(function)
        walk.refer(function, "", 0)
    elif function is not None and not _is_of_library(type(function)):
        walk.add("", function, 0)
    if code is not None:
        walk.imports(code, None, 0)
    walk.finish()
    return dict(sorted(walk.found.items()))


class _Walk:
    """Goes from name to name, near ones first, and describes each thing once."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._seen: dict[
            int, tuple[Any, str]
        ] = {}  # with the thing, which keeps its identity from being given to another
        self._modules: set[tuple[int, frozenset[str]]] = set()
        self._next: deque[tuple[str, Any, int, frozenset[str]]] = deque()

    def add(self, label: str, value: Any, depth: int, names: frozenset[str] = frozenset()) -> None:
        self._next.append((label, value, depth, names))

    def know(self, function: FunctionType) -> None:
        self._seen[id(function)] = (function, "")

    def finish(self) -> None:
        while self._next and len(self.found) < _MOST:
            self._describe(*self._next.popleft())

    def note(self, label: str, text: str) -> None:
        """Note what a name stands for; another thing by the same name is noted beside it."""
        place, number = label, 2
        while self.found.get(place, text) != text:
            place, number = f"{label} ({number})", number + 1
        self.found[place] = text

    def refer(self, function: FunctionType, owner: str, depth: int) -> None:
        """Follow what a function refers to: its defaults, what it closes over, globals, and what it imports."""
        code, names = function.__code__, frozenset(names_of(function.__code__))
        arguments = code.co_varnames[: code.co_argcount]
        defaults = function.__defaults__ or ()
        for name, value in (*zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True), *sorted((function.__kwdefaults__ or {}).items())):  # fmt: skip
            self.add(_of(f"default {name}", owner), value, depth)
        for name, cell in sorted(
            zip(code.co_freevars, function.__closure__ or (), strict=True), key=lambda one: one[0]
        ):
            try:
                self.add(_of(name, owner), cell.cell_contents, depth, names)
            except ValueError:  # an empty cell
                self.note(_of(name, owner), "nothing yet")
        for name in sorted(names & set(function.__globals__)):
            self.add(_of(name, owner), function.__globals__[name], depth, names)
        self.imports(code, function.__globals__.get("__package__"), depth)

    def imports(self, code: CodeType, package: str | None, depth: int) -> None:
        """Follow what code imports when it runs, from modules that are no installed ones."""
        names = frozenset(names_of(code))
        for written, wanted, level in sorted(set(imports_of(code)), key=repr):
            module = _module(written, level, package)
            if module is None or _is_file_of_library(getattr(module, "__file__", None)):
                continue
            if not wanted:
                self.add(written, module, depth, names)
            for name in wanted:
                found = getattr(module, name, None)
                if found is None and not hasattr(module, name):
                    found = _module(f"{module.__name__}.{name}", 0, None)
                self.add(_of(name, written or "the package"), found, depth, names)

    def _describe(self, label: str, value: Any, depth: int, names: frozenset[str]) -> None:
        text = _spelled(value)
        if text is not None:
            short = len(text) <= _LONGEST and text.isprintable() and not _SECRET.search(label)
            self.note(label, text if short else digest(text))
            return
        value = _unwrapped(value)
        if isinstance(value, ModuleType):
            self._module(label, value, depth, names)
            return
        if id(value) in self._seen:
            self.note(label, f"as {self._seen[id(value)][1] or 'itself'}")
            return
        self._seen[id(value)] = (value, label)
        if depth > _DEEPEST:
            self.note(label, type(value).__qualname__)
        elif isinstance(value, FunctionType) and not _is_file_of_library(value.__code__.co_filename):
            self.note(label, digest(code_of(value.__code__)))
            self.refer(value, label, depth + 1)
        elif isinstance(value, MethodType):
            self.add(_of(value.__func__.__name__, label), value.__func__, depth + 1)
            self.add(_of("self", label), value.__self__, depth + 1)
        elif isinstance(value, functools.partial):
            self._children(label, {"function": value.func, "arguments": value.args, **value.keywords}, depth)
        elif isinstance(value, property):
            self._children(label, {"get": value.fget, "set": value.fset}, depth)
        elif isinstance(value, (tuple, list, set, frozenset, Mapping)):
            self._items(label, value, depth)
        elif inspect.isclass(value):
            self._class(label, value, depth)
        elif callable(value) and hasattr(value, "__qualname__"):
            self.note(label, _name(value))
        else:
            self._object(label, value, depth)

    def _module(self, label: str, module: ModuleType, depth: int, names: frozenset[str]) -> None:
        """Follow the names of a module that are used; of an installed one, its own name is all that counts."""
        if _is_file_of_library(getattr(module, "__file__", None)):
            self.note(label, module.__name__)
            return
        used = sorted(names & set(vars(module)))
        if (id(module), names) in self._modules or depth > _DEEPEST:
            return
        self._modules.add((id(module), names))
        for name in used:
            self.add(_of(name, label), vars(module)[name], depth + 1, names)
        if not used:
            self.note(label, "a module")

    def _class(self, label: str, cls: type, depth: int) -> None:
        if _is_of_library(cls):
            self.note(label, _name(cls))
            return
        self.note(label, f"class of {', '.join(base.__name__ for base in cls.__bases__)}")
        if issubclass(cls, Enum):
            self._children(label, {name: member.value for name, member in cls.__members__.items()}, depth)
        for base in cls.__bases__:
            if not _is_of_library(base):
                self.add(_of(base.__name__, label), base, depth + 1)
        self._children(label, {name: part for name, part in vars(cls).items() if _is_written(name, part)}, depth)

    def _object(self, label: str, value: Any, depth: int) -> None:
        cls = type(value)
        if isinstance(value, np.ndarray) and value.dtype != object:
            self.note(label, digest((str(value.dtype), value.shape, value.tobytes())))
            return
        if _is_of_library(cls):
            self.note(label, _name(cls))
            return
        if isinstance(value, Enum):
            self.note(label, value.name)
        self.add(_of("class", label) if label else "class", cls, depth + 1)
        slots = {name: getattr(value, name) for name in _slots(cls) if hasattr(value, name)}
        kept = {
            name: part
            for name, part in {**getattr(value, "__dict__", {}), **slots}.items()
            if not name.startswith("__")
        }
        self._children(label, kept, depth)

    def _items(self, label: str, value: Any, depth: int) -> None:
        """Follow the items of a container that is not plain as a whole."""
        self.note(label, f"{type(value).__name__} of {len(value)}")
        if isinstance(value, Mapping):
            found = {_spelled(key) or type(key).__qualname__: one for key, one in value.items()}
        elif isinstance(value, (set, frozenset)):
            found = {str(i): one for i, one in enumerate(sorted(value, key=lambda one: _spelled(one) or _name(one)))}
        else:
            found = {str(i): one for i, one in enumerate(value)}
        self._children(label, found, depth)

    def _children(self, label: str, parts: Mapping[str, Any], depth: int) -> None:
        for name in sorted(parts)[:_MOST]:
            self.add(_of(name, label), parts[name], depth + 1)


def _of(name: str, owner: str) -> str:
    return f"{name} of {owner}" if owner else name


def _spelled(value: Any, depth: int = 0) -> str | None:
    """Spell out plain data, the same in every process; None for anything that is more than that."""
    if type(value) in _PLAIN or (isinstance(value, _SPELLED) and _is_of_library(type(value))):
        return repr(value)
    if depth > _DEEPEST or type(value) not in (tuple, list, set, frozenset, dict):
        return None
    if isinstance(value, dict):
        pairs = [(_spelled(key, depth + 1), _spelled(one, depth + 1)) for key, one in value.items()]
        if any(key is None or one is None for key, one in pairs):
            return None
        return "{" + ", ".join(sorted(f"{key}: {one}" for key, one in pairs)) + "}"
    items = [_spelled(one, depth + 1) for one in value]
    if any(one is None for one in items):
        return None
    known = [one for one in items if one is not None]
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}({', '.join(sorted(known))})"
    return f"{'(' if isinstance(value, tuple) else '['}{', '.join(known)}{')' if isinstance(value, tuple) else ']'}"


def _unwrapped(value: Any) -> Any:
    """Give the function inside of a static method, a class method, a cache, or what the decorator of a library made of it."""
    for _ in range(_DEEPEST):
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
            continue
        own = isinstance(value, FunctionType) and not _is_file_of_library(value.__code__.co_filename)
        if own or isinstance(value, type) or not isinstance(getattr(value, "__wrapped__", None), FunctionType):
            break
        value = value.__wrapped__
    return value


def _is_written(name: str, part: Any) -> bool:
    """Tell whether a part of a class was written by somebody, and not made by Python, or by `dataclass`, for it."""
    part = _unwrapped(part)
    if isinstance(part, FunctionType):
        file = part.__code__.co_filename
        return file != "<string>" and not (name.startswith("__") and _is_file_of_library(file))
    if isinstance(part, property):
        return True
    return not (name.startswith(("__", "_abc_")) or inspect.isroutine(part) or inspect.isdatadescriptor(part))


def _slots(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"


def _module(written: str, level: int, package: str | None) -> ModuleType | None:
    """Give a module as an import statement of the code would find it; an installed one only where it is there already."""
    try:
        name = importlib.util.resolve_name("." * level + written, package) if level else written
    except (ImportError, ValueError):
        return None
    if name in sys.modules:
        return sys.modules[name]
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])
        origin = None if spec is None else spec.origin or next(iter(spec.submodule_search_locations or ()), None)
        return None if _is_file_of_library(origin) else importlib.import_module(name)
    except Exception:  # noqa: BLE001  whatever the module raises, the function would, too
        return None
    finally:
        sys.dont_write_bytecode = writes


def _is_of_library(cls: type) -> bool:
    """Tell whether a class comes with Python or an installed package: its version is the environment's business."""
    codes = [part.__code__ for part in vars(cls).values() if isinstance(part, FunctionType)]
    files = [code.co_filename for code in codes if not code.co_filename.startswith("<")]
    module = sys.modules.get(cls.__module__)
    if not files and (module is None or module.__name__ == "__main__"):
        return cls.__module__ == "builtins"
    return _is_file_of_library(files[0] if files else getattr(module, "__file__", None))


def _is_file_of_library(file: str | None) -> bool:
    if file is None or file in ("built-in", "frozen") or file.startswith("<frozen"):
        return True
    path = file.replace("\\", "/")
    return "/site-packages/" in path or "/dist-packages/" in path or path.startswith(_LIBRARIES)
