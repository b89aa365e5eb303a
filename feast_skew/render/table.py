"""The report as a table with one row per feature: the columns that CSV and Parquet share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from feast_skew.core.moments import parse_moment
from feast_skew.render.wording import leading
from feast_skew.report import FeatureResult, Metric, SkewReport

Kind = Literal["text", "moment", "count", "number", "flag"]
Cell = object
"""Of a text column `str`, of a moment `datetime` in UTC, of a count `int`, of a number a finite `float`, of a flag `bool`; or None."""

COUNTS = (
    "entities", "match", "mismatch", "offline_only", "online_only", "null_offline", "null_online", "null_both",
    "absent_both", "unaligned", "corrupt", "stale", "ahead", "expired",
)  # fmt: skip
JUDGED = (
    "mismatch_rate", "presence_rate", "late_rate", "psi", "mean_difference", "variance_ratio", "null_rate_difference",
    "unaligned_difference",
)  # fmt: skip
"""Metrics that can have a limit, with five columns each. A new one goes to the end of `DESCRIPTIVE`, so that no column moves."""
DESCRIPTIVE = (
    "correlation", "jensen_shannon", "kolmogorov_smirnov", "l_infinity", "largest_difference", "rmse", "slope",
    "stuart_maxwell", "wasserstein", "cosine_similarity",
)  # fmt: skip
"""Metrics without a limit, with three columns each."""
_AUTO = ("psi", "mean_difference", "variance_ratio", "null_rate_difference")


@dataclass(frozen=True)
class Column:
    """A column of the table: its name, what its cells are, and where they come from."""

    name: str
    kind: Kind
    read: Callable[[SkewReport, FeatureResult], Cell]


def columns() -> tuple[Column, ...]:
    """Give the columns in their order, which only grows at its end."""
    return tuple(_columns())


def rows(report: SkewReport) -> list[list[Cell]]:
    """Give a row per feature, in the order of the report; a report without features has none."""
    wanted = columns()
    return [[column.read(report, feature) for column in wanted] for feature in report.features]


def _columns() -> Iterator[Column]:
    yield Column("run_id", "text", lambda report, _: report.run_id)
    yield Column("created_at", "moment", lambda report, _: parse_moment(report.created_at, "created_at"))
    yield Column("as_of", "moment", lambda report, _: parse_moment(report.as_of, "as_of"))
    yield Column("project", "text", lambda report, _: report.project)
    yield Column("view", "text", lambda _, feature: feature.view)
    yield Column("feature", "text", lambda _, feature: feature.feature)
    yield Column("dtype", "text", lambda _, feature: feature.dtype)
    yield Column("owner", "text", lambda _, feature: feature.owner)
    yield Column("runbook", "text", lambda _, feature: feature.runbook)
    yield Column("channel", "text", lambda _, feature: feature.channel)
    yield Column("services", "text", lambda _, feature: ", ".join(feature.services))
    yield Column("verdict", "text", lambda _, feature: feature.verdict.value)
    yield Column("known", "text", lambda _, feature: feature.known.state if feature.known is not None else None)
    for name in COUNTS:
        yield Column(name, "count", _count(name))
    for name in JUDGED:
        yield from _numbers(name)
        yield Column(f"{name}_limit", "number", _part(name, lambda metric: _finite(metric.limit)))
        if name in _AUTO:
            yield Column(f"{name}_limit_auto", "flag", _part(name, lambda metric: metric.limit == "auto"))
        yield Column(f"{name}_verdict", "text", _part(name, lambda metric: metric.verdict.value))
    for kind in ("what", "how"):
        yield Column(f"{kind}_cause", "text", _cause(kind, "code"))
        yield Column(f"{kind}_cause_share", "number", _cause(kind, "share"))
    yield Column("reasons", "text", lambda _, feature: "; ".join(feature.reasons))
    for name in DESCRIPTIVE:
        yield from _numbers(name)


def _numbers(name: str) -> Iterator[Column]:
    yield Column(name, "number", _part(name, lambda metric: _finite(metric.value)))
    yield Column(f"{name}_low", "number", _part(name, lambda metric: _finite(metric.low)))
    yield Column(f"{name}_high", "number", _part(name, lambda metric: _finite(metric.high)))


def _count(name: str) -> Callable[[SkewReport, FeatureResult], Cell]:
    return lambda _, feature: feature.counts.get(name)


def _part(name: str, read: Callable[[Metric], Cell]) -> Callable[[SkewReport, FeatureResult], Cell]:
    def of(_: SkewReport, feature: FeatureResult) -> Cell:
        metric = feature.metrics.get(name)
        return None if metric is None else read(metric)

    return of


def _cause(kind: str, part: str) -> Callable[[SkewReport, FeatureResult], Cell]:
    def of(_: SkewReport, feature: FeatureResult) -> Cell:
        first = next((cause for cause in leading(feature.causes) if cause.kind == kind), None)
        return None if first is None else first.code if part == "code" else _finite(first.share)

    return of


def _finite(value: object) -> float | None:
    """Give a number that can be reckoned with; what could not be computed is none, as in the JSON report."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None  # type: ignore[arg-type]  # checked above
