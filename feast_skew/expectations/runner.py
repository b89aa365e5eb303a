"""Suites in a run: value rules on both sides of every view, limits on the metrics at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from feast_skew.core.model import Plan
from feast_skew.errors import ConfigError
from feast_skew.expectations.engine import BROKEN, HELD, NOT_CHECKED, Outcome, evaluate
from feast_skew.expectations.features import FeatureExpectation
from feast_skew.expectations.findings import (
    METRICS,
    OFFLINE,
    ONLINE,
    Checked,
    entry_of,
    finding_of_metrics,
    finding_of_values,
    findings_not_checked,
    verdicts_of_values,
)
from feast_skew.expectations.metrics import FACTS, metrics_table
from feast_skew.expectations.suites import VALUES, Rule, Suite
from feast_skew.expectations.values import to_frames
from feast_skew.report import Finding, SkewReport, Verdict

_UNMEASURED = (Verdict.ERROR.value, Verdict.INCONCLUSIVE.value)


class SuiteRunner:
    """Holds one run against its suites; the port that the run calls per measured view, and once with the report.

    Rules about views and columns that exist but were not asked for in this run are left out. With `show_entities` what
    was observed of join keys is shown.
    """

    def __init__(self, suites: Sequence[Suite], plan: Plan, *, show_entities: bool = False) -> None:
        self._suites = suites
        self._views = {view.name: {feature.name for feature in view.features} for view in plan.views}
        self._skipped = {entry.view: entry.reason for entry in plan.skipped}
        self._show = show_entities
        self._checked_views: set[str] = set()
        self._findings: list[Finding] = []
        self._unchecked: list[Checked] = []
        self._entries: list[dict[str, Any]] = []

    def check_view(self, view: str, keys: Sequence[str], offline: pa.Table, online: pa.Table) -> None:
        """Hold the sampled rows of a view against its rules, each side by itself.

        Raises
        ------
        ConfigError
            For a rule that cannot be evaluated on these columns.
        """
        self._checked_views.add(view)
        rules = self._rules(view, offline.column_names)
        if not rules:
            return
        (frame_offline, nan_offline), (frame_online, nan_online) = to_frames(offline, online)
        sides = (OFFLINE, frame_offline, nan_offline), (ONLINE, frame_online, nan_online)
        found = []
        for side, frame, unseen in sides:
            outcomes = evaluate(frame, rules, unseen)
            for rule, outcome in zip(rules, outcomes, strict=True):
                _refuse(rule, outcome, f"on the {side} values of view {view}", frame.dtypes.to_dict())
            found.append(
                [
                    Checked(rule, view, side, outcome, not self._show and bool(set(rule.columns) & set(keys)))
                    for rule, outcome in zip(rules, outcomes, strict=True)
                ]
            )
        for on_offline, on_online in zip(*found, strict=True):
            finding = finding_of_values(on_offline, on_online)
            self._findings.extend([finding] if finding else [])
            self._unchecked.extend((on_offline, on_online))
            for checked, verdict in zip(
                (on_offline, on_online), verdicts_of_values(on_offline, on_online, finding), strict=True
            ):
                self._entries.append(entry_of(checked, verdict))

    def finish(self, report: SkewReport) -> SkewReport:
        """Hold the metrics of the finished report against their suites; give the report with all that rules found.

        Raises
        ------
        ConfigError
            For an expectation that cannot be evaluated on the table of metrics.
        """
        self._check_metrics(report)
        self._note_unread_views()
        findings = [*self._findings, *findings_not_checked(self._unchecked)]
        order = {"fail": 0, "warn": 1, "info": 2}
        findings.sort(key=lambda finding: order[finding.severity])
        return replace(report, findings=(*report.findings, *findings), expectations=tuple(self._entries))

    def _rules(self, view: str, columns: Sequence[str]) -> list[Rule]:
        rules = [rule for suite in self._suites if suite.table == VALUES and suite.view == view for rule in suite.rules]
        return [rule for rule in rules if set(rule.columns) <= set(columns)]

    def _check_metrics(self, report: SkewReport) -> None:
        table = metrics_table(report)
        verdicts = {f"{feature.view}:{feature.feature}": feature.verdict.value for feature in report.features}
        rules = [rule for suite in self._suites if suite.table != VALUES for rule in suite.rules if self._asked(rule)]
        nulls = table.drop(columns=list(FACTS)).isna().sum()
        unseen = {str(name): int(count) for name, count in nulls.items() if count}
        for rule, outcome in zip(rules, evaluate(table, rules, unseen), strict=True):
            _refuse(rule, outcome, "on the metrics of the run", table.dtypes.to_dict())
            checked = Checked(rule, str(rule.kwargs.get("view") or ""), METRICS, _weighed(rule, outcome, verdicts))
            finding = finding_of_metrics(checked)
            self._findings.extend([finding] if finding else [])
            self._unchecked.append(checked)
            bad = "fail" if finding is not None and finding.severity == "fail" else "warn"
            self._entries.append(
                entry_of(checked, {HELD: "pass", NOT_CHECKED: "inconclusive", BROKEN: bad}[checked.outcome.state])
            )

    def _asked(self, rule: Rule) -> bool:
        """Tell whether a rule about metrics is about anything that this run was asked for."""
        view, feature = rule.kwargs.get("view"), rule.kwargs.get("feature")
        if not isinstance(rule.expectation, FeatureExpectation) or (view is None and feature is None):
            return True
        if view in self._skipped:
            return True
        views = [view] if view is not None else list(self._views)
        return any(name in self._views and feature in (None, *self._views[name]) for name in views)

    def _note_unread_views(self) -> None:
        """Name the rules about views that the run was to measure and could not."""
        for suite in self._suites:
            planned = suite.view in self._views or suite.view in self._skipped
            if suite.table == VALUES and planned and suite.view not in self._checked_views:
                reason = self._skipped.get(suite.view, "the view could not be read")
                nothing = Outcome(NOT_CHECKED, reason=reason)
                for rule in suite.rules:
                    for side in (OFFLINE, ONLINE):
                        self._unchecked.append(Checked(rule, suite.view, side, nothing))
                        self._entries.append(entry_of(self._unchecked[-1], "inconclusive"))


def _weighed(rule: Rule, outcome: Outcome, verdicts: Mapping[str, str]) -> Outcome:
    """Tell a limit that is broken from one that could not be checked, as its features were not measured."""
    if outcome.state != BROKEN or outcome.details is None or outcome.details["beyond"]:
        return outcome
    missing = outcome.details["missing"]
    if not isinstance(rule.expectation, FeatureExpectation):
        return outcome
    if all(verdicts.get(ref) in _UNMEASURED for ref in missing):
        return replace(outcome, state=NOT_CHECKED, reason=outcome.details["reason"])
    return outcome


def _refuse(rule: Rule, outcome: Outcome, where: str, types: Mapping[Any, Any]) -> None:
    if outcome.error:
        columns = ", ".join(f"{name} ({kind})" for name, kind in types.items())
        raise ConfigError(
            f"suite {rule.suite}: {rule.type} on {', '.join(rule.columns) or 'the table'} cannot be evaluated {where}",
            hint=f"{outcome.error}; the columns are {columns}",
        )
