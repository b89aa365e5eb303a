"""`lagged_version`: online is offline's value of k versions earlier, although it stands under the present timestamp."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.pairs import PairClass
from feast_skew.core.types import Kind, floats
from feast_skew.diagnosis.base import FEWEST_ROWS, FEWEST_VALUES, Case, Explanation, rule, share_text
from feast_skew.report import Cause

_LEAST_SHARE = 0.01
_NEARLY_ALL = 0.9
_TIMES_RIVAL = 4
_ALIKE = 0.9
_NEAR = 1e-9
_NEIGHBOURS = 8
_MOST_COSTLY = 2_000
_BY_CHANCE = math.log(1e-5)
_CERTAIN, _LIKELY, _OR_A_STEP = 0.99, 0.9, 0.6
_UNSORTABLE = (Kind.LIST, Kind.SET, Kind.NESTED)


@dataclass(frozen=True)
class _Lag:
    """A number of versions, the wrong pairs whose online value is the offline one of so many versions earlier, and how sure that is."""

    k: int
    same: Mask
    known: Mask
    confidence: float


@rule("lagged_version", kind="how", parameters=1)
def lagged_version(case: Case) -> Explanation | None:
    """Claim wrong pairs whose online value is what offline had k versions before the aligned row.

    The k has to decide: where the versions of an entity repeat each other it is said which others it may be. Values of few
    kinds agree with earlier ones by chance, as often as with those of other entities that have the same value now.
    """
    positions = np.flatnonzero(case.pairs.wrong & ~case.pairs.mask(PairClass.CORRUPT))
    if len(positions) < FEWEST_ROWS:
        return None
    lags = _lags(case, positions)
    best = _best(lags, len(positions))
    if best is None:
        return None
    same = best.same.copy()
    others = {}
    for lag in sorted(lags, key=lambda one: -int(one.same.sum())):
        more = lag.same & ~same
        if lag.confidence == _CERTAIN and np.count_nonzero(more) >= max(FEWEST_ROWS, _LEAST_SHARE * len(positions)):
            same |= more
            others[lag.k] = case.total(positions[more])
    alike = [lag.k for lag in lags if lag.k not in others and _repeat(best, lag)]
    explained = case.marked(positions[same])
    return Explanation(_cause(case, best, others, alike, explained), explained)


def _cause(case: Case, best: _Lag, others: dict[int, int], alike: list[int], explained: Mask) -> Cause:
    wrong = case.total(case.pairs.wrong & ~case.pairs.mask(PairClass.CORRUPT))
    count = case.total(explained)
    names = sorted({best.k, *others})
    earlier = " or ".join(map(str, names)) + (" versions" if names != [1] else " version")
    also = f"; versions {', '.join(map(str, alike))} earlier are the same there" if alike else ""
    if best.confidence == _OR_A_STEP:
        also += "; they are all the same step apart, so it may as well be a constant that is added"
    confidence = best.confidence if not alike else min(best.confidence, _LIKELY)
    return Cause(
        "lagged_version",
        "how",
        count / wrong,
        confidence,
        f"{share_text(count, wrong)} of the wrong online values are what offline had {earlier} earlier, although they stand under "
        f"the event timestamp of the present one{also}",
        {"k": best.k, "entities": count, "by_k": {str(k): n for k, n in others.items()}, "alike": alike},
        "find the step that joins or shifts by one version too many on its way online (yesterday's values under today's "
        "timestamp), then write the rows again",
        parameters=1,
    )


def _lags(case: Case, positions: Positions) -> list[_Lag]:
    """Give the numbers of versions that offline has, each with whether chance explains it."""
    take = pa.array(positions)
    found = []
    for k, version in enumerate(case.context.versions_at(case.feature, case.positions), start=1):
        values, known = version.values.take(take), version.known[positions]
        if np.count_nonzero(known) < FEWEST_ROWS:
            break
        same = known & case.online_equals(values, positions)
        sure = (
            np.count_nonzero(same) >= FEWEST_ROWS
            and _distinct(case, positions[same]) >= FEWEST_VALUES
            and _beats_chance(case, positions, values, known, same)
        )
        found.append(_Lag(k, same, known, _CERTAIN if sure else _alternative(case, positions[same])))
    return found


def _beats_chance(case: Case, positions: Positions, values: pa.Array, known: Mask, same: Mask) -> bool:
    """Tell whether an entity's own history explains its online value far more often than those of the next ones with a like value do."""
    order = _order(case, positions)
    rows = order[known[order]]
    if case.feature.declared.kind in _UNSORTABLE:
        rows = rows[:_MOST_COSTLY]
    by_chance = _lent if _is_number(case) else _taken
    ahead = behind = 0
    distances = range(1, min(_NEIGHBOURS, len(rows) - 1) + 1)
    for chance in by_chance(case, positions, values, rows, distances):
        ahead += int(np.count_nonzero(same[rows] & ~chance))
        behind += int(np.count_nonzero(chance & ~same[rows]))
    count, usual = ahead / len(distances), (behind + 0.5) / len(distances)
    if count < FEWEST_ROWS - 0.5 or ahead < _TIMES_RIVAL * behind:
        return False
    # The bound of Chernoff on as many by chance.
    return -usual + count * (1 + math.log(usual / count)) < _BY_CHANCE


def _taken(
    case: Case, positions: Positions, values: pa.Array, rows: Positions, distances: Sequence[int]
) -> Iterator[Mask]:
    """Tell, for other entities so many places further, of which rows their earlier value is the online one."""
    for distance in distances:
        yield case.online_equals(values.take(pa.array(np.roll(rows, distance))), positions[rows])


def _lent(
    case: Case, positions: Positions, values: pa.Array, rows: Positions, distances: Sequence[int]
) -> Iterator[Mask]:
    """Tell the same of numbers, of which the others lend their step since then: small whole ones are often the same."""
    take = pa.array(positions[rows])
    (was, valid), (now, valued) = floats(values.take(pa.array(rows))), floats(case.pairs.offline.take(take))
    online, there = floats(case.pairs.online.take(take))
    with np.errstate(invalid="ignore", over="ignore"):
        step, tolerance = was - now, _NEAR * np.maximum(np.abs(online), np.abs(now))
        for distance in distances:
            near = np.abs(now + np.roll(step, distance) - online) <= tolerance
            usable = valued & there & np.roll(valid & valued, distance)
            yield (usable & near) | (~there & ~np.roll(valid, distance))


def _is_number(case: Case) -> bool:
    kind = case.feature.declared.kind
    return kind.is_number or kind in (Kind.BOOLEAN, Kind.TIMESTAMP)


def _alternative(case: Case, positions: Positions) -> float:
    """Give how sure a number of versions is that explains all, of values that others with the same one have had as well."""
    if case.feature.declared.kind.is_number and len(positions):
        off, _ = floats(case.pairs.offline.take(pa.array(positions)))
        on, _ = floats(case.pairs.online.take(pa.array(positions)))
        with np.errstate(invalid="ignore"):
            step = on - off
        if np.ptp(step) <= 1e-9 * max(1.0, float(np.abs(step).max())):
            return _OR_A_STEP
    return _LIKELY


def _best(lags: list[_Lag], size: int) -> _Lag | None:
    """Give the number of versions that explains most, where it is outstanding: against chance, or against all others."""
    certain = [
        lag
        for lag in lags
        if lag.confidence == _CERTAIN and np.count_nonzero(lag.same) >= max(FEWEST_ROWS, _LEAST_SHARE * size)
    ]
    if certain:
        return max(certain, key=lambda lag: (np.count_nonzero(lag.same), -lag.k))
    best = max(lags, key=lambda lag: (np.count_nonzero(lag.same), -lag.k), default=None)
    if best is None or np.count_nonzero(best.same) < max(4 * FEWEST_ROWS, _NEARLY_ALL * size):
        return None
    rivals = [lag for lag in lags if lag is not best]
    return best if rivals and all(_beats(best.same, lag.same, best.known & lag.known) for lag in rivals) else None


def _beats(one: Mask, other: Mask, among: Mask | None = None) -> bool:
    """Tell whether one account is right where the other is wrong, far more often than the other way around."""
    ahead, behind = one & ~other, other & ~one
    if among is not None:
        if np.count_nonzero(among) < FEWEST_ROWS:
            return True
        ahead, behind = ahead & among, behind & among
    count = int(np.count_nonzero(ahead))
    return count >= FEWEST_ROWS and count >= _TIMES_RIVAL * int(np.count_nonzero(behind))


def _repeat(best: _Lag, lag: _Lag) -> bool:
    """Tell whether another number of versions explains the same rows."""
    return lag.k != best.k and bool(
        np.count_nonzero(best.same & lag.same) >= _ALIKE * np.count_nonzero(best.same | lag.same)
    )


def _distinct(case: Case, positions: Positions) -> int:
    column = case.pairs.online.take(pa.array(positions[: 1 << 12]))
    if case.feature.declared.kind in _UNSORTABLE:
        return len({str(value) for value in column.to_pylist()})
    return len(column.unique())


def _order(case: Case, positions: Positions) -> Positions:
    """Give the places of some entities so that those with the same offline value stand together."""
    column = case.pairs.offline.take(pa.array(positions))
    kind = case.feature.declared.kind
    if kind in _UNSORTABLE:
        return np.arange(len(positions))
    if _is_number(case):
        return np.argsort(floats(column)[0], kind="stable")
    codes = column.dictionary_encode(null_encoding="encode").indices
    return np.argsort(np.asarray(codes), kind="stable")
