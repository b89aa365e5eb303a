"""What a shorter window looks like from the values alone, where no events are there to prove it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from feast_skew.core.arrays import Floats, Mask, Positions
from feast_skew.core.pairs import PairClass
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import FEWEST_ROWS, POSSIBLE, Case, Explanation, share_text
from feast_skew.diagnosis.formulas.fractions import denominators
from feast_skew.report import Cause

_FEWEST = 200
_MOST_OF_ALL = 0.5
_NULLS = 0.005
_SLOPE = (0.8, 1.5)
_FLATTER = 0.8
_VARIANCE = (1.25, 100.0)
_SHIFT = 0.2
_SLOPE_ROOM = 0.25
_ERRORS = 2.5
_SIDES = {True: "online", False: "offline"}

_FEWEST_FRACTIONS = 40
_MOST_FRACTIONS = 5_000
_NEARLY_ALL = 0.98
_ROUNDING = {Kind.FLOAT64: 1e-12, Kind.FLOAT32: 2.0**-22}
_LARGEST_STEP = 1_000
_SMALLER = 0.1
"""In logs: by how much the denominators of the shorter window are smaller."""
_PARTS = 0.04
"""Of its values, how many are no whole numbers."""


@dataclass(frozen=True)
class _Fit:
    """How the values of the shorter window, if it is one, go with those of the longer one.

    `slope` is of the shorter one on the longer one, `back` the other way round, both with their standard errors; `shift` is the mean
    difference in standard deviations of the differences.
    """

    slope: float
    slope_error: float
    back: float
    back_error: float
    variance: float
    shift: float
    pairs: int

    @property
    def nested(self) -> bool:
        """Tell whether one may be a mean over a part of what the other is a mean of.

        Then the mean is nearly the same, the longer one explains the shorter one at a slope of 1, but not the other way round, and
        the shorter one spreads more.
        """
        return (
            _SLOPE[0] <= self.slope <= _SLOPE[1]
            and self.back <= _FLATTER
            and _VARIANCE[0] <= self.variance <= _VARIANCE[1]
            and abs(self.shift) <= _SHIFT
        )

    @property
    def may_be_nested(self) -> bool:
        """Tell the same of pairs that other evidence speaks for, so that the noise of few pairs is allowed for."""
        return (
            abs(self.slope - 1.0) <= max(_SLOPE_ROOM, _ERRORS * self.slope_error)
            and self.back + self.back_error < 1.0
            and 1.0 < self.variance <= _VARIANCE[1]
            and abs(self.shift) <= _SHIFT + _ERRORS / np.sqrt(self.pairs)
        )


def window_signature(case: Case) -> Explanation | None:
    """Name another window as a possibility, where the values alone look like a mean over a part of the same events.

    Noise has the same slopes and spread. But it makes no nulls where a shorter window is empty, and it is no fraction of a few events.
    """
    if case.feature.declared.kind not in (Kind.FLOAT32, Kind.FLOAT64):
        return None
    return _by_nulls(case) or _by_fractions(case)


def _by_nulls(case: Case) -> Explanation | None:
    """Look at most values of a feature that is null more often on one side: no event is in the shorter window."""
    positions, off, on = case.numbers
    compared = case.total(case.pairs.wrong) + case.count(PairClass.MATCH)
    if len(positions) < _FEWEST or case.total(case.pairs.wrong) < _MOST_OF_ALL * compared:
        return None
    if int(case.pairs.mask(PairClass.MATCH).sum()) < FEWEST_ROWS:
        return None
    online_nulls = case.pairs.mask(PairClass.NULL_ONLINE)
    offline_nulls = case.pairs.mask(PairClass.NULL_OFFLINE)
    more, fewer = int(online_nulls.sum()), int(offline_nulls.sum())
    shorter, longer, nulls = (on, off, online_nulls) if more > fewer else (off, on, offline_nulls)
    if max(more, fewer) < max(FEWEST_ROWS, _NULLS * len(positions)) or min(more, fewer) > 0:
        return None
    fit = _fit(longer, shorter)
    if fit is None or not fit.nested:
        return None
    explained = nulls.copy()
    explained[positions] = True
    online_shorter = more > fewer
    why = f"and is null where {_SIDES[not online_shorter]} is not"
    return _explanation(case, explained, online_shorter, fit, why, {"nulls": case.total(nulls)})


def _by_fractions(case: Case) -> Explanation | None:
    """Look at the wrong values as fractions: means of whole numbers, or of decimals, over fewer events have smaller denominators.

    Numbers on a grid are fractions, too: of rounded ones, medians, weighted means and means of a fixed number of events all denominators divide
    one of them. Those of means over windows have no such bound.
    """
    positions, off, on = case.numbers
    if len(positions) < _FEWEST_FRACTIONS:
        return None
    some = np.linspace(0, len(positions) - 1, min(len(positions), _MOST_FRACTIONS)).astype(np.int64)
    rtol = _ROUNDING[case.feature.declared.kind]
    of_off, of_on = denominators(off[some], rtol), denominators(on[some], rtol)
    if min(np.mean(of_off > 0), np.mean(of_on > 0)) < _NEARLY_ALL:
        return None
    fractions = (of_off > 0) & (of_on > 0)
    of_off, of_on = of_off[fractions], of_on[fractions]
    step = np.log(of_off) - np.log(of_on)
    if abs(step.mean()) < max(_SMALLER, _ERRORS * float(step.std()) / np.sqrt(len(step))):
        return None
    online_shorter = bool(step.mean() > 0)
    of_short, of_long = (of_on, of_off) if online_shorter else (of_off, of_on)
    if _is_grid(of_short) or _is_grid(of_long):
        return None
    if np.count_nonzero(of_short > 1) < max(FEWEST_ROWS, _PARTS * len(of_short)):
        return None
    fit = _fit(off, on) if online_shorter else _fit(on, off)
    if fit is None or not fit.may_be_nested:
        return None
    why = "and the values are fractions of fewer events"
    evidence = {"denominators": {"shorter": float(of_short.mean()), "longer": float(of_long.mean())}}
    return _explanation(case, case.marked(positions), online_shorter, fit, why, evidence)


def _is_grid(denominators_: Positions) -> bool:
    """Tell whether numbers with these denominators are multiples of one step: the least common multiple is among them."""
    values, counts = np.unique(denominators_, return_counts=True)
    usual = values[counts >= min(2, counts.max())]
    return int(np.lcm.reduce(usual[usual <= _LARGEST_STEP])) <= int(usual.max())


def _explanation(
    case: Case, explained: Mask, online_shorter: bool, fit: _Fit, why: str, evidence: dict[str, Any]
) -> Explanation:
    count, wrong = case.total(explained), case.total(case.wrong)
    shorter, longer = _SIDES[online_shorter], _SIDES[not online_shorter]
    return Explanation(
        Cause(
            "window",
            "what",
            count / wrong,
            POSSIBLE,
            f"{shorter} looks like the same mean over a shorter window, or over fewer of the events, than {longer} (a possibility, from the "
            f"values alone): it spreads {fit.variance:.3g} times as much around the same mean, {why}; "
            f"{share_text(count, wrong)} of the wrong values",
            {
                "shorter": shorter,
                "variance_ratio": float(f"{fit.variance:.3g}"),
                "slope": fit.slope,
                **evidence,
                "entities": count,
                "proven": False,
            },
            "declare the events of the feature (`definition`), so that both windows can be named; compute it once for both stores",
            parameters=3,
        ),
        explained,
    )


def _fit(longer: Floats, shorter: Floats) -> _Fit | None:
    """Fit one on the other; None where the numbers are too large or do not vary."""
    with np.errstate(over="ignore", invalid="ignore"):
        long_spread, short_spread = float(longer.var()), float(shorter.var())
        together = float(np.mean((longer - longer.mean()) * (shorter - shorter.mean())))
        difference = shorter - longer
        scatter = float(difference.std())
    if not np.isfinite(together + long_spread + short_spread) or not (long_spread and short_spread and scatter):
        return None
    slope, back = together / long_spread, together / short_spread
    return _Fit(
        slope,
        _slope_error(longer, shorter, slope, long_spread),
        back,
        _slope_error(shorter, longer, back, short_spread),
        short_spread / long_spread,
        float(difference.mean()) / scatter,
        len(longer),
    )


def _slope_error(x: Floats, y: Floats, slope: float, spread: float) -> float:
    """Give the standard error of a slope whose residuals spread unevenly (White 1980, HC0)."""
    with np.errstate(over="ignore", invalid="ignore"):
        x, y = x - x.mean(), y - y.mean()
        return float(np.sqrt(np.mean(x**2 * (y - slope * x) ** 2) / len(x)) / spread)
