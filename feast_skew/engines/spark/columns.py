"""Columns on their way through Spark, which has fewer types than Arrow and names that must hold no dots.

Features go by their number: `off0`, `on0`. An integer column whose source came with fractions is one of doubles; as other parts
of the same feature may be integers, such types have a second column beside, `off0w`, which holds the doubles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.columns import bare_rows, in_one_piece, joined
from feast_skew.core.keys import KeySet
from feast_skew.core.types import DeclaredType, Kind
from feast_skew.statistics.hashing import Hashes

_WIDE = "w"
_SIGN = np.uint64(1 << 63)


def carried(name: str, declared: DeclaredType) -> list[pa.Field]:
    """Give the columns that carry a feature through Spark."""
    plain = [pa.field(name, _carrier(declared.arrow))]
    wide = _wide(declared)
    return plain if wide is None else [*plain, pa.field(name + _WIDE, wide)]


def packed(name: str, column: pa.Array | pa.ChunkedArray, declared: DeclaredType) -> dict[str, pa.Array]:
    """Give the columns that carry the values of a feature."""
    array = in_one_piece(column)
    wide = _wide(declared)
    if wide is None:
        return {name: _to_carrier(array)}
    nothing = pa.nulls(len(array), _carrier(declared.arrow)), pa.nulls(len(array), wide)
    if array.type == declared.arrow:
        return {name: _to_carrier(array), name + _WIDE: nothing[1]}
    return {name: nothing[0], name + _WIDE: array.cast(wide, safe=False)}


def unpacked(name: str, table: pa.Table, declared: DeclaredType) -> pa.Array:
    """Give the values of a feature in its declared type, or as doubles where any came with a fraction."""
    plain = _from_carrier(in_one_piece(table.column(name)), declared.arrow)
    wide = _wide(declared)
    if wide is None:
        return plain
    doubles = in_one_piece(table.column(name + _WIDE))
    if doubles.null_count == len(doubles):
        return plain
    both = joined(plain, doubles.cast(wide))
    take = np.where(np.asarray(doubles.is_valid()), len(plain) + np.arange(len(plain)), np.arange(len(plain)))
    return both.take(pa.array(take))


def key_fields(keys: KeySet) -> list[pa.Field]:
    """Give the columns that carry the join keys."""
    return [pa.field(f"k{i}", _carrier(key.declared.arrow)) for i, key in enumerate(keys.keys)]


def key_names(keys: KeySet) -> list[str]:
    """Name the columns that carry the join keys."""
    return [f"k{i}" for i in range(len(keys.keys))]


def packed_keys(entities: pa.Table, keys: KeySet) -> dict[str, pa.Array]:
    """Give the columns that carry some entities."""
    return {f"k{i}": _to_carrier(in_one_piece(entities.column(key.name))) for i, key in enumerate(keys.keys)}


def unpacked_keys(table: pa.Table, keys: KeySet) -> pa.Table:
    """Give the entities."""
    if not keys.keys:
        return bare_rows(table.num_rows)
    columns = [
        _from_carrier(in_one_piece(table.column(f"k{i}")), key.declared.arrow) for i, key in enumerate(keys.keys)
    ]
    return pa.table(columns, schema=keys.schema)


def as_place(hashes: Hashes) -> np.ndarray:
    """Give hashes as signed numbers of the same order, since Spark has no others."""
    places: np.ndarray = (np.asarray(hashes, dtype=np.uint64) ^ _SIGN).view(np.int64)
    return places


def batch_of(columns: Mapping[str, pa.Array | np.ndarray], schema: pa.Schema, rows: int) -> pa.RecordBatch:
    """Give a batch with the columns of a schema, null where none is given."""
    arrays = []
    for field in schema:
        found = columns.get(field.name)
        if found is None:
            arrays.append(pa.nulls(rows, field.type))
            continue
        array = in_one_piece(found) if isinstance(found, (pa.Array, pa.ChunkedArray)) else pa.array(found)
        arrays.append(array if array.type == field.type else array.cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def of_size(whole: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    """Cut rows into batches of about so many bytes; of one row where that is larger."""
    rows = max(1, size * whole.num_rows // max(1, whole.nbytes))
    yield from (whole.slice(start, rows) for start in range(0, whole.num_rows, rows))


def whole_table(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """Put batches together; Spark may give their text and lists in larger types."""
    return pa.Table.from_batches([batch.cast(schema) for batch in batches], schema)


def _wide(declared: DeclaredType) -> pa.DataType | None:
    if declared.kind is Kind.INTEGER:
        return pa.float64()
    inner = declared.item is not None and declared.item.kind is Kind.INTEGER
    return pa.list_(pa.float64()) if inner else None


def _carrier(arrow: pa.DataType) -> pa.DataType:
    if pa.types.is_list(arrow):
        return pa.list_(_carrier(arrow.value_type))
    if pa.types.is_timestamp(arrow):
        return pa.int64()
    return pa.string() if pa.types.is_decimal(arrow) else arrow


def _to_carrier(array: pa.Array) -> pa.Array:
    wanted = _carrier(array.type)
    if wanted == array.type:
        return array
    if pa.types.is_list(array.type):
        return pa.ListArray.from_arrays(
            _offsets(array), _to_carrier(array.flatten()), mask=array.is_null() if array.null_count else None
        )
    return array.cast(wanted)


def _from_carrier(array: pa.Array, arrow: pa.DataType) -> pa.Array:
    if array.type == arrow:
        return array
    if pa.types.is_list(arrow) or pa.types.is_large_list(array.type):
        plain = array.cast(pa.list_(array.type.value_type))
        values = _from_carrier(plain.flatten(), arrow.value_type)
        return pa.ListArray.from_arrays(_offsets(plain), values, mask=plain.is_null() if plain.null_count else None)
    return array.cast(arrow)


def _offsets(array: pa.Array) -> pa.Array:
    """Give the offsets into the flattened values, which leave out what lies under nulls."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(array), 0), dtype=np.int64)
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
