"""`offset`: offline plus a constant."""

from __future__ import annotations

import numpy as np

from feast_skew.core.arrays import Floats, Mask
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
from feast_skew.diagnosis.chance import SMALL, by_chance, outstanding
from feast_skew.judging.unaligned import Apart
from feast_skew.report import Cause
from feast_skew.statistics.clock import is_zone_offset

_RELATIVE = 1e-9
_ROUNDING = 2.0**-23
"""Of the values: what a detour through float32 leaves behind."""


def _room(kind: Kind, off: Floats, on: Floats) -> Floats:
    """Give what the subtraction itself can be off by, in the precision of the declared type."""
    relative = 1e-6 if kind is Kind.FLOAT32 else _RELATIVE
    room: Floats = relative * np.maximum(np.abs(on), np.abs(off))
    return room


def _fits(kind: Kind, off: Floats, on: Floats, constant: float) -> Mask:
    with np.errstate(over="ignore", invalid="ignore"):
        room = np.maximum(_room(kind, off, on), 1e-9 * abs(constant))
        found: Mask = np.isfinite(constant) & (np.abs(on - off - constant) <= room)
    return found


def _covers(case: Case, cause: Cause) -> Mask:
    if cause.evidence.get("exact") is False:
        return case.marked(case.numbers_apart[0])
    positions, off, on = case.numbers
    return case.marked(positions[_fits(case.feature.declared.kind, off, on, float(cause.evidence["offset"]))])


@rule("offset", kind="what", parameters=1, covers=_covers)
def offset(case: Case) -> Explanation | None:
    """Claim pairs whose difference, online minus offline, is one and the same number; seconds for timestamps."""
    kind = case.feature.declared.kind
    if not (kind.is_number or kind is Kind.TIMESTAMP):
        return None
    apart = _offset_apart(case, case.apart) if case.apart is not None else None
    if apart is not None:
        return apart
    positions, off, on = case.numbers
    if len(positions) < FEWEST_ROWS:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        difference = on - off
        room = _room(kind, off, on)
    sane = np.isfinite(difference)
    ordered = np.sort(difference[sane])
    if not len(ordered):
        return None
    with np.errstate(over="ignore"):  # the mean of the two middle ones, near the largest double
        width = max(float(np.median(room[sane])), _RELATIVE * float(np.median(np.abs(ordered))))
    peak = outstanding(ordered, width)
    if peak is None:
        return None
    with np.errstate(over="ignore"):
        constant = float(np.median(ordered[slice(*peak)]))
    rounded = float(f"{constant:.9g}")
    if abs(constant - rounded) <= 1e-9 * abs(constant):
        constant = rounded
    fits = _fits(kind, off, on, constant)
    count, wrong = case.total(positions[fits]), case.total(case.wrong)
    if count < max(FEWEST_ROWS, LEAST_SHARE * wrong) or len(np.unique(off[fits])) < FEWEST_VALUES or constant == 0:
        return None
    with np.errstate(over="ignore"):
        typical = float(np.median(np.maximum(np.abs(off[fits]), np.abs(on[fits]))))
    rounded_off = kind in (Kind.FLOAT32, Kind.FLOAT64) and abs(constant) <= _ROUNDING * typical
    # A time zone has a rule of its own.
    zone = kind is Kind.TIMESTAMP and is_zone_offset(constant)
    small = kind is not Kind.TIMESTAMP and abs(constant) <= SMALL
    if zone or rounded_off or (small and by_chance(off, on, int(fits.sum()))):
        return None
    explained = case.marked(positions[fits])
    unit = " seconds" if kind is Kind.TIMESTAMP else ""
    return Explanation(
        Cause(
            "offset",
            "what",
            count / wrong,
            0.99,
            f"online is offline plus {constant:.8g}{unit} for {share_text(count, wrong)} of the wrong values",
            {"offset": constant, "entities": count},
            "find the side that adds it, and compute the feature once for both stores",
            parameters=1,
        ),
        explained,
    )


def _offset_apart(case: Case, apart: Apart) -> Explanation | None:
    """Claim rows that never align when taking one constant away brings them within offline's own movement."""
    if len(apart.positions) < FEWEST_APART:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        constant = float(np.median(apart.difference))
        # Most rows must have moved the same way and about as far: another definition scatters around zero instead.
        spread = float(np.quantile(np.abs(apart.difference - constant), 0.8))
        shifted = apart.online - constant
    if case.feature.declared.kind is Kind.TIMESTAMP and is_zone_offset(constant):
        return None
    if constant == 0 or not spread <= abs(constant) / 2 or not apart.explained_by(shifted):
        return None
    explained = case.marked(apart.positions)
    count = case.total(explained)
    return Explanation(
        Cause(
            "offset",
            "what",
            count / case.total(case.wrong),
            0.7,
            f"less about {constant:.4g}, online differs from offline by no more than offline itself moves "
            f"({count:,} entities)",
            {"offset": constant, "entities": count, "exact": False},
            "find the side that adds it, and compute the feature once for both stores",
            parameters=1,
        ),
        explained,
    )
