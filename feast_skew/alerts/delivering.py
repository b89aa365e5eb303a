"""From a run to its messages, in the transaction that keeps the run; then from waiting messages to their channels."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone

from sqlalchemy import Connection

from feast_skew.alert_settings import AlertSettings
from feast_skew.alerts.channels import Unsent, channel_of, send
from feast_skew.alerts.news import GONE, News, news_of
from feast_skew.alerts.texts import body_of, title_of
from feast_skew.core.moments import parse_moment
from feast_skew.history.incidents import Incidents, Message, Told
from feast_skew.report import Finding, SkewReport, iso

UNTOLD = "FS218"
_LONGEST_SECONDS = 60.0
_PATIENCE = timedelta(days=30)


def write_messages(
    connection: Connection,
    incidents: Incidents,
    report: SkewReport,
    settings: AlertSettings,
    registered: Mapping[str, Collection[str]] | None = None,
) -> list[News]:
    """Put one message for each owner with news among those that wait, and note that they are told; give the news.

    Owners without a channel are not told, and not noted: they are told when they have one. `registered` are the features of the
    registry by view: of what is no longer among them the end is told.
    """
    told = incidents.told(connection)
    moment = parse_moment(report.created_at, "created_at")
    news = news_of(report.features, told, settings, moment, registered or {})
    sinces = incidents.sinces(connection, report.run_id)
    by_owner: dict[tuple[str, str], list[News]] = {}
    noted: dict[tuple[str, str], Told | None] = {}
    for one in news:
        channel = channel_of(one.owner, one.channel, settings)
        if channel:
            by_owner.setdefault((one.owner, channel), []).append(one)
        if channel or one.kind == GONE:
            noted[one.name] = one.told(channel, sinces.get(one.name, report.created_at))
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
    incidents.note(connection, noted)
    incidents.enqueue(connection, report.run_id, report.created_at, wanted)
    return news


def deliver_messages(incidents: Incidents, settings: AlertSettings, now: datetime | None = None) -> list[Finding]:
    """Send what waits, of this run and of earlier ones, for a minute at most; give a finding for each that does not go.

    A channel that does not take a message is not asked again: what else is for it waits for the next run, and keeps no other back.
    What nobody took for a month is given up.

    Raises
    ------
    ConfigError
        When the history cannot be written.
    """
    tried: list[int] = []
    failed: list[tuple[Message, Unsent]] = []
    moment = now or datetime.now(timezone.utc)
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        down = [message.channel for message, why in failed if why.by_channel]
        message = incidents.claim(iso(moment), passed=tried, down=down)
        if message is None:
            break
        tried.append(message.id)
        unsent: Unsent | None = Unsent("it was not tried")
        try:
            unsent = send(message, settings)
        finally:
            incidents.settle(message, "" if unsent is None else unsent.why)
        if unsent is not None:
            failed.append((message, unsent))
    given_up = incidents.give_up(iso(moment), iso(moment - _PATIENCE))
    gone = {message.id for message in given_up}
    behind = Counter(one.channel for one in incidents.waiting() if one.id not in tried) if failed else Counter()
    found = [
        _untold(message.owner, why.why, behind[message.channel] if why.by_channel else 0)
        for message, why in failed
        if message.id not in gone
    ]
    return found + [_given_up(message.owner, message.created_at) for message in given_up]


def without_channel(news: Sequence[News], settings: AlertSettings) -> list[Finding]:
    """Give a finding for each owner with news and no channel."""
    owners = {one.owner: None for one in news if not channel_of(one.owner, one.channel, settings)}
    return [
        Finding(
            UNTOLD,
            "warn",
            "",
            f"there is no channel for {_who(owner)}, who is not told",
            "add one to `alerts: channels:`, or a channel `default`",
        )
        for owner in owners
    ]


def _untold(owner: str, error: str, behind: int) -> Finding:
    more = f"; {behind:,} more wait for this channel" if behind else ""
    return Finding(
        UNTOLD,
        "warn",
        "",
        f"the message to {_who(owner)} waits: {error}{more}",
        "it is sent by the next run, or by `feast-skew alerts --send`",
    )


def _given_up(owner: str, created_at: str) -> Finding:
    return Finding(
        UNTOLD,
        "warn",
        "",
        f"the message to {_who(owner)} of {created_at[:10]} was given up: nobody took it for {_PATIENCE.days} days",
        "mend the channel, and tell them what `feast-skew history` says",
    )


def _who(owner: str) -> str:
    return owner or "features without an owner"
