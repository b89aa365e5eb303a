"""How fast a server is asked: a little at a time, at most so many commands a second, and slower when it answers slowly."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Hashable

_TURN = 0.00025
"""Seconds for which a server may be busy with what it gets in one turn: so long others may have to wait."""

_FIRST, _LEAST, _MOST = 32, 8, 128
"""Commands of a turn: as long as nothing is known of what they cost, and within which bounds afterwards.

What a turn is answered with waits in the server's memory until it is read, however large the values are.
"""

_BURST = 0.1
"""Seconds of the limit that may be sent at once."""

_WAYS_AFTER = 256
"""Turns after which the way to the server and back is measured again, by one command alone."""

_BUSY = 0.75
"""The largest share of the time for which the server is busy with us; the rest of it others have it for themselves."""

_SLOW, _NOTICED = 3.0, 30e-6
"""A command is slow that takes both so many times as long as usual, and so many seconds longer."""

_SLOWEST = 1 / 16

_SHORTEST, _LONGEST = 1e-6, 50
"""Seconds that no command takes less than, and how many times the usual time one answer may count for: one says little."""

_DOWN, _UP = 0.02, 0.0001
"""How far the usual time follows an answer that is faster, and one that is slower: it stays near the fast ones."""

_LATELY = 0.05
"""How far the time that commands take lately follows each answer."""


class _Cost:
    """What a command of one kind takes: as usual and lately, seconds."""

    def __init__(self, each: float) -> None:
        self.usual = self.lately = each

    def add(self, each: float) -> None:
        """Take one answer into account."""
        each = min(each, _LONGEST * max(self.usual, _NOTICED / _SLOW))
        self.usual += (each - self.usual) * (_DOWN if each < self.usual else _UP)
        self.lately += (each - self.lately) * _LATELY

    @property
    def share(self) -> float:
        """How much of the pace is fitting."""
        tolerable = max(_SLOW * self.usual, self.usual + _NOTICED)
        return min(max(tolerable / self.lately, _SLOWEST), 1.0)


class Pace:
    """Holds commands back so that no server notices them; without a limit it holds back nothing.

    `most` is the number of commands a second. Commands are sent in turns that keep the server busy for a quarter of a millisecond,
    and then it is left alone for a third of that. When commands take more than three times as long as they usually do, the pace
    goes down with it, to a 16th at the least. `slowest` is the lowest share of the pace that it came to.
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
        self._way: float | None = None
        self._turns = 0
        self._costs: dict[Hashable, _Cost] = {}
        self.slowest = 1.0

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit to keep."""
        return self._most is not None

    @property
    def burst(self) -> int:
        """How many commands may be sent at once at most, whatever they cost: a tenth of a second's."""
        return sys.maxsize if self._most is None else max(int(self._most * self._share * _BURST), 1)

    def turn(self, kind: Hashable) -> int:
        """Give how many commands of a kind may be sent together; without a limit all."""
        if self._most is None:
            return sys.maxsize
        if self._turns % _WAYS_AFTER == 0:
            return 1
        cost = self._costs.get(kind)
        fitting = _FIRST if cost is None else int(min(max(_TURN / cost.lately, _LEAST), _MOST))
        return min(fitting, self.burst)

    def admit(self, commands: int) -> None:
        """Wait until so many more commands may be sent."""
        if self._most is None:
            return
        now = self.clock()
        if self._next > now:
            self._sleep(self._next - now)
            now = max(now, self._next)
        self._next = now + commands / (self._most * self._share)

    def answered(self, kind: Hashable, commands: int, sent: float, received: float) -> None:
        """Take note of when some commands of a kind were sent, all together, and the last of them was answered."""
        if self._most is None or not commands:
            return
        seconds = max(received - sent, 0.0)
        self._turns += 1
        self._way = seconds if self._way is None else min(self._way, seconds)
        if commands > 1:
            each = max((seconds - self._way) / commands, _SHORTEST)
            cost = self._costs.setdefault(kind, _Cost(each))
            cost.add(each)
            self._share = cost.share
            self.slowest = min(self.slowest, self._share)
        self.rest(sent, received)

    def rest(self, sent: float, received: float) -> None:
        """Leave the server to others for a while after something was asked and answered, by the clock."""
        if self._most is None:
            return
        way = self._way or 0.0
        busy = max(received - sent - way, 0.0)
        # While bytes are on their way the server rests already.
        self._next = max(self._next, received + max(busy * (1 / _BUSY - 1) - way, 0.0))
