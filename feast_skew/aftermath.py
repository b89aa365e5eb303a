"""What follows a run: it is kept, its owners are told, and what was asked to happen by itself is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from feast_skew.alerts.delivering import deliver_messages, without_channel, write_messages
from feast_skew.alerts.news import News
from feast_skew.alerts.responding import respond
from feast_skew.assembly import NOT_REMEMBERED, Opened, with_finding
from feast_skew.core.model import SourceVersion
from feast_skew.core.moments import earlier, parse_moment
from feast_skew.errors import ConfigError
from feast_skew.history.memory import History
from feast_skew.report import Finding, SkewReport, iso

SHOWN_RUNS = 60
"""Most earlier runs that a report shows."""

NO_HISTORY = "FS219"


@dataclass
class _Kept:
    """What is news of the run that is being kept."""

    news: Sequence[News] = ()


def follow_up(opened: Opened, report: SkewReport) -> SkewReport:
    """Keep a run, tell its owners, respond, and give the report with its past and with findings of what did not go.

    Nothing here changes a verdict. Alerts and responses need to know what was told before: without a history there are none.
    """
    history, settings = opened.history, opened.settings
    if history is None or any(finding.code == NOT_REMEMBERED for finding in report.findings):
        wanted = settings.alerts is not None or settings.responses
        return replace(report, findings=(*report.findings, _nobody_told())) if wanted else report
    try:
        kept = _keep(opened, history, report)
        report = history.runs(report.project).past(report, SHOWN_RUNS)
        found = _told(opened, history, report, kept.news)
    except ConfigError as error:
        return with_finding(report, error)
    return replace(report, findings=(*report.findings, *found))


def _keep(opened: Opened, history: History, report: SkewReport) -> _Kept:
    kept, settings = _Kept(), opened.settings
    incidents = history.incidents(report.project)

    def beside(connection: Connection) -> None:
        if settings.alerts is not None:
            kept.news = write_messages(connection, incidents, report, settings.alerts, opened.plan.registered)

    seen = [(view.name, view.version) for view in opened.plan.views if isinstance(view.version, SourceVersion)]
    created = parse_moment(report.created_at, "created_at")
    history.record(report, seen, iso(earlier(created, settings.history_keep)), beside)
    return kept


def _told(opened: Opened, history: History, report: SkewReport, news: Sequence[News]) -> list[Finding]:
    alerts, incidents = opened.settings.alerts, history.incidents(report.project)
    found = []
    if alerts is not None:
        found += without_channel(news, alerts)
        found += deliver_messages(incidents, alerts)
    return found + respond(opened.settings.responses, report, incidents)


def _nobody_told() -> Finding:
    return Finding(
        NO_HISTORY,
        "warn",
        "",
        "alerts and responses need a history, and there is none: nobody was told",
        "set `history` to a database, and not to false",
    )
