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
from feast_skew.judging.profiling import has_categories, has_numbers, profile_of
from feast_skew.report import Metric, Verdict
from feast_skew.statistics.hashing import Hashes
from feast_skew.statistics.metrics.base import Measured, Outcome, metrics
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.category_sample import Confusion
from feast_skew.statistics.states.paired_bins import PairedBins
from feast_skew.statistics.summary import quantiles, summary

TOP_PAIRS = 10
_OF_ALL_TYPES = "null_rate_difference"


@dataclass(frozen=True)
class Description:
    """What the pairs of a feature tell: its metrics, the limits on them that are still open, and both sides by themselves."""

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    sides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quantiles: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    confusion: tuple[Mapping[str, Any], ...] = ()
    paths: tuple[Mapping[str, Any], ...] = ()


def describe(
    feature: FeaturePlan,
    offline: pa.Array,
    online: pa.Array,
    same: Mask,
    order: Hashes,
    *,
    confidence: float,
    population: int | None = None,
    seed: int = 0,
    movement: Mapping[str, float | None] | None = None,
) -> Description:
    """Describe the two columns of a feature, row i of both belonging to the same entity; nulls included.

    Parameters
    ----------
    offline, online : pyarrow.Array
        Of one length; at least one row.
    same : array of bool
        Where the two are equal.
    order : array of uint64
        A hash per entity.
    population : int, optional
        How many entities these are a random sample of; themselves by default.
    movement : mapping, optional
        How far offline itself moves, by metric, where the rows share no timestamp. Limits of `auto` are then not asked: that movement is the
        yardstick, and it is judged by itself.
    """
    profile = profile_of(feature, offline, online, same, order)
    kind = feature.declared.kind
    found: dict[str, Metric] = {}
    claims: dict[str, Claim] = {}
    for key, definition in metrics().items():
        if not definition.fits(profile) or not (has_numbers(kind) or has_categories(kind) or key == _OF_ALL_TYPES):
            continue
        outcome = definition.compute(profile)
        bounds = bounds_of(key, profile, confidence, population or len(offline))
        asked = feature.limits.of(key)
        if movement is not None and asked == "auto":
            asked = None
        if asked is not None:
            claims[key] = claim_of(key, profile, outcome, asked, confidence, population or len(offline), seed)
        extra = {**_extra(key, outcome, profile), **bounds.extra}
        if movement is not None and key in movement:
            extra["movement"] = movement[key]
        found[key] = _metric(outcome, bounds, asked, extra)
    found.update(vector_metrics(feature, offline, online))
    sides = summary(profile) if has_numbers(kind) or has_categories(kind) else {}
    confusion = _confusion(profile) if has_categories(kind) else ()
    paths = paths_of(feature, offline, online, same)
    return Description(found, claims, sides, quantiles(profile), confusion, paths)


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
