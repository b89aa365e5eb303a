"""Where an owner is told, and the sending itself, which Apprise does: mail, Slack, Teams, PagerDuty, webhooks and a hundred more."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from feast_skew.alert_settings import AlertSettings
from feast_skew.alerts.addresses import filled, unset
from feast_skew.core.deadline import within
from feast_skew.errors import ConfigError
from feast_skew.history.incidents import Message

DEFAULT = "default"
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_SHORTEST_SECRET = 3
_LONGEST_SECONDS = 30.0
_NOT_INSTALLED = "apprise is not installed: pip install 'feast-skew[alerts]'"


def channel_of(owner: str, channel: str, settings: AlertSettings) -> str:
    """Give the name of the channel to tell an owner by: the one their features name, their own, or `default`; empty without any."""
    for name in (channel, owner, DEFAULT):
        if name and settings.channels.get(name):
            return name
    return ""


@dataclass(frozen=True)
class Unsent:
    """Why a message was not taken, in one line without a secret; `by_channel` tells that its channel would take no other either."""

    why: str
    by_channel: bool = False


def send(message: Message, settings: AlertSettings) -> Unsent | None:
    """Send a message by its channel; give why that failed, None when it was taken.

    The channel of a message is one address, `name#number`: what one of several took is not sent to it again for another's sake. Where the
    settings have the channel no more, the owner's own or `default` stands in; an address that is no more needs nothing, as the
    channel's others have the same message.
    """
    name, _, number = message.channel.rpartition("#")
    urls = settings.channels.get(name) or settings.channels.get(channel_of(message.owner, "", settings), ())
    if not urls:
        return Unsent(f"the settings have neither the channel {name!r} any more nor another for them", by_channel=True)
    if int(number) >= len(urls):
        return None
    try:
        url = _filled(urls[int(number)], message.owner)
    except ConfigError as error:
        return Unsent(error.one_line())
    try:
        from apprise import Apprise, LogCapture, NotifyFormat, logging
    except ImportError:
        return Unsent(_NOT_INSTALLED, by_channel=True)
    with LogCapture(level=logging.WARNING) as log:  # type: ignore[no-untyped-call]
        target = Apprise()
        if not target.add(url):
            return Unsent(
                f"channel {name!r} has an address that Apprise does not know; see its list of services", by_channel=True
            )
        took: list[bool] = []

        def notify() -> None:
            took.append(bool(target.notify(message.body, title=message.title, body_format=NotifyFormat.TEXT)))

        try:
            within(notify, _LONGEST_SECONDS, "feast-skew alert")
        except TimeoutError:
            return Unsent(f"channel {name!r} did not take it within {_LONGEST_SECONDS:g} s", by_channel=True)
        if took[0]:
            return None
        said = [line.partition(" - ")[2].partition(" - ")[2] for line in log.getvalue().splitlines()]
    why = f"channel {name!r} did not take it: {'; '.join(said[:2]) or 'no reason given'}"
    return Unsent(_masked(why, url), by_channel=True)


def check_channels(settings: AlertSettings, environment: Mapping[str, str] | None = None) -> list[str]:
    """Say what is wrong with the channels of the settings: variables that are not set, addresses of no kind that Apprise knows."""
    try:
        from apprise import Apprise
    except ImportError:
        return [_NOT_INSTALLED]
    names = os.environ if environment is None else environment
    wrong = []
    for name, urls in settings.channels.items():
        for url in urls:
            missing = unset(url, names)
            if missing:
                wrong.append(f"channel {name!r} needs the environment variable {missing[0]}, which is not set")
            elif Apprise.instantiate(os.path.expandvars(url), suppress_exceptions=True) is None:
                wrong.append(f"channel {name!r} has an address that Apprise does not know; see its list of services")
    return wrong


def _filled(url: str, owner: str) -> str:
    """Put the environment and the owner into an address."""
    url = filled(url)
    if "{owner}" in url and not _ADDRESS.fullmatch(owner):
        raise ConfigError(f"owner {owner!r} is no address", hint="name a channel for them in `alerts: channels:`")
    return url.replace("{owner}", quote(owner))


def _masked(text: str, url: str) -> str:
    """Take every part of an address that may be a secret out of a text: all but the kind of channel."""
    parts = set(re.split(r"[:/@?&=#]+", url.partition("://")[2]))
    for part in sorted(parts, key=len, reverse=True):
        if len(part) > _SHORTEST_SECRET:
            text = text.replace(part, "***")
    return " ".join(text.split())[:300]
