"""`sign`: offline with the other sign."""

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
from feast_skew.diagnosis.chance import outstanding
from feast_skew.diagnosis.formulas.one_sided import all_on_one_side
from feast_skew.judging.unaligned import Apart
from feast_skew.report import Cause

_REMEDY = "find the side that subtracts in the other order or negates, and keep one convention for both stores"


def _fits(kind: Kind, off: Floats, on: Floats) -> Mask:
    room = (1e-6 if kind is Kind.FLOAT32 else 1e-9) * np.abs(off)
    with np.errstate(over="ignore", invalid="ignore"):
        found: Mask = (off != 0) & (np.abs(on + off) <= room)
    return found


def _covers(case: Case, cause: Cause) -> Mask:
    if cause.evidence.get("exact") is False:
        return case.marked(case.numbers_apart[0])
    positions, off, on = case.numbers
    return case.marked(positions[_fits(case.feature.declared.kind, off, on)])


@rule("sign", kind="what", covers=_covers)
def sign(case: Case) -> Explanation | None:
    """Claim pairs that are each other's negative, where no other sum of the two is nearly as frequent as zero."""
    kind = case.feature.declared.kind
    if not kind.is_number:
        return None
    apart = _sign_apart(case, case.apart) if case.apart is not None else None
    if apart is not None:
        return apart
    positions, off, on = case.numbers
    fits = _fits(kind, off, on)
    count, wrong = case.total(positions[fits]), case.total(case.wrong)
    if not fits.any() or count < max(FEWEST_ROWS, LEAST_SHARE * wrong) or len(np.unique(off[fits])) < FEWEST_VALUES:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        sums = np.where(fits, 0.0, on + off)
    if outstanding(np.sort(sums[np.isfinite(sums)]), 0.0) is None:
        return None  # small whole numbers around zero are each other's negative by chance
    if all_on_one_side(case, 0.0, off[fits]):
        return None  # only one sign is turned: that is the absolute value
    explained = case.marked(positions[fits])
    return Explanation(
        Cause(
            "sign",
            "what",
            count / wrong,
            0.99,
            f"online is offline with the other sign for {share_text(count, wrong)} of the wrong values",
            {"entities": count, "share": count / wrong},
            _REMEDY,
        ),
        explained,
    )


def _sign_apart(case: Case, apart: Apart) -> Explanation | None:
    """Claim rows that never align when turning the sign brings them within offline's own movement."""
    valued = (apart.online != 0) & (apart.before != 0)
    if np.count_nonzero(valued) < FEWEST_APART:
        return None
    turned = np.sign(apart.online[valued]) == -np.sign(apart.before[valued])
    if turned.mean() <= 0.5 or not apart.explained_by(-apart.online):
        return None
    explained = case.marked(apart.positions)
    count = case.total(explained)
    return Explanation(
        Cause(
            "sign",
            "what",
            count / case.total(case.wrong),
            0.8,
            f"with the other sign, online differs from offline by no more than offline itself moves ({count:,} entities)",
            {"entities": count, "share": float(turned.mean()), "exact": False},
            _REMEDY,
        ),
        explained,
    )
