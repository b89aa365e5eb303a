"""`window`: the same aggregate over another window."""

from __future__ import annotations

from feast_skew.diagnosis.base import Case, Explanation, rule
from feast_skew.diagnosis.replayed import proven


@rule("window", kind="what")
def window(case: Case) -> Explanation | None:
    """Claim values that the same aggregate of the declared events gives over another window, lag, or with other edges."""
    return proven(case, "window")
