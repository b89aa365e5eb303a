"""Where an owner is told, and the sending itself, which Apprise does: mail, Slack, Teams, PagerDuty, webhooks and a hundred more."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote

from feast_skew.alert_settings import AlertSettings
from feast_skew.errors import ConfigError
from feast_skew.history.incidents import Message

DEFAULT = "default"
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_SHORTEST_SECRET = 3


def channel_of(owner: str, channel: str, settings: AlertSettings) -> str:
    """Give the name of the channel to tell an owner by: the one their features name, their own, or `default`; empty without any."""
    for name in (channel, owner, DEFAULT):
        if name and name in settings.channels:
            return name
    return ""


def send(message: Message, settings: AlertSettings) -> str:
    """Send a message by its channel; give why that failed, in one line without a secret, empty when it was taken.

    The channel of a message is one address, `name#number`: what one of several took is not sent to it again for another's sake.
    """
    name, _, number = message.channel.rpartition("#")
    urls = settings.channels.get(name, ())[int(number) :][:1]
    if not urls:
        return f"the settings have no such channel {name!r} any more"
    try:
        filled = [_filled(url, message.owner) for url in urls]
    except ConfigError as error:
        return error.one_line()
    try:
        from apprise import Apprise, LogCapture, NotifyFormat, logging
    except ImportError:
        return "apprise is not installed: pip install 'feast-skew[alerts]'"
    with LogCapture(level=logging.WARNING) as log:  # type: ignore[no-untyped-call]
        target = Apprise()
        refused = [url for url in filled if not target.add(url)]
        if refused:
            return f"channel {name!r} has an address that Apprise does not know; see its list of services"
        took = target.notify(title=message.title, body=message.body, body_format=NotifyFormat.TEXT)
        if took:
            return ""
        said = [line.partition(" - ")[2].partition(" - ")[2] for line in log.getvalue().splitlines()]
    return _masked(f"channel {name!r} did not take it: {'; '.join(said[:2]) or 'no reason given'}", filled)


def check_channels(settings: AlertSettings, environment: Mapping[str, str] | None = None) -> list[str]:
    """Say what is wrong with the channels of the settings: variables that are not set, addresses of no kind that Apprise knows."""
    try:
        from apprise import Apprise
    except ImportError:
        return ["apprise is not installed: pip install 'feast-skew[alerts]'"]
    names = os.environ if environment is None else environment
    wrong = []
    for name, urls in settings.channels.items():
        for url in urls:
            missing = [found for match in _VARIABLE.finditer(url) if (found := match[1] or match[2]) not in names]
            if missing:
                wrong.append(f"channel {name!r} needs the environment variable {missing[0]}, which is not set")
            elif Apprise.instantiate(os.path.expandvars(url), suppress_exceptions=True) is None:
                wrong.append(f"channel {name!r} has an address that Apprise does not know; see its list of services")
    return wrong


def _filled(url: str, owner: str) -> str:
    """Put the environment and the owner into an address."""
    for match in _VARIABLE.finditer(url):
        name = match[1] or match[2]
        if name not in os.environ:
            raise ConfigError(f"the environment variable {name} is not set", hint="export it where alerts are sent")
    if "{owner}" in url and not _ADDRESS.fullmatch(owner):
        raise ConfigError(f"owner {owner!r} is no address", hint="name a channel for them in `alerts: channels:`")
    return os.path.expandvars(url).replace("{owner}", quote(owner))


def _masked(text: str, urls: list[str]) -> str:
    """Take every part of an address that may be a secret out of a text: all but the kind of channel."""
    parts = {part for url in urls for part in re.split(r"[:/@?&=#]+", url.partition("://")[2])}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) > _SHORTEST_SECRET:
            text = text.replace(part, "***")
    return " ".join(text.split())[:300]
