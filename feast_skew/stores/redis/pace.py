"""How fast a server is asked: at most so many commands a second, and slower when it answers slowly."""

from __future__ import annotations

import time
from collections.abc import Callable

_BUSY = 0.5
"""The largest share of the time for which answers are waited for; the rest of it others have the server for themselves."""

_SLOW = 3.0
_NOTICED = 0.025
"""A pipeline is answered slowly when it takes both so many times as long as usual, and so many seconds longer."""

_SLOWEST = 1 / 16
_RECOVERY = 1.5

_DOWN = 0.3
_UP = 0.02
"""How far the usual time follows an answer that is faster, and one that is slower: it stays near the fast ones."""


class Pace:
    """Holds commands back so that no server notices them; without a limit it holds back nothing.

    `most` is the number of commands a second. When a pipeline is answered slowly the pace is halved, down to a 16th, and it
    comes back as answers do. `slowest` is the lowest share of the pace that it came to.
    """

    def __init__(
        self,
        most: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._most = most
        self.clock = clock
        self._sleep = sleep
        self._next = -float("inf")
        self._share = 1.0
        self._usual: float | None = None
        self.slowest = 1.0

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit to keep."""
        return self._most is not None

    def admit(self, commands: int) -> None:
        """Wait until so many more commands may be sent."""
        if self._most is None:
            return
        now = self.clock()
        if self._next > now:
            self._sleep(self._next - now)
            now = max(now, self._next)
        self._next = now + commands / (self._most * self._share)

    def answered(self, commands: int, sent: float, received: float) -> None:
        """Take note of when so many commands were sent and the last of them was answered, by the clock."""
        if self._most is None or not commands:
            return
        seconds = max(received - sent, 0.0)
        each = seconds / commands
        usual = each if self._usual is None else self._usual
        if each > _SLOW * usual and seconds - usual * commands > _NOTICED:
            self._share = max(self._share / 2, _SLOWEST)
            self.slowest = min(self.slowest, self._share)
        else:
            self._share = min(1.0, self._share * _RECOVERY)
        self._usual = usual + (each - usual) * (_DOWN if each < usual else _UP)
        self._next = max(self._next, received + seconds * (1 / _BUSY - 1))
