"""From a run to its messages, in the transaction that keeps the run; then from waiting messages to their channels."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timezone

from sqlalchemy import Connection

from feast_skew.alert_settings import AlertSettings
from feast_skew.alerts.channels import channel_of, send
from feast_skew.alerts.news import RESOLVED, News, news_of
from feast_skew.alerts.texts import body_of, title_of
from feast_skew.core.moments import parse_moment
from feast_skew.history.incidents import Incidents
from feast_skew.report import Finding, SkewReport, iso

UNTOLD = "FS218"
_LONGEST_SECONDS = 60.0


def write_messages(
    connection: Connection, incidents: Incidents, report: SkewReport, settings: AlertSettings
) -> list[News]:
    """Put one message for each owner with news among those that wait, and note that they are told; give the news.

    Owners without a channel are not told, and not noted: they are told when they have one.
    """
    told = incidents.told(connection)
    news = news_of(report.features, told, settings, parse_moment(report.created_at, "created_at"))
    sinces = incidents.sinces(connection, report.run_id)
    by_owner: dict[tuple[str, str], list[News]] = {}
    for one in news:
        channel = channel_of(one.feature.owner, one.feature.channel, settings)
        if channel:
            by_owner.setdefault((one.feature.owner, channel), []).append(one)
    wanted = [
        {
            "owner": owner,
            "channel": f"{channel}#{number}",
            "title": title_of(report, own),
            "body": body_of(report, own, sinces, settings.link, owner),
        }
        for (owner, channel), own in by_owner.items()
        for number in range(len(settings.channels[channel]))
    ]
    noted = [one for own in by_owner.values() for one in own]
    bad = [one.feature for one in noted if one.kind != RESOLVED]
    incidents.note(connection, report.run_id, bad, [one.feature for one in noted if one.kind == RESOLVED])
    incidents.enqueue(connection, report.run_id, report.created_at, wanted)
    return news


def deliver_messages(incidents: Incidents, settings: AlertSettings) -> list[Finding]:
    """Send what waits, of this run and of earlier ones, for a minute at most; give a finding for each that does not go.

    Raises
    ------
    ConfigError
        When the history cannot be written.
    """
    tried: list[int] = []
    found = []
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        message = incidents.claim(iso(datetime.now(timezone.utc)), passed=tried)
        if message is None:
            break
        tried.append(message.id)
        error = "it was not tried"
        try:
            error = send(message, settings)
        finally:
            incidents.settle(message, error)
        if error:
            found.append(_untold(message.owner, error))
    return found


def without_channel(news: Sequence[News], settings: AlertSettings) -> list[Finding]:
    """Give a finding for each owner with news and no channel."""
    owners = {
        one.feature.owner: None for one in news if not channel_of(one.feature.owner, one.feature.channel, settings)
    }
    return [
        Finding(
            UNTOLD,
            "warn",
            "",
            f"there is no channel for {owner or 'features without an owner'}, who is not told",
            "add one to `alerts: channels:`, or a channel `default`",
        )
        for owner in owners
    ]


def _untold(owner: str, error: str) -> Finding:
    who = owner or "features without an owner"
    return Finding(
        UNTOLD,
        "warn",
        "",
        f"the message to {who} waits: {error}",
        "it is sent by the next run, or by `feast-skew alerts --send`",
    )
