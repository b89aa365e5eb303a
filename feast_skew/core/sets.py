"""Lists brought into the one order and number that a set has."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask


def as_sets(lists: pa.Array) -> pa.Array:
    """Give lists with their elements in ascending order and each once, nulls last; -0.0 is 0.0.

    Null lists stay null and empty ones empty. Elements are scalars of any one Arrow type that can be sorted.
    """
    flat = lists.flatten()
    if pa.types.is_floating(flat.type):
        flat = pc.add(flat, pa.scalar(0.0, flat.type))
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0), dtype=np.int64)
    rows = np.repeat(np.arange(len(lists)), lengths)
    table = pa.table({"row": rows, "value": flat})
    order = pc.sort_indices(table, sort_keys=[("row", "ascending"), ("value", "ascending")])
    flat = flat.take(order)
    keep = ~_repeats(rows, flat)
    counts = np.bincount(rows[keep], minlength=len(lists))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat.filter(pa.array(keep)), mask=pc.is_null(lists))


def _repeats(rows: np.ndarray, flat: pa.Array) -> Mask:
    """Tell which elements are those before them in the same row; the order of rows does not change by sorting."""
    repeats = np.zeros(len(flat), dtype=bool)
    if len(flat) > 1:
        before, here = flat[:-1], flat[1:]
        same = np.asarray(pc.fill_null(pc.equal(before, here), False))
        both_null = np.asarray(pc.is_null(before)) & np.asarray(pc.is_null(here))
        repeats[1:] = (rows[1:] == rows[:-1]) & (same | both_null)
    return repeats
