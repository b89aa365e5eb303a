"""The entities of two tables, numbered once: which entity each row of either table belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask, Positions

_DENSE = 8
"""Whole numbers are counted off in a table of their range while that holds at most so many places per row."""


@dataclass(frozen=True)
class Numbering:
    """The distinct entities of two tables in ascending order of their keys.

    `offline` and `online` give for each row the position of its entity, -1 where a part of the key is null.
    """

    entities: pa.Table
    offline: Positions
    online: Positions


def number_entities(offline: pa.Table, online: pa.Table) -> Numbering:
    """Give a number to each entity of two tables of keys, which have the same columns (at least one) in the same types.

    The order of the entities is that of their keys, so that it does not depend on the order of the rows of either table.
    Tables without rows, or with null keys only, have no entities.
    """
    rows = pa.concat_tables([offline, online])
    entities, codes = _numbered(rows, _ranks)
    split = offline.num_rows
    return Numbering(entities, codes[:split], codes[split:])


def number_rows(keys: pa.Table) -> tuple[pa.Table, Positions]:
    """Give the distinct entities of a table of keys without nulls, in no order that means anything, and for each row its entity.

    The table has at least one column; one without rows has no entities.
    """
    return _numbered(keys, _codes)


def _numbered(
    rows: pa.Table, numbers_of: Callable[[pa.ChunkedArray], tuple[Positions, int]]
) -> tuple[pa.Table, Positions]:
    codes: Positions | None = None
    for name in rows.column_names:
        code, size = numbers_of(rows.column(name))
        if codes is None:
            codes = code
            continue
        # Both factors are at most the number of rows, and numbers are given anew after each column: no overflow.
        folded = np.where((codes < 0) | (code < 0), -1, codes * size + code)
        codes, _ = _whole_number_ranks(folded, folded >= 0)
    assert codes is not None  # noqa: S101  there is at least one key
    known = np.flatnonzero(codes >= 0)
    first = np.empty(int(codes.max(initial=-1)) + 1, dtype=np.int64)
    first[codes[known]] = known
    return rows.take(pa.array(first)).combine_chunks(), codes


def _codes(column: pa.ChunkedArray) -> tuple[Positions, int]:
    """Give a number for each value, as `_ranks` does for whole numbers, and for others in the order of their appearance."""
    if pa.types.is_integer(column.type) and not pa.types.is_uint64(column.type):
        return _ranks(column)
    chunks = column.dictionary_encode().chunks
    if not chunks:
        return np.empty(0, dtype=np.int64), 0
    # All chunks of a column share one dictionary, which the last one holds in full.
    codes = [np.asarray(pc.fill_null(chunk.indices, -1), dtype=np.int64) for chunk in chunks]
    return np.concatenate(codes), len(chunks[-1].dictionary)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _ranks(chunked: pa.ChunkedArray) -> tuple[Positions, int]:
    """Give the rank of each value among the distinct ones, -1 for null, and how many distinct ones there are."""
    column = _whole(chunked)
    if pa.types.is_integer(column.type) and not pa.types.is_uint64(column.type):
        valid = np.asarray(pc.is_valid(column))
        return _whole_number_ranks(np.asarray(pc.fill_null(column, 0)).astype(np.int64, copy=False), valid)
    encoded = column.dictionary_encode()
    order = np.asarray(pc.sort_indices(encoded.dictionary))
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    rank[-1] = -1
    return rank[np.asarray(pc.fill_null(encoded.indices, -1))], len(order)


def _whole_number_ranks(numbers: np.ndarray, valid: Mask) -> tuple[Positions, int]:
    if valid.all():
        return _ranks_of_known(numbers)
    codes = np.full(len(numbers), -1, dtype=np.int64)
    codes[valid], size = _ranks_of_known(numbers[valid])
    return codes, size


def _ranks_of_known(numbers: np.ndarray) -> tuple[Positions, int]:
    if not len(numbers):
        return np.empty(0, dtype=np.int64), 0
    low, high = int(numbers.min()), int(numbers.max())
    if high - low < _DENSE * len(numbers):
        places = numbers - low
        seen = np.zeros(high - low + 1, dtype=bool)
        seen[places] = True
        rank = np.cumsum(seen, dtype=np.int64)
        codes = rank[places]
        codes -= 1
        return codes, int(rank[-1])
    encoded = pa.array(numbers).dictionary_encode()
    order = np.argsort(np.asarray(encoded.dictionary))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[np.asarray(encoded.indices)], len(order)
