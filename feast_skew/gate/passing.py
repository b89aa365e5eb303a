"""Tells the provider that this process is behind the gate already: while a plan is made, and while Feast applies what it let through."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_INSIDE: ContextVar[bool] = ContextVar("feast_skew_inside_gate", default=False)


@contextlib.contextmanager
def inside() -> Iterator[None]:
    """Be behind the gate for a while."""
    token = _INSIDE.set(True)
    try:
        yield
    finally:
        _INSIDE.reset(token)


def is_inside() -> bool:
    """Tell whether this process is behind the gate right now."""
    return _INSIDE.get()
