"""A report held against an earlier one: what was known and is not worse fails no longer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from feast_skew.errors import ConfigError
from feast_skew.history.baseline_file import Baseline, FailedFinding, Then
from feast_skew.report import FeatureResult, Finding, Known, Metric, SkewReport, Verdict, rank, worst
from feast_skew.statistics.multiplicity import benjamini_hochberg
from feast_skew.statistics.two_shares import rise_p_value

_TOLERATED = (Verdict.FAIL, Verdict.INCONCLUSIVE)
# A number that stands alone: what was counted differs from run to run, the digits of a column's name do not.
_NUMBER = re.compile(r"(?<![\w.])\d[\d,.]*(e[+-]?\d+)?(?!\w)", re.IGNORECASE)
_NAMES = {"mismatch_rate": "wrong values", "presence_rate": "entities in one store only", "late_rate": "late rows"}


def check_project(baseline: Baseline, project: str) -> None:
    """Make sure that a baseline is of the project that is validated.

    Raises
    ------
    ConfigError
        When it is of another one.
    """
    if baseline.project != project:
        raise ConfigError(
            f"baseline {baseline.path} is of project {baseline.project!r}, this repository is {project!r}",
            hint="name a report of this repository",
        )


def hold_against(report: SkewReport, baseline: Baseline) -> SkewReport:
    """Turn known failures that are not surely worse into warnings, and say of all others why they fail.

    A failure is known when the feature failed in the baseline, no metric fails that did not fail there, none is surely
    worse, and the first cause of kind `what` is the same (or none is named now). Surely worse is a metric whose lower
    bound is above the baseline's upper bound; of shares, Fisher's exact test, adjusted by Benjamini-Hochberg over the
    known failures, must agree, as two days differ by chance even where all entities were read.

    Findings of severity `fail` that the baseline had become warnings. What was inconclusive or could not be read stays so.
    """
    confidence = float(report.settings.get("confidence", 0.95))
    pairs = [(feature, baseline.features.get((feature.view, feature.feature))) for feature in report.features]
    risen = _risen(pairs, 1.0 - confidence)
    features = sorted(
        (_held(feature, then, baseline, risen[at]) for at, (feature, then) in enumerate(pairs)),
        key=lambda feature: (rank(feature.verdict), feature.known is not None and feature.known.accepted),
    )
    findings = _findings(report.findings, baseline)
    now = {(feature.view, feature.feature) for feature in features}
    states: dict[str, list[str]] = {name: [] for name in ("new", "worse", "other_cause", "known", "recovered")}
    for feature in features:
        if feature.known is not None and Verdict(feature.known.verdict) in (Verdict.FAIL, Verdict.PASS):
            states[feature.known.state].append(f"{feature.view}:{feature.feature}")
    content = {
        "run_id": baseline.run_id,
        "created_at": baseline.created_at,
        "verdict": baseline.verdict.value,
        "verdict_without": report.verdict.value,
        **states,
        "gone": [f"{view}:{name}" for view, name in baseline.features if (view, name) not in now],
        "known_findings": sum(finding.known is not None and finding.known.accepted for finding in findings),
    }
    return replace(report, features=tuple(features), findings=findings, baseline=content)


@dataclass(frozen=True)
class _Rise:
    """A metric that is surely larger than it was."""

    name: str
    least: float
    most: float

    def told(self) -> str:
        if self.name in _NAMES:
            return f"{_NAMES[self.name]}: at least {self.least:.3%}, at most {self.most:.3%} then"
        return f"{self.name}: at least {self.least:.4g}, at most {self.most:.4g} then"


def _risen(pairs: Sequence[tuple[FeatureResult, Then | None]], alpha: float) -> list[_Rise | None]:
    """Give the first metric of each feature that failed then and is surely worse now."""
    found: list[tuple[int, _Rise, float | None]] = []
    tests: list[float] = []
    for at, (feature, then) in enumerate(pairs):
        if then is None:
            continue
        for name, metric in feature.metrics.items():
            if metric.verdict is not Verdict.FAIL or then.verdicts.get(name) is not Verdict.FAIL:
                continue
            before = then.bounds[name]
            p_value = _p_value(metric, before)
            if p_value is not None:
                tests.append(p_value)
            now, most = _size(name, metric.low, metric.high), _size(name, before["low"], before["high"])
            if now is not None and most is not None and now[0] > most[1]:
                found.append((at, _Rise(name, now[0], most[1]), p_value))
    adjusted = dict(zip(tests, benjamini_hochberg(tests), strict=True))
    rises: list[_Rise | None] = [None] * len(pairs)
    for at, rise, p_value in found:
        if rises[at] is None and (p_value is None or adjusted[p_value] <= alpha):
            rises[at] = rise
    return rises


def _p_value(metric: Metric, before: Mapping[str, float | None]) -> float | None:
    """Give how likely so large a rise of a share is by chance; None of metrics that are no shares of counted entities."""
    wrong, checked = metric.extra.get("wrong"), metric.extra.get("checked")
    wrong_then, checked_then = before["wrong"], before["checked"]
    if wrong is None or checked is None or wrong_then is None or checked_then is None:
        return None
    return rise_p_value(int(wrong_then), int(checked_then), int(wrong), int(checked))


def _size(name: str, low: float | None, high: float | None) -> tuple[float, float] | None:
    """Give the bounds of a metric as a distance from "no difference": differences have a sign, ratios are around one."""
    if low is None or high is None:
        return None
    if name == "variance_ratio":
        low, high = (math.log(bound) if bound > 0 else -math.inf for bound in (low, high))
    return max(0.0, low, -high), max(abs(low), abs(high))


def _held(feature: FeatureResult, then: Then | None, baseline: Baseline, rise: _Rise | None) -> FeatureResult:
    if feature.verdict is Verdict.PASS:
        if then is None or then.verdict is not Verdict.FAIL:
            return feature
        reason = f"failed in the baseline of {baseline.created_at}, passes now"
        return replace(feature, known=Known("recovered", "pass", then.verdict.value, then.since, reason))
    if feature.verdict is Verdict.WARN:
        if then is None or then.verdict not in (Verdict.FAIL, Verdict.WARN):
            return feature
        return replace(
            feature, known=Known("known", "warn", then.verdict.value, then.since, f"known since {then.since}")
        )
    if feature.verdict is not Verdict.FAIL:
        return feature
    state, reason = _judged(feature, then, baseline, rise)
    if then is None or state != "known":
        since = then.since if then is not None and then.verdict is Verdict.FAIL else None
        known = Known(state, "fail", None if then is None else then.verdict.value, since, reason)
        return replace(feature, known=known, reasons=(reason, *feature.reasons))
    bounds = {name: _first(metric, then.bounds[name]) for name, metric in feature.metrics.items() if _failing(metric)}
    known = Known(state, "fail", then.verdict.value, then.since, reason, bounds)
    return replace(feature, known=known, verdict=_remaining(feature, then), reasons=(reason, *feature.reasons))


def _judged(feature: FeatureResult, then: Then | None, baseline: Baseline, rise: _Rise | None) -> tuple[str, str]:
    """Give the state of a failure, and the reason in words."""
    moment = f"the baseline of {baseline.created_at}"
    if then is None:
        return "new", f"new: the feature is not in {moment}"
    if then.verdict is not Verdict.FAIL:
        return "new", f"new: {_VERDICTS[then.verdict]} in {moment}"
    for name, metric in feature.metrics.items():
        if _failing(metric) and then.verdicts.get(name) is not Verdict.FAIL:
            return "worse", f"worse than in {moment}: {name} did not fail there"
    if rise is not None:
        return "worse", f"worse than in {moment}: {rise.told()}"
    what = next((cause.code for cause in feature.causes if cause.kind == "what"), None)
    if what is not None and what != then.what:
        return "other_cause", f"another cause than in {moment}: {what}, then {then.what or 'none was named'}"
    return "known", f"known since {then.since}: not worse"


_VERDICTS = {
    Verdict.PASS: "passed",
    Verdict.WARN: "only warned",
    Verdict.INCONCLUSIVE: "was undecided",
    Verdict.ERROR: "could not be read",
}


def _failing(metric: Metric) -> bool:
    return metric.verdict is Verdict.FAIL


def _first(metric: Metric, before: Mapping[str, float | None]) -> Mapping[str, float | None]:
    """Give the bounds that later runs are held to: the first ones, unless it is surely better now."""
    then_low = before["low"]
    if metric.high is None or then_low is None or metric.high >= then_low:
        return before
    return {
        "low": metric.low,
        "high": metric.high,
        "wrong": metric.extra.get("wrong"),
        "checked": metric.extra.get("checked"),
    }


def _remaining(feature: FeatureResult, then: Then) -> Verdict:
    """Give the verdict beside the known failure: inconclusive where a limit can no longer be decided on."""
    left = [Verdict.WARN]
    for name, metric in feature.metrics.items():
        if metric.verdict is not Verdict.INCONCLUSIVE or (metric.value is None and metric.limit is None):
            continue
        if name == "mismatch_rate" and "unaligned_difference" in feature.metrics:
            continue  # too few rows align: the unaligned ones decide
        if then.verdicts.get(name) not in _TOLERATED:
            left.append(Verdict.INCONCLUSIVE)
    return worst(left)


def _findings(findings: Sequence[Finding], baseline: Baseline) -> tuple[Finding, ...]:
    """Give the findings, those of severity `fail` that the baseline had as warnings; each of those stands for one."""
    left = list(baseline.findings)
    held = []
    for finding in findings:
        if finding.severity != "fail":
            held.append(finding)
            continue
        before = next((failed for failed in left if _covers(failed, finding)), None)
        if before is not None:
            left.remove(before)
            known = Known("known", "fail", "fail", before.since, f"known since {before.since}")
            held.append(replace(finding, severity="warn", known=known))
        else:
            reason = f"new: not in the baseline of {baseline.created_at}"
            held.append(replace(finding, known=Known("new", "fail", None, None, reason)))
    return tuple(sorted(held, key=lambda finding: finding.severity != "fail"))


def _covers(failed: FailedFinding, finding: Finding) -> bool:
    """Tell whether a finding names nothing that the baseline's did not: the same rule, and the same features or fewer.

    Of fewer features, all may be of one view, which is then the finding's.
    """
    if finding.code != failed.code or failed.view not in (finding.view, ""):
        return False
    return _words(finding.detail) <= _words(failed.detail)


def _words(detail: str) -> set[str]:
    """Give the words of a text without the numbers, which differ from run to run."""
    return {word.strip(",;:.") for word in _NUMBER.sub("#", detail).split()}
