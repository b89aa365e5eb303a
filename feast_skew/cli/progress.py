"""Progress bars on standard error, only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from feast_skew.measuring.progress import NoProgress, Progress, Stage
from feast_skew.render.wording import clean


class _Bar:
    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def advance(self, done: int = 1) -> None:
        """Move the bar."""
        self._bar.update(done)


class Bars:
    """One bar per stage, with counts and the time left; it vanishes when the stage ends."""

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Stage]:
        """Open a bar; without a unit there is nothing to count, only to wait for."""
        width = terminal_columns()
        with tqdm(
            total=total,
            desc=clean(name),
            unit=f" {unit}",
            unit_scale=True,
            leave=False,
            file=sys.stderr,
            # A terminal that does not tell its size, as some build machines have, would get no bar at all.
            dynamic_ncols=bool(width),
            ncols=None if width else 80,
            bar_format=None if unit else "{desc} ...",
            ascii=os.environ.get("TERM") == "dumb",
        ) as bar:
            yield _Bar(bar)


def terminal_columns() -> int:
    """Give the columns of the terminal behind standard error, 0 when it does not know."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return 0


def progress_for(wanted: bool) -> Progress:
    """Give bars when they are wanted and standard error is a terminal, else silence."""
    return Bars() if wanted and sys.stderr.isatty() else NoProgress()
