"""`aggregate`: another aggregate of the same events."""

from __future__ import annotations

from feast_skew.diagnosis.base import Case, Explanation, rule
from feast_skew.diagnosis.replayed import proven


@rule("aggregate", kind="what")
def aggregate(case: Case) -> Explanation | None:
    """Claim values that another aggregate of the declared events gives: sum for mean, max for last, or nulls as zero."""
    return proven(case, "aggregate")
