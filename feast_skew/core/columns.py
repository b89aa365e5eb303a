"""Columns put together and tables cut, where Arrow's own ways do not fit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Positions


def in_one_piece(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Give a column in one piece; a single chunk as it is, as to combine chunks copies even that."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def put(column: pa.Array, positions: Positions, values: pa.Array) -> pa.Array:
    """Give a column with the values at some positions replaced."""
    take = np.arange(len(column), dtype=np.int64)
    take[positions] = len(column) + np.arange(len(positions))
    return joined(column, values).take(pa.array(take))


def joined(one: pa.Array, other: pa.Array) -> pa.Array:
    """Put two columns of a feature after one another; integers that came with fractions on one side are doubles."""
    if one.type != other.type:
        wide = pa.list_(pa.float64()) if pa.types.is_list(one.type) else pa.float64()
        one, other = one.cast(wide, safe=False), other.cast(wide, safe=False)
    return pa.concat_arrays([one, other])


def bare_rows(count: int) -> pa.Table:
    """Give a table of so many rows without any column: the entities of a view that has none."""
    return pa.table({"__rows": pa.nulls(count)}).select([])


def take_rows(table: pa.Table, positions: Positions) -> pa.Table:
    """Give the rows at some positions; Arrow loses count of those of a table without columns."""
    return table.take(pa.array(positions)) if table.num_columns else bare_rows(len(positions))
