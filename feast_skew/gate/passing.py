"""Tells the provider that the gate was passed already, while Feast applies what a plan let through."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from feast_skew.gate.proposal import Proposal

_PASSED: ContextVar[Proposal | None] = ContextVar("feast_skew_passed", default=None)


@contextlib.contextmanager
def passed(proposal: Proposal) -> Iterator[None]:
    """Let everything inside know of a plan that was judged and refuses nothing."""
    token = _PASSED.set(proposal)
    try:
        yield
    finally:
        _PASSED.reset(token)


def is_passed() -> bool:
    """Tell whether Feast runs behind the gate right now."""
    return _PASSED.get() is not None
