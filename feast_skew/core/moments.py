"""Moments: those without a zone are UTC, as Feast takes them."""

from __future__ import annotations

from datetime import datetime, timezone


def aware(moment: datetime) -> datetime:
    """Give a moment with a zone; one without is UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
