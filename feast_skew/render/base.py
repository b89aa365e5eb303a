"""The registry of renderers, found by the files of this folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TypeVar

from feast_skew.report import SkewReport

Render = Callable[[SkewReport], str | bytes]
_Render = TypeVar("_Render", bound=Render)
RENDERERS: dict[str, Render] = {}
BINARY: set[str] = set()
"""The formats that are bytes, which no terminal should be shown."""


def renderer(name: str, *, binary: bool = False) -> Callable[[_Render], _Render]:
    """Register a function as the renderer of an output format; one that gives bytes says so."""

    def register(render: _Render) -> _Render:
        RENDERERS[name] = render
        if binary:
            BINARY.add(name)
        return render

    return register


def load_renderers() -> dict[str, Render]:
    """Import every renderer file of this folder and give them by format name."""
    package = importlib.import_module("feast_skew.render")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"feast_skew.render.{module.name}")
    return RENDERERS
