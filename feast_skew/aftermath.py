"""What follows a run: it is kept, its owners are told, and what was asked to happen by itself is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from sqlalchemy import Connection

from feast_skew.alerts.delivering import UNTOLD, deliver_messages, without_channel, write_messages
from feast_skew.alerts.news import News
from feast_skew.alerts.responding import RESPONDED, respond, want_responses
from feast_skew.assembly import NOT_REMEMBERED, Opened, with_finding
from feast_skew.core.model import SourceVersion
from feast_skew.core.moments import earlier, parse_moment
from feast_skew.errors import ConfigError, SkewError
from feast_skew.history.memory import History
from feast_skew.report import Finding, SkewReport, iso

SHOWN_RUNS = 60
"""Most earlier runs that a report shows."""

NO_HISTORY = "FS219"


def follow_up(opened: Opened, report: SkewReport) -> SkewReport:
    """Keep a run, tell its owners, respond, and give the report with its past and with findings of what did not go.

    Nothing here changes a verdict, or takes the report away. Alerts and responses need to know what was told before: without a history
    that holds the run there are none. Once it is kept, each goes its own way: what keeps one back does not keep the others.
    """
    history, settings = opened.history, opened.settings
    untold = (_nobody_told(),) if settings.alerts is not None or settings.responses else ()
    if history is None or any(finding.code == NOT_REMEMBERED for finding in report.findings):
        return _with(report, untold)
    try:
        news = _keep(opened, history, report)
    except Exception as error:  # noqa: BLE001  the report goes out whatever happens to its memory
        return _with(with_finding(report, _told_of(error)), untold)
    found: list[Finding] = []
    try:
        report = history.runs(report.project).past(report, SHOWN_RUNS)
    except Exception as error:  # noqa: BLE001  as above
        found.append(_trouble(NOT_REMEMBERED, "info", "the report shows no earlier runs", error))
    try:
        found += _deliver(opened, history, report, news)
    except Exception as error:  # noqa: BLE001  as above
        found.append(_trouble(UNTOLD, "warn", "messages to owners may wait", error))
    try:
        runs = history.runs(report.project)
        found += respond(settings.responses, report, history.responses(report.project), runs.report)
    except Exception as error:  # noqa: BLE001  as above
        found.append(_trouble(RESPONDED, "warn", "responses may wait", error))
    return _with(report, found)


def _keep(opened: Opened, history: History, report: SkewReport) -> Sequence[News]:
    """Keep a run with its messages and with what is to be done, all or nothing; give what is news of it."""
    settings, news = opened.settings, list[News]()
    incidents, responses = history.incidents(report.project), history.responses(report.project)

    def beside(connection: Connection) -> None:
        if settings.alerts is not None:
            news.extend(write_messages(connection, incidents, report, settings.alerts, opened.plan.registered))
        want_responses(connection, responses, report, settings.responses)

    seen = [(view.name, view.version) for view in opened.plan.views if isinstance(view.version, SourceVersion)]
    created = parse_moment(report.created_at, "created_at")
    history.record(report, seen, iso(earlier(created, settings.history_keep)), beside)
    return news


def _deliver(opened: Opened, history: History, report: SkewReport, news: Sequence[News]) -> list[Finding]:
    alerts = opened.settings.alerts
    if alerts is None:
        return []
    return [*without_channel(news, alerts), *deliver_messages(history.incidents(report.project), alerts)]


def _with(report: SkewReport, findings: Sequence[Finding]) -> SkewReport:
    return replace(report, findings=(*report.findings, *findings))


def _told_of(error: Exception) -> SkewError:
    """Give an error as one of ours; of others only the kind, as their words may hold a password."""
    return error if isinstance(error, SkewError) else ConfigError(f"unexpected {type(error).__name__}")


def _trouble(code: str, severity: Literal["warn", "info"], what: str, error: Exception) -> Finding:
    told = _told_of(error)
    return Finding(code, severity, "", f"{what}: {told.message}", told.hint)


def _nobody_told() -> Finding:
    return Finding(
        NO_HISTORY,
        "warn",
        "",
        "alerts and responses need a history that holds the run, and there is none: nobody was told",
        "set `history` to a database that can be written, and not to false",
    )
