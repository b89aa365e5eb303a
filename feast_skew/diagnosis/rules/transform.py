"""`transform`: a monotone function of offline."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from feast_skew.core.arrays import Floats, Mask
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import FEWEST_ROWS, FEWEST_VALUES, LEAST_SHARE, Case, Explanation, rule, share_text
from feast_skew.diagnosis.chance import outstanding
from feast_skew.diagnosis.formulas.apart import undone_apart
from feast_skew.diagnosis.formulas.clips import find_clip
from feast_skew.diagnosis.formulas.curves import Fitted, curve_of, curves
from feast_skew.diagnosis.formulas.grids import BINARY, DECIMALS, Multiples, Narrower, best_grid
from feast_skew.diagnosis.formulas.named import FUNCTIONS, Function, fits
from feast_skew.diagnosis.formulas.one_sided import all_on_one_side
from feast_skew.judging.unaligned import Apart
from feast_skew.report import Cause

_TIMES_CHANCE = 5
_ALIKE = 2.0**18
_PLAIN = 64.0
_QUANTA = (
    *(step * 10.0**power for power in range(-6, 7) for step in (2.0, 2.5, 5.0)),
    *(10.0**power for power in range(1, 10)),
    *(1 / 8, 1 / 16, 1 / 3, 3.0, 4.0, 6.0, 7.0, 8.0, 12.0, 15.0, 16.0, 24.0, 30.0, 32.0, 60.0, 64.0, 100 / 3, 128.0),
    *(256.0, 365.0, 512.0, 900.0, 1024.0, 3600.0, 86400.0),
)
_CLOCK = {60.0: "minute", 900.0: "quarter of an hour", 3600.0: "hour", 86400.0: "day"}
"""Seconds of the units that instants are cut to."""

_REMEDY = (
    "apply the same step on both sides: in the code that computes the feature, or in the model's own preprocessing"
)


def _covers(case: Case, cause: Cause) -> Mask | None:
    name, values = cause.evidence["name"], cause.evidence["parameters"]
    positions, off, on = case.numbers
    if cause.evidence.get("exact") is False:
        return case.marked(case.numbers_apart[0])
    if name in ("monotone", "rank", "quantile"):
        return None
    if name == "clip":
        low, high = values.get("low"), values.get("high")
        hit = np.zeros(len(off), dtype=bool)
        hit |= False if low is None else (on == low) & (off < low)
        hit |= False if high is None else (on == high) & (off > high)
    elif name in ("abs", "negative_abs"):
        hit = on == (np.abs(off) if name == "abs" else -np.abs(off))
    elif name == "round":
        hit = Multiples(float(values["quantum"]), str(values["how"]), case.feature.declared.kind).marks(off, on).fits
    elif (curve := curve_of(name, values)) is not None:
        hit = curve.fits(off, on)
    else:
        hit = fits(next(one for one in FUNCTIONS if one.name == name), off, on)
    return case.marked(positions[hit])


@rule("transform", kind="what", parameters=1, covers=_covers)
@np.errstate(all="ignore")  # functions are tried on numbers that they are not made for
def transform(case: Case) -> Explanation | None:
    """Claim pairs of which online is one function of offline: the function that explains the most, of equals the simplest."""
    kind = case.feature.declared.kind
    if not kind.is_number and kind is not Kind.TIMESTAMP:
        return None
    apart = _transform_apart(case, case.apart) if case.apart is not None and kind.is_number else None
    if apart is not None:
        return apart
    if len(case.numbers[0]) < FEWEST_ROWS:
        return None
    positions = case.numbers[0]
    best: Fitted | None = None
    for found in _candidates(case) if kind.is_number else _cut_instants(case):
        if best is None or case.total(positions[found.hit]) > case.total(positions[best.hit]):
            best = found
    if best is None:
        return None
    count, wrong = case.total(positions[best.hit]), case.total(case.wrong)
    if count < max(FEWEST_ROWS, LEAST_SHARE * wrong):
        return None
    return Explanation(
        Cause(
            "transform",
            "what",
            count / wrong,
            best.confidence,
            f"online is {_said(best)} for {share_text(count, wrong)} of the wrong values",
            {"name": best.name, "parameters": dict(best.values), "formula": best.formula, "entities": count},
            _REMEDY,
            parameters=best.parameters,
        ),
        case.marked(positions[best.hit]),
    )


def _said(found: Fitted) -> str:
    """Write a function for people, with what it is applied to."""
    unnamed = found.name in ("monotone", "rank", "quantile")
    return f"{found.formula} of offline" if unnamed else f"{found.formula}, x being offline,"


def _transform_apart(case: Case, apart: Apart) -> Explanation | None:
    """Claim rows that never align when undoing a function brings them within offline's own movement."""
    found = undone_apart(apart)
    if found is None:
        return None
    explained = case.marked(apart.positions)
    count = case.total(explained)
    evidence = {"name": found.name, "parameters": dict(found.values), "formula": found.formula, "entities": count}
    return Explanation(
        Cause(
            "transform",
            "what",
            count / case.total(case.wrong),
            0.8,
            f"taken for {found.formula} of offline x, online differs from offline by no more than offline itself moves "
            f"({count:,} entities)",
            {**evidence, "exact": False},
            _REMEDY,
            parameters=found.parameters,
        ),
        explained,
    )


def _candidates(case: Case) -> Iterator[Fitted]:
    """Give what fits, the simpler first; the dearer fits are tried where the cheaper ones leave much."""
    _, off, on = case.numbers
    most = 0
    for found in (
        _absolute(case, off, on),
        _named(off, on),
        _clipped(case),
        _stepped(case.feature.declared.kind, off, on),
    ):
        if found is not None:
            most = max(most, int(np.count_nonzero(found.hit)))
            yield found
    if most <= 0.9 * len(off):
        yield from curves(case, off, on)


def _cut_instants(case: Case) -> Iterator[Fitted]:
    """Give the unit of time to which instants were cut: minutes, hours, days."""
    _, off, on = case.numbers
    grid, marks = best_grid((), _CLOCK, Kind.TIMESTAMP, off, on) or (None, None)
    if marks is None or not isinstance(grid, Multiples):
        return
    formula = f"x {grid.how} to the {_CLOCK[grid.quantum]}"
    yield Fitted("round", formula, {"quantum": grid.quantum, "how": grid.how}, marks.fits, 1)


def _absolute(case: Case, off: Floats, on: Floats) -> Fitted | None:
    turned = (on == -off) & (off != 0)
    if np.count_nonzero(turned) < FEWEST_ROWS or len(np.unique(off[turned])) < FEWEST_VALUES:
        return None
    side = all_on_one_side(case, 0.0, off[turned])
    with np.errstate(over="ignore"):
        sums = on + off
    if not side or outstanding(np.sort(sums[np.isfinite(sums)]), 0.0) is None:
        return None
    turned &= off * side > 0
    name, formula = ("abs", "|x|") if side < 0 else ("negative_abs", "-|x|")
    return Fitted(name, formula, {}, turned, 0)


def _named(off: Floats, on: Floats) -> Fitted | None:
    """Give the function without parameters that fits the most, unless it fits as many of pairs that do not belong together."""
    best: tuple[int, float, Function] | None = None
    for function in FUNCTIONS:
        hit = fits(function, off, on, telling=True)
        count = int(np.count_nonzero(hit))
        if count < FEWEST_ROWS or (best is not None and count < best[0]):
            continue
        with np.errstate(all="ignore"):
            left = float(np.median(np.abs(function.apply(off[hit]) / on[hit] - 1.0)))
        if best is not None and count == best[0] and not left < best[1] / 2:
            continue
        if len(np.unique(off[hit])) < FEWEST_VALUES or len(np.unique(on[hit])) < FEWEST_VALUES:
            continue
        if _beyond_chance(function, off, on, hit):
            best = count, left, function
    if best is None:
        return None
    function = best[2]
    return Fitted(function.name, function.formula, {}, fits(function, off, on), 1)


def _beyond_chance(function: Function, off: Floats, on: Floats, hit: Mask) -> bool:
    """Tell whether a function fits far more of the pairs than chance does.

    That is of pairs that do not belong together, each online number once, to six digits: many of a function that levels off are
    alike. Where it makes plain numbers of plain ones, as the square of a small count, others make them too: then it has to hold
    for most of the pairs with these offline numbers.
    """
    plain = on[hit] * _PLAIN == np.rint(on[hit] * _PLAIN)
    if plain.mean() > 0.5 and np.count_nonzero(np.isin(off, off[hit])) > 2 * np.count_nonzero(hit):
        return False
    digits, power = np.frexp(on)
    _, once = np.unique(np.rint(digits * _ALIKE) + power * 4 * _ALIKE, return_index=True)
    off, on = off[once], on[once]
    count = np.count_nonzero(fits(function, off, on, telling=True))
    random = np.random.default_rng(0)
    chance = max(np.count_nonzero(fits(function, off, random.permutation(on), telling=True)) for _ in range(3))
    return bool(count >= max(FEWEST_VALUES, _TIMES_CHANCE * chance))


def _clipped(case: Case) -> Fitted | None:
    clip = case.once(find_clip)
    if clip is None:
        return None
    hit = np.isin(case.numbers[0], clip.explained)
    return Fitted("clip", clip.formula, clip.values, hit, len(clip.values))


def _stepped(kind: Kind, off: Floats, on: Floats) -> Fitted | None:
    """Give the quantum to whose multiples numbers were rounded; powers of ten up to one are decimals, which `precision` has."""
    decimals = () if kind is Kind.INTEGER else DECIMALS
    best = best_grid(BINARY, (*decimals, *_QUANTA), kind, off, on)
    if best is None:
        return None
    grid, marks = best
    if isinstance(grid, Narrower) or grid.quantum in decimals:
        return None
    values = {"quantum": grid.quantum, "how": grid.how}
    return Fitted("round", f"x {grid.how} to a multiple of {grid.quantum:.8g}", values, marks.fits, 1)
