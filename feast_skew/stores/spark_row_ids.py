"""The row ids by which Feast's Spark store tells the entities of a training set apart, and who shares one with another.

The store's SQL names each row `CONCAT(CAST(key AS STRING), ..., CAST(event_timestamp AS STRING))`, nothing between the parts, and
joins features to entities by that name alone: (1, 12) and (11, 2) at one moment get each other's values. Spark writes as text

- whole numbers in decimal digits, and a string as it is;
- a boolean as `true` or `false`;
- bytes as they are, even those that are no UTF-8;
- a timestamp as `2024-01-31 12:00:00`, of the session's time zone, with as many decimals as it needs;
- a double as Java does, `1.5` or `1.0E10`; no double gets here, since Feast cannot serialize one as an entity key.

The text of the moment ends every row id, and in the years 0 to 9999 no moment's text is the end of another one's. So two rows share an
id only at one moment, and only where the texts of their keys are the same. Nothing here needs Feast or Spark.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.alignment import microseconds
from feast_skew.core.arrays import Instants, Mask
from feast_skew.core.columns import in_one_piece

_BYTES = pa.large_binary()


def key_texts(entities: pa.Table, order: Sequence[str] | None = None) -> pa.Array:
    """Give what the row id of each entity begins with: the texts of its keys, one after the other, as bytes.

    `order` is the one in which the view has its keys, that of the table's columns unless given; (1, 12) and (11, 2) are
    the same the one way and not the other.
    """
    names = entities.column_names if order is None else order
    if not names:
        return pa.array([b""] * entities.num_rows, _BYTES)
    texts = [_spark_text(in_one_piece(entities.column(name))) for name in names]
    return pc.binary_join_element_wise(*texts, pa.scalar(b"", _BYTES))


def colliding(entities: pa.Table, instants: Instants | None = None, order: Sequence[str] | None = None) -> Mask:
    """Tell which rows have the row id of a row of another entity; shape (rows,), bool.

    `instants` are the moments that are asked for, in nanoseconds, one per row; without them all rows are taken to be asked
    for at one moment, as in a training set of a snapshot. Rows of one entity are no collision, rows with a null key none
    either. Of rows in several parts, those with the same `key_texts` have to be in one.
    """
    found = np.zeros(entities.num_rows, dtype=bool)
    if entities.num_columns > 1 and entities.num_rows > 1:
        ids, keys = _numbered(entities, instants, order)
        low = np.full(ids.max(initial=-1) + 1, np.iinfo(np.int64).max)
        high = np.full(len(low), -1)
        known = keys >= 0
        np.minimum.at(low, ids[known], keys[known])
        np.maximum.at(high, ids[known], keys[known])
        found[known] = low[ids[known]] != high[ids[known]]
    return found


def frames(entities: pa.Table, instants: Instants, order: Sequence[str] | None = None) -> list[np.ndarray]:
    """Give positions of rows, in as few parts as it takes for no two entities in one part to share a row id."""
    everything = np.arange(entities.num_rows)
    mask = colliding(entities, instants, order)
    if not mask.any():
        return [everything]
    places = np.flatnonzero(mask)
    ids, keys = _numbered(entities.take(pa.array(places)), instants[places], order)
    # The turn of a row among the entities of its id: each new entity comes one later.
    sort = np.lexsort((keys, ids))
    ids, keys = ids[sort], keys[sort]
    fresh = np.append(True, ids[1:] != ids[:-1])
    another = fresh | np.append(True, keys[1:] != keys[:-1])
    count = np.cumsum(another)
    turn = count - count[np.maximum.accumulate(np.where(fresh, np.arange(len(ids)), 0))]
    turns = np.zeros(entities.num_rows, dtype=np.int64)
    turns[places[sort]] = turn
    return [np.flatnonzero(turns == number) for number in range(int(turns.max()) + 1)]


def _numbered(
    entities: pa.Table, instants: Instants | None, order: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Give numbers of the row ids, and of the entities; -1 for an entity with a null key."""
    ids = _codes(key_texts(entities, order))
    if instants is not None:
        _, moments = np.unique(microseconds(instants), return_inverse=True)
        _, ids = np.unique(ids * (moments.max(initial=0) + 1) + moments, return_inverse=True)
    keys = np.zeros(entities.num_rows, dtype=np.int64)
    for name in entities.column_names:
        codes = _codes(in_one_piece(entities.column(name)))
        # Folded and numbered again, so that the numbers stay as small as the number of rows.
        folded = np.where((keys < 0) | (codes < 0), -1, keys * (codes.max(initial=0) + 1) + codes)
        known, keys = np.unique(folded, return_inverse=True)
        keys -= int(known.size > 0 and known[0] == -1)
    return ids, keys


def _codes(column: pa.Array) -> np.ndarray:
    """Give a number for each value of a column; -1 for null."""
    encoded = column.dictionary_encode()
    return np.asarray(pc.fill_null(encoded.indices, -1)).astype(np.int64)


def _spark_text(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        column = _moment_text(column)
    elif not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        column = column.cast(pa.large_string())
    return column.cast(_BYTES)


def _moment_text(column: pa.Array) -> pa.Array:
    """Write moments as Spark does in a session in UTC."""
    text = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
    if column.type.unit == "s":
        return text
    return pc.replace_substring_regex(text, r"\.?0*$", "") if _has_fraction(text) else text


def _has_fraction(text: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring(text, ".")).as_py())
