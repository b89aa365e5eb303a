"""The search for the recipe that makes some values: a few rows tell what is worth trying on all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Floats, Instants, Mask, Positions, distinct
from feast_skew.replay.candidates import aggregates_of, complexity, neighbours, windows_of
from feast_skew.replay.events import EMPTY_IS_ZERO, Events
from feast_skew.replay.recipe import DAY, Recipe

FEWEST_ROWS = 5
FEWEST_VALUES = 3
SCREENED = 200
"""Rows on which all candidates are tried."""

_LEAST_SHARE = 0.1
_ENOUGH = 0.97
_FINALISTS = 24
_BEAM = 6
_ROUNDS = 3
_TIMES_OTHERS = 3
_COMMON = 0.5
_ROUNDED = {"mean": 1e-11, "sum": 1e-10, "std": 1e-9}
"""How far a pipeline that adds in another order may be off, in the mean size of an entity's values."""


@dataclass(frozen=True)
class Target:
    """Values that a store holds for rows of distinct entities in rising order, and how far a recomputed one may be off."""

    entity: Positions
    instants: Instants
    values: Floats
    valid: Mask
    rtol: float
    atol: float

    def take(self, places: Positions) -> Target:
        """Give some of the rows, by places in rising order."""
        return replace(
            self,
            entity=self.entity[places],
            instants=self.instants[places],
            values=self.values[places],
            valid=self.valid[places],
        )

    def __len__(self) -> int:
        return len(self.entity)

    @cached_property
    def on_days(self) -> bool:
        """Tell whether all rows stand at midnights of UTC."""
        return bool(len(self)) and bool((self.instants % DAY == 0).all())

    @cached_property
    def telling(self) -> Mask:
        """Rows that tell recipes apart: those with a value, and not with the commonest one, which a constant would fit."""
        if not self.valid.any():
            return self.valid
        known, counts = np.unique(self.values[self.valid], return_counts=True)
        most = int(np.argmax(counts))
        return self.valid & (self.values != known[most]) if counts[most] > 1 else self.valid


def matches(events: Events, recipe: Recipe, target: Target) -> Mask:
    """Tell for each row whether a recipe gives the value that the store holds; two nulls are the same."""
    with np.errstate(invalid="ignore", over="ignore"):
        return agreeing(events, recipe, target, *events.aggregate(recipe, target.entity, target.instants))


def agreeing(events: Events, recipe: Recipe, target: Target, values: Floats, known: Mask) -> Mask:
    """Tell the same of what the recipe gives, where it was computed already; `known` tells which of its values are no nulls."""
    with np.errstate(invalid="ignore", over="ignore"):
        bound = target.atol + target.rtol * np.maximum(np.abs(values), np.abs(target.values))
        if recipe.aggregate in _ROUNDED:
            bound += _ROUNDED[recipe.aggregate] * events.scales(target.entity)
        near = (np.abs(values - target.values) <= bound) & np.isfinite(values) | (values == target.values)
    same = known & target.valid & near | ~known & ~target.valid
    if recipe.aggregate in EMPTY_IS_ZERO:
        same |= ~known & target.valid & (target.values == 0)
    return same


def _matches(events: Events, recipe: Recipe, target: Target) -> Mask | None:
    """Give the same; None for a zone that this machine does not know, or whose clock is not known that far away."""
    try:
        return matches(events, recipe, target)
    except pa.ArrowInvalid:
        return None


@dataclass(frozen=True)
class Found:
    """A recipe, and the rows of the target whose values it gives."""

    recipe: Recipe
    same: Mask


def find_recipe(events: Events, declared: Recipe, target: Target, aggregates: Collection[str]) -> Found | None:
    """Find the recipe that gives most of the values of a target; None when none gives more than chance would.

    It starts from the declared recipe, tries what differs in one part, then other windows with other aggregates, then goes on from
    the best of them. Of recipes that give equally many values the simplest is taken.
    """
    if not len(target) or not len(events):
        return None
    own = matches(events, declared, target)
    hard = np.flatnonzero(~own)
    if not len(hard):
        return Found(declared, own)
    telling = np.flatnonzero(target.telling & ~own)
    if len(telling) < FEWEST_ROWS:
        return None
    chosen = telling[np.linspace(0, len(telling) - 1, min(SCREENED, len(telling))).astype(np.int64)]
    screening = _Screening(events, declared, target.take(distinct(chosen)), aggregates, target.on_days)
    screening.run()
    tried = [
        Found(recipe, same)
        for recipe in screening.finalists()
        if (same := _matches(events, recipe, target)) is not None
    ]
    if not tried:
        return None
    winner = min(
        tried,
        key=lambda one: (
            -int((one.same & target.telling).sum()),
            -int(one.same.sum()),
            complexity(one.recipe, declared),
        ),
    )
    if not _convincing(winner, target, own) or not screening.outstanding(winner.recipe):
        return None
    return winner


def _convincing(winner: Found, target: Target, own: Mask) -> bool:
    """Tell whether enough rows, and different ones, have the values of a recipe that the declared one does not give."""
    gained = winner.same & ~own
    telling = gained & target.telling
    count = int(telling.sum())
    rest = int((target.telling & ~own).sum())
    share = count / max(1, rest)
    if count < FEWEST_ROWS or share < _LEAST_SHARE or len(np.unique(target.values[telling])) < FEWEST_VALUES:
        return False
    # What explains the commonest value alone is a constant.
    whole = int(gained.sum()) / max(1, int((~own).sum()))
    return share >= _COMMON * whole


class _Screening:
    """All candidates on a few rows that the declared recipe gets wrong."""

    def __init__(
        self, events: Events, declared: Recipe, target: Target, aggregates: Collection[str], on_days: bool
    ) -> None:
        self._events = events.of(target.entity)
        self._declared = declared
        self._target = target
        self._aggregates = aggregates
        self._on_days = on_days
        self._same: dict[Recipe, Mask] = {}
        self._counts: dict[Recipe, int] = {}

    def run(self) -> None:
        """Try candidates, farther and farther from the declared recipe, until one gives nearly all values."""
        self._try(self._around(self._declared))
        if self._done():
            return
        others = aggregates_of(self._declared, self._aggregates, has_nulls=self._events.has_nulls)
        self._try(other for one in others if not one.once for other in windows_of(one))
        self._try(other for days in range(1, 8) for other in windows_of(replace(self._declared, lag=days * DAY)))
        for _ in range(_ROUNDS):
            if self._done():
                return
            before = self._most()
            # Fewer rows than that are met by chance, and show no way.
            leading = [one for one in self._leading(_BEAM) if self._counts[one] >= FEWEST_ROWS]
            for one in leading:
                self._try(self._around(one))
            if self._most() == before:
                return

    def _around(self, recipe: Recipe) -> Iterable[Recipe]:
        return neighbours(recipe, self._aggregates, on_days=self._on_days, has_nulls=self._events.has_nulls)

    def _try(self, recipes: Iterable[Recipe]) -> None:
        for recipe in recipes:
            same = None if recipe in self._same else _matches(self._events, recipe, self._target)
            if same is not None:
                self._same[recipe] = same
                self._counts[recipe] = int(same.sum())

    def _leading(self, wanted: int) -> list[Recipe]:
        return sorted(self._same, key=lambda one: (-self._counts[one], complexity(one, self._declared)))[:wanted]

    def _most(self) -> int:
        return max(self._counts.values(), default=0)

    def _done(self) -> bool:
        return self._most() >= _ENOUGH * len(self._target)

    def finalists(self) -> list[Recipe]:
        """Give the recipes that are worth trying on all rows."""
        most = self._most()
        if most < min(FEWEST_ROWS, len(self._target)):
            return []
        return [one for one in self._leading(_FINALISTS) if self._counts[one] >= most - max(2, most // 10)]

    def outstanding(self, recipe: Recipe) -> bool:
        """Tell whether no other recipe gives values that this one does not, nearly as often as the other way round.

        Small whole numbers are met by many recipes, each by its own rows; what was really done stands alone.
        """
        mine = self._same[recipe]
        for other, same in self._same.items():
            lost = int((same & ~mine).sum())
            if lost > 1 and int((mine & ~same).sum()) < _TIMES_OTHERS * lost and other != recipe:
                return False
        return True
