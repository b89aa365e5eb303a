"""Which offline row an online row must be held against: the one with the same event timestamp.

All instants are int64 nanoseconds since the epoch, UTC. Feast carries timestamps as Python datetimes, that is to the
microsecond, so two instants are the same when their microseconds are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import numpy as np

from feast_skew.core.arrays import Instants, Mask, Positions

NO_INSTANT = np.iinfo(np.int64).min
"""Marks "no row" in arrays of instants."""

FAR_FUTURE = np.iinfo(np.int64).max
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TICK = 1000
_FIRST = -(FAR_FUTURE // _TICK * _TICK)


def to_nanoseconds(moment: datetime) -> int:
    """Give an aware moment as nanoseconds since the epoch, exact to the microsecond."""
    return int((moment - _EPOCH) // timedelta(microseconds=1)) * 1000


def microseconds(instants: Instants) -> Instants:
    """Cut instants to whole microseconds, keeping them in nanoseconds; `NO_INSTANT` stays what it is."""
    cut = np.maximum(instants, _FIRST) // _TICK * _TICK  # below the first one there is no room to cut down
    return np.where(instants == NO_INSTANT, NO_INSTANT, cut)


@dataclass
class Timeline:
    """Per entity, the offline instants that matter to its online row, learnt from a stream of rows in any order.

    `latest` is the last row up to `as_of`; `before` the last row at or before the online instant, `after` the first one
    behind it; `NO_INSTANT` (or `FAR_FUTURE` for `after`) where there is none. For entities that are absent online,
    `before` and `after` stay empty.
    """

    online: Instants
    as_of: int
    latest: Instants = field(init=False)
    before: Instants = field(init=False)
    after: Instants = field(init=False)

    def __post_init__(self) -> None:
        self.online = microseconds(self.online)
        size = len(self.online)
        self.latest = np.full(size, NO_INSTANT, dtype=np.int64)
        self.before = np.full(size, NO_INSTANT, dtype=np.int64)
        self.after = np.full(size, FAR_FUTURE, dtype=np.int64)

    def add(self, positions: Positions, instants: Instants) -> None:
        """Take rows: the position of each row's entity (-1 is skipped) and its event timestamp."""
        known = positions >= 0
        positions, instants = positions[known], microseconds(instants[known])
        in_time = instants <= self.as_of
        np.maximum.at(self.latest, positions[in_time], instants[in_time])
        online = self.online[positions]
        early = (instants <= online) & (online != NO_INSTANT)
        np.maximum.at(self.before, positions[early], instants[early])
        late = (instants > online) & (online != NO_INSTANT)
        np.minimum.at(self.after, positions[late], instants[late])

    @property
    def has_offline(self) -> Mask:
        """Entities of which offline has any row up to `as_of`, or one that the online row could be held against."""
        found: Mask = (self.latest != NO_INSTANT) | (self.before != NO_INSTANT) | (self.after != FAR_FUTURE)
        return found

    def aligned(self, within: int) -> Instants:
        """Give the instant of the offline row that counts as the same one, or `NO_INSTANT`.

        `within` is the largest distance in nanoseconds; at equal distance the earlier row is taken.
        """
        has_before, has_after = self.before != NO_INSTANT, self.after != FAR_FUTURE
        far = np.iinfo(np.uint64).max
        # Unsigned: two instants can lie further apart than int64 holds.
        back = np.where(has_before, (self.online - self.before).view(np.uint64), far)
        ahead = np.where(has_after, (self.after - self.online).view(np.uint64), far)
        chosen = np.where(back <= ahead, self.before, self.after)
        near = (np.minimum(back, ahead) <= within) & (has_before | has_after)
        return np.where(near & (self.online != NO_INSTANT), chosen, NO_INSTANT)

    def held(self, within: int) -> Instants:
        """Give the instant of the offline row that the online row is held against, or `NO_INSTANT`.

        The aligned one, else the last one before it, else the latest.
        """
        aligned = self.aligned(within)
        return np.where(aligned != NO_INSTANT, aligned, np.where(self.before != NO_INSTANT, self.before, self.latest))


@dataclass
class EarlierSteps:
    """Collects the offline instants of a few entities to find earlier rows over gaps of at least a given length.

    The yardstick for rows that never share a timestamp: how far offline itself moves over the time that lies between
    the online row and the offline row before it.
    """

    entities: Positions
    size: int
    _parts: list[tuple[Positions, Instants]] = field(default_factory=list)

    def add(self, positions: Positions, instants: Instants) -> None:
        """Take rows, as `Timeline.add`; rows of other entities than the wanted ones are dropped."""
        wanted = np.zeros(self.size + 1, dtype=bool)
        wanted[self.entities] = True
        keep = wanted[positions]
        self._parts.append((positions[keep], microseconds(instants[keep])))

    def steps(self, start: Instants, gap: Instants, count: int) -> Sequence[Instants]:
        """Give up to `count` earlier instants per entity, each at least one gap before the one before it.

        `start` and `gap` have shape (size,); so has each answer, with `NO_INSTANT` where history ends.
        """
        if self._parts:
            positions = np.concatenate([part[0] for part in self._parts])
            instants = np.concatenate([part[1] for part in self._parts])
        else:
            positions = instants = np.empty(0, dtype=np.int64)
        order = np.lexsort((instants, positions))
        positions, instants = positions[order], instants[order]
        first = np.searchsorted(positions, np.arange(self.size))
        answers = []
        current = start.copy()
        for _ in range(count):
            target = np.where(current != NO_INSTANT, current - np.maximum(gap, _TICK), NO_INSTANT)
            found = np.full(self.size, NO_INSTANT, dtype=np.int64)
            place = _last_at_or_before(positions, instants, self.entities, target[self.entities])
            usable = (place >= first[self.entities]) & (target[self.entities] != NO_INSTANT)
            found[self.entities[usable]] = instants[place[usable]]
            answers.append(found)
            current = found
        return answers


def _last_at_or_before(positions: Positions, instants: Instants, entities: Positions, targets: Instants) -> Positions:
    """Search each (entity, target) among rows sorted by entity and instant; -1 where nothing lies before."""
    keys = np.empty(len(positions), dtype=[("entity", np.int64), ("instant", np.int64)])
    keys["entity"], keys["instant"] = positions, instants
    wanted = np.empty(len(entities), dtype=keys.dtype)
    wanted["entity"], wanted["instant"] = entities, targets
    return np.searchsorted(keys, wanted, side="right") - 1
