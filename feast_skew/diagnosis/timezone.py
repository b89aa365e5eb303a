"""`timezone`: a day boundary shifted by whole quarter-hours."""

from __future__ import annotations

from feast_skew.diagnosis.base import Case, Explanation, rule
from feast_skew.diagnosis.day_zone import day_zone


@rule("timezone", kind="what")
def timezone(case: Case) -> Explanation | None:
    """Claim values that are right for the days of another time zone."""
    return day_zone(case)
