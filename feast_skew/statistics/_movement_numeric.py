"""The statistics of numeric movement: size, both directions, scatter, mean, variance, PSI and outruns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics import _movement_rules as rules
from feast_skew.statistics._movement_rules import MovementStatistic
from feast_skew.statistics._outruns import outruns
from feast_skew.statistics._resampling import bound, resampled_sums
from feast_skew.statistics._selection import is_selected, movers
from feast_skew.statistics.binning import NumericBins, numeric_bins
from feast_skew.statistics.psi import paired_psi

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]

_WINSORISED = 0.98
_FIXED = 10
_NAMES = ("size", "both_ways", "scatter", "mean", "variance", "psi")
_JUDGING = ("size", "both_ways", "scatter")


@dataclass(frozen=True)
class _Measured:
    """One pair of columns: every statistic, its lower and upper bound; None where undefined."""

    n: int
    value: dict[str, float | None]
    low: dict[str, float | None]
    high: dict[str, float | None]
    changed: int
    signed_mean: float


def numeric_statistics(
    online: Floats,
    before: Floats,
    steps: Sequence[Pair],
    *,
    confidence: float,
    rtol: float,
    atol: float,
    seed: int,
    reps: int,
    levels: bool,
) -> list[MovementStatistic]:
    """Give the statistics of numeric columns, NaN where an entity has no finite number.

    Without ``levels``, as for instants, which follow the clock, only the sizes of moves decide.

    Size, mean and their bounds are in the unit of the feature; variance is the absolute log of the
    variance ratio; PSI is in nats, on bins of ``before``. Differences count up to the 98 % quantile
    of those that are not 0, so that one corrupt row does not stretch the yardstick.
    """
    exponent = _exponent([online, before, *(side for step in steps for side in step)])
    y, b = np.ldexp(online, -exponent), np.ldexp(before, -exponent)
    scaled = [(np.ldexp(new, -exponent), np.ldexp(old, -exponent)) for new, old in steps]
    room = _unscaled(atol, -exponent)
    tight = math.inf if room is None else room
    eligible = np.isfinite(y) & np.isfinite(b)
    usable = [s for s in scaled if np.sum(eligible & _finite(s)) >= rules.FEWEST]
    if is_selected((y, b), usable, confidence, rtol, tight):
        of_moves = (confidence, rtol, tight, seed, reps)
        return _moves_only((y, b), usable, of_moves, _spread(b[eligible]), exponent)
    measured = np.zeros_like(eligible)
    for step in usable:
        measured |= eligible & _finite(step)
    if not usable:
        reason = f"fewer than {rules.FEWEST} entities have numbers online, before and in a step"
        return [MovementStatistic("size", None, None, None, None, None, None, "undecided", reason)]
    bins = numeric_bins(b[measured], rtol=rtol, atol=tight)

    def of(pair: Pair) -> _Measured:
        inside = measured & _finite(pair)
        new, old = pair[0][inside], pair[1][inside]
        return _measure(new, old, bins, confidence, rtol, tight, seed, reps)

    observed, yards = of((y, b)), [of(step) for step in usable]
    spread = _spread(b[measured])
    if all(yard.changed == 0 for yard in yards):
        counts = [(yard.changed, yard.n) for yard in yards]
        changed = rules.share_statistic("changed", (observed.changed, observed.n), counts, confidence)
        return [changed, *_judged(observed, yards, spread, exponent, deciding=())]
    ranked = outruns(y, b, usable, spread, confidence=confidence, rtol=rtol, atol=tight)
    inside = [measured & _finite(pair) for pair in ((y, b), *usable)]
    values = [new[rows] for rows, (new, _) in zip(inside, ((y, b), *usable), strict=True)]
    same = _collapsed(values[0], b[inside[0]], values[1:], confidence)
    # One value at the end of offline's range is what recency has in rows that are written at events: levels say nothing of it.
    levels = levels and not (same.verdict == "within" and (same.low or 0.0) > rules.COLLAPSED)
    return [*_judged(observed, yards, spread, exponent, deciding=_NAMES if levels else _JUDGING), same, ranked]


def _moves_only(
    observed: Pair,
    steps: Sequence[Pair],
    how: tuple[float, float, float, int, int],
    spread: float,
    exponent: int,
) -> list[MovementStatistic]:
    """Hold the moves of selected entities against offline's moves; levels and shares say nothing of such rows."""
    confidence, rtol, atol, seed, reps = how
    chosen, groups = movers(observed, steps, rtol, atol)
    if not groups or chosen[0].size < rules.FEWEST:
        reason = f"only entities that just moved are online, and offline has fewer than {rules.FEWEST} moves to compare"
        return [MovementStatistic("size", None, None, None, None, None, None, "undecided", reason)]
    bins = numeric_bins(chosen[1], rtol=rtol, atol=atol)
    measured = [_measure(new, old, bins, confidence, rtol, atol, seed, reps) for new, old in (chosen, *groups)]
    moved = _judged(measured[0], measured[1:], spread, exponent, deciding=_JUDGING)
    return [*moved, _collapsed(chosen[0], chosen[1], [new for new, _ in groups], confidence)]


def _collapsed(online: Floats, before: Floats, moved_to: Sequence[Floats], confidence: float) -> MovementStatistic:
    """Judge how many entities share one value online, beside how many do after offline's own steps.

    A value at the end of offline's own range tells nothing: time since the last event is 0 in every row that is written at one.
    """
    observed, *steps = ((_commonest(values)[1], values.size) for values in (online, *moved_to))
    found = rules.nearly_all(rules.share_statistic("commonest", observed, steps, confidence))
    if found.verdict != "beyond":
        return found
    value = _commonest(online)[0]
    low, high = np.mean(before < value), np.mean(before > value)
    far = max(float(before.min()) - value, value - float(before.max()))
    told = min(low, high) >= rules.BESIDE or far >= rules.RELEVANT * _spread(before)
    return found if told else replace(found, verdict="within")


def _commonest(values: Floats) -> tuple[float, int]:
    """Give the commonest value, and how many have it."""
    found, counts = np.unique(values, return_counts=True)
    most = int(np.argmax(counts))
    return float(found[most]), int(counts[most])


def _measure(
    new: Floats,
    old: Floats,
    bins: NumericBins,
    confidence: float,
    rtol: float,
    atol: float,
    seed: int,
    reps: int,
) -> _Measured:
    """Measure one pair of columns with bounds by resampling its entities."""
    difference = new - old
    reach = atol + rtol * np.maximum(np.abs(new), np.abs(old))
    difference[np.abs(difference) <= reach] = 0.0
    sizes = np.abs(difference)
    moved = sizes[sizes > 0]
    cap = float(np.quantile(moved, _WINSORISED)) if moved.size else 0.0
    d = np.clip(difference, -cap, cap)
    z, x = new - np.mean(old), old - np.mean(old)
    ids_new, ids_old = bins.assign(new), bins.assign(old)
    identity = np.eye(bins.size)
    sized = [np.abs(d), np.maximum(d, 0), np.maximum(-d, 0), np.abs(d - np.median(d)), d]
    fixed = [np.ones_like(d), *sized, z, z * z, x, x * x]
    columns = np.column_stack([*fixed, identity[ids_new], identity[ids_old]])
    found = _functions(resampled_sums(columns, reps, seed), bins.size)
    value = {name: _finite_or_none(float(found[name][0])) for name in _NAMES}
    low = {name: bound(found[name][1:], 1.0 - confidence) for name in _NAMES}
    high = {name: bound(found[name][1:], confidence) for name in _NAMES}
    psi = paired_psi(ids_old, ids_new, bins.size)
    if psi is not None and low["psi"] is not None:
        value["psi"], low["psi"] = psi.value, max(0.0, low["psi"] - psi.noise)
    return _Measured(int(d.size), value, low, high, int(moved.size), float(np.mean(d)))


def _functions(sums: Floats, size: int) -> dict[str, Floats]:
    """Turn column sums into statistics, one per sample; NaN where undefined."""
    n = sums[:, 0]
    new, old = sums[:, _FIXED : _FIXED + size], sums[:, _FIXED + size :]
    used = (new[0] + old[0]) > 0
    p = (old[:, used] + 0.5) / (n[:, None] + 0.5 * used.sum())
    q = (new[:, used] + 0.5) / (n[:, None] + 0.5 * used.sum())
    above = sums[:, 7] / n - (sums[:, 6] / n) ** 2
    below = sums[:, 9] / n - (sums[:, 8] / n) ** 2
    dust = 1e-12 * np.maximum(sums[:, 7], sums[:, 9]) / n
    known = (above > dust) & (below > dust)
    logs = np.log(np.where(known, above, 1.0)) - np.log(np.where(known, below, 1.0))
    return {
        "size": sums[:, 1] / n,
        "both_ways": 2.0 * np.minimum(sums[:, 2], sums[:, 3]) / n,
        "scatter": sums[:, 4] / n,
        "mean": np.abs(sums[:, 5]) / n,
        "variance": np.where(known, np.abs(logs), np.nan),
        "psi": np.sum((p - q) * (np.log(p) - np.log(q)), axis=1),
    }


def _judged(
    observed: _Measured, yards: Sequence[_Measured], spread: float, exponent: int, *, deciding: Sequence[str]
) -> list[MovementStatistic]:
    """Put every statistic beside its yardstick; those that do not decide only report."""
    steps = len(yards)
    size_high = _largest([yard.high["size"] for yard in yards])
    found = []
    for name in _NAMES:
        unit = 0 if name in ("variance", "psi") else exponent
        value, low = observed.value[name], observed.low[name]
        # What moves both ways is held against all movement: conservative, and steady for few steps.
        source = "size" if name == "both_ways" else name
        yardstick = _largest([yard.value[source] for yard in yards])
        high = _largest([yard.high[source] for yard in yards])
        limit = None
        if name in deciding and size_high is not None:
            limit = _limit(name, yards, yardstick, high, size_high, spread, steps)
        verdict = rules.verdict(value, low, limit)
        if verdict == "undecided" and name not in _JUDGING:
            verdict = "within"
        shown = {
            "value": _unscaled(value, unit),
            "low": _unscaled(low, unit),
            "yardstick": _unscaled(yardstick, unit),
            "yardstick_high": _unscaled(high, unit),
            "limit": _unscaled(limit, unit),
        }
        ratio = rules.ratio(value, yardstick)
        reason = f"{name}: {_text(shown['value'])} against {_text(shown['yardstick'])} in offline's own steps"
        if ratio is not None:
            reason += f", {ratio:.3g} times"
        found.append(MovementStatistic(name=name, **shown, ratio=ratio, verdict=verdict, reason=reason))
    return found


def _limit(
    name: str,
    yards: Sequence[_Measured],
    yardstick: float | None,
    high: float | None,
    size_high: float,
    spread: float,
    steps: int,
) -> float | None:
    """Give what the lower bound has to exceed, None for a statistic that does not decide."""
    if name == "both_ways":
        return rules.slack(steps) * size_high
    if name == "scatter":
        scatter_high = high if high is not None else size_high
        return max(rules.scatter_slack(steps) * scatter_high, rules.RELEVANT_SCATTER * spread)
    if name == "size":
        return max(rules.push_slack(steps) * size_high, _relevant(spread, size_high, steps))
    if steps < rules.SPREAD_STEPS or yardstick is None or high is None:
        return None
    past = [yard.value[name] or 0.0 for yard in yards]
    if name == "mean":
        past = [yard.signed_mean for yard in yards]
    scatter = float(np.std(past, ddof=1))
    limit = max(rules.slack(steps) * high, yardstick + rules.SPREAD_FACTOR * scatter)
    if name == "mean":
        return max(limit, rules.MEAN_SLACK * size_high, _relevant(spread, size_high, steps))
    return max(limit, rules.RELEVANT_VARIANCE if name == "variance" else rules.RELEVANT_PSI)


def _relevant(spread: float, size_high: float, steps: int) -> float:
    """Give the push that is too large for a bad day: part of the spread, or far beyond all movement of several steps."""
    part = rules.RELEVANT * spread
    return min(part, rules.UNHEARD_OF * size_high) if steps >= rules.FEW_STEPS else part


def _spread(values: Floats) -> float:
    """Give the robust standard deviation among entities: the interquartile range over 1.349."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low) / 1.349


def _finite(pair: Pair) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(pair[0]) & np.isfinite(pair[1]), dtype=np.bool_)


def _exponent(columns: Sequence[Floats]) -> int:
    """Give an exponent such that no number over 2**exponent exceeds 1/2 in size."""
    largest = max((float(np.max(np.abs(c[np.isfinite(c)]), initial=0.0)) for c in columns), default=0)
    return math.frexp(largest)[1] + 1 if largest > 0 else 0


def _largest(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return max(known, default=None)


def _unscaled(value: float | None, exponent: int) -> float | None:
    if value is None:
        return None
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return None


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
