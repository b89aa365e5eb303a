"""The result of a run as frozen facts; everything that is shown comes from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from feast_skew.errors import EXIT_NOT_MEASURED, EXIT_PASS, EXIT_SKEW

if TYPE_CHECKING:
    from feast_skew.statistics.profile import Profile

SCHEMA_VERSION = "1"


class Verdict(str, Enum):
    """Outcome of a limit, a feature or a run."""

    PASS = "pass"  # noqa: S105  a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


_WORST_FIRST = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.WARN, Verdict.PASS)


def rank(verdict: Verdict) -> int:
    """Give the place of a verdict in the order of reports, the worst first, from 0."""
    return _WORST_FIRST.index(verdict)


def worst(verdicts: list[Verdict]) -> Verdict:
    """Give the verdict that decides: fail, then error, inconclusive, warn, pass; inconclusive when there is none."""
    return min(verdicts, key=_WORST_FIRST.index, default=Verdict.INCONCLUSIVE)


@dataclass(frozen=True)
class Metric:
    """A number with its bounds, the limit it is held to, and what follows.

    `extra` holds what belongs to one metric only, such as the bins of a PSI.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    limit: float | str | None = None
    verdict: Verdict = Verdict.PASS
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the metric as plain JSON values."""
        bounds = {} if self.low is None and self.high is None else {"low": self.low, "high": self.high}
        return {"value": self.value, **bounds, **self.extra, "limit": self.limit, "verdict": self.verdict.value}


@dataclass(frozen=True)
class Cause:
    """What a difference is, or how it came about, with its proof.

    `share` is the share of the wrong entities that it explains, `confidence` how sure the rule is of it, both 0..1;
    `parameters` counts what the rule had to fit, the fewer the better at equal share.
    """

    code: str
    kind: str
    share: float
    confidence: float
    detail: str
    evidence: Mapping[str, Any]
    remedy: str
    parameters: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Give the cause as plain JSON values."""
        return {
            "code": self.code,
            "kind": self.kind,
            "share": self.share,
            "confidence": self.confidence,
            "detail": self.detail,
            "evidence": dict(self.evidence),
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Example:
    """One entity with both values and both timestamps, as plain JSON values; the key may be masked."""

    key: Mapping[str, Any]
    offline: Any
    online: Any
    offline_timestamp: str | None
    online_timestamp: str | None
    kind: str

    def to_dict(self) -> dict[str, Any]:
        """Give the example as plain JSON values."""
        return {
            "key": dict(self.key),
            "offline": self.offline,
            "online": self.online,
            "offline_timestamp": self.offline_timestamp,
            "online_timestamp": self.online_timestamp,
            "class": self.kind,
        }


@dataclass(frozen=True)
class Known:
    """What a baseline says of a feature or finding: `known`, `worse`, `other_cause`, `new` or `recovered`.

    `verdict` is the one that it would have without the baseline, `then` the one it had there (None: it was not there),
    `since` the moment of the first report that had it, as ISO 8601. `bounds` are the first report's, by metric, so that
    small steps do not add up when each night's report is the next night's baseline.
    """

    state: str
    verdict: str
    then: str | None
    since: str | None
    reason: str
    bounds: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether it counts as known, and so fails nothing."""
        return self.state == "known"

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain JSON values."""
        return {
            "state": self.state,
            "verdict": self.verdict,
            "then": self.then,
            "since": self.since,
            "reason": self.reason,
            "bounds": {name: dict(numbers) for name, numbers in self.bounds.items()},
        }


@dataclass(frozen=True)
class Past:
    """A feature in an earlier run, as the history holds it: its verdict, the share of wrong entities, and the first cause.

    `created_at` is ISO 8601 in UTC; shares are 0..1, None where nothing could be compared.
    """

    run_id: str
    created_at: str
    verdict: Verdict
    value: float | None
    low: float | None
    high: float | None
    psi: float | None = None
    cause: str = ""


@dataclass(frozen=True)
class FeatureResult:
    """Everything that a run found about one feature.

    `ignored` says until when and why it is not judged, empty where it is; `lag` are quantiles of the seconds by which online rows lie behind the latest offline row. Not in the JSON are the `profile`, from
    which the distributions were computed, and the `past`, oldest first, of the runs before this one.
    """

    view: str
    feature: str
    dtype: str
    owner: str
    runbook: str
    verdict: Verdict
    counts: Mapping[str, int]
    metrics: Mapping[str, Metric]
    causes: tuple[Cause, ...] = ()
    examples: tuple[Example, ...] = ()
    reasons: tuple[str, ...] = ()
    quantiles: Mapping[str, Any] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    sides: Mapping[str, Any] = field(default_factory=dict)
    confusion: tuple[Mapping[str, Any], ...] = ()
    paths: tuple[Mapping[str, Any], ...] = ()
    known: Known | None = None
    channel: str = ""
    ignored: str = ""
    lag: Mapping[str, float] = field(default_factory=dict)
    profile: Profile | None = field(default=None, repr=False, compare=False)
    past: tuple[Past, ...] = field(default=(), repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Give the feature as plain JSON values; `known` only where a baseline had a say."""
        return {
            "view": self.view,
            "feature": self.feature,
            "dtype": self.dtype,
            "owner": self.owner,
            "runbook": self.runbook,
            "channel": self.channel,
            **({"ignored": self.ignored} if self.ignored else {}),
            "services": list(self.services),
            "verdict": self.verdict.value,
            "reasons": list(self.reasons),
            "counts": dict(self.counts),
            "metrics": {name: metric.to_dict() for name, metric in self.metrics.items()},
            "sides": {side: dict(numbers) for side, numbers in self.sides.items()},
            "quantiles": dict(self.quantiles),
            "lag": dict(self.lag),
            "confusion": [dict(pair) for pair in self.confusion],
            "paths": [dict(path) for path in self.paths],
            "causes": [cause.to_dict() for cause in self.causes],
            "examples": [example.to_dict() for example in self.examples],
            **({} if self.known is None else {"known": self.known.to_dict()}),
        }


@dataclass(frozen=True)
class Finding:
    """Something about a view that users should know, beside the verdicts of its features."""

    code: str
    severity: str
    view: str
    detail: str
    remedy: str
    known: Known | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the finding as plain JSON values; `known` only where a baseline had a say."""
        return {
            "code": self.code,
            "severity": self.severity,
            "view": self.view,
            "detail": self.detail,
            "remedy": self.remedy,
            **({} if self.known is None else {"known": self.known.to_dict()}),
        }


@dataclass(frozen=True)
class SkewReport:
    """The result of a run; `to_dict()` is the public JSON. `fingerprints` are those of what each view means, where it comes from Feast."""

    project: str
    run_id: str
    created_at: str
    engine: str
    as_of: str
    seed: int
    versions: Mapping[str, str]
    sample: Mapping[str, Any]
    features: tuple[FeatureResult, ...]
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Mapping[str, str], ...] = ()
    scans: tuple[Mapping[str, Any], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    expectations: tuple[Mapping[str, Any], ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    baseline: Mapping[str, Any] | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict of the run: the worst feature decides; a finding of severity `fail` fails it too."""
        verdicts = [feature.verdict for feature in self.features]
        if any(finding.severity == "fail" for finding in self.findings):
            verdicts.append(Verdict.FAIL)
        return worst(verdicts)

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain JSON values, schema version 1; `baseline` only where there was one."""
        return {
            "schema_version": SCHEMA_VERSION,
            "project": self.project,
            "run_id": self.run_id,
            "created_at": self.created_at,
            "engine": self.engine,
            "as_of": self.as_of,
            "seed": self.seed,
            "versions": dict(self.versions),
            "verdict": self.verdict.value,
            "settings": dict(self.settings),
            "sample": dict(self.sample),
            "features": [feature.to_dict() for feature in self.features],
            "findings": [finding.to_dict() for finding in self.findings],
            "skipped": [dict(entry) for entry in self.skipped],
            "scans": [dict(entry) for entry in self.scans],
            "expectations": [dict(entry) for entry in self.expectations],
            **({"fingerprints": dict(self.fingerprints)} if self.fingerprints else {}),
            "seconds": {name: round(spent, 3) for name, spent in self.seconds.items()},
            **({} if self.baseline is None else {"baseline": dict(self.baseline)}),
        }


def exit_code(report: SkewReport, *, fail_on: str, allow_inconclusive: bool) -> int:
    """Give the exit code that the contract names for a verdict; what a baseline knows ends nothing."""
    verdict = report.verdict
    if verdict is Verdict.FAIL:
        return EXIT_SKEW
    if verdict is Verdict.ERROR or (verdict is Verdict.INCONCLUSIVE and not allow_inconclusive):
        return EXIT_NOT_MEASURED
    warned = (feature for feature in report.features if feature.verdict is Verdict.WARN)
    if fail_on == "warn" and any(feature.known is None or not feature.known.accepted for feature in warned):
        return EXIT_SKEW
    return EXIT_PASS


def iso(moment: datetime) -> str:
    """Write an aware moment as UTC ISO 8601 text."""
    from datetime import timezone

    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
