"""Moments as people and schedulers write them: those without a zone are UTC, as Feast takes them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from feast_skew.errors import ConfigError


def parse_moment(text: str, name: str) -> datetime:
    """Read an ISO 8601 date or moment, given under some name; without a zone it is UTC.

    Raises
    ------
    ConfigError
        When it is neither.
    """
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError(
            f"{name} {text!r} is no time", hint="write it as 2026-11-01 or 2026-11-01T12:00:00Z"
        ) from None
    return aware(moment)


def earlier(moment: datetime, nanoseconds: int) -> datetime:
    """Give the moment that lies so long before another, to the microsecond."""
    return moment - timedelta(microseconds=nanoseconds // 1000)


def aware(moment: datetime) -> datetime:
    """Give a moment with its zone; without one it is UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
