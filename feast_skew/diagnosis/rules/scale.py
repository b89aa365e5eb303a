"""`scale`: offline times a constant."""

from __future__ import annotations

import numpy as np

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
from feast_skew.diagnosis.chance import SMALL, by_chance, outstanding
from feast_skew.diagnosis.formulas.rounded_factor import fits_rounded, rounded_factor
from feast_skew.judging.unaligned import Apart
from feast_skew.report import Cause

_ROUNDING = 1e-5
_NEARLY_ALL = 0.95
_ROUNDED = (Kind.FLOAT32, Kind.FLOAT64, Kind.DECIMAL)
_NEAR = 0.15
_NEAREST = 0.015
_LARGE = np.log(5.0)
_ERRORS = 4.0
_LEEWAY = 1.1
_WIDTH = 1e-6
_CLOCKS = {1e3: "seconds and milliseconds", 1e6: "seconds and microseconds", 1e9: "seconds and nanoseconds"}
# The commoner of two near ones stands first.
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


def _fits(off: Floats, on: Floats, factor: float) -> Mask:
    with np.errstate(over="ignore", invalid="ignore"):
        found: Mask = np.abs(on - factor * off) <= _WIDTH * np.abs(on)
    return found


def _one_sign(off: Floats, on: Floats) -> Mask:
    return (off != 0) & (on != 0) & (np.sign(off) == np.sign(on))


def _covers(case: Case, cause: Cause) -> Mask:
    if "median_ratio" in cause.evidence:
        return case.marked(case.numbers_apart[0])
    positions, off, on = case.numbers
    factor = float(cause.evidence["factor"])
    if "quantum" in cause.evidence:
        return case.marked(positions[_one_sign(off, on) & fits_rounded(off, on, factor, cause.evidence["quantum"])])
    return case.marked(positions[_one_sign(off, on * np.sign(factor)) & _fits(off, on, factor)])


@rule("scale", kind="what", parameters=1, covers=_covers)
def scale(case: Case) -> Explanation | None:
    """Claim pairs whose ratio, online over offline, is one and the same number; of instants, one between units of time."""
    kind = case.feature.declared.kind
    if not kind.is_number and kind is not Kind.TIMESTAMP:
        return None
    apart = _scale_apart(case, case.apart) if case.apart is not None and kind.is_number else None
    if apart is not None:
        return apart
    found = _factor(case, 1.0) or _factor(case, -1.0)
    if kind in _ROUNDED and (rounded := _rounded(case, found)) is not None:
        return rounded
    if found is None:
        return None
    factor, fits = found
    unit = unit_pair(factor)
    if kind is Kind.TIMESTAMP:
        unit = next((name for each, name in _CLOCKS.items() if factor in (each, 1.0 / each)), None)
        if unit is None:
            return None  # beside numbers so large every shift is a ratio
    explained = case.marked(fits)
    count, wrong = case.total(explained), case.total(case.wrong)
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


def _rounded(case: Case, exact: tuple[float, Positions] | None) -> Explanation | None:
    """Claim pairs that a factor explains when its products are rounded, where that is more than the factor alone explains."""
    positions, off, on = case.numbers
    usable = _one_sign(off, on)
    positions, off, on = positions[usable], off[usable], on[usable]
    known = 0 if exact is None else len(exact[1])
    if known > _NEARLY_ALL * len(positions):
        return None
    found = rounded_factor(off, on)
    if found is None or np.count_nonzero(found.fits) <= known or len(np.unique(off[found.fits])) < FEWEST_VALUES:
        return None
    explained = case.marked(positions[found.fits])
    count, wrong = case.total(explained), case.total(case.wrong)
    unit = unit_pair(found.factor)
    text = f"online is offline times {found.factor:.8g}, rounded to {found.quantum:g}, for {share_text(count, wrong)} of the wrong values"
    return Explanation(
        Cause(
            "scale",
            "what",
            count / wrong,
            0.95,
            text + (f"; the ratio of {unit}" if unit else ""),
            {"factor": found.factor, "unit": unit, "quantum": found.quantum, "entities": count},
            "bring both pipelines to one unit or currency, and say it in the feature's description",
            parameters=1,
        ),
        explained,
    )


def _factor(case: Case, sign: float) -> tuple[float, Positions] | None:
    """Give the factor of one sign that stands out among the ratios, with the entities that it explains."""
    positions, off, on = case.numbers
    usable = _one_sign(off, on * sign)
    positions, off, on = positions[usable], off[usable], on[usable] * sign
    if len(positions) < FEWEST_ROWS:
        return None
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        ratio = on / off
    # Where only the last digits differ there is no unit, but a narrower type on the way.
    sane = np.isfinite(ratio) & (ratio > 0) & (np.abs(ratio - 1.0) > _ROUNDING)
    ordered = np.sort(np.log(ratio[sane]))
    peak = outstanding(ordered, _WIDTH)
    if peak is None:
        return None
    with np.errstate(over="ignore"):
        factor = snapped(float(np.exp(np.median(ordered[slice(*peak)]))))
    fits = _fits(off, on, factor)
    count, wrong = case.total(positions[fits]), case.total(case.wrong)
    if count < max(FEWEST_ROWS, LEAST_SHARE * wrong) or len(np.unique(off[fits])) < FEWEST_VALUES:
        return None
    if max(factor, 1.0 / factor) <= SMALL and (by_chance(off, on, int(fits.sum())) or _shifted(off[fits], on[fits])):
        return None
    return sign * factor, positions[fits]


def _shifted(off: Floats, on: Floats) -> bool:
    """Tell whether numbers differ by one and the same difference, which beside numbers that are large and alike is one ratio."""
    with np.errstate(over="ignore", invalid="ignore"):
        difference = on - off
        return bool(np.ptp(difference) <= _WIDTH * abs(float(np.median(difference))))


def _scale_apart(case: Case, apart: Apart) -> Explanation | None:
    """Claim rows that never align when dividing by one factor brings them within offline's own movement."""
    usable = _one_sign(apart.before, apart.online)
    if np.count_nonzero(usable) < FEWEST_APART:
        return None
    middle, spread = _typical_ratio(apart.online, apart.before)
    # Another definition scatters around a ratio of its own, more than offline does: a sum over a mean by the counts.
    usual = max((_typical_ratio(*step)[1] for step in apart.steps()), default=0.0)
    if spread > min(_LEEWAY * usual, abs(middle) / 2):
        return None
    # 80 % within `spread` is a standard deviation of spread / 1.28; of a median, its error is 1.25 times that of a mean.
    error = 1.25 * spread / 1.28 / np.sqrt(np.count_nonzero(usable))
    close = min(_NEAR, max(_NEAREST, _ERRORS * error))
    units = [unit for each in _UNITS for unit in (each, 1.0 / each)]
    # Another window of a count is a ratio, too: one that is small has to be a unit's own, and not just near it.
    known = (unit for unit in units if abs(np.log(unit) - middle) <= (_NEAR if abs(np.log(unit)) >= _LARGE else close))
    with np.errstate(over="ignore", under="ignore"):
        factor = next((unit for unit in known if apart.explained_by(apart.online / unit)), None)
    if factor is None:
        return None
    explained = case.marked(apart.positions)
    count = case.total(explained)
    return Explanation(
        Cause(
            "scale",
            "what",
            count / case.total(case.wrong),
            0.8,
            f"divided by {factor:.8g}, online differs from offline by no more than offline itself moves "
            f"({count:,} entities; a typical ratio is {np.exp(middle):.4g}; {unit_pair(factor)})",
            {"factor": factor, "unit": unit_pair(factor), "entities": count, "median_ratio": float(np.exp(middle))},
            "bring both pipelines to one unit, and say it in the feature's description",
            parameters=1,
        ),
        explained,
    )


def _typical_ratio(one: Floats, other: Floats) -> tuple[float, float]:
    """Give the logarithm of the median ratio of numbers of one sign, and how far around it four of five lie."""
    usable = _one_sign(one, other)
    if not usable.any():
        return 0.0, 0.0
    ratios = np.log(np.abs(one[usable])) - np.log(np.abs(other[usable]))
    middle = float(np.median(ratios))
    return middle, float(np.quantile(np.abs(ratios - middle), 0.8))


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
