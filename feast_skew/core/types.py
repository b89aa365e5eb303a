"""Declared feature types, and how values of either store are brought into them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NULL_TIMESTAMP_SECONDS = -9223372036854775808
"""What Feast writes online for a missing UnixTimestamp (type_map.NULL_TIMESTAMP_INT_VALUE)."""


class Kind(str, Enum):
    """How values of a declared type are compared and summarised."""

    INTEGER = "integer"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    STRING = "string"
    BYTES = "bytes"
    TIMESTAMP = "timestamp"
    LIST = "list"
    TEXT = "text"

    @property
    def is_number(self) -> bool:
        """Tell whether means, variances and differences make sense."""
        return self in (Kind.INTEGER, Kind.FLOAT32, Kind.FLOAT64, Kind.DECIMAL)


@dataclass(frozen=True)
class DeclaredType:
    """A Feast type by its own name, with the Arrow type that holds it and its kind.

    `item` is the element type of an array. Types without an Arrow form of their own (maps, structs, sets, JSON, Feast's
    decimals) are held as canonical text and compared for equality. Kind.DECIMAL is for tables alone, without Feast.
    """

    name: str
    kind: Kind
    arrow: pa.DataType
    item: DeclaredType | None = None


_SCALARS = {
    "Int32": (Kind.INTEGER, pa.int32()),
    "Int64": (Kind.INTEGER, pa.int64()),
    "Float32": (Kind.FLOAT32, pa.float32()),
    "Float64": (Kind.FLOAT64, pa.float64()),
    "Bool": (Kind.BOOLEAN, pa.bool_()),
    "String": (Kind.STRING, pa.string()),
    "Bytes": (Kind.BYTES, pa.binary()),
    "UnixTimestamp": (Kind.TIMESTAMP, pa.timestamp("s", tz="UTC")),
}
_ARRAY = re.compile(r"^Array\((\w+)\)$")
_DIGITS_IN_128_BITS, _MOST_DIGITS = 38, 76
_UINT64_DIGITS = 20


def declared_type(name: str) -> DeclaredType:
    """Give the declared type for a Feast type's own name, such as `Float64` or `Array(String)`."""
    if name in _SCALARS:
        kind, arrow = _SCALARS[name]
        return DeclaredType(name, kind, arrow)
    array = _ARRAY.match(name)
    if array and array.group(1) in _SCALARS:
        return _array_of(declared_type(array.group(1)))
    return DeclaredType(name, Kind.TEXT, pa.string())


def _array_of(item: DeclaredType) -> DeclaredType:
    return DeclaredType(f"Array({item.name})", Kind.LIST, pa.list_(item.arrow), item)


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
    if _is_list(arrow):
        item = declared_from_arrow(arrow.value_type)
        return declared_type("Other") if item.kind in (Kind.LIST, Kind.TEXT) else _array_of(item)
    return declared_type(next((name for fits, name in _FROM_ARROW if fits(arrow)), "Other"))


def wider_type(one: DeclaredType, other: DeclaredType) -> DeclaredType:
    """Give the type in which two columns of one feature can both be held; text when nothing else fits."""
    if one == other:
        return one
    if one.item is not None and other.item is not None:
        return _array_of(wider_type(one.item, other.item))
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
    one, other = _unpacked(one), _unpacked(other)
    if pa.types.is_null(one.type):
        one = one.cast(other.type)
    elif pa.types.is_null(other.type):
        other = other.cast(one.type)
    if _is_list(one.type) and _is_list(other.type):
        item, *flat = meet(one.flatten(), other.flatten())
        if item.kind not in (Kind.LIST, Kind.TEXT):
            return _array_of(item), _with_items(one, flat[0]), _with_items(other, flat[1])
    one, other = _read_beside(one, other.type), _read_beside(other, one.type)
    declared = wider_type(declared_from_arrow(one.type), declared_from_arrow(other.type))
    if declared.name == "Int64" and any(_outgrows_int64(side) for side in (one, other)):
        declared = _decimal(_UINT64_DIGITS, 0)
    # Arrow cannot take rows of views inside of structs.
    if declared.kind is Kind.STRING or (declared.kind is Kind.TEXT and "_view" in f"{one.type} {other.type}"):
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


def _is_list(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_list(arrow) or pa.types.is_large_list(arrow) or pa.types.is_fixed_size_list(arrow))


def _is_exact(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_integer(arrow) or pa.types.is_decimal(arrow))


def _outgrows_int64(array: pa.Array) -> bool:
    return bool(pa.types.is_uint64(array.type) and (pc.max(array).as_py() or 0) > np.iinfo(np.int64).max)


def _unpacked(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Give a column in one piece and in the plain form of its type."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(array, pa.ChunkedArray):  # combine_chunks keeps huge string columns chunked
        array = pa.concat_arrays(array.chunks)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    if pa.types.is_string_view(array.type):
        return array.cast(pa.string())
    if pa.types.is_binary_view(array.type):
        return array.cast(pa.binary())
    if pa.types.is_fixed_size_list(array.type):
        return array.cast(pa.list_(array.type.value_type))
    return array


def _read_beside(array: pa.Array, other: pa.DataType) -> pa.Array:
    """Read doubles as integers, and text as numbers or booleans, where the other side is such and all values can be."""
    tries: list[Callable[[pa.Array], pa.Array]] = []
    if pa.types.is_floating(array.type) and _is_exact(other):
        array = _nan_to_null(array)
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
    if declared_from_arrow(array.type).kind in (Kind.LIST, Kind.TEXT):
        return to_declared(array, declared_type("Other"))
    if pa.types.is_floating(array.type):
        missing = np.asarray(pc.is_null(array, nan_is_null=True))
        return pa.array(np.asarray(pc.fill_null(array, 0)).astype(str), pa.string(), mask=missing)
    return array


def to_declared(  # noqa: PLR0911  one line per kind reads best
    values: pa.Array | pa.ChunkedArray, declared: DeclaredType
) -> pa.Array:
    """Bring a column into its declared type the way Feast writes it online.

    NaN becomes null, in lists too (Feast stores both as an empty value), timestamps are cut to whole seconds (but for
    those of `exact_timestamp`) and read as UTC when they carry no zone, doubles that hold whole numbers become integers
    again. Integers that were declared but arrive with fractions stay doubles, so that the difference is seen rather than
    rounded away.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError
        When the values have no meaning in that type, such as text under a number.
    """
    array = _unpacked(values)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), declared.arrow)
    if declared.kind is Kind.TIMESTAMP:
        return _to_seconds(array) if declared.arrow.unit == "s" else array.cast(declared.arrow)
    if pa.types.is_floating(array.type):
        array = _nan_to_null(array)
    if declared.kind is Kind.INTEGER and pa.types.is_floating(array.type):
        return _whole_or_double(array, declared.arrow)
    if declared.kind is Kind.FLOAT32 and pa.types.is_floating(array.type):
        return array.cast(pa.float32(), safe=False)
    if declared.kind in (Kind.FLOAT32, Kind.FLOAT64) and not pa.types.is_floating(array.type):
        return _nan_to_null(array.cast(pa.float64(), safe=False)).cast(declared.arrow, safe=False)
    if declared.kind is Kind.LIST and declared.item is not None:
        if not _is_list(array.type):
            raise pa.ArrowInvalid(f"{array.type} holds no lists")
        return _with_items(array, to_declared(array.flatten(), declared.item))
    if declared.kind is Kind.DECIMAL and pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    if array.type == declared.arrow:
        return array
    if declared.kind is Kind.TEXT and not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return pa.array([None if v is None else canonical_json(v) for v in array.to_pylist()], pa.string())
    return array.cast(declared.arrow)


def _nan_to_null(array: pa.Array) -> pa.Array:
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    nan = pc.is_nan(array)
    if pc.any(nan).as_py():
        return pc.if_else(nan, pa.scalar(None, array.type), array)
    return array


def _whole_or_double(array: pa.Array, target: pa.DataType) -> pa.Array:
    try:
        return array.cast(target)
    except pa.ArrowInvalid:
        return array.cast(pa.float64())


def _to_seconds(array: pa.Array) -> pa.Array:
    if pa.types.is_integer(array.type):
        seconds = array.cast(pa.int64())
    elif pa.types.is_floating(array.type):
        seconds = _nan_to_null(array).cast(pa.int64(), safe=False)
    elif pa.types.is_date(array.type):
        seconds = array.cast(pa.timestamp("s")).cast(pa.int64())
    elif pa.types.is_timestamp(array.type):
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[array.type.unit]
        ticks = np.asarray(pc.fill_null(array.cast(pa.int64()), 0))
        seconds = pa.array(ticks // per_second, mask=np.asarray(pc.is_null(array)))
    else:
        raise pa.ArrowInvalid(f"{array.type} holds no timestamps")
    missing = pc.equal(seconds, pa.scalar(NULL_TIMESTAMP_SECONDS, pa.int64()))
    return pc.if_else(missing, pa.scalar(None, pa.int64()), seconds).cast(pa.timestamp("s", tz="UTC"))


def _with_items(array: pa.Array, flat: pa.Array) -> pa.Array:
    """Give lists of the same lengths as other ones, with these elements."""
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    offsets = np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=pc.is_null(array))


def canonical_json(value: Any) -> str:
    """Write a nested value as JSON with sorted keys, without the fields of structs that are null: Arrow adds them."""
    return json.dumps(_jsonable(value), sort_keys=True, ensure_ascii=False)


def _jsonable(value: Any) -> Any:  # noqa: PLR0911  one line per type reads best
    if isinstance(value, dict):
        fields = {str(name): _jsonable(item) for name, item in value.items()}
        return {name: item for name, item in fields.items() if item is not None}
    if isinstance(value, list) and value and isinstance(value[0], tuple):  # the entries of a map
        return {str(_jsonable(name)): _jsonable(item) for name, item in value}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        return None if value != value else int(value) if value.is_integer() else value  # noqa: PLR0124  NaN
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, timedelta):
        return value / timedelta(seconds=1)
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def floats(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Give a column as float64 values with a mask of the non-null ones; nulls are 0.0.

    Timestamps become seconds since the epoch. Only for numbers, booleans and timestamps.
    """
    valid = np.asarray(pc.is_valid(array))
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    filled = pc.fill_null(array.cast(pa.float64(), safe=False), 0.0)
    return np.asarray(filled, dtype=np.float64), valid
