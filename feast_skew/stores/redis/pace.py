"""How fast a server is asked: at most so many commands a second, and slower when it answers slowly."""

from __future__ import annotations

import time
from collections.abc import Callable

_BUSY = 0.5
"""The largest share of the time for which replies are waited for; the rest of it others have the server for themselves."""

_SLOW = 4.0
_FLOOR = 20e-6
"""A command is answered slowly when it takes both many times as long as the fastest ones, and so many seconds longer."""

_SLOWEST = 1 / 64
_RECOVERY = 1.25
_DRIFT = 1.001


class Pace:
    """Holds commands back so that no server notices them; without a limit it holds back nothing.

    `most` is the number of commands a second. When a pipeline is answered slowly the pace is halved, down to a 64th, and it
    comes back as answers do. `slowest` is the lowest share of the pace that it came to.
    """

    def __init__(
        self,
        most: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._most = most
        self._clock = clock
        self._sleep = sleep
        self._next = -float("inf")
        self._share = 1.0
        self._usual = float("inf")
        self.slowest = 1.0

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit to keep."""
        return self._most is not None

    def admit(self, commands: int) -> None:
        """Wait until so many more commands may be sent."""
        if self._most is None:
            return
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
            now = self._next
        self._next = now + commands / (self._most * self._share)

    def answered(self, commands: int, seconds: float) -> None:
        """Take note that so many commands were answered in so many seconds."""
        if self._most is None or not commands:
            return
        each = seconds / commands
        self._usual = min(self._usual * _DRIFT, each)
        if each > _SLOW * self._usual and each - self._usual > _FLOOR:
            self._share = max(self._share / 2, _SLOWEST)
            self.slowest = min(self.slowest, self._share)
        else:
            self._share = min(1.0, self._share * _RECOVERY)
        self._next = max(self._next, self._clock() + seconds * (1 / _BUSY - 1))
