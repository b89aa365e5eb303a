"""What the page says of each feature, in the order and the words in which the template writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from feast_skew.render.html_report import text
from feast_skew.render.html_report.charts import is_moment
from feast_skew.render.html_report.glossary import SHARES
from feast_skew.render.wording import leading
from feast_skew.report import FeatureResult, Metric, rank

COUNTS = {
    "match": "match",
    "mismatch": "mismatch",
    "null_offline": "null offline only",
    "null_online": "null online only",
    "offline_only": "offline only",
    "online_only": "online only",
    "corrupt": "unreadable online",
    "unaligned": "no shared timestamp",
    "null_both": "null on both sides",
    "absent_both": "absent on both sides",
}
OVERLAYS = {
    "stale": "older than the latest offline row",
    "ahead": "newer than the latest offline row",
    "expired": "past the view's ttl",
}
_SIDES = {
    "n": "entities",
    "null_rate": "nulls",
    "distinct": "distinct values",
    "mean": "mean",
    "sd": "standard deviation",
    "min": "least",
    "max": "largest",
    "infinite": "infinite",
}
_STATES = {"known": "known", "new": "new", "worse": "worse", "other_cause": "another cause", "recovered": "recovered"}


@dataclass
class Choices:
    """Values to filter by, each with a number that the features name."""

    places: dict[str, int] = field(default_factory=dict)

    def of(self, name: str) -> int:
        """Give the number of a value, a new one for a new value."""
        return self.places.setdefault(name, len(self.places))

    def listed(self) -> list[tuple[int, str]]:
        """Give numbers and values in the order of the values."""
        return sorted(((place, name) for name, place in self.places.items()), key=lambda entry: entry[1].casefold())


@dataclass
class Filters:
    """What features can be chosen by, beside their verdicts."""

    owners: Choices = field(default_factory=Choices)
    services: Choices = field(default_factory=Choices)
    causes: Choices = field(default_factory=Choices)


@dataclass(frozen=True)
class Piece:
    """A class of entities as a piece of the bar: where it begins and how wide it is, in percent."""

    key: str
    label: str
    count: int
    share: float
    start: float
    width: float


@dataclass(frozen=True)
class MetricRow:
    """A number as a row of its table."""

    key: str
    value: str
    low: str
    high: str
    limit: str
    verdict: str
    note: str


@dataclass(frozen=True)
class FeatureRow:
    """A feature as the template writes it; `about` is the feature itself."""

    about: FeatureResult
    owner: int
    services: Sequence[int]
    causes: Sequence[int]
    first_cause: str
    state: str
    wrong: str
    absent: str
    psi: str
    runbook: str | None
    pieces: Sequence[Piece]
    overlays: Sequence[tuple[str, int]]
    metrics: Sequence[MetricRow]
    sides: Sequence[tuple[str, str, str]]
    quantiles: tuple[Sequence[str], Sequence[tuple[str, Sequence[str]]]] | None
    lag: Sequence[tuple[str, str]]


def feature_row(feature: FeatureResult, filters: Filters) -> FeatureRow:
    """Turn a feature into what the template writes, and enter what it can be chosen by."""
    codes = dict.fromkeys(cause.code for cause in feature.causes)
    psi = feature.metrics.get("psi")
    return FeatureRow(
        about=feature,
        owner=filters.owners.of(feature.owner),
        services=[filters.services.of(name) for name in feature.services],
        causes=[filters.causes.of(code) for code in codes],
        first_cause=leading(feature.causes)[0].code if feature.causes else "",
        state="" if feature.known is None else _STATES.get(feature.known.state, feature.known.state),
        wrong=_share(feature.metrics.get("mismatch_rate")),
        absent=_share(feature.metrics.get("presence_rate")),
        psi=text.index(psi.value) if psi is not None else text.MISSING,
        runbook=text.web_address(feature.runbook),
        pieces=_pieces(feature.counts),
        overlays=[(label, feature.counts[key]) for key, label in OVERLAYS.items() if feature.counts.get(key)],
        metrics=[_metric(key, metric) for key, metric in ordered(feature.metrics)],
        sides=_sides(feature),
        quantiles=_quantiles(feature),
        lag=[(name, text.duration(seconds)) for name, seconds in feature.lag.items()],
    )


def worst_first(features: Sequence[FeatureResult]) -> list[FeatureResult]:
    """Order features by verdict; those of one verdict stay in the order of the report."""
    return sorted(features, key=lambda feature: rank(feature.verdict))


def ordered(metrics: Mapping[str, Metric]) -> list[tuple[str, Metric]]:
    """Order metrics: those with a limit first."""
    return sorted(metrics.items(), key=lambda entry: entry[1].limit is None)


def _share(metric: Metric | None) -> str:
    return text.MISSING if metric is None else text.share(metric.value)


def _pieces(counts: Mapping[str, int]) -> list[Piece]:
    total = sum(counts.get(key, 0) for key in COUNTS)
    pieces, start = [], 0.0
    for key, label in COUNTS.items():
        if count := counts.get(key, 0):
            width = 100.0 * count / total
            pieces.append(Piece(key, label, count, count / total, round(start, 3), round(width, 3)))
            start += width
    return pieces


def _metric(key: str, metric: Metric) -> MetricRow:
    write = text.share if key in SHARES else text.number
    limit = metric.limit
    asked = (
        text.MISSING if limit is None else write(limit) if isinstance(limit, (int, float)) else text.visible(limit, 40)
    )
    if key == "mean_difference" and isinstance(limit, (int, float)):
        asked = f"{text.number(limit)} sd"
    return MetricRow(
        key=key,
        value=write(metric.value),
        low=write(metric.low),
        high=write(metric.high),
        limit=asked,
        # A number without a limit is a description: `pass` beside it would say more than was looked at.
        verdict=metric.verdict.value if limit is not None else "",
        note=_note(metric.extra),
    )


def _note(extra: Mapping[str, Any]) -> str:
    if extra.get("reason"):
        return text.visible(extra["reason"])
    if extra.get("checked"):
        return f"{extra['wrong']:,} of {extra['checked']:,}"
    if isinstance(extra.get("noise"), float):
        return f"{text.number(extra['noise'], 3)} by chance alone"
    return ""


def _sides(feature: FeatureResult) -> list[tuple[str, str, str]]:
    offline, online = feature.sides.get("offline", {}), feature.sides.get("online", {})
    return [
        (label, _of_side(key, offline.get(key), feature), _of_side(key, online.get(key), feature))
        for key, label in _SIDES.items()
        if key in offline or key in online
    ]


def _of_side(key: str, value: Any, feature: FeatureResult) -> str:
    if key == "null_rate":
        return text.share(value)
    if is_moment(feature) and key in ("mean", "min", "max"):
        return text.moment(value)
    return text.duration(value) if is_moment(feature) and key == "sd" else text.number(value)


def _quantiles(feature: FeatureResult) -> tuple[Sequence[str], Sequence[tuple[str, Sequence[str]]]] | None:
    rows = {side: dict(numbers) for side, numbers in feature.quantiles.items() if numbers}
    if not rows:
        return None
    names = list(dict.fromkeys(name for numbers in rows.values() for name in numbers))
    write = text.moment if is_moment(feature) else text.number
    shown = []
    for side, numbers in rows.items():
        own = text.duration if is_moment(feature) and side == "difference" else write
        shown.append((side, [own(numbers.get(name)) for name in names]))
    return names, shown
