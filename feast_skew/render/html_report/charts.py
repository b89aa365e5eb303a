"""The data of the charts: few digits, few points, nothing that a chart does not draw."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from feast_skew.render.html_report.text import moment, visible
from feast_skew.report import FeatureResult, Metric, Past, SkewReport, rank

if TYPE_CHECKING:
    from feast_skew.statistics.states.number_sample import NumberSample

POINTS = 200
"""Pairs of a scatter; at most half of them are added because they differ."""
FEW = 25
"""With fewer random pairs that differ, further ones are added."""
RUNS = 60
"""Past runs of a trend, the latest ones."""
_PROBABILITIES = (0.01, *(step / 20 for step in range(1, 20)), 0.99)
_LABEL = 40
_MOST_DIGITS = 12


def chart_data(report: SkewReport, features: Sequence[FeatureResult]) -> str:
    """Give the data of all charts as JSON that can stand inside a script element."""
    created = {past.created_at for feature in features for past in feature.past[-RUNS:]} | {report.created_at}
    moments = sorted(one for one in created if _is_iso(one))
    place = {one: i for i, one in enumerate(moments)}
    data = {
        "runs": moments,
        "features": [_of_feature(feature, place, place.get(report.created_at)) for feature in features],
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def is_moment(feature: FeatureResult) -> bool:
    """Tell whether the numbers of a feature are moments, in seconds since 1970."""
    return feature.dtype == "UnixTimestamp"


def _of_feature(feature: FeatureResult, place: Mapping[str, int], now: int | None) -> dict[str, Any]:
    sample = _numbers(feature)
    parts = {
        "bins": _bins(feature),
        "limits": _limits(feature),
        "quantiles": _quantiles(feature, sample),
        "pairs": _pairs(sample),
        "lag": _lag(feature),
        "trend": _trend(feature, place, now),
        "moments": 1 if is_moment(feature) else None,
    }
    return {name: part for name, part in parts.items() if part}


def _numbers(feature: FeatureResult) -> NumberSample | None:
    if feature.profile is None:
        return None
    found: Any = feature.profile.states.get("number_sample")
    return found


def _bins(feature: FeatureResult) -> list[Any] | None:
    """Give labels and both shares of the shared bins."""
    psi = feature.metrics.get("psi")
    if psi is None or not psi.extra.get("labels"):
        return None
    labels = [visible(label, _LABEL) for label in _labels(feature, psi.extra["labels"])]
    return [labels, _rounded(psi.extra["offline"], 3), _rounded(psi.extra["online"], 3)]


def _labels(feature: FeatureResult, labels: Sequence[str]) -> list[str]:
    """Give the labels of bins; those of moments as moments, which six digits of their seconds are not."""
    edges = getattr(feature.profile.bins, "edges", ()) if feature.profile is not None else ()
    if not is_moment(feature) or feature.profile is None or not edges:
        return list(labels)
    told = [*(f"to {moment(edge)}" for edge in edges), f"after {moment(edges[-1])}"]
    names = dict(zip(feature.profile.bins.labels, told, strict=False))
    return [names.get(label, label) for label in labels]


def _quantiles(feature: FeatureResult, sample: NumberSample | None) -> list[Any] | None:
    """Give percentiles of both sides: 21 of them where the sample is at hand, else those of the report."""
    offline, online = feature.quantiles.get("offline"), feature.quantiles.get("online")
    if sample is not None:
        from feast_skew.statistics.quantiles import quantile_table

        offline = quantile_table(sample.offline, _PROBABILITIES) or offline
        online = quantile_table(sample.online, _PROBABILITIES) or online
    if not offline or not online:
        return None
    names = [name for name in offline if name in online]
    columns = [[side[name] for name in names] for side in (offline, online)]
    # They are told in words too.
    digits = 6 + _extra_digits(columns[0] + columns[1])
    left, right = (_rounded(column, digits) for column in columns)
    if len(names) < 2 or None in (*left, *right):
        return None
    return [[float(name[1:]) for name in names], left, right]


def _pairs(sample: NumberSample | None) -> list[Any] | None:
    """Give random pairs; where few of them differ, fewer of them and further ones that do; how many are random, and of those equal."""
    if sample is None:
        return None
    columns = (sample.offline.tolist(), sample.online.tolist(), sample.difference.tolist())
    # The sample stands in the order of hashes, so that its first rows are random ones.
    rows = (row for row in zip(*columns, strict=True) if math.isfinite(row[0]) and math.isfinite(row[1]))
    drawn = list(islice(rows, POINTS))
    if not drawn:
        return None
    further: list[tuple[float, ...]] = []
    if sum(row[2] != 0 for row in drawn) < FEW:
        further = list(islice((row for row in rows if row[2] != 0), POINTS // 2))
        drawn = drawn[: POINTS - len(further)]
    chosen = [*drawn, *further]
    digits = 3 + _extra_digits([value for row in chosen for value in row[:2]])
    offline, online = (_rounded((row[side] for row in chosen), digits) for side in (0, 1))
    return [offline, online, len(drawn), sum(row[2] == 0 for row in drawn)]


def _lag(feature: FeatureResult) -> list[Any] | None:
    finite = [(float(name[1:]), seconds) for name, seconds in feature.lag.items() if math.isfinite(seconds)]
    return [[name for name, _ in finite], _rounded((seconds for _, seconds in finite), 4)] if finite else None


def _is_iso(text: str) -> bool:
    """Tell whether a text is a moment; what was stored by others may be anything."""
    try:
        datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return False
    return True


def _trend(feature: FeatureResult, place: Mapping[str, int], now: int | None) -> list[Any] | None:
    """Give run, verdict, share of wrong entities and its bounds, the present run last; none without a past."""
    metric = feature.metrics.get("mismatch_rate")
    rows = [_past(past, place[past.created_at]) for past in feature.past[-RUNS:] if past.created_at in place]
    if not rows or now is None:
        return None
    value, low, high = (None, None, None) if metric is None else (metric.value, metric.low, metric.high)
    rows.append([now, rank(feature.verdict), *_rounded((value, low, high), 3)])
    limit = None if metric is None or not isinstance(metric.limit, (int, float)) else metric.limit
    return [rows, limit]


def _past(past: Past, run: int) -> list[Any]:
    return [run, rank(past.verdict), *_rounded((past.value, past.low, past.high), 3)]


def _limits(feature: FeatureResult) -> list[Any]:
    """Give each judged number and its bounds in units of its limit."""
    rows = []
    for name, metric in feature.metrics.items():
        if metric.value is None or not isinstance(metric.limit, (int, float)) or metric.limit <= 0:
            continue
        scaled = [_in_limits(name, part, metric, feature) for part in (metric.low, metric.value, metric.high)]
        if scaled[1] is None:
            continue
        low, high = scaled[0], scaled[2]
        if metric.low is not None and metric.high is not None and _through_none(name, metric.low, metric.high):
            low, high = 0.0, max(low or 0.0, high or 0.0)
        elif low is not None and high is not None and low > high:
            low, high = high, low
        rows.append([name, *_rounded((low, scaled[1], high), 4), rank(metric.verdict)])
    return rows


def _through_none(name: str, low: float, high: float) -> bool:
    """Tell whether bounds lie on both sides of no difference."""
    none = 1.0 if name == "variance_ratio" else 0.0
    return low < none < high


def _in_limits(name: str, value: float | None, metric: Metric, feature: FeatureResult) -> float | None:
    """Give the size of a difference in units of its limit, as the limit is meant."""
    limit: Any = metric.limit
    if value is None or not math.isfinite(value):
        return None
    if name == "mean_difference":
        deviation = feature.sides.get("offline", {}).get("sd")
        return abs(value) / (limit * deviation) if deviation else None
    if name == "variance_ratio":
        return abs(math.log(value)) / math.log(limit) if value > 0 and limit > 1 else None
    return abs(value) / float(limit)


def _extra_digits(values: Sequence[float]) -> int:
    """Give the leading digits that all values have in common, as moments of one year do: they take none from the chart."""
    finite = [value for value in values if math.isfinite(value)]
    # Quartered, as the difference of two huge numbers of both signs overflows.
    spread = max(finite, default=0.0) / 4 - min(finite, default=0.0) / 4
    if spread <= 0:
        return _MOST_DIGITS
    size = max(abs(value) for value in finite) / 4
    return min(_MOST_DIGITS, max(0, math.ceil(math.log10(size) - math.log10(spread) - 0.1)))


def _rounded(values: Iterable[float | None], digits: int) -> list[float | None]:
    return [_round(value, digits) for value in values]


def _round(value: float | None, digits: int) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e15 else rounded
