"""The two sides of a view as pandas tables of the same types, as rules see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd

_EXACT_IN_FLOAT = 2**53
Unseen = dict[str, int]


def to_frames(offline: pa.Table, online: pa.Table) -> tuple[tuple[pd.DataFrame, Unseen], tuple[pd.DataFrame, Unseen]]:
    """Give both tables in pandas, with the NaN that each column holds beside its nulls, counted where there are any.

    Both have the same columns and Arrow types; what a type becomes depends on both sides together: whole numbers with a
    null on either are float64 on both (Int64 beyond 2^53), truth values with a null are objects. Timestamps stay aware,
    lists and text without a type of their own are objects. Tables without rows keep their types.
    """
    import pandas as pd

    sides: list[dict[str, pd.Series]] = [{}, {}]
    unseen: list[Unseen] = [{}, {}]
    for name in offline.column_names:
        columns = [offline.column(name), online.column(name)]
        for number, series in enumerate(_alike(columns)):
            sides[number][name] = series
            if pa.types.is_floating(columns[number].type):
                holes = pc.sum(pc.is_nan(columns[number])).as_py() or 0
                if holes:
                    unseen[number][name] = holes
    rows = (offline.num_rows, online.num_rows)
    frames = [pd.DataFrame(side, index=pd.RangeIndex(size)) for side, size in zip(sides, rows, strict=True)]
    return (frames[0], unseen[0]), (frames[1], unseen[1])


def _alike(columns: list[pa.ChunkedArray]) -> list[pd.Series]:
    """Bring a column of both sides into one pandas type."""
    import pandas as pd

    kind = columns[0].type
    with_nulls = any(column.null_count for column in columns)
    if pa.types.is_integer(kind) and with_nulls:
        if all(_exact_in_float(column) for column in columns):
            return [column.cast(pa.float64()).to_pandas() for column in columns]
        return [pd.Series(column.to_pylist(), dtype="Int64") for column in columns]
    if pa.types.is_nested(kind) or (pa.types.is_boolean(kind) and with_nulls):
        return [pd.Series(column.to_pylist(), dtype=object) for column in columns]
    return [column.to_pandas() for column in columns]


def _exact_in_float(column: pa.ChunkedArray) -> bool:
    values = np.asarray(column.drop_null().cast(pa.int64()))
    return not len(values) or bool(values.max() <= _EXACT_IN_FLOAT and values.min() >= -_EXACT_IN_FLOAT)
