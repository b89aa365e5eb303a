"""`scale`: offline times a constant."""

from __future__ import annotations

import numpy as np

from feast_skew.diagnosis.base import FEWEST_ROWS, FEWEST_VALUES, Case, Explanation, rule, share_text
from feast_skew.report import Cause

LEAST_SHARE = 0.05
"""A constant that fits fewer of the wrong values is taken for chance."""

_TIMES_SECOND = 3
_WIDTH = 1e-6
_UNITS = {
    1000.0: "thousands (kilo)",
    100.0: "percent and share",
    60.0: "minutes and seconds, or hours and minutes",
    3600.0: "hours and seconds",
    24.0: "days and hours",
    86400.0: "days and seconds",
    7.0: "weeks and days",
    1e6: "millions (mega)",
    1e9: "billions (giga)",
    1.609344: "miles and kilometres",
    0.3048: "feet and metres",
    2.54: "inches and centimetres",
    0.45359237: "pounds and kilograms",
    1.852: "nautical miles and kilometres",
    1024.0: "kibi",
    1048576.0: "mebi",
    30.0: "sums and means over 30",
    365.0: "years and days",
    12.0: "years and months",
}


@rule("scale", kind="what", parameters=1)
def scale(case: Case) -> Explanation | None:
    """Claim pairs whose ratio, online over offline, is one and the same positive number."""
    if not case.feature.declared.kind.is_number:
        return None
    positions, off, on = case.numbers
    usable = (off != 0) & (on != 0) & (np.sign(off) == np.sign(on))
    positions, off, on = positions[usable], off[usable], on[usable]
    if len(positions) < FEWEST_ROWS:
        return None
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        ratio = on / off
    sane = np.isfinite(ratio) & (ratio > 0)
    ordered = np.sort(np.log(ratio[sane]))
    peak = outstanding(ordered, _WIDTH)
    if peak is None:
        return None
    factor = snapped(float(np.exp(np.median(ordered[slice(*peak)]))))
    with np.errstate(over="ignore", invalid="ignore"):
        fits = np.abs(on - factor * off) <= _WIDTH * np.abs(on)
    count = int(fits.sum())
    wrong = int(case.wrong.sum())
    if count < max(FEWEST_ROWS, LEAST_SHARE * wrong) or len(np.unique(off[fits])) < FEWEST_VALUES:
        return None
    explained = np.zeros(len(case.wrong), dtype=bool)
    explained[positions[fits]] = True
    unit = unit_pair(factor)
    detail = f"online is offline times {factor:.8g} for {share_text(count, wrong)} of the wrong values"
    return Explanation(
        Cause(
            "scale",
            "what",
            count / wrong,
            0.99,
            detail + (f"; the ratio of {unit}" if unit else ""),
            {"factor": factor, "unit": unit, "entities": count},
            "bring both pipelines to one unit, and say it in the feature's description",
            parameters=1,
        ),
        explained,
    )


def outstanding(ordered: np.ndarray, width: float) -> tuple[int, int] | None:
    """Give the range [start, end) of sorted numbers that share one value, when no other value is nearly as frequent.

    Numbers within `width` of the first of a range count as one value. Small whole numbers have many equal ratios and
    differences by chance, but then several of them, alike in number; a constant that somebody applied stands alone.
    """
    if len(ordered) < FEWEST_ROWS:
        return None
    ends = np.searchsorted(ordered, ordered + width, side="right")
    counts = ends - np.arange(len(ordered))
    start = int(np.argmax(counts))
    end = int(ends[start])
    apart = (ends <= start) | (np.arange(len(ordered)) >= end)
    second = int(counts[apart].max()) if apart.any() else 0
    if end - start < FEWEST_ROWS or end - start < _TIMES_SECOND * second:
        return None
    return start, end


def snapped(factor: float) -> float:
    """Give the round number or known unit ratio that a fitted factor stands for, else the factor itself."""
    for known in _UNITS:
        for candidate in (known, 1.0 / known):
            if abs(factor / candidate - 1.0) <= _WIDTH:
                return candidate
    rounded = float(f"{factor:.6g}")
    return rounded if abs(factor / rounded - 1.0) <= 1e-9 else factor


def unit_pair(factor: float) -> str | None:
    """Name the pair of units of a factor, None when it is not a known one."""
    for known, name in _UNITS.items():
        if abs(factor / known - 1.0) <= _WIDTH or abs(factor * known - 1.0) <= _WIDTH:
            return name
    return None
