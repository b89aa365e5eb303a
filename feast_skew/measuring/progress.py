"""How long work tells that it goes on, without knowing who listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Stage(Protocol):
    """One stage of a run that is under way."""

    def advance(self, done: int = 1) -> None:
        """Tell that so many more units are done."""


class Progress(Protocol):
    """Something that shows stages, such as a bar on a terminal."""

    def stage(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Stage]:
        """Open a stage with a known or unknown number of units."""


class _Silent:
    def advance(self, done: int = 1) -> None:
        """Do nothing."""


class NoProgress:
    """Shows nothing."""

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Stage]:  # noqa: ARG002
        """Open a stage that nobody sees."""
        yield _Silent()
