"""The registry of renderers, found by the files of this folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from feast_skew.report import SkewReport

Render = Callable[[SkewReport], str]
RENDERERS: dict[str, Render] = {}


def renderer(name: str) -> Callable[[Render], Render]:
    """Register a function as the renderer of an output format."""

    def register(render: Render) -> Render:
        RENDERERS[name] = render
        return render

    return register


def load_renderers() -> dict[str, Render]:
    """Import every renderer file of this folder and give them by format name."""
    package = importlib.import_module("feast_skew.render")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"feast_skew.render.{module.name}")
    return RENDERERS
