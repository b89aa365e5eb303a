"""`window`: the same aggregate over another window."""

from __future__ import annotations

from feast_skew.diagnosis.base import Case, Explanation, rule
from feast_skew.diagnosis.replayed import decided, proven
from feast_skew.diagnosis.window_signature import window_signature


@rule("window", kind="what")
def window(case: Case) -> Explanation | None:
    """Claim values that the same aggregate of the declared events gives over another window, lag, or with other edges.

    Without events that give offline's values, name the possibility where the values look like it.
    """
    return proven(case, "window") if decided(case) else window_signature(case)
