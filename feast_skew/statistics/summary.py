"""What one side of a feature looks like by itself."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from feast_skew.statistics.metrics.base import root, state_of, to_float
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.quantiles import quantile_table
from feast_skew.statistics.states.counts import Counts
from feast_skew.statistics.states.distinct import Distinct, distinct_count
from feast_skew.statistics.states.extremes import Extremes
from feast_skew.statistics.states.number_sample import NumberSample
from feast_skew.statistics.states.sums import Sums

SIDES = ("offline", "online")


def summary(profile: Profile) -> dict[str, dict[str, Any]]:
    """Describe both sides: values, nulls and distinct values; for numbers also mean, standard deviation, least and most.

    Returns
    -------
    dict
        By side: ``n`` values, ``null_rate`` (0 to 1), ``distinct``; of numbers, over the finite ones and in their unit, ``mean``, ``sd`` (n - 1), and over all
        ``min``, ``max`` and ``infinite``. What too few values leave open is None.
    """
    counts, distinct = state_of(profile, Counts), state_of(profile, Distinct)
    found: dict[str, dict[str, Any]] = {}
    for side in SIDES:
        n = getattr(counts, f"known_{side}")
        found[side] = {
            "n": n,
            "null_rate": 1.0 - n / counts.rows if counts.rows else None,
            "distinct": round(distinct_count(getattr(distinct, side)).value),
        }
        if profile.kind == "numeric":
            found[side].update(_numbers(profile, side, counts))
    return found


def _numbers(profile: Profile, side: str, counts: Counts) -> dict[str, Any]:
    sums, extremes = state_of(profile, Sums), state_of(profile, Extremes)
    axis = "x" if side == "offline" else "y"
    n = sums.pairs + getattr(sums, f"alone_{side}")
    total: Fraction = getattr(sums, axis) + getattr(sums, f"alone_{axis}")
    squares: Fraction = getattr(sums, axis * 2) + getattr(sums, f"alone_{axis * 2}")
    ends = {name: _finite(getattr(extremes, f"{part}_{side}")) for name, part in (("min", "least"), ("max", "most"))}
    return {
        "mean": to_float(total / n) if n else None,
        "sd": root((squares - total * total / n) / (n - 1)) if n > 1 else None,
        **ends,
        "infinite": getattr(counts, f"infinite_{side}"),
    }


def _finite(value: float | None) -> float | str | None:
    return value if value is None or np.isfinite(value) else str(value)


def quantiles(profile: Profile) -> Mapping[str, dict[str, float]]:
    """Give p1 to p99 of either side and of the differences, of at most 10,000 entities; empty without numbers."""
    if profile.kind != "numeric":
        return {}
    sample = state_of(profile, NumberSample)
    tables = {name: quantile_table(getattr(sample, name)) for name in (*SIDES, "difference")}
    return {name: table for name, table in tables.items() if table is not None}
