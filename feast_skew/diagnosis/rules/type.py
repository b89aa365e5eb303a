"""`type`: of another type than declared, online as it is stored or offline as the source has it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Floats, Mask, Positions
from feast_skew.core.pairs import PairClass
from feast_skew.core.types import Kind, floats
from feast_skew.diagnosis.base import FEWEST_ROWS, FEWEST_VALUES, Case, Explanation, rule, share_text
from feast_skew.report import Cause

_NEARLY_ALL = 0.95
_LEAST_SHARE = 0.01
_WHOLE = ("Int32", "Int64")


@rule("type", kind="what")
def type_(case: Case) -> Explanation | None:
    """Claim online values that are stored under another type, and offline fractions where whole numbers are declared.

    What cannot be read is explained by that; of values that can be read only those that offline's value becomes in that type.
    """
    found = _of_source(case)
    return found if found is not None else _of_store(case)


def _of_source(case: Case) -> Explanation | None:
    """Whole numbers are declared and the source has fractions: on the way online they are cut or rounded."""
    if case.feature.declared.kind is not Kind.INTEGER or not pa.types.is_floating(case.pairs.offline.type):
        return None
    positions, off, on = case.numbers
    broken = off != np.floor(off)
    hit = broken & _is_whole_of(off, on)
    if np.count_nonzero(hit) < FEWEST_ROWS or len(np.unique(off[hit])) < FEWEST_VALUES:
        return None
    if np.count_nonzero(hit) < _NEARLY_ALL * np.count_nonzero(broken):
        return None
    explained = case.marked(positions[hit])
    wrong, count = case.total(case.wrong), case.total(explained)
    declared = case.feature.declared.name
    return Explanation(
        Cause(
            "type",
            "what",
            count / wrong,
            0.99,
            f"{share_text(count, wrong)} of the wrong values have fractions offline, whose source is {case.pairs.offline.type}, and are "
            f"whole online: the feature is declared {declared}",
            {"declared": declared, "stored": declared, "source": str(case.pairs.offline.type), "entities": count},
            f"declare {case.feature.ref} as Float64, or make the source whole numbers; then write the rows again",
        ),
        explained,
    )


def _is_whole_of(off: Floats, on: Floats) -> Mask:
    """Tell which whole numbers are what becomes of a fraction, cut or rounded either way."""
    return (on == np.trunc(off)) | (on == np.rint(off)) | (on == np.floor(off))


def _of_store(case: Case) -> Explanation | None:
    doubtful = case.pairs.mask(PairClass.MISMATCH, PairClass.CORRUPT)
    if not doubtful.any() or case.context.stored is None:
        return None
    stored = case.context.stored(case.feature)
    if stored is None:
        return None
    names, asked = stored.names[case.positions], stored.asked[case.positions]
    odd = asked & (names != "") & (names != stored.declared)
    corrupt = case.pairs.mask(PairClass.CORRUPT)
    unreadable, readable = odd & corrupt, odd & case.mismatch & (case.feature.declared.kind is not Kind.NESTED)
    readable[np.flatnonzero(readable)] = _becomes(case, np.flatnonzero(readable), names)
    explained = unreadable | readable
    size = int(np.count_nonzero(asked & doubtful))
    if np.count_nonzero(explained) < max(1, min(FEWEST_ROWS, size), _LEAST_SHARE * size):
        return None
    certain = bool(asked[doubtful].all())
    for group, hit in ((corrupt, unreadable), (case.mismatch, readable)):
        looked = group & asked
        if not certain and looked.any() and np.count_nonzero(hit) >= _NEARLY_ALL * np.count_nonzero(looked):
            explained |= group
    counted = Counter(names[explained & asked].tolist())
    wrong, count = case.total(case.wrong), case.total(explained)
    main = counted.most_common(1)[0][0]
    told = " and ".join(f"{name} ({number:,})" if len(counted) > 1 else name for name, number in counted.most_common())
    lost = "; they cannot be read as what is declared" if case.total(explained & corrupt) * 2 > count else ""
    return Explanation(
        Cause(
            "type",
            "what",
            count / wrong,
            1.0 if certain else 0.95,
            f"{share_text(count, wrong)} of the wrong online values are stored as {told}, and declared is "
            f"{case.feature.declared.name}{lost}",
            {"declared": case.feature.declared.name, "stored": main, "by_type": dict(counted), "entities": count},
            f"let whoever writes {case.feature.ref} write values of the declared type, then write the rows again",
        ),
        explained,
    )


def _becomes(case: Case, positions: Positions, names: np.ndarray) -> Mask:
    """Tell of which values that can be read online is what offline's becomes in the type that it is stored in."""
    if not case.feature.declared.kind.is_number or not len(positions):
        return np.zeros(len(positions), dtype=bool)
    take = pa.array(positions)
    (off, known), (on, there) = floats(case.pairs.offline.take(take)), floats(case.pairs.online.take(take))
    stored = names[positions]
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = off.astype(np.float32).astype(np.float64)
    whole = np.isin(stored, _WHOLE) & _is_whole_of(off, on)
    return known & there & (whole | ((stored == "Float32") & (narrow == on)))
