"""When an offline value and an online value are the same."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask
from feast_skew.core.nested import equal_nested
from feast_skew.core.tolerance import EXACT, Tolerance
from feast_skew.core.types import DeclaredType, Kind

__all__ = ["EXACT", "Tolerance", "default_tolerance", "equal", "equal_or_null"]


DEFAULT_TOLERANCES = {Kind.FLOAT64: Tolerance(1e-9, 1e-12), Kind.FLOAT32: Tolerance(1e-6, 0.0)}
_NESTED = Tolerance(1e-9, 1e-12, whole=False)
_NESTED_FLOAT32 = Tolerance(1e-6, 1e-12, whole=False)


def default_tolerance(declared: DeclaredType) -> Tolerance:
    """Give the tolerance of a type when nothing is configured: exact but for floating point numbers.

    Inside of nested types that is the one of Float64 for all numbers but integers, or of Float32 where one is declared.
    """
    if declared.kind is Kind.NESTED:
        return _NESTED_FLOAT32 if _holds_float32(declared) else _NESTED
    kind = declared.item.kind if declared.item is not None else declared.kind
    return DEFAULT_TOLERANCES.get(kind, EXACT)


def _holds_float32(declared: DeclaredType) -> bool:
    inner = [part for _, part in declared.parts] + ([declared.item] if declared.item else [])
    return declared.kind is Kind.FLOAT32 or any(map(_holds_float32, inner))


def equal_or_null(one: pa.Array, other: pa.Array, tolerance: Tolerance, kind: Kind | None = None) -> Mask:
    """Tell for each pair whether both values are the same as `equal` sees it, or both null. Shape (rows,), bool."""
    return equal(one, other, tolerance, kind) | (np.asarray(pc.is_null(one)) & np.asarray(pc.is_null(other)))


def equal(offline: pa.Array, online: pa.Array, tolerance: Tolerance, kind: Kind | None = None) -> Mask:
    """Tell for each pair whether both values are the same; pairs with a null on either side are False.

    Both columns have the same length and are as `to_declared` gives them. Numbers of different types meet as float64,
    integers as integers; decimals are held against each other exactly; lists are equal when lengths and all elements are
    (two null elements are equal), sets likewise, as they are held in order. With Kind.NESTED texts are read as contents
    and numbers inside of them have the tolerance; without it they are texts. Shape (rows,), bool.
    """
    if kind is Kind.NESTED:
        return equal_nested(offline, online, tolerance)
    if pa.types.is_list(offline.type) and pa.types.is_list(online.type):
        return _equal_lists(offline, online, tolerance)
    if _is_float(offline.type) or _is_float(online.type):
        return _close(offline, online, tolerance)
    if offline.type != online.type:
        if _is_whole(offline.type) and _is_whole(online.type):
            offline, online = offline.cast(pa.int64()), online.cast(pa.int64())
        else:
            offline, online = offline.cast(pa.string()), online.cast(pa.string())
    if _is_whole(offline.type) and (tolerance.rtol or tolerance.atol):
        return _close_whole(offline, online, tolerance)
    if pa.types.is_decimal(offline.type) and (tolerance.rtol or tolerance.atol):
        return _close_decimals(offline, online, tolerance)
    return np.asarray(pc.fill_null(pc.equal(offline, online), False), dtype=bool)


def _is_float(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_floating(arrow))


def _is_whole(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_integer(arrow))


def _close(offline: pa.Array, online: pa.Array, tolerance: Tolerance) -> Mask:
    # float32 stays float32: the declared type is what both sides promise to hold.
    narrow = pa.types.is_float32(offline.type) and pa.types.is_float32(online.type)
    target = pa.float32() if narrow else pa.float64()
    a = _numbers(offline, target)
    b = _numbers(online, target)
    known = np.asarray(pc.and_(pc.is_valid(offline), pc.is_valid(online)))
    with np.errstate(invalid="ignore", over="ignore"):
        a64, b64 = a.astype(np.float64), b.astype(np.float64)
        bound = tolerance.atol + tolerance.rtol * np.maximum(np.abs(a64), np.abs(b64))
        near = np.abs(a64 - b64) <= bound
        finite = np.isfinite(a64) & np.isfinite(b64)
    same = (a == b) | (near & finite)
    return np.asarray(same & known, dtype=bool)


def _close_whole(offline: pa.Array, online: pa.Array, tolerance: Tolerance) -> Mask:
    # As integers: from 2**53 on neighbours are the same double.
    a, b = (np.asarray(pc.fill_null(side, 0).cast(pa.int64())) for side in (offline, online))
    known = np.asarray(pc.and_(pc.is_valid(offline), pc.is_valid(online)))
    distance = np.maximum(a, b).view(np.uint64) - np.minimum(a, b).view(np.uint64)
    size = np.maximum(np.abs(a.astype(np.float64)), np.abs(b.astype(np.float64)))
    bound = np.floor(np.minimum(tolerance.atol + tolerance.rtol * size, 2.0**64 - 2.0**11))
    return np.asarray((distance <= bound.astype(np.uint64)) & known, dtype=bool)


def _close_decimals(offline: pa.Array, online: pa.Array, tolerance: Tolerance) -> Mask:
    # As fractions, and only where they differ: a cent is a cent, however large the amounts.
    same: Mask = np.array(pc.fill_null(pc.equal(offline, online), False), dtype=bool)
    differ = np.flatnonzero(np.asarray(pc.fill_null(pc.not_equal(offline, online), False)))
    rtol, atol = Fraction(str(tolerance.rtol)), Fraction(str(tolerance.atol))
    for i in differ:
        a, b = Fraction(offline[int(i)].as_py()), Fraction(online[int(i)].as_py())
        same[i] = abs(a - b) <= atol + rtol * max(abs(a), abs(b))
    return same


def _numbers(array: pa.Array, target: pa.DataType) -> np.ndarray:
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    return np.asarray(pc.fill_null(array.cast(target, safe=False), 0))


def _equal_lists(offline: pa.Array, online: pa.Array, tolerance: Tolerance) -> Mask:
    known: Mask = np.asarray(pc.and_(pc.is_valid(offline), pc.is_valid(online)))
    lengths_a = np.asarray(pc.fill_null(pc.list_value_length(offline), -1), dtype=np.int64)
    lengths_b = np.asarray(pc.fill_null(pc.list_value_length(online), -1), dtype=np.int64)
    same = known & (lengths_a == lengths_b)
    rows = np.flatnonzero(same & (lengths_a > 0))
    if len(rows):
        flat_a = offline.take(pa.array(rows)).flatten()
        flat_b = online.take(pa.array(rows)).flatten()
        elements = equal_or_null(flat_a, flat_b, tolerance)
        starts = np.concatenate([[0], np.cumsum(lengths_a[rows])[:-1]])
        same[rows] = np.logical_and.reduceat(elements, starts)
    found: Mask = same
    return found
