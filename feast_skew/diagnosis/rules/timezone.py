"""`timezone`: a timestamp, or the boundary of a day, shifted by whole quarter-hours."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Floats, Mask, Positions
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import (
    FEWEST_APART,
    FEWEST_ROWS,
    FEWEST_VALUES,
    LEAST_SHARE,
    Case,
    Explanation,
    rule,
    share_text,
)
from feast_skew.diagnosis.day_zone import day_zone
from feast_skew.judging.unaligned import Apart
from feast_skew.report import Cause
from feast_skew.statistics.clock import common_offset, is_zone_offset, zone_offsets

_SAVINGS = (3600, 1800)
"""What clocks are put forward by in summer; half an hour on Lord Howe Island."""

_TIMES_NEXT = 3
_REMEDY = (
    "find the side that reads local times as UTC (or writes them so), and give its session and its columns the zone"
)


def zone_text(seconds: float) -> str:
    """Write an offset in seconds as that of a zone, such as `UTC+05:30`; `UTC` for none."""
    minutes = round(abs(seconds) / 60)
    return f"UTC{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}" if minutes else "UTC"


def _instants(case: Case) -> tuple[Positions, Floats, Floats]:
    """Give the entities with two different instants, and these in seconds."""
    if case.feature.declared.kind is Kind.TIMESTAMP:
        return case.numbers
    positions = np.flatnonzero(case.mismatch)
    take = pa.array(positions)
    off, on = _seconds(case.pairs.offline.take(take)), _seconds(case.pairs.online.take(take))
    known = np.isfinite(off) & np.isfinite(on)
    return positions[known], off[known], on[known]


def _seconds(texts: pa.Array) -> Floats:
    """Read moments with a zone, as `2024-01-01T12:00:00Z[Europe/Zurich]`; NaN where they are written otherwise."""
    read = pc.strptime(pc.utf8_slice_codeunits(texts, 0, 19), format="%Y-%m-%dT%H:%M:%S", unit="s", error_is_null=True)
    found = np.asarray(pc.fill_null(read.cast(pa.int64()), 0), dtype=np.float64)
    found[~np.asarray(read.is_valid())] = np.nan
    return found


def _covers(case: Case, cause: Cause) -> Mask:
    if cause.evidence.get("exact") is False:
        return case.marked(case.numbers_apart[0])
    positions, off, on = _instants(case)
    return case.marked(positions[np.isin(on - off, cause.evidence.get("offsets", ()))])


@rule("timezone", kind="what", parameters=1, covers=_covers)
def timezone(case: Case) -> Explanation | None:
    """Claim instants that differ by one offset that zones have, or by two where one has summer time; values of other days."""
    if case.feature.declared.kind not in (Kind.TIMESTAMP, Kind.ZONED):
        return day_zone(case)
    apart = _timezone_apart(case, case.apart) if case.apart is not None else None
    if apart is not None:
        return apart
    positions, off, on = _instants(case)
    if len(positions) < FEWEST_ROWS:
        return None
    difference = on - off
    chosen = _offsets(difference)
    if not chosen:
        return None
    fits = np.isin(difference, chosen)
    count, wrong = case.total(positions[fits]), case.total(case.wrong)
    if count < max(FEWEST_ROWS, LEAST_SHARE * wrong) or len(np.unique(off[fits])) < FEWEST_VALUES:
        return None
    explained = case.marked(positions[fits])
    shown = " or ".join(f"{int(seconds):,} seconds ({zone_text(seconds)})" for seconds in chosen)
    saving = ", as in a zone with summer time" if len(chosen) > 1 else ""
    return Explanation(
        Cause(
            "timezone",
            "what",
            count / wrong,
            0.99,
            f"online is offline shifted by {shown}{saving} for {share_text(count, wrong)} of the wrong values",
            {"offset_seconds": int(chosen[0]), "offsets": [int(seconds) for seconds in chosen], "entities": count},
            _REMEDY,
            parameters=1,
        ),
        explained,
    )


def _offsets(difference: Floats) -> list[float]:
    """Give the offset that stands out among some differences, and the one of summer time beside it, the commoner first."""
    values, counts = np.unique(difference, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    values, counts = values[order], counts[order]
    zones = np.flatnonzero(zone_offsets(values))
    if not len(zones):
        return []
    first = int(zones[0])
    beside = [
        int(i)
        for i in zones[1:]
        if abs(values[i] - values[first]) in _SAVINGS and counts[i] >= max(FEWEST_ROWS, LEAST_SHARE * counts[first])
    ]
    chosen = [first, *beside[:1]]
    others = np.delete(counts, chosen)
    if counts[first] < FEWEST_ROWS or (len(others) and counts[chosen].sum() < _TIMES_NEXT * others[0]):
        return []
    return [float(values[i]) for i in chosen]


def _timezone_apart(case: Case, apart: Apart) -> Explanation | None:
    """Claim rows that never align where most instants did not move but by one offset that zones have.

    Or where (nearly) all of them lie one such offset from their own rows, as rows that are written at the event do by a clock that is off.
    """
    if len(apart.positions) < FEWEST_APART:
        return None
    own, held = common_offset(apart.online - case.rows.online[apart.positions] // 10**9)
    if _clock_is_off(case):
        how = f"(nearly) every instant online lies that far from its own row ({held:,} of {len(apart.positions):,}), and offline's do not"
        return _apart(case, apart, own, how)
    constant = float(np.median(apart.difference))
    if not is_zone_offset(constant) or np.mean(apart.difference == constant) <= 0.5:
        return None
    if not apart.explained_by(apart.online - constant):
        return None
    return _apart(case, apart, constant, "online differs from offline by no more than offline itself moves")


def _clock_is_off(case: Case) -> bool:
    return case.movement.get("clock", {}).get("verdict") == "beyond"


def _apart(case: Case, apart: Apart, seconds: float, how: str) -> Explanation:
    explained = case.marked(apart.positions)
    count = case.total(explained)
    return Explanation(
        Cause(
            "timezone",
            "what",
            count / case.total(case.wrong),
            0.9,
            f"shifted by {int(seconds):,} seconds ({zone_text(seconds)}): {how} ({count:,} entities)",
            {"offset_seconds": int(seconds), "offsets": [int(seconds)], "entities": count, "exact": False},
            _REMEDY,
            parameters=1,
        ),
        explained,
    )
