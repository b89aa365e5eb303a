"""The two distributions of a feature over the same entities: PSI, mean, variance, nulls and quantiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.model import FeaturePlan
from feast_skew.core.types import Kind, floats
from feast_skew.report import Metric, Verdict
from feast_skew.statistics.binning import category_bins, numeric_bins
from feast_skew.statistics.moments import NullRateDifference, PairedMoments, null_rate_difference, paired_moments
from feast_skew.statistics.psi import Psi, auto_limit, paired_psi
from feast_skew.statistics.quantiles import quantile_table

BINS = 10
CATEGORIES = 20


@dataclass(frozen=True)
class Distributions:
    """Numbers about both sides; those that make no sense for the type are None."""

    psi: Psi | None = None
    labels: tuple[str, ...] = ()
    shares_offline: tuple[float, ...] = ()
    shares_online: tuple[float, ...] = ()
    moments: PairedMoments | None = None
    nulls: NullRateDifference | None = None
    quantiles: Mapping[str, Any] = field(default_factory=dict)


def describe(feature: FeaturePlan, offline: pa.Array, online: pa.Array, confidence: float) -> Distributions:
    """Describe the two columns of a feature, row i of both belonging to the same entity; nulls included."""
    kind = feature.declared.kind
    null_off, null_on = np.asarray(pc.is_null(offline)), np.asarray(pc.is_null(online))
    nulls = null_rate_difference(
        len(offline),
        int((null_off & null_on).sum()),
        int((null_off & ~null_on).sum()),
        int((~null_off & null_on).sum()),
        confidence,
    )
    if kind.is_number or kind is Kind.TIMESTAMP:
        return _numbers(offline, online, nulls, confidence)
    if kind in (Kind.STRING, Kind.BOOLEAN):
        bins = category_bins(offline.to_pylist(), CATEGORIES)
        ids_off, ids_on = bins.assign(offline.to_pylist()), bins.assign(online.to_pylist())
        return _with_psi(ids_off, ids_on, bins.size, bins.labels, nulls)
    return Distributions(nulls=nulls)


def _numbers(offline: pa.Array, online: pa.Array, nulls: NullRateDifference | None, confidence: float) -> Distributions:
    off, known_off = floats(offline)
    on, known_on = floats(online)
    finite = known_off & np.isfinite(off)
    bins = numeric_bins(off[finite], BINS)
    result = _with_psi(bins.assign(off, known_off), bins.assign(on, known_on), bins.size, bins.labels, nulls)
    both = known_off & known_on
    sides = {"offline": quantile_table(off[finite]), "online": quantile_table(on[known_on & np.isfinite(on)])}
    return Distributions(
        result.psi,
        result.labels,
        result.shares_offline,
        result.shares_online,
        paired_moments(off[both], on[both], confidence),
        nulls,
        {side: table for side, table in sides.items() if table is not None},
    )


def _with_psi(
    ids_off: np.ndarray, ids_on: np.ndarray, size: int, labels: tuple[str, ...], nulls: NullRateDifference | None
) -> Distributions:
    psi = paired_psi(ids_off, ids_on, size)
    if psi is None:
        return Distributions(nulls=nulls)
    counts_off = np.bincount(ids_off, minlength=size)
    counts_on = np.bincount(ids_on, minlength=size)
    used = (counts_off + counts_on) > 0
    return Distributions(
        psi,
        tuple(label for label, keep in zip(labels, used, strict=True) if keep),
        tuple((counts_off[used] / max(1, len(ids_off))).tolist()),
        tuple((counts_on[used] / max(1, len(ids_on))).tolist()),
        None,
        nulls,
    )


def metrics_of(
    found: Distributions, feature: FeaturePlan, confidence: float, movement: Mapping[str, float | None] | None = None
) -> dict[str, Metric]:
    """Turn the numbers into metrics, judged where a limit is set; `movement` is offline's own where rows never align."""
    moved = movement or {}
    limits = feature.limits
    metrics: dict[str, Metric] = {}
    if found.psi is not None:
        psi = found.psi
        auto = auto_limit(psi.noise, psi.bins, confidence, psi.freedom)
        extra = {
            "noise": psi.noise,
            "movement": moved.get("psi"),
            "bins": psi.bins,
            "n": psi.n,
            "labels": list(found.labels),
            "offline": list(found.shares_offline),
            "online": list(found.shares_online),
        }
        metrics["psi"] = _upper(psi.value, max(0.0, psi.value - psi.noise), psi.value, limits.psi, auto, extra)
    moments = found.moments
    if moments is not None and moments.mean_difference is not None:
        extra = {
            "movement": moved.get("mean"),
            "standardized": moments.standardized_difference,
            "n": moments.n,
            "mean_offline": moments.mean_offline,
            "mean_online": moments.mean_online,
            "sd_offline": moments.sd_offline,
            "sd_online": moments.sd_online,
        }
        metrics["mean_difference"] = _mean(moments, limits.mean, extra)
    if moments is not None and moments.variance_ratio is not None:
        metrics["variance_ratio"] = _variance(moments, limits.variance, {"movement": moved.get("variance")})
    if found.nulls is not None:
        nulls = found.nulls
        extra = {"offline": nulls.rate_offline, "online": nulls.rate_online, "n": nulls.n}
        low = max(0.0, nulls.low, -nulls.high)
        metrics["null_rate_difference"] = _upper(
            nulls.value,
            low,
            max(abs(nulls.low), abs(nulls.high)),
            limits.null_rate,
            None,
            extra,
            (nulls.low, nulls.high),
        )
    return metrics


def _verdict(low: float, high: float, limit: float) -> Verdict:
    """Judge a distance that lies between low and high: beyond, within, or not known."""
    if low > limit:
        return Verdict.FAIL
    return Verdict.PASS if high <= limit else Verdict.INCONCLUSIVE


def _upper(
    value: float,
    low: float,
    high: float,
    asked: float | str | None,
    auto: float | None,
    extra: dict[str, Any],
    bounds: tuple[float, float] | None = None,
) -> Metric:
    shown_low, shown_high = bounds or (None, None)
    if asked is None:
        return Metric(value, shown_low, shown_high, None, Verdict.PASS, extra)
    if asked == "auto":
        # What noise alone exceeds once in 1 / (1 - confidence) runs; for a null rate, whether 0 lies within its bounds.
        limit = auto if auto is not None else 0.0
        beyond = value > limit if auto is not None else low > 0.0
        return Metric(
            value,
            shown_low,
            shown_high,
            "auto",
            Verdict.FAIL if beyond else Verdict.PASS,
            {**extra, "auto_limit": limit},
        )
    return Metric(value, shown_low, shown_high, asked, _verdict(low, high, float(asked)), extra)


def _mean(moments: PairedMoments, asked: float | str | None, extra: dict[str, Any]) -> Metric:
    low, high, value = moments.mean_difference_low, moments.mean_difference_high, moments.mean_difference
    if asked is None or low is None or high is None:
        verdict = Verdict.PASS if asked is None else Verdict.INCONCLUSIVE
        return Metric(value, low, high, asked, verdict, extra)
    if asked == "auto":
        return Metric(value, low, high, "auto", Verdict.FAIL if low > 0 or high < 0 else Verdict.PASS, extra)
    unit = moments.sd_offline
    if not unit:
        # Offline does not vary: any difference is larger than any number of its standard deviations.
        verdict = Verdict.FAIL if low > 0 or high < 0 else (Verdict.PASS if low == high == 0 else Verdict.INCONCLUSIVE)
        return Metric(value, low, high, asked, verdict, extra)
    nearest = max(0.0, low, -high) / unit
    return Metric(value, low, high, asked, _verdict(nearest, max(abs(low), abs(high)) / unit, float(asked)), extra)


def _variance(moments: PairedMoments, asked: float | str | None, extra: dict[str, Any]) -> Metric:
    value, low, high = moments.variance_ratio, moments.variance_ratio_low, moments.variance_ratio_high
    if asked is None or low is None or high is None or low <= 0:
        verdict = Verdict.PASS if asked is None else Verdict.INCONCLUSIVE
        return Metric(value, low, high, asked, verdict, extra)
    if asked == "auto":
        return Metric(value, low, high, "auto", Verdict.FAIL if low > 1 or high < 1 else Verdict.PASS, extra)
    nearest = max(1.0, low, 1.0 / high)
    return Metric(value, low, high, asked, _verdict(nearest, max(high, 1.0 / low), float(asked)), extra)
