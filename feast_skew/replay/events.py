"""Events of some entities in the order of time, and every aggregate of every window of them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from feast_skew.core.alignment import microseconds
from feast_skew.core.arrays import Floats, Instants, Mask, Positions, distinct
from feast_skew.replay.edges import read_by_clock, window_edges
from feast_skew.replay.recipe import Recipe

_EXACT = 2.0**53
_ROUNDING = 1e-15
_TICK = 1000
_LONGEST_LINE = 2**62

AGGREGATES = ("mean", "sum", "count", "min", "max", "last", "distinct", "std")
COUNTS = ("count", "distinct")
EMPTY_IS_ZERO = ("sum", *COUNTS)
"""Aggregates of which some pipelines give zero, and others nothing, for a window without events."""


class Events:
    """Events with one number each, sorted by entity and time; those of one instant stay in the order in which they came.

    `entity` is the place of each event's entity among those that are asked about, `numbers` its value (or the rank of one that is
    no number), `valid` where it has one.
    """

    def __init__(self, entity: Positions, instants: Instants, numbers: Floats, valid: Mask) -> None:
        instants = microseconds(instants)
        order = _order(entity, instants)
        self.entity: Positions = entity[order]
        self.instants: Instants = instants[order]
        self.valid: Mask = valid[order] & np.isfinite(numbers[order])
        self.numbers: Floats = np.where(self.valid, numbers[order], 0.0)

    def __len__(self) -> int:
        return len(self.entity)

    def of(self, entities: Positions) -> Events:
        """Give the events of some entities only; their places stay."""
        wanted = np.zeros(int(max(self.entity.max(initial=-1), entities.max(initial=-1))) + 1, dtype=bool)
        wanted[entities] = True
        return self._where(wanted[self.entity])

    def by_clock(self, zone: str) -> Events:
        """Give the events as they happened if their times are those of a clock in a named zone, not UTC."""
        return Events(self.entity, read_by_clock(zone, self.instants), self.numbers, self.valid)

    @cached_property
    def once(self) -> Events:
        """The events without those that repeat another one in entity, instant and value."""
        return self._where(~self.repeated)

    @cached_property
    def repeated(self) -> Mask:
        """Events that are the same as one before them."""
        found = np.zeros(len(self), dtype=bool)
        if len(self):
            order = np.lexsort((self.numbers, self.valid, self.instants, self.entity))
            same = np.ones(len(self) - 1, dtype=bool)
            for column in (self.entity, self.instants, self.valid, self.numbers):
                same &= column[order[1:]] == column[order[:-1]]
            found[order[1:]] = same
        return found

    def _where(self, kept: Mask) -> Events:
        return Events(self.entity[kept], self.instants[kept], self.numbers[kept], self.valid[kept])

    def scales(self, entity: Positions) -> Floats:
        """Give the mean size of the values of some entities, by which the rounding of their sums is measured."""
        return np.append(self._scales, 0.0)[np.minimum(entity, len(self._scales))]

    @cached_property
    def _scales(self) -> Floats:
        return np.bincount(self.entity, np.abs(self.numbers)) / np.maximum(np.bincount(self.entity, self.valid), 1)

    @cached_property
    def has_nulls(self) -> bool:
        """Tell whether any event has no value."""
        return not bool(self.valid.all())

    @cached_property
    def _span(self) -> tuple[int, int, int]:
        """The first and the last instant, and how many steps apart from each other entities are put on one line."""
        first, last = int(self.instants.min()), int(self.instants.max())
        return first, last, (last - first) // _TICK + 3

    @cached_property
    def _moments(self) -> Instants | None:
        """The distinct instants, where there are too many steps between them for one line; else None."""
        return distinct(self.instants) if self._span[2] * (int(self.entity[-1]) + 1) >= _LONGEST_LINE else None

    def _places(self, entity: Positions, instants: Instants) -> NDArray[np.int64]:
        """Put entities and instants, or edges, on one line on which events rise."""
        first, last, span = self._span
        if self._moments is None:
            steps = (np.clip(instants, first - _TICK, last + _TICK) - first) // _TICK + 1
            return entity * span + steps
        rank = np.searchsorted(self._moments, instants)
        met = self._moments[np.minimum(rank, len(self._moments) - 1)] == instants
        return entity * (2 * len(self._moments) + 2) + 2 * rank + met

    @cached_property
    def _line(self) -> NDArray[np.int64]:
        return self._places(self.entity, self.instants)

    def _before(self, entity: Positions, edge: Instants, inclusive: bool) -> Positions:
        """Give for each entity the place of its first event that lies after an edge, or at it unless the edge is inclusive."""
        if not len(self):
            return np.zeros(len(entity), dtype=np.int64)
        return np.searchsorted(self._line, self._places(entity, edge), side="right" if inclusive else "left")

    def bounds(self, recipe: Recipe, entity: Positions, instants: Instants) -> tuple[Positions, Positions]:
        """Give the first event inside the window of each row, and the first one after it."""
        start, end = window_edges(recipe, instants)
        first = self._before(entity, start, not recipe.start_inclusive)
        after = self._before(entity, end, recipe.end_inclusive)
        return first, np.maximum(first, after)

    def aggregate(self, recipe: Recipe, entity: Positions, instants: Instants) -> tuple[Floats, Mask]:
        """Compute a recipe for rows of distinct entities in rising order; give the values, and which are not null.

        A window without events is null, with 0.0 as its value.
        """
        events = self.once if recipe.once else self
        if recipe.nulls == "zero":
            events = events.nulls_as_zero
        first, after = events.bounds(recipe, entity, instants)
        return events.within(recipe, first, after)

    @cached_property
    def nulls_as_zero(self) -> Events:
        """The same events with 0.0 where there is no value."""
        return Events(self.entity, self.instants, self.numbers, np.ones(len(self), dtype=bool))

    def within(self, recipe: Recipe, first: Positions, after: Positions) -> tuple[Floats, Mask]:
        """Give the aggregate of the events from one place up to another one, for windows that do not overlap."""
        name = recipe.aggregate
        if name == "count":
            count = after - first if recipe.nulls == "keep" else self._known(first, after)
            return count.astype(np.float64), count > 0
        if name == "last":
            return self._last(first, after, kept=recipe.nulls == "keep")
        count = self._known(first, after)
        found = count > 0
        if name in ("min", "max", "distinct"):
            return self._by_events(name, first, after, found), found
        if name == "std":
            return self._deviation(first, after, count, recipe.ddof)
        total = self._total(first, after, count)
        if name == "mean":
            return np.divide(total, count, out=np.zeros(len(count)), where=found), found
        return np.where(found, total, 0.0), found

    def _known(self, first: Positions, after: Positions) -> Positions:
        return self._counts[after] - self._counts[first]

    @cached_property
    def _counts(self) -> Positions:
        return np.concatenate([[0], np.cumsum(self.valid, dtype=np.int64)])

    @cached_property
    def _whole_sums(self) -> Positions | None:
        """Running sums where all values are whole and their sums too small to be rounded."""
        if np.abs(self.numbers).sum() >= _EXACT or not np.array_equal(self.numbers, np.round(self.numbers)):
            return None
        return np.concatenate([[0], np.cumsum(self.numbers.astype(np.int64))])

    @cached_property
    def _centre(self) -> Floats:
        """The mean of each event's entity: sums of what is left stay small, so that little is rounded."""
        if not len(self):
            return np.empty(0)
        starts = np.flatnonzero(np.append(True, self.entity[1:] != self.entity[:-1]))
        lengths = np.diff(np.append(starts, len(self)))
        counts = np.maximum(np.add.reduceat(self.valid.astype(np.int64), starts), 1)
        return np.repeat(np.add.reduceat(self.numbers, starts) / counts, lengths)

    @cached_property
    def _centred(self) -> Floats:
        return np.where(self.valid, self.numbers - self._centre, 0.0)

    @cached_property
    def _sums(self) -> NDArray[np.longdouble]:
        return np.concatenate([[np.longdouble(0)], np.cumsum(self._centred, dtype=np.longdouble)])

    def _total(self, first: Positions, after: Positions, count: Positions) -> Floats:
        if self._whole_sums is not None:
            return (self._whole_sums[after] - self._whole_sums[first]).astype(np.float64)
        centre = self._centre[np.minimum(first, len(self) - 1)] if len(self) else 0.0
        return np.asarray(self._sums[after] - self._sums[first] + count * centre, dtype=np.float64)

    def _deviation(self, first: Positions, after: Positions, count: Positions, ddof: int) -> tuple[Floats, Mask]:
        """Give standard deviations from the distances to the mean: differences of running sums of squares are rounded too much."""
        deviation = np.zeros(len(first))
        known = count > ddof
        if known.any():
            lengths, starts, places = _events_of(first[known], after[known])
            mean = self._total(first[known], after[known], count[known]) / count[known]
            distance = np.where(self.valid[places], self.numbers[places] - np.repeat(mean, lengths), 0.0)
            spread = np.sqrt(np.add.reduceat(distance**2, starts) / (count[known] - ddof))
            # What the mean itself is rounded by is no deviation.
            deviation[known] = np.where(spread <= _ROUNDING * np.abs(mean), 0.0, spread)
        return deviation, known

    def _last(self, first: Positions, after: Positions, *, kept: bool) -> tuple[Floats, Mask]:
        if not len(self):
            return np.zeros(len(first)), np.zeros(len(first), dtype=bool)
        place = np.maximum(after - 1, 0)
        if not kept:
            place = self._last_valid[place]
        known = (after > first) & (place >= first) & self.valid[place]
        return np.where(known, self.numbers[place], 0.0), known

    @cached_property
    def _last_valid(self) -> Positions:
        """For each event the last one up to it that has a value, -1 where there is none."""
        return np.maximum.accumulate(np.where(self.valid, np.arange(len(self)), -1))

    def _by_events(self, name: str, first: Positions, after: Positions, found: Mask) -> Floats:
        """Go through the events of all windows, which cannot overlap as each is of another entity."""
        result = np.zeros(len(first))
        if not found.any():
            return result
        lengths, starts, places = _events_of(first[found], after[found])
        if name == "distinct":
            new = self.valid[places] & (self._same_before[places] < np.repeat(first[found], lengths))
            result[found] = np.add.reduceat(new.astype(np.float64), starts)
        else:
            worst = np.inf if name == "min" else -np.inf
            values = np.where(self.valid[places], self.numbers[places], worst)
            result[found] = (np.minimum if name == "min" else np.maximum).reduceat(values, starts)
        return result

    @cached_property
    def _same_before(self) -> Positions:
        """For each event the last one before it with the same entity and value, -1 where there is none."""
        order = np.lexsort((np.arange(len(self)), self.numbers, self.valid, self.entity))
        same = np.zeros(len(self), dtype=bool)
        same[1:] = (self.entity[order[1:]] == self.entity[order[:-1]]) & (
            self.numbers[order[1:]] == self.numbers[order[:-1]]
        )
        same[1:] &= self.valid[order[1:]] == self.valid[order[:-1]]
        found = np.full(len(self), -1, dtype=np.int64)
        found[order[same]] = order[np.flatnonzero(same) - 1]
        return found


def _events_of(first: Positions, after: Positions) -> tuple[Positions, Positions, Positions]:
    """Give the number of events of each window, where they begin among those of all windows, and the places of all."""
    lengths = after - first
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return lengths, starts, np.repeat(first - starts, lengths) + np.arange(int(lengths.sum()))


def _order(entity: Positions, instants: Instants) -> Positions | slice:
    """Give the order by entity and time; all as it is where it is in order already."""
    later = entity[1:] > entity[:-1]
    if (later | (entity[1:] == entity[:-1]) & (instants[1:] >= instants[:-1])).all():
        return slice(None)
    return np.lexsort((instants, entity))
