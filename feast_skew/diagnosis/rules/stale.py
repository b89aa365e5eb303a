"""`stale`: right for its time, but later offline rows were not materialized."""

from __future__ import annotations

import numpy as np

from feast_skew.core.arrays import Mask
from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import Case, Explanation, duration_text, known_rows, rule, share_text
from feast_skew.report import Cause


def _sound(case: Case) -> Mask:
    return case.rows.stale & case.pairs.mask(PairClass.MATCH, PairClass.NULL_BOTH)


@rule("stale", kind="how", covers=lambda case, _: _sound(case))
def stale(case: Case) -> Explanation | None:
    """Claim entities whose online row is older than the latest offline row and not wrong for its own time."""
    sound = _sound(case)
    count = case.total(sound)
    if not count:
        return None
    troubled = case.total(case.wrong | case.absent | case.rows.stale)
    lag = case.rows.lag[sound]
    both = case.total(known_rows(case.rows))
    low, middle, high = (float(np.quantile(lag, q)) for q in (0.05, 0.5, 0.95))
    return Explanation(
        Cause(
            "stale",
            "how",
            count / troubled,
            1.0,
            f"{share_text(count, both)} of the online rows lie behind offline, by {duration_text(middle)} in the middle and "
            f"{duration_text(float(lag.max()))} at most; each equals the offline row of its own time",
            {
                "entities": count,
                "lag_seconds": {"p5": low / 1e9, "p50": middle / 1e9, "p95": high / 1e9, "max": float(lag.max()) / 1e9},
            },
            "materialize up to now, and set `max_lag` to the lag that the model can bear",
        ),
        sound,
    )
