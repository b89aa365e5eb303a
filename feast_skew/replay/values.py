"""Values of events and of features as numbers of one kind, so that every aggregate is one of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Floats, Mask
from feast_skew.core.columns import in_one_piece
from feast_skew.core.types import DeclaredType, Kind, floats, to_declared, unpacked
from feast_skew.replay.events import AGGREGATES, COUNTS

_ORDERED = ("last", "min", "max")
_EXACT = 2.0**53


@dataclass(frozen=True)
class Coded:
    """Values of events as numbers: `aggregates` are those that make sense for the feature.

    `known` are the distinct values in rising order where numbers are ranks among them, else None.
    """

    numbers: Floats
    valid: Mask
    aggregates: tuple[str, ...]
    known: pa.Array | None = None

    def of_feature(self, column: pa.Array, declared: DeclaredType) -> tuple[Floats, Mask]:
        """Give values of the feature in the same numbers; one that no event has is -1."""
        if self.known is None or declared.kind.is_number:
            return floats(column)
        valid = np.asarray(column.is_valid(), dtype=bool)
        found = pc.index_in(column.cast(self.known.type), value_set=self.known, skip_nulls=True)
        return np.asarray(pc.fill_null(found.cast(pa.float64()), -1.0)), valid

    def to_feature(self, numbers: Floats, known: Mask, declared: DeclaredType) -> pa.Array:
        """Give numbers as values of the feature, null where they are not known; what a type cannot hold is null, too."""
        if self.known is not None and not declared.kind.is_number:
            ranks = pa.array(np.where(known, numbers, 0).astype(np.int64), mask=~known)
            return self.known.take(ranks).cast(declared.arrow)
        held = known & np.isfinite(numbers)
        if declared.kind is Kind.TIMESTAMP:
            return pa.array(np.where(held, numbers, 0).astype(np.int64), mask=~held).cast(declared.arrow)
        if declared.kind is Kind.INTEGER:
            held &= np.abs(numbers) < _EXACT
            return pa.array(np.round(np.where(held, numbers, 0)).astype(np.int64), mask=~held).cast(
                declared.arrow, safe=False
            )
        if declared.kind is Kind.BOOLEAN:
            return pa.array(numbers != 0, mask=~held)
        return pa.array(np.where(held, numbers, 0.0), mask=~held).cast(declared.arrow, safe=False)


def coded(values: pa.ChunkedArray | pa.Array | None, size: int, declared: DeclaredType) -> Coded:
    """Give the values of events as numbers; without a column every event is 1.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError
        When a feature of that type cannot be computed from such values.
    """
    if values is None:
        return Coded(np.ones(size), np.ones(size, dtype=bool), ("count",))
    array = unpacked(in_one_piece(values))
    kind = declared.kind
    if kind in (Kind.LIST, Kind.SET, Kind.NESTED):
        raise pa.ArrowInvalid(f"a feature of type {declared.name} is no aggregate")
    if kind.is_number or kind is Kind.BOOLEAN:
        if pa.types.is_null(array.type):
            array = array.cast(pa.float64())
        if _is_number(array.type):
            numbers, valid = floats(array)
            valid = valid & ~np.isnan(numbers)
            return Coded(np.where(valid, numbers, 0.0), valid, AGGREGATES if kind.is_number else _ORDERED)
        if kind is Kind.BOOLEAN:
            raise pa.ArrowInvalid(f"values are {array.type}")
        return _ranked(array, COUNTS)
    array = to_declared(array, declared)
    if kind is Kind.TIMESTAMP:
        return Coded(*floats(array), _ORDERED)
    return _ranked(array, _ORDERED)


def _is_number(arrow: pa.DataType) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return any(is_kind(arrow) for is_kind in kinds)


def _ranked(array: pa.Array, aggregates: tuple[str, ...]) -> Coded:
    known = pc.drop_null(pc.unique(array))
    known = known.take(pc.sort_indices(known))
    ranks = pc.index_in(array, value_set=known, skip_nulls=True)
    valid = np.asarray(array.is_valid(), dtype=bool)
    return Coded(np.asarray(pc.fill_null(ranks.cast(pa.float64()), 0.0)), valid, aggregates, known)
