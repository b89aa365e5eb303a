"""What a shorter window looks like from the values alone, where no events are there to prove it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feast_skew.core.arrays import Floats
from feast_skew.core.pairs import PairClass
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import FEWEST_ROWS, POSSIBLE, Case, Explanation, share_text
from feast_skew.report import Cause

_FEWEST = 200
_MOST_OF_ALL = 0.5
_NULLS = 0.005
_SLOPE = (0.8, 1.5)
_FLATTER = 0.8
_VARIANCE = (1.25, 100.0)
_SHIFT = 0.2


@dataclass(frozen=True)
class _Fit:
    """How the values of the shorter window, if it is one, go with those of the longer one."""

    slope: float
    back: float
    variance: float
    shift: float

    @property
    def nested(self) -> bool:
        """Tell whether one may be a mean over a part of what the other is a mean of.

        Then the mean is nearly the same (`shift` is in standard deviations of the differences), the longer one explains the shorter one at a slope of 1, but not the other way round, and the shorter
        one spreads more.
        """
        return (
            _SLOPE[0] <= self.slope <= _SLOPE[1]
            and self.back <= _FLATTER
            and _VARIANCE[0] <= self.variance <= _VARIANCE[1]
            and abs(self.shift) <= _SHIFT
        )


def window_signature(case: Case) -> Explanation | None:
    """Name another window as a possibility: most values differ as nested windows do, and the shorter one is empty for some.

    Noise has the same slopes and spread; but it makes no nulls, and leaves no value as it was.
    """
    if case.feature.declared.kind not in (Kind.FLOAT32, Kind.FLOAT64):
        return None
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
    count, wrong = case.total(explained), case.total(case.wrong)
    sides = ("online", "offline") if more > fewer else ("offline", "online")
    return Explanation(
        Cause(
            "window",
            "what",
            count / wrong,
            POSSIBLE,
            f"{sides[0]} looks like the same mean over a shorter window than {sides[1]} (a possibility, from the values alone): it spreads "
            f"{fit.variance:.3g} times as much around the same mean, and is null where {sides[1]} is not; "
            f"{share_text(count, wrong)} of the wrong values",
            {
                "shorter": sides[0],
                "window_ratio": float(f"{fit.variance:.3g}"),
                "slope": fit.slope,
                "nulls": case.total(nulls),
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
    shift = float(difference.mean()) / scatter
    return _Fit(together / long_spread, together / short_spread, short_spread / long_spread, shift)
