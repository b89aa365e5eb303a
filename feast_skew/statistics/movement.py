"""Judging pairs that share no instant by how far offline itself moves meanwhile.

Every entity has an online value at an instant of its own and the nearest earlier offline row. What
offline moves over gaps at least as long, its steps, is the yardstick: the row before and the one before
that, or the rows before and after the online instant (the best one, as it holds the same day's events).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics._movement_numeric import numeric_statistics
from feast_skew.statistics._movement_rules import FEWEST, MovementStatistic, share_statistic, verdict
from feast_skew.statistics._selection import is_selected
from feast_skew.statistics.clock import clock_statistic, same_age
from feast_skew.statistics.sides import Mask, Side, numbers, state

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Movement:
    """What unaligned pairs tell: ``beyond`` what movement explains, ``within`` it, or ``undecided``.

    ``entities`` is the number that has a yardstick and ``steps`` how many steps are fit for use.
    ``reason`` is one sentence for people; ``statistics`` hold all numbers, deciding or not.
    """

    verdict: str
    reason: str
    entities: int
    steps: int
    statistics: tuple[MovementStatistic, ...] = ()

    def statistic(self, name: str) -> MovementStatistic | None:
        """Give the statistic of that name, None when it was not computed."""
        return next((s for s in self.statistics if s.name == name), None)


Steps = Sequence[tuple[Side, Side]]

PLAUSIBLE = 0.05
FEW_STATES = 3


def judge_movement(
    online: Side,
    before: Side,
    steps: Steps,
    *,
    confidence: float = 0.95,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    seed: int = 0,
    reps: int = 200,
    ages: tuple[Floats, Floats] | None = None,
) -> Movement:
    """Judge whether numbers online move away from ``before`` by more than offline's own steps.

    Parameters
    ----------
    online, before : Side of float
        The online value and the nearest earlier offline row's, of the same entities in the same order,
        in the unit of the feature.
    steps : sequence of (Side, Side)
        Newer and older offline row of the same entities, over gaps at least as long as the online one.
    confidence : float
        Of each one-sided bound, from 0.5 to below 1.
    rtol, atol : float
        Differences up to ``atol + rtol * max(|a|, |b|)`` are none, as the feature is compared.
    seed, reps : int
        Of the resampling of entities.
    ages : (array, array), optional
        Of instants, the seconds from the timestamp of each row to the instant that it holds, online and before. Means and variances of
        instants say nothing, as they follow the clock.

    Returns
    -------
    Movement
        Statistics ``size``, ``both_ways``, ``scatter``, ``mean``, ``variance``, ``psi``, ``commonest``, ``clock``, ``outruns``,
        ``changed`` and ``nulls``. Undecided with fewer than 30 entities that have a yardstick, and for empty input.

    Raises
    ------
    ValueError
        If the columns are not equally long or the confidence is out of range.

    Notes
    -----
    The rules and their reasons stand in ``_movement_rules``.
    """
    common = _yardstick(online, before, steps, confidence)
    if isinstance(common, Movement):
        return common
    rows, usable = common
    y, b = numbers(online, rows), numbers(before, rows)
    moves = [(numbers(new, rows), numbers(old, rows)) for new, old in usable]
    few = int(np.sum(np.isfinite(y) & np.isfinite(b))) < FEWEST
    chosen = few or is_selected((y, b), moves, confidence, rtol, atol)
    found = [_null_statistic(online, before, usable, rows, confidence, numeric=True, lost_only=chosen)]
    if ages is not None and same_age(ages[0][rows], ages[1][rows]):
        found.append(clock_statistic(ages[0][rows], ages[1][rows], confidence))
        return _overall(found, int(rows.sum()), len(usable))
    found += numeric_statistics(
        y,
        b,
        moves,
        confidence=confidence,
        rtol=rtol,
        atol=atol,
        seed=seed,
        reps=reps,
        levels=ages is None,
    )
    if ages is not None:
        found.append(clock_statistic(ages[0][rows], ages[1][rows], confidence))
    return _overall(found, int(rows.sum()), len(usable))


def judge_changes(
    online: Side, before: Side, steps: Steps, *, confidence: float = 0.95, reach: float = 1.0
) -> Movement:
    """Judge whether more categories, strings or bools differ than change in offline's own steps.

    Parameters
    ----------
    online, before : Side
        The online value and the nearest earlier offline row's, of the same entities in the same order.
    steps : sequence of (Side, Side)
        Newer and older offline row of the same entities, over gaps at least as long as the online one.
    confidence : float
        Of each one-sided bound, from 0.5 to below 1.
    reach : float
        Share of all entities that these rows are of, 0 to 1: few may be there because something happened to them.

    Returns
    -------
    Movement
        Statistics ``changed`` and ``nulls``, shares between 0 and 1. Undecided with fewer than 30
        entities that have a yardstick, and for empty input.

    Raises
    ------
    ValueError
        If the columns are not equally long or the confidence is out of range.
    """
    common = _yardstick(online, before, steps, confidence)
    if isinstance(common, Movement):
        return common
    rows, usable = common
    pairs = [(online, before), *usable]
    counts = [_changes(new, old, rows) for new, old in pairs]
    changed = share_statistic("changed", counts[0], counts[1:], confidence)
    if changed.verdict == "beyond" and _may_be_recency(online, before, rows):
        changed = replace(changed, verdict="within")
    chosen = changed.verdict == "beyond" and _may_be_chosen(changed, reach)
    if chosen:
        changed = _beyond_chance(changed, _chance_of_change(before, rows))
    found = [_null_statistic(online, before, usable, rows, confidence, numeric=False, lost_only=chosen), changed]
    return _overall(found, int(rows.sum()), len(usable))


def _chance_of_change(before: Side, rows: Mask) -> float:
    """Give the share of entities whose category would differ from a freshly drawn one: 1 less the sum of squares."""
    names = [repr(before.values[i]) for i in np.flatnonzero(rows & before.valid)]
    counts = np.array(list(Counter(names).values()), dtype=np.float64)
    return float(1.0 - np.sum((counts / counts.sum()) ** 2)) if counts.size else 1.0


def _may_be_recency(online: Side, before: Side, rows: Mask) -> bool:
    """Tell whether online has one of a few states throughout, as what is `idle` or `active` has in rows that are written at events."""
    states = [{repr(side.values[i]) for i in np.flatnonzero(rows & side.valid)} for side in (online, before)]
    return len(states[0]) == 1 and 1 < len(states[1]) <= FEW_STATES


def _may_be_chosen(changed: MovementStatistic, reach: float) -> bool:
    """Tell whether a stream that writes at events explains that so many changed.

    Then a step changes about as many as the events that reach ``reach`` of the entities do; ``PLAUSIBLE`` of that is
    enough, as the rows may have come over many days.
    """
    return (changed.yardstick_high or 0.0) >= PLAUSIBLE * reach * (changed.value or 0.0) and (
        changed.yardstick or 0.0
    ) > 0


def _beyond_chance(changed: MovementStatistic, chance: float) -> MovementStatistic:
    """Allow for rows that a stream wrote because something happened: each of them may be a fresh draw."""
    limit = max(changed.limit or 0.0, chance)
    found = verdict(changed.value, changed.low, limit)
    found = "within" if found == "undecided" and (changed.value or 0.0) < 1.0 else found
    return replace(changed, limit=limit, verdict=found, reason=f"{changed.reason}; fresh draws differ for {chance:.1%}")


def _yardstick(
    online: Side, before: Side, steps: Steps, confidence: float
) -> tuple[Mask, list[tuple[Side, Side]]] | Movement:
    """Give the entities and the steps fit for use, or the verdict that there are too few."""
    sides = [online, before, *(side for step in steps for side in step)]
    if len({side.values.shape for side in sides}) > 1:
        raise ValueError("all columns must be of the same entities")
    if not 0.5 <= confidence < 1.0:
        raise ValueError(f"confidence must be from 0.5 to below 1, not {confidence!r}")
    paired = online.present & before.present
    usable = [s for s in steps if int((paired & s[0].present & s[1].present).sum()) >= FEWEST]
    rows = np.zeros_like(paired)
    for new, old in usable:
        rows |= paired & new.present & old.present
    if not usable:
        most = [int((paired & new.present & old.present).sum()) for new, old in steps]
        reason = "offline has no earlier rows to tell how far it moves by itself"
        if most and max(most) > 0:
            reason = f"only {max(most)} entities have earlier offline rows; {FEWEST} are needed"
        return Movement("undecided", reason, max(most, default=0), 0)
    return rows, usable


def _overall(found: list[MovementStatistic], entities: int, steps: int) -> Movement:
    """Give the worst verdict with the reason of the statistic that it rests on."""
    for word in ("beyond", "undecided"):
        worst = [s for s in found if s.verdict == word]
        if worst:
            top = max(worst, key=lambda s: s.ratio or 0.0)
            return Movement(word, top.reason, entities, steps, tuple(found))
    reason = "online differs by no more than offline itself moves over such gaps"
    return Movement("within", reason, entities, steps, tuple(found))


def _null_statistic(
    online: Side, before: Side, steps: Steps, rows: Mask, confidence: float, *, numeric: bool, lost_only: bool
) -> MovementStatistic:
    """Compare how many entities turn null, not finite, or back; of chosen rows only how many lose their value.

    Values that come are what a stream writes at events; values that go are not.
    """

    def turned(new: Side, old: Side) -> tuple[int, int]:
        inside = rows & new.present & old.present
        if lost_only:
            inside &= state(old, numeric) == 0
        differ = state(new, numeric) != state(old, numeric)
        return int((differ & inside).sum()), int(inside.sum())

    counts = [turned(new, old) for new, old in steps]
    return share_statistic("nulls", turned(online, before), counts, confidence)


def _changes(new: Side, old: Side, rows: Mask) -> tuple[int, int]:
    """Count entities whose value differs among those with a value on both sides."""
    inside = np.flatnonzero(rows & new.valid & old.valid)
    differ = sum(not _same(new.values[i], old.values[i]) for i in inside)
    return differ, int(inside.size)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    return bool(a == b)
