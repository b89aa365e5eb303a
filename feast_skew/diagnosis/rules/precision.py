"""`precision`: offline in a narrower type."""

from __future__ import annotations

from typing import Any

import numpy as np

from feast_skew.core.arrays import Floats, Mask, Positions
from feast_skew.core.pairs import PairClass
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import FEWEST_ROWS, LEAST_SHARE, Case, Explanation, rule, share_text
from feast_skew.diagnosis.formulas.exact import INTEGERS, through_double, wrapped
from feast_skew.diagnosis.formulas.grids import BINARY, DECIMALS, Marks, Multiples, Narrower, best_grid
from feast_skew.report import Cause

_NEARLY_ALL = 0.98
_SCREENED = 200
_SCREEN = 0.9
_TEXTS = {"rounded": "rounded to", "truncated": "cut to", "floored": "rounded down to", "ceiled": "rounded up to"}


def _best(kind: Kind, off: Floats, on: Floats, least: int = FEWEST_ROWS) -> tuple[Multiples | Narrower, Marks] | None:
    """Give the type narrower than a declared one that explains the most of finite pairs which differ, and at least so many."""
    decimals = () if kind is Kind.INTEGER else DECIMALS
    return best_grid(BINARY[1:] if kind is Kind.FLOAT32 else BINARY, decimals, kind, off, on, least)


def _covers(case: Case, cause: Cause) -> Mask:
    covered = np.zeros(len(case.wrong), dtype=bool)
    if "within_tolerance" in cause.evidence:
        return covered
    positions, off, on = case.numbers
    name, kind = cause.evidence["type"], case.feature.declared.kind
    if name == "float64" or name in INTEGERS:
        every = np.flatnonzero(case.mismatch)
        bits = wrapped(case, every)
        hit = (
            through_double(case, every)
            if name == "float64"
            else bits[1]
            if bits is not None
            else np.zeros(len(every), bool)
        )
        covered[every[hit]] = True
        return covered
    grid: Multiples | Narrower = next(
        (one for one in BINARY if one.name == name),
        Multiples(10.0 ** -int(cause.evidence["decimals"] or 0), str(cause.evidence["how"]), kind),
    )
    covered[positions[grid.marks(off, on).fits]] = True
    return covered


@rule("precision", kind="what", parameters=1, covers=_covers)
@np.errstate(all="ignore")  # narrower types are tried on numbers that they cannot hold
def precision(case: Case) -> Explanation | None:
    """Claim pairs whose online value is, to the last bit, what a narrower type makes of the offline one.

    Where that holds for no wrong value, those that match within tolerance are looked at: they are told of when (nearly) all
    that differ at all fit one narrower type.
    """
    kind = case.feature.declared.kind
    if not kind.is_number:
        return None
    whole = _exact(case)
    if whole is not None:
        return whole
    positions, off, on = case.numbers
    best = _best(kind, off, on) if len(positions) >= FEWEST_ROWS else None
    if best is None:
        return _precision_of_matches(case, kind)
    grid, marks = best
    count, wrong = case.total(positions[marks.fits]), case.total(case.wrong)
    if count < max(FEWEST_ROWS, LEAST_SHARE * wrong):
        return None
    explained = case.marked(positions[marks.fits])
    return Explanation(
        Cause(
            "precision",
            "what",
            count / wrong,
            0.99,
            f"online is offline {_text(grid)} for {share_text(count, wrong)} of the wrong values",
            {**_evidence(grid, off[marks.fits]), "entities": count},
            _remedy(grid),
            parameters=1,
        ),
        explained,
    )


def _exact(case: Case) -> Explanation | None:
    """Claim whole numbers and decimals that lost digits which doubles do not hold, or the upper bits of an integer."""
    if case.feature.declared.kind not in (Kind.INTEGER, Kind.DECIMAL):
        return None
    positions = np.flatnonzero(case.mismatch)
    name, how, hit = "float64", "rounded", through_double(case, positions)
    if not hit.any():
        bits = wrapped(case, positions)
        if bits is None:
            return None
        (name, hit), how = bits, "wrapped"
    count, wrong = case.total(positions[hit]), case.total(case.wrong)
    if count < max(FEWEST_ROWS, LEAST_SHARE * wrong):
        return None
    explained = case.marked(positions[hit])
    _, off, _ = case.numbers
    quantum = float(np.median(np.spacing(np.abs(off)))) if how == "rounded" else 1.0
    detail = "holds no number so large, so its upper bits are cut off" if how == "wrapped" else "has fewer digits"
    return Explanation(
        Cause(
            "precision",
            "what",
            count / wrong,
            0.99,
            f"online is offline as {name}, which {detail}, for {share_text(count, wrong)} of the wrong values",
            {"type": name, "quantum": quantum, "how": how, "decimals": None, "entities": count},
            f"find the step that keeps {name} on one side, and declare and compute the feature in one type on both",
        ),
        explained,
    )


def _precision_of_matches(case: Case, kind: Kind) -> Explanation | None:
    """Tell of a narrower type whose values all match within tolerance: of none of the wrong ones, where there are such."""
    found = _differing_matches(case)
    if found is None:
        return None
    positions, off, on = found
    # Sums in another order differ in many rows too, and a few of them tell that no narrower type explains nearly all.
    some = np.linspace(0, len(off) - 1, min(_SCREENED, len(off))).astype(np.int64)
    least = int(_SCREEN * len(some))
    best = _best(kind, off[some], on[some], least)
    if best is None or np.count_nonzero(best[1].fits) < least:
        return None
    grid = best[0]
    marks = grid.marks(off, on)
    count, differing = case.total(positions[marks.fits]), case.total(positions)
    if count < _NEARLY_ALL * differing:
        return None
    return Explanation(
        Cause(
            "precision",
            "what",
            0.0 if case.wrong.any() else count / differing,
            0.99,
            f"online is offline {_text(grid)} for {share_text(count, differing)} of the matching values that differ at all; "
            f"the tolerance takes them for equal",
            {**_evidence(grid, off[marks.fits]), "entities": count, "within_tolerance": True},
            _remedy(grid),
            parameters=1,
        ),
        np.zeros(len(case.wrong), dtype=bool),
        beside=True,
    )


def _differing_matches(case: Case) -> tuple[Positions, Floats, Floats] | None:
    tolerance = case.feature.tolerance
    if not (tolerance.rtol or tolerance.atol) or case.count(PairClass.MATCH) < FEWEST_ROWS:
        return None
    positions, off, on = case.compared_numbers
    differ = (off != on) & ~case.wrong[positions]
    if np.count_nonzero(differ) < FEWEST_ROWS:
        return None
    return positions[differ], off[differ], on[differ]


def _text(grid: Multiples | Narrower) -> str:
    if isinstance(grid, Narrower):
        return f"as {grid.name}"
    digits = _digits(grid)
    return f"{_TEXTS[grid.how]} {f'{digits} decimals' if digits > 1 else 'one decimal' if digits else 'whole numbers'}"


def _digits(grid: Multiples) -> int:
    return round(-np.log10(grid.quantum))


def _evidence(grid: Multiples | Narrower, off: Floats) -> dict[str, Any]:
    """Give the type and the quantum; of a binary type, whose steps grow with the number, the one of a middling number."""
    if isinstance(grid, Narrower):
        quantum = float(np.median(grid.spacing(off)))
        return {"type": grid.name, "quantum": quantum, "how": "rounded", "decimals": None}
    digits = _digits(grid)
    return {"type": "decimals" if digits else "int", "quantum": grid.quantum, "how": grid.how, "decimals": digits}


def _remedy(grid: Multiples | Narrower) -> str:
    kept = grid.name if isinstance(grid, Narrower) else "fewer digits"
    return f"find the step that keeps {kept} on one side, and declare and compute the feature in one type on both"
