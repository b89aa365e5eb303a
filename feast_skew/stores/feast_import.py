"""Feast's import without the work that only the authors of definitions gain from."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any


def import_feast_unchecked() -> None:
    """Import Feast without the run-time type checks that it compiles into its classes: they take most of its import.

    The checks tell authors of definitions of wrong arguments; a command only reads definitions that were applied. Once
    Feast is imported this does nothing; what other code imports later is checked as ever.
    """
    with contextlib.suppress(ImportError):
        import typeguard

        compiled = typeguard.typechecked
        typeguard.typechecked = _unchecked
        try:
            import feast  # noqa: F401
        finally:
            typeguard.typechecked = compiled


def _unchecked(target: Any = None, **_: Any) -> Any:
    return _same if target is None else target


def _same(target: Callable[..., Any]) -> Callable[..., Any]:
    return target
