"""The types in which two columns of one feature meet, for tables that come without a Feast registry."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.types import (
    DeclaredType,
    Kind,
    array_of,
    declared_type,
    is_list,
    nan_to_null,
    to_declared,
    unpacked,
    with_items,
)

_DIGITS_IN_128_BITS, _MOST_DIGITS = 38, 76
_UINT64_DIGITS = 20


def _decimal(whole: int, scale: int) -> DeclaredType:
    """Give the decimals of so many digits before and after the point; text when Arrow has none that long."""
    if whole + scale > _MOST_DIGITS:
        return declared_type("String")
    make = pa.decimal128 if whole + scale <= _DIGITS_IN_128_BITS else pa.decimal256
    return DeclaredType(f"Decimal({whole + scale}, {scale})", Kind.DECIMAL, make(whole + scale, scale))


_FROM_ARROW = (
    (pa.types.is_boolean, "Bool"),
    (lambda arrow: pa.types.is_integer(arrow) and arrow.bit_width < 32, "Int32"),
    (pa.types.is_int32, "Int32"),
    (pa.types.is_integer, "Int64"),
    (pa.types.is_float16, "Float32"),
    (pa.types.is_float32, "Float32"),
    (pa.types.is_floating, "Float64"),
    (pa.types.is_timestamp, "UnixTimestamp"),
    (pa.types.is_date, "UnixTimestamp"),
    (pa.types.is_binary, "Bytes"),
    (pa.types.is_large_binary, "Bytes"),
    (pa.types.is_fixed_size_binary, "Bytes"),
    (pa.types.is_string, "String"),
    (pa.types.is_large_string, "String"),
    (pa.types.is_null, "String"),
)


def declared_from_arrow(arrow: pa.DataType) -> DeclaredType:
    """Give the declared type that fits an Arrow column, for tables that come without a Feast registry."""
    if pa.types.is_dictionary(arrow):
        return declared_from_arrow(arrow.value_type)
    if pa.types.is_decimal(arrow):
        scale = max(arrow.scale, 0)
        return _decimal(arrow.precision - arrow.scale, scale)
    if is_list(arrow):
        item = declared_from_arrow(arrow.value_type)
        return declared_type("Other") if item.kind in (Kind.LIST, Kind.NESTED) else array_of(item)
    return declared_type(next((name for fits, name in _FROM_ARROW if fits(arrow)), "Other"))


def wider_type(one: DeclaredType, other: DeclaredType) -> DeclaredType:
    """Give the type in which two columns of one feature can both be held; text when nothing else fits."""
    if one == other:
        return one
    if one.item is not None and other.item is not None:
        return array_of(wider_type(one.item, other.item))
    if Kind.DECIMAL in (one.kind, other.kind):
        return _with_decimal(one, other)
    order = ["Bool", "Int32", "Int64", "Float32", "Float64"]
    if one.name in order and other.name in order:
        names = {one.name, other.name}
        if names in ({"Int64", "Float32"}, {"Int32", "Float32"}):
            return declared_type("Float64")
        return declared_type(max(one.name, other.name, key=order.index))
    return declared_type("String")


def _with_decimal(one: DeclaredType, other: DeclaredType) -> DeclaredType:
    if {one.kind, other.kind} & {Kind.FLOAT32, Kind.FLOAT64}:
        return declared_type("Float64")
    if not {one.kind, other.kind} <= {Kind.DECIMAL, Kind.INTEGER, Kind.BOOLEAN}:
        return declared_type("String")
    decimals = [side.arrow for side in (one, other) if side.kind is Kind.DECIMAL]
    wholes = [arrow.precision - arrow.scale for arrow in decimals]
    if len(decimals) == 1:
        wholes.append(_UINT64_DIGITS)
    return _decimal(max(wholes), max(arrow.scale for arrow in decimals))


def meet(
    one: pa.Array | pa.ChunkedArray, other: pa.Array | pa.ChunkedArray
) -> tuple[DeclaredType, pa.Array | pa.ChunkedArray, pa.Array | pa.ChunkedArray]:
    """Give the type that holds two columns of one feature, and both so that `to_declared` can bring them there.

    Numbers that are exact stay so: doubles become integers beside integers and decimals when they hold whole numbers
    only, and integers beyond int64 become decimals. Text beside numbers or booleans is read as such when all of it can
    be; else both are text. A column of nulls alone follows the other one.
    """
    declared = declared_from_arrow(one.type)
    if one.type == other.type == declared.arrow:
        return declared, one, other
    one, other = unpacked(one), unpacked(other)
    if pa.types.is_null(one.type):
        one = one.cast(other.type)
    elif pa.types.is_null(other.type):
        other = other.cast(one.type)
    if is_list(one.type) and is_list(other.type):
        item, *flat = meet(one.flatten(), other.flatten())
        if item.kind not in (Kind.LIST, Kind.NESTED):
            return array_of(item), with_items(one, flat[0]), with_items(other, flat[1])
    one, other = _read_beside(one, other.type), _read_beside(other, one.type)
    declared = wider_type(declared_from_arrow(one.type), declared_from_arrow(other.type))
    if declared.name == "Int64" and any(_outgrows_int64(side) for side in (one, other)):
        declared = _decimal(_UINT64_DIGITS, 0)
    # Arrow cannot take rows of views inside of structs.
    if declared.kind is Kind.STRING or (declared.kind is Kind.NESTED and "_view" in f"{one.type} {other.type}"):
        one, other = _as_text(one), _as_text(other)
    return declared, one, other


def exact_timestamp(one: pa.Array | pa.ChunkedArray, other: pa.Array | pa.ChunkedArray) -> DeclaredType:
    """Give the coarsest timestamps that hold two columns of times without loss, for keys of no declared type."""
    for unit in ("s", "ms", "us"):
        arrow = pa.timestamp(unit, tz="UTC")
        try:
            one.cast(arrow), other.cast(arrow)
        except pa.ArrowInvalid:
            continue
        return DeclaredType("UnixTimestamp" if unit == "s" else f"Timestamp({unit})", Kind.TIMESTAMP, arrow)
    return DeclaredType("Timestamp(ns)", Kind.TIMESTAMP, pa.timestamp("ns", tz="UTC"))


def _is_exact(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_integer(arrow) or pa.types.is_decimal(arrow))


def _outgrows_int64(array: pa.Array) -> bool:
    return bool(pa.types.is_uint64(array.type) and (pc.max(array).as_py() or 0) > np.iinfo(np.int64).max)


def _read_beside(array: pa.Array, other: pa.DataType) -> pa.Array:
    """Read doubles as integers, and text as numbers or booleans, where the other side is such and all values can be."""
    tries: list[Callable[[pa.Array], pa.Array]] = []
    if pa.types.is_floating(array.type) and _is_exact(other):
        array = nan_to_null(array)
        tries = [lambda values: values.cast(pa.int64()), lambda values: values.cast(pa.uint64())]
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        if pa.types.is_floating(other) or pa.types.is_boolean(other):
            tries = [lambda values: values.cast(other)]
        elif _is_exact(other):
            tries = [lambda values: values.cast(pa.int64()), _decimals]
    for read in tries:
        try:
            return read(array)
        except (pa.ArrowInvalid, InvalidOperation):
            continue
    return array


def _decimals(text: pa.Array) -> pa.Array:
    numbers = [None if value is None else Decimal(value) for value in text.to_pylist()]
    if not all(number is None or number.is_finite() for number in numbers):
        raise InvalidOperation
    return pa.array(numbers)


def _as_text(array: pa.Array) -> pa.Array:
    """Write values as text the way JSON does, 1.0 as "1.0"; what Arrow itself writes that way is left to it."""
    if declared_from_arrow(array.type).kind in (Kind.LIST, Kind.NESTED):
        return to_declared(array, declared_type("Other"))
    if pa.types.is_floating(array.type):
        missing = np.asarray(pc.is_null(array, nan_is_null=True))
        return pa.array(np.asarray(pc.fill_null(array, 0)).astype(str), pa.string(), mask=missing)
    return array
