"""What the outcomes of rules mean: findings for people, and entries of the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feast_skew.core.plain import plain
from feast_skew.expectations.engine import BROKEN, HELD, NOT_CHECKED, Outcome
from feast_skew.expectations.suites import Rule
from feast_skew.report import Finding

OFFLINE, ONLINE, METRICS = "offline", "online", "metrics"
_SEVERITY = {"critical": "fail", "warning": "warn", "info": "info"}
_MASK = "***"
_LONGEST = 160


@dataclass(frozen=True)
class Checked:
    """A rule with its outcome on one side; `hidden` when what was observed is a key of an entity."""

    rule: Rule
    view: str
    side: str
    outcome: Outcome
    hidden: bool = False


def finding_of_values(offline: Checked, online: Checked) -> Finding | None:
    """Give the finding of a rule on both sides of a view; None when it is kept on both, or was not checked."""
    states = offline.outcome.state, online.outcome.state
    if BROKEN not in states:
        return None
    rule = online.rule
    told = _told(rule)
    if states == (HELD, BROKEN):
        return Finding(
            "FS301",
            _SEVERITY[rule.severity],
            online.view,
            f"{told} holds offline and breaks online: {_observed(online)}",
            "find out what wrote these values online; when they are right, change the rule in its suite",
        )
    if states[1] == BROKEN:
        with_offline = "on both sides" if states[0] == BROKEN else "online, and could not be checked offline"
        return Finding(
            "FS302",
            "warn",
            online.view,
            f"{told} breaks {with_offline}: {_observed(online)} online"
            + (f", {_observed(offline)} offline" if states[0] == BROKEN else f" ({offline.outcome.reason})"),
            "repair the pipeline, or change the rule in its suite",
        )
    return Finding(
        "FS303",
        "warn",
        offline.view,
        f"{told} breaks offline only: {_observed(offline)}",
        "look at the offline source: training reads these values",
    )


def finding_of_metrics(checked: Checked) -> Finding | None:
    """Give the finding of a broken expectation over metrics."""
    if checked.outcome.state != BROKEN:
        return None
    details = checked.outcome.details or {}
    refs = [*details.get("beyond", {}), *details.get("missing", [])]
    views = {ref.partition(":")[0] for ref in refs}
    return Finding(
        "FS304",
        _SEVERITY[checked.rule.severity],
        views.pop() if len(views) == 1 else "",
        f"{_told(checked.rule)} is not met: {details.get('reason') or _observed(checked)}",
        "see the causes of these features; when the limit is wrong, change it in its suite",
    )


def findings_not_checked(checks: Sequence[Checked]) -> list[Finding]:
    """Give one finding per suite, side and reason for the rules that were not checked."""
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for checked in checks:
        if checked.outcome.state == NOT_CHECKED:
            key = (checked.rule.suite, checked.view, checked.side, checked.outcome.reason)
            groups.setdefault(key, []).append(_named(checked.rule))
    found = []
    for (suite, view, side, reason), rules in groups.items():
        where = "" if side == METRICS else f" on the {side} values"
        names = ", ".join(dict.fromkeys(rules))
        count = "1 rule" if len(rules) == 1 else f"{len(rules)} rules"
        found.append(
            Finding(
                "FS305",
                "warn",
                view,
                f"suite {suite}: {count} not checked{where}, {_cut(reason)}: {_cut(names)}",
                "what was not checked has not passed: see that there is data, or change the rule in its suite",
            )
        )
    return found


def entry_of(checked: Checked, verdict: str) -> dict[str, Any]:
    """Give a rule and its outcome as plain JSON values, for the report."""
    rule, outcome = checked.rule, checked.outcome
    return {
        "suite": rule.suite,
        "view": checked.view,
        "side": checked.side,
        "type": rule.type,
        "column": ", ".join(rule.columns) or None,
        "kwargs": dict(rule.kwargs),
        "severity": rule.severity,
        "success": None if outcome.state == NOT_CHECKED else outcome.state == HELD,
        "observed": _MASK if checked.hidden and outcome.observed is not None else plain_value(outcome.observed),
        "unexpected_count": outcome.unexpected,
        "unexpected_share": plain_value(outcome.share),
        "element_count": outcome.elements,
        "verdict": verdict,
        "reason": outcome.reason or str((outcome.details or {}).get("reason", "")),
    }


def verdicts_of_values(offline: Checked, online: Checked, finding: Finding | None) -> tuple[str, str]:
    """Give the verdicts of a rule on both sides: `fail` and `warn` as its finding says, `inconclusive` if not checked."""
    bad = "warn" if finding is None or finding.severity != "fail" else "fail"
    word = {HELD: "pass", NOT_CHECKED: "inconclusive", BROKEN: bad}
    return word[offline.outcome.state], word[online.outcome.state]


def plain_value(value: Any) -> Any:
    """Give an observed value as plain JSON: numbers as they are, None for NaN, containers by their items."""
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): plain_value(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value[:20]]
    return plain(value)


def _named(rule: Rule) -> str:
    columns = ", ".join(rule.columns)
    return f"{rule.type}({columns})" if columns else rule.type


def _told(rule: Rule) -> str:
    limits = ", ".join(
        f"{name}={_number(value)}"
        for name, value in rule.kwargs.items()
        if not name.startswith("column") and name not in ("quantile_ranges", "row_condition", "condition_parser")
    )
    columns = f"{', '.join(rule.columns)}: " if rule.columns else ""
    return f"suite {rule.suite}: {columns}{rule.type}" + (f" ({_cut(limits)})" if limits else "")


def _observed(checked: Checked) -> str:
    outcome, kwargs = checked.outcome, checked.rule.kwargs
    if outcome.unexpected is not None and outcome.share is not None:
        return f"{outcome.unexpected:,} of {outcome.elements:,} values ({outcome.share:.2%} of those not null) are unexpected"
    if checked.hidden:
        return "observed ***"
    observed = outcome.observed
    if isinstance(observed, Mapping) and "quantile_ranges" in kwargs:
        ranges = kwargs["quantile_ranges"]["value_ranges"]
        entries = zip(observed["quantiles"], observed["values"], ranges, strict=True)
        return ", ".join(_quantile(*entry) for entry in entries if _outside(entry[1], *entry[2]))
    return f"observed {_cut(_number(plain_value(observed)))} over {outcome.elements:,} rows"


def _outside(value: Any, low: Any, high: Any) -> bool:
    return value is None or (low is not None and value < low) or (high is not None and value > high)


def _quantile(quantile: float, value: Any, limits: Sequence[Any]) -> str:
    low, high = limits
    allowed = " and ".join(
        f"{word} {_number(bound)}" for word, bound in (("at least", low), ("at most", high)) if bound is not None
    )
    return f"the {100 * quantile:g} % quantile is {_number(plain_value(value))}, expected {allowed}"


def _number(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
