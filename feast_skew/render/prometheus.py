"""The report as metrics of Prometheus, for the textfile collector of its node exporter and for a Pushgateway."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from feast_skew.core.moments import parse_moment
from feast_skew.render.base import renderer
from feast_skew.render.table import COUNTS
from feast_skew.render.wording import clean, leading
from feast_skew.report import FeatureResult, Metric, SkewReport, Verdict, rank

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily

LONGEST_LABEL = 200
"""In characters; what is longer is cut, and keeps a hash so that two names stay two."""
_OVERLAYS = ("stale", "ahead", "expired")
_CLASSES = tuple(name for name in COUNTS if name not in ("entities", *_OVERLAYS))
_RATIOS = {
    "mismatch_rate": ("mismatch_ratio", "Share of the compared entities whose values differ"),
    "presence_rate": ("presence_ratio", "Share of the sampled entities that are in one store only"),
    "late_rate": ("late_ratio", "Share of the rows that lag more than max_lag"),
}
_DISTRIBUTIONS = {
    "psi": ("psi", "Population stability index of online against offline, in nats"),
    "mean_difference": ("mean_difference", "Mean of online minus offline, in units of the feature"),
    "variance_ratio": ("variance_ratio", "Variance of online over that of offline"),
    "null_rate_difference": ("null_ratio_difference", "Share of nulls online minus that offline"),
    "unaligned_difference": ("unaligned_difference", "How far rows without a common timestamp lie apart"),
}
_RUN, _FEATURE = ("project",), ("project", "view", "feature")


@renderer("prometheus")
def render(report: SkewReport) -> str:
    """Give the metrics in Prometheus' text format, in the same order every time; what could not be computed is left out."""
    from prometheus_client import generate_latest

    return generate_latest(registry_of(report)).decode()


def registry_of(report: SkewReport) -> CollectorRegistry:
    """Give a registry of its own with all metrics of a report, as a push takes it."""
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    registry.register(_Collected(report))
    return registry


@lru_cache(maxsize=1024)
def label(text: str) -> str:
    """Give a label value without control characters, of at most 200 characters; changed ones end with a hash of the text."""
    harmless = clean(text)
    if harmless == text and len(text) <= LONGEST_LABEL:
        return text
    mark = "~" + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    return harmless[: LONGEST_LABEL - len(mark)] + mark


class _Collected:
    """Collects from a report; nothing is counted in this process, so nothing can be left over from another run."""

    def __init__(self, report: SkewReport) -> None:
        self._report = report

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every metric that has a sample."""
        found = _Families()
        _add_run(found, self._report)
        for feature in self._report.features:
            _add_feature(found, self._report, feature)
        yield from found.families()


class _Families:
    """The metrics so far, by name; the same labels twice would make a server refuse them all, so the first ones stay."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._samples: dict[str, dict[tuple[str, ...], float]] = {}

    def add(self, name: str, says: str, names: Sequence[str], values: Sequence[str], number: object) -> None:
        """Add a sample; none where there is no finite number."""
        is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
        if not is_number or not math.isfinite(number):  # type: ignore[arg-type]  # checked before
            return
        self._names.setdefault(name, (says, tuple(names)))
        self._samples.setdefault(name, {}).setdefault(tuple(map(label, values)), float(number))  # type: ignore[arg-type]

    def families(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics in the order in which they came up."""
        from prometheus_client.core import GaugeMetricFamily

        for name, (says, names) in self._names.items():
            family = GaugeMetricFamily(f"feast_skew_{name}", f"{says}.", labels=names)
            for values, number in self._samples[name].items():
                family.add_metric(values, number)
            yield family


def code_of(verdict: Verdict) -> int:
    """Give a verdict as a number, the worse the larger: 0 pass, 1 warn, 2 inconclusive, 3 error, 4 fail."""
    return len(Verdict) - 1 - rank(verdict)


_CODES = ", ".join(f"{code_of(verdict)} {verdict.value}" for verdict in sorted(Verdict, key=code_of))


def _add_run(found: _Families, report: SkewReport) -> None:
    project = (report.project,)
    found.add("run_verdict", f"Verdict of the last run: {_CODES}", _RUN, project, code_of(report.verdict))
    moment = parse_moment(report.created_at, "created_at").timestamp()
    found.add("run_timestamp_seconds", "When the last run was made, in seconds since 1970", _RUN, project, moment)
    as_of = parse_moment(report.as_of, "as_of").timestamp()
    says = "The instant up to which offline rows were expected online, in seconds since 1970"
    found.add("run_as_of_timestamp_seconds", says, _RUN, project, as_of)
    found.add("run_entities", "Entities that were sampled", _RUN, project, report.sample.get("entities"))
    found.add("run_population", "Entities that offline knows", _RUN, project, report.sample.get("population"))
    for verdict in Verdict:
        number = sum(feature.verdict is verdict for feature in report.features)
        found.add("run_features", "Features by verdict", ("project", "verdict"), (*project, verdict.value), number)
    found.add("run_skipped", "Views and services that were not compared", _RUN, project, len(report.skipped))
    counts: dict[tuple[str, str], int] = {}
    for finding in report.findings:
        counts[finding.code, finding.severity] = counts.get((finding.code, finding.severity), 0) + 1
    for key, number in sorted(counts.items()):
        found.add("findings", "Findings about views", ("project", "code", "severity"), (*project, *key), number)
    names = ("project", "engine", "feast_skew", "feast")
    versions = (report.versions.get("feast_skew", ""), report.versions.get("feast", ""))
    found.add("run_info", "What the last run was made with", names, (*project, report.engine, *versions), 1)


def _add_feature(found: _Families, report: SkewReport, feature: FeatureResult) -> None:
    who = (report.project, feature.view, feature.feature)
    found.add("feature_verdict", f"Verdict of a feature: {_CODES}", _FEATURE, who, code_of(feature.verdict))
    info = ("dtype", "owner", "channel", "runbook")
    about = (feature.dtype, feature.owner, feature.channel, feature.runbook)
    found.add("feature_info", "Type, owner, channel and runbook of a feature", (*_FEATURE, *info), (*who, *about), 1)
    for name in _CLASSES:
        says = "Entities by class, which together are all that were sampled"
        found.add("feature_entities", says, (*_FEATURE, "class"), (*who, name), feature.counts.get(name))
    for name in _OVERLAYS:
        says = "Entities whose online row is older or newer than the latest offline row, or past its ttl"
        found.add("feature_overlay_entities", says, (*_FEATURE, "overlay"), (*who, name), feature.counts.get(name))
    for source, (name, says) in _RATIOS.items():
        _add_metric(found, who, name, says, feature.metrics.get(source), bounds=True)
    for source, (name, says) in _DISTRIBUTIONS.items():
        _add_metric(found, who, name, says, feature.metrics.get(source), bounds=False)
    noise = _extra(feature.metrics, "psi").get("noise")
    found.add("psi_noise", "The population stability index that chance alone gives, in nats", _FEATURE, who, noise)
    for quantile, seconds in feature.lag.items():
        says = "Seconds by which online rows lie behind the latest offline row"
        found.add("lag_seconds", says, (*_FEATURE, "percentile"), (*who, quantile), seconds)
    for cause in leading(feature.causes):
        says = "Share of the wrong entities that the first cause of either kind explains"
        found.add("cause_ratio", says, (*_FEATURE, "kind", "cause"), (*who, cause.kind, cause.code), cause.share)


def _add_metric(
    found: _Families, who: Sequence[str], name: str, says: str, metric: Metric | None, *, bounds: bool
) -> None:
    if metric is None:
        return
    found.add(name, says, _FEATURE, who, metric.value)
    if bounds:
        found.add(f"{name}_low", f"{says}: the lower bound", _FEATURE, who, metric.low)
        found.add(f"{name}_high", f"{says}: the upper bound", _FEATURE, who, metric.high)
    found.add(f"{name}_limit", f"{says}: the limit it is held to", _FEATURE, who, metric.limit)


def _extra(metrics: Mapping[str, Metric], name: str) -> Mapping[str, object]:
    return metrics[name].extra if name in metrics else {}
