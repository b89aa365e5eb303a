"""What is asked of alerts and of automated responses: channels, silence, commands; each checked where it enters."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from feast_skew.core.moments import aware
from feast_skew.setting_values import Duration

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_NUMBER = re.compile(r"[-+]?[\d_]*\.?\d+(e[-+]?\d+)?", re.IGNORECASE)
_HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*", re.IGNORECASE)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _hours(value: object) -> object:
    if value is None or (isinstance(value, str) and _HOURS.fullmatch(value)):
        return value
    raise ValueError("write the hours of the day in UTC, such as 22:00-06:00")


def _addresses(value: object) -> object:
    found = _names(value)
    if isinstance(found, list | tuple) and (
        not found or any(isinstance(one, str) and not one.strip() for one in found)
    ):
        raise ValueError("a channel needs an address, such as mailto://...; leave the channel out to tell nobody by it")
    return found


def _moment(value: object) -> object:
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value.strip())):
        raise ValueError("write a time, such as 2026-12-24 or 2026-12-24T12:00:00Z, and no number")
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
Moment = Annotated[datetime, BeforeValidator(_moment)]


class SilenceSetting(_Strict):
    """A time in which nothing is sent: once, from and until a moment, or every day between two hours (UTC).

    Without owners, views or features it is for everybody. What is bad when it ends is told then.
    """

    start: Moment | None = Field(None, alias="from")
    until: Moment | None = None
    daily: Annotated[str | None, BeforeValidator(_hours)] = None
    owners: Names = ()
    views: Names = ()
    features: Names = ()
    reason: str = ""

    @model_validator(mode="after")
    def _may_hold(self) -> SilenceSetting:
        """Refuse a time that never comes."""
        if self.start is None and self.until is None and self.daily is None:
            raise ValueError("say when: from, until, or daily, such as daily: '22:00-06:00'")
        if self.start is not None and self.until is not None and aware(self.start) >= aware(self.until):
            raise ValueError("from is not before until, so nothing is ever silenced")
        if self.daily is not None and len({*self.daily.split("-")}) == 1:
            raise ValueError("daily begins and ends at the same time; for whole days say from and until")
        return self

    def holds(self, owner: str, view: str, feature: str, moment: datetime) -> bool:
        """Tell whether a feature's messages are silenced at a moment."""
        asked = (self.owners, owner), (self.views, view), (self.features, f"{view}:{feature}")
        if any(names and name not in names for names, name in asked):
            return False
        if self.start is not None and moment < aware(self.start):
            return False
        if self.until is not None and moment >= aware(self.until):
            return False
        if self.daily is None:
            return True
        first, last = self.daily.split("-")
        now = f"{moment.astimezone(timezone.utc):%H:%M}"
        return first <= now < last if first <= last else now >= first or now < last


class AlertSettings(_Strict):
    """Who is told where: `channels` are URLs of Apprise by name of a channel or of an owner; `default` is for all others."""

    channels: dict[str, Addresses] = Field(default_factory=dict)
    least: Literal["warn", "fail"] = "fail"
    link: str = ""
    silence: tuple[SilenceSetting, ...] = ()


class ResponseSetting(_Strict):
    """What is done by itself when an incident begins: a command, or a call of a URL, with the report as its input."""

    on: Literal["warn", "fail", "error"] = "fail"
    command: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    url: str = ""
    timeout: Annotated[Duration, Field(gt=0)] = 300 * 10**9

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, value: object) -> object:
        """Take the key `on` for what was written: to YAML 1.1 it is the truth value."""
        return {"on" if key is True else key: one for key, one in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _can_be_done(self) -> ResponseSetting:
        """Refuse what could do nothing, or would leave one of two things undone; no value is repeated, it may be a password."""
        if bool(self.command) == bool(self.url):
            raise ValueError("say either command or url" + (", not both" if self.url else ""))
        if self.command and (not self.command[0].strip() or "\0" in "".join(self.command)):
            raise ValueError("a command begins with its program, and has no zero character in it")
        if self.url and not _is_callable(self.url):
            raise ValueError("url is no address, such as https://ops.example.com/hooks/skew")
        return self

    @property
    def name(self) -> str:
        """The command's program or the host of the URL, which is all that is shown of either."""
        return self.command[0] if self.command else _host(self.url) or "webhook"


def _is_callable(url: str) -> bool:
    """Tell whether a URL is one of HTTP; of one whose host comes from the environment that shows when it is called."""
    if not url.isprintable() or " " in url:
        return False
    if "$" in re.split(r"[/?#]", url.partition("://")[2] or url)[0].rpartition("@")[2]:
        return True
    try:
        parts = urlsplit(url)
        reachable = parts.port != 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and reachable and bool(_host(url))


def _host(url: str) -> str:
    """Give the host of a URL; empty when there is none, or none that is surely only a host."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return host if _HOST.fullmatch(host) else ""
