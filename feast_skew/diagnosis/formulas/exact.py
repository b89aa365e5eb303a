"""Whole numbers and decimals that lost digits which doubles do not hold, or the upper bits of an integer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.scalars import decimals
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import Case

_FEWEST = 3
_LAST_DIGITS = 2.0**-50
INTEGERS = {"int32": np.int32, "int16": np.int16, "int8": np.int8}


def through_double(case: Case, positions: Positions) -> Mask:
    """Tell of which entities the online value is what a double holds of the offline one, which has more digits.

    Whole numbers beyond 2^53, and decimals of more than 16 digits; none for other types. Shape as `positions`.
    """
    found = np.zeros(len(positions), dtype=bool)
    places, off, on = case.numbers
    with np.errstate(over="ignore"):
        alike = np.isin(positions, places[np.abs(off - on) <= _LAST_DIGITS * np.abs(off)])
    if case.feature.declared.kind not in (Kind.INTEGER, Kind.DECIMAL) or not alike.any():
        return found
    take = pa.array(positions[alike])
    offline, online = case.pairs.offline.take(take), case.pairs.online.take(take)
    if case.feature.declared.kind is Kind.DECIMAL:
        held = decimals(offline.cast(pa.string()).cast(pa.float64()))
    elif pa.types.is_integer(offline.type) and pa.types.is_integer(online.type):
        held = offline.cast(pa.float64(), safe=False).cast(online.type, safe=False)
    else:
        return found
    found[alike] = np.asarray(pc.fill_null(pc.equal(held, online), False))
    return found


def wrapped(case: Case, positions: Positions) -> tuple[str, Mask] | None:
    """Give the integer type whose bits alone are left of offline numbers beyond it, with the entities where that holds.

    None where there is none such. The mask is of the shape of `positions`.
    """
    if case.feature.declared.kind is not Kind.INTEGER:
        return None
    take = pa.array(positions)
    offline, online = case.pairs.offline.take(take), case.pairs.online.take(take)
    if not (pa.types.is_integer(offline.type) and pa.types.is_integer(online.type)):
        return None
    off, on = (np.asarray(pc.fill_null(side, 0).cast(pa.int64())) for side in (offline, online))
    for name, narrow in INTEGERS.items():
        hit = (off.astype(narrow).astype(np.int64) == on) & (off != on)
        if min(len(np.unique(off[hit])), len(np.unique(on[hit]))) >= _FEWEST:
            return name, hit
    return None
