"""The two distributions of a feature over the same entities, as metrics of a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask
from feast_skew.core.model import FeaturePlan
from feast_skew.core.plain import plain
from feast_skew.judging.bounds import Bounds, bounds_of
from feast_skew.judging.claims import Claim, claim_of
from feast_skew.judging.nested import paths_of, vector_metrics
from feast_skew.judging.profiling import has_categories, has_numbers
from feast_skew.report import Metric, Verdict
from feast_skew.statistics.metrics.base import Measured, Outcome, metrics, state_of
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.category_sample import Confusion
from feast_skew.statistics.states.counts import Counts
from feast_skew.statistics.states.paired_bins import PairedBins
from feast_skew.statistics.summary import quantiles, summary

TOP_PAIRS = 10
_OF_ALL_TYPES = "null_rate_difference"


@dataclass(frozen=True)
class Shown:
    """Pairs of a feature to look at one by one: a random part of those that were compared, and of those that differ.

    Columns of the declared type; both sides of a pair stand at one place.
    """

    offline: pa.Array
    online: pa.Array
    offline_differing: pa.Array
    online_differing: pa.Array

    @classmethod
    def of(cls, offline: pa.Array, online: pa.Array, same: Mask) -> Shown:
        """Show all pairs of two columns; `same` tells which are equal."""
        differing = pa.array(~same)
        return cls(offline, online, offline.filter(differing), online.filter(differing))


@dataclass(frozen=True)
class Description:
    """What the pairs of a feature tell: its metrics, the limits on them that are still open, and both sides by themselves."""

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    sides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quantiles: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    confusion: tuple[Mapping[str, Any], ...] = ()
    paths: tuple[Mapping[str, Any], ...] = ()
    profile: Profile | None = None


def describe(
    feature: FeaturePlan,
    profile: Profile,
    shown: Shown,
    *,
    confidence: float,
    population: int | None = None,
    seed: int = 0,
    movement: Mapping[str, float | None] | None = None,
) -> Description:
    """Describe the pairs of a feature that could be compared, of which there is at least one.

    Parameters
    ----------
    profile : Profile
        The states of all of them.
    shown : Shown
        Some of them, for what looks at single pairs.
    population : int, optional
        How many entities these are a random sample of; themselves by default.
    movement : mapping, optional
        How far offline itself moves, by metric, where the rows share no timestamp. Limits of `auto` are then not asked: that movement is the
        yardstick, and it is judged by itself.
    """
    kind = feature.declared.kind
    population = population or state_of(profile, Counts).rows
    found: dict[str, Metric] = {}
    claims: dict[str, Claim] = {}
    for key, definition in metrics().items():
        if not definition.fits(profile) or not (has_numbers(kind) or has_categories(kind) or key == _OF_ALL_TYPES):
            continue
        outcome = definition.compute(profile)
        bounds = bounds_of(key, profile, confidence, population)
        asked = feature.limits.of(key)
        if movement is not None and asked == "auto":
            asked = None
        if asked is not None:
            claims[key] = claim_of(key, profile, outcome, asked, confidence, population, seed)
        extra = {**_extra(key, outcome, profile), **bounds.extra}
        if movement is not None and key in movement:
            extra["movement"] = movement[key]
        found[key] = _metric(outcome, bounds, asked, extra)
    found.update(vector_metrics(feature, shown.offline, shown.online))
    sides = summary(profile) if has_numbers(kind) or has_categories(kind) else {}
    confusion = _confusion(profile) if has_categories(kind) else ()
    paths = paths_of(feature, shown.offline_differing, shown.online_differing)
    return Description(found, claims, sides, quantiles(profile), confusion, paths, profile)


def _metric(outcome: Outcome, bounds: Bounds, asked: float | str | None, extra: dict[str, Any]) -> Metric:
    """Give a metric that is not judged yet; one without a value could not be measured, and that is no pass."""
    if isinstance(outcome, Measured):
        return Metric(outcome.value, bounds.low, bounds.high, asked, Verdict.PASS, extra)
    return Metric(None, None, None, asked, Verdict.INCONCLUSIVE, {"reason": outcome.reason, **extra})


def _extra(key: str, outcome: Outcome, profile: Profile) -> dict[str, Any]:
    if not isinstance(outcome, Measured):
        return {}
    extra = {name: plain(value) for name, value in outcome.extra.items()}
    if key == "psi":
        table = profile.states[PairedBins.key].table  # type: ignore[attr-defined]
        offline, online = table.sum(axis=1), table.sum(axis=0)
        used = np.flatnonzero(offline + online)
        n = max(1, int(table.sum()))
        extra["labels"] = [profile.bins.labels[i] for i in used]
        extra["offline"], extra["online"] = (offline[used] / n).tolist(), (online[used] / n).tolist()
        extra["movement"] = None
    return extra


def _confusion(profile: Profile) -> tuple[Mapping[str, Any], ...]:
    """Give the most frequent pairs of categories that differ, with their share of all that differ."""
    state = profile.states[Confusion.key]
    assert isinstance(state, Confusion)  # noqa: S101  for the type checker
    size = state.order.size
    return tuple(
        {
            "offline": plain(offline),
            "online": plain(online),
            "share": count / size,
            "rows": round(count / size * state.rows),
        }
        for offline, online, count in state.top_pairs(TOP_PAIRS)
    )
