"""Spans of time as options give them: `90d` is everything since ninety days ago."""

from __future__ import annotations

from datetime import datetime

from feast_skew.core.moments import earlier
from feast_skew.errors import ConfigError
from feast_skew.report import iso
from feast_skew.setting_values import parse_duration


def since(span: str, option: str, now: datetime) -> str:
    """Give the moment that a span before now begins at, as ISO 8601 in UTC; `option` is named in errors.

    Raises
    ------
    ConfigError
        When it is no duration.
    """
    try:
        return iso(earlier(now, parse_duration(span)))
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
