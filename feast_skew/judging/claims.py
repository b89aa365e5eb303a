"""Limits on distributions: what each feature claims, and the verdicts over all features of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from feast_skew.judging.bounds import Bounds, bounds_of, chance_of
from feast_skew.report import Metric, Verdict
from feast_skew.statistics.metrics.base import Measured, Outcome
from feast_skew.statistics.multiplicity import benjamini_hochberg
from feast_skew.statistics.profile import Profile

_LEAST_P = 1e-12
_STEPS = 30


@dataclass(frozen=True)
class Claim:
    """A limit on one metric of one feature, to be judged together with those of the other features.

    `p_value` is of "within the limit", None when nothing can be said; `within` tells whether the metric is surely so; `extra` is
    shown with the metric.
    """

    p_value: float | None
    within: bool
    extra: Mapping[str, Any] = field(default_factory=dict)


def claim_of(
    key: str, profile: Profile, outcome: Outcome, asked: float | str, confidence: float, population: int, seed: int
) -> Claim:
    """Hold a metric against its limit.

    Parameters
    ----------
    asked : float or "auto"
        The largest distance that is allowed: PSI; standard deviations of offline between the means; the ratio of the variances, either way;
        the difference of the shares of nulls, either way. `auto` asks whether the two sides differ by more than an exchange of them by chance.
    population : int
        How many entities the pairs are a random sample of.
    """
    if not isinstance(outcome, Measured):
        return Claim(None, False)
    if asked == "auto":
        p_value, extra = chance_of(key, profile, confidence, seed)
        return Claim(p_value, p_value is not None, extra)
    limit = float(asked)

    def reach(level: float) -> tuple[float, float] | None:
        return _reach(key, bounds_of(key, profile, level, population), outcome)

    found = reach(confidence)
    if found is None:
        return Claim(None, False)
    nearest, farthest = found
    if nearest <= limit:
        # Not beyond at this confidence: the p-value matters no more than that it is above 1 - confidence.
        at_half = reach(0.5)
        if at_half is None or at_half[0] <= limit:
            return Claim(1.0, farthest <= limit)
    return Claim(_p_value(reach, limit), farthest <= limit)


def settle_claims(claims: Sequence[tuple[Metric, Claim]], confidence: float) -> list[Metric]:
    """Judge the limits on one metric over all features that have one, p-values adjusted by Benjamini-Hochberg.

    Fail when the adjusted p-value is at most 1 - confidence, pass when the metric is surely within its limit, else inconclusive.
    """
    known = [i for i, (_, claim) in enumerate(claims) if claim.p_value is not None]
    adjusted = dict(zip(known, benjamini_hochberg([claims[i][1].p_value or 0.0 for i in known]), strict=True))
    judged = []
    for i, (metric, claim) in enumerate(claims):
        p_value = adjusted.get(i)
        if p_value is not None and p_value <= 1.0 - confidence:
            verdict = Verdict.FAIL
        else:
            verdict = Verdict.PASS if claim.within else Verdict.INCONCLUSIVE
        judged.append(replace(metric, verdict=verdict, extra={**metric.extra, **claim.extra, "p_value": p_value}))
    return judged


def _p_value(reach: Any, limit: float) -> float:
    """Find the smallest alpha at which the metric is surely beyond its limit, by halving on a logarithmic scale."""
    low, high = math.log(_LEAST_P), math.log(0.5)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        found = reach(1.0 - math.exp(middle))
        if found is not None and found[0] > limit:
            high = middle
        else:
            low = middle
    return 0.0 if high <= math.log(_LEAST_P) + 1e-6 else math.exp(high)


def _reach(key: str, bounds: Bounds, outcome: Measured) -> tuple[float, float] | None:
    """Give the least and the largest distance from agreement that the bounds leave, in the unit of the limit."""
    low, high = bounds.low, bounds.high
    if low is None or high is None:
        return None
    if key == "variance_ratio":
        if low <= 0 or high <= 0:
            return None
        return max(1.0, low, 1.0 / high), max(high, 1.0 / low)
    nearest, farthest = max(0.0, low, -high), max(abs(low), abs(high))
    if key != "mean_difference":
        return nearest, farthest
    unit = outcome.extra["sd_offline"]
    if unit:
        return nearest / unit, farthest / unit
    # Offline does not vary: any difference is larger than any number of its standard deviations.
    return (math.inf if nearest > 0 else 0.0), (math.inf if farthest > 0 else 0.0)
