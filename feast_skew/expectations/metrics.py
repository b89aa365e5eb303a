"""The numbers of a report as a table, one row per feature."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from feast_skew.report import FeatureResult, Metric, SkewReport

if TYPE_CHECKING:
    import pandas as pd

# Always there, so that a limit never meets a table without its column; the metrics of a report add theirs.
USUAL = (
    "mismatch_rate",
    "presence_rate",
    "psi",
    "mean_difference",
    "mean_difference_standardized",
    "variance_ratio",
    "null_rate_difference",
)
FACTS = ("view", "feature", "dtype", "owner", "verdict", "entities", "n")
_COMPARED = ("match", "mismatch", "null_offline", "null_online", "null_both", "corrupt")


def metrics_table(report: SkewReport) -> pd.DataFrame:
    """Give the metrics of a report as a table with one row per feature.

    Parameters
    ----------
    report : SkewReport
        Of `validate` or `compare`.

    Returns
    -------
    pandas.DataFrame
        `view`, `feature`, `dtype`, `owner`, `verdict` as text; `entities` and `n`, how many were sampled and how many of
        their rows were compared; and a float column per metric of the report: shares in 0..1, `mean_difference` in the
        unit of the feature and `mean_difference_standardized` in standard deviations of offline, PSI in nats. NaN where
        a metric was not measured or does not apply. Of a feature that does not vary offline, any difference of the means
        is infinitely many standard deviations, none is 0; the variance ratio is likewise infinite, or 1. A report
        without features gives a table without rows.
    """
    import pandas as pd

    rows = [_numbers(feature) for feature in report.features]
    names = dict.fromkeys([*USUAL, *(name for row in rows for name in row)])
    facts = [
        (
            feature.view,
            feature.feature,
            feature.dtype,
            feature.owner,
            feature.verdict.value,
            feature.counts.get("entities", 0),
            sum(feature.counts.get(name, 0) for name in _COMPARED),
        )
        for feature in report.features
    ]
    table = pd.DataFrame(facts, columns=pd.Index(FACTS)).astype({"entities": "int64", "n": "int64"})
    values = pd.DataFrame({name: [row.get(name) for row in rows] for name in names}, dtype="float64")
    return pd.concat([table, values], axis=1)


def _numbers(feature: FeatureResult) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for name, metric in feature.metrics.items():
        numbers[name] = _number(metric.value)
        if "standardized" in metric.extra:
            numbers[f"{name}_standardized"] = _number(metric.extra["standardized"])
    moved = feature.metrics.get("mean_difference")
    if moved is not None:
        _without_variance(numbers, moved)
    return numbers


def _without_variance(numbers: dict[str, float | None], moved: Metric) -> None:
    """Say what no ratio can: a side that does not vary, beside one that moved or varies, differs beyond any limit."""
    spread_offline, spread_online = moved.extra.get("sd_offline"), moved.extra.get("sd_online")
    if spread_offline != 0:
        return
    difference = numbers["mean_difference"]
    if numbers.get("mean_difference_standardized") is None and difference is not None:
        numbers["mean_difference_standardized"] = math.copysign(math.inf, difference) if difference else 0.0
    if numbers.get("variance_ratio") is None and spread_online is not None:
        numbers["variance_ratio"] = math.inf if spread_online else 1.0


def _number(value: object) -> float | None:
    if not isinstance(value, (bool, int, float)) or math.isnan(value):
        return None
    return float(value)
