"""What is asked of alerts and of automated responses: channels, silence, commands; each checked where it enters."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from feast_skew.core.moments import aware
from feast_skew.setting_values import Duration

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _hours(value: object) -> object:
    if value is None or (isinstance(value, str) and _HOURS.fullmatch(value)):
        return value
    raise ValueError("write the hours of the day in UTC, such as 22:00-06:00")


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class SilenceSetting(_Strict):
    """A time in which nothing is sent: once, from and until a moment, or every day between two hours (UTC).

    Without owners, views or features it is for everybody. What is bad when it ends is told then.
    """

    start: datetime | None = Field(None, alias="from")
    until: datetime | None = None
    daily: Annotated[str | None, BeforeValidator(_hours)] = None
    owners: Names = ()
    views: Names = ()
    features: Names = ()
    reason: str = ""

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
            return self.start is not None or self.until is not None
        first, last = self.daily.split("-")
        now = f"{moment.astimezone(timezone.utc):%H:%M}"
        return first <= now < last if first <= last else now >= first or now < last


class AlertSettings(_Strict):
    """Who is told where: `channels` are URLs of Apprise by name of a channel or of an owner; `default` is for all others."""

    channels: dict[str, Names] = Field(default_factory=dict)
    least: Literal["warn", "fail"] = "fail"
    link: str = ""
    silence: tuple[SilenceSetting, ...] = ()


class ResponseSetting(_Strict):
    """What is done by itself when an incident begins: a command, or a call of a URL, with the report as its input."""

    on: Literal["warn", "fail", "error"] = "fail"
    command: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    url: str = ""
    timeout: Duration = 300 * 10**9

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, value: object) -> object:
        """Take the key `on` for what was written: to YAML 1.1 it is the truth value."""
        return {"on" if key is True else key: one for key, one in value.items()} if isinstance(value, dict) else value

    @property
    def name(self) -> str:
        """The command's program or the host of the URL, which is all that is shown of either."""
        return self.command[0] if self.command else self.url.partition("://")[2].partition("/")[0].rpartition("@")[2]
