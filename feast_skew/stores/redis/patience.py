"""For how long what fails is tried again."""

from __future__ import annotations

from collections.abc import Callable

_WAITS = (0.2, 1.0, 3.0)
"""Seconds before the first further tries, whatever the patience; before each one after them it is the last of these."""


class Tries:
    """Counts tries since something last went well, by a clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._waited = 0.0
        self._count = 0

    def wait(self, patience: float) -> float | None:
        """Give for how long to wait before the next try; None when so many seconds of patience are at an end.

        Without patience there are a few tries nevertheless, however long each one takes.
        """
        # Servers that are silent take their time-outs, too.
        if self._clock() - self._since > patience > 0:
            return None
        wait = _WAITS[min(self._count, len(_WAITS) - 1)]
        if self._count >= len(_WAITS) and self._waited + wait > patience:
            return None
        self._count += 1
        self._waited += wait
        return wait
