"""The days of a feature's events in another time zone, which is a part of the rule `timezone`."""

from __future__ import annotations

from feast_skew.diagnosis.base import Case, Explanation
from feast_skew.diagnosis.replayed import proven


def day_zone(case: Case) -> Explanation | None:
    """Claim values that the declared events give when their days are those of another zone."""
    return proven(case, "timezone")
