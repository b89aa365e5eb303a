"""Declared feature types, and how values of either store are brought into them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

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
    BOOLEAN = "boolean"
    STRING = "string"
    BYTES = "bytes"
    TIMESTAMP = "timestamp"
    LIST = "list"
    TEXT = "text"

    @property
    def is_number(self) -> bool:
        """Tell whether means, variances and differences make sense."""
        return self in (Kind.INTEGER, Kind.FLOAT32, Kind.FLOAT64)


@dataclass(frozen=True)
class DeclaredType:
    """A Feast type by its own name, with the Arrow type that holds it and its kind.

    `item` is the element type of an array. Types without an Arrow form of their own (maps, structs, sets, JSON,
    decimals) are held as canonical text and compared for equality.
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


def declared_type(name: str) -> DeclaredType:
    """Give the declared type for a Feast type's own name, such as `Float64` or `Array(String)`."""
    if name in _SCALARS:
        kind, arrow = _SCALARS[name]
        return DeclaredType(name, kind, arrow)
    array = _ARRAY.match(name)
    if array and array.group(1) in _SCALARS:
        item = declared_type(array.group(1))
        return DeclaredType(name, Kind.LIST, pa.list_(item.arrow), item)
    return DeclaredType(name, Kind.TEXT, pa.string())


_FROM_ARROW = (
    (pa.types.is_boolean, "Bool"),
    (lambda arrow: pa.types.is_integer(arrow) and arrow.bit_width < 32, "Int32"),
    (pa.types.is_int32, "Int32"),
    (pa.types.is_integer, "Int64"),
    (pa.types.is_float16, "Float32"),
    (pa.types.is_float32, "Float32"),
    (pa.types.is_floating, "Float64"),
    (pa.types.is_decimal, "Float64"),
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
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow) or pa.types.is_fixed_size_list(arrow):
        item = declared_from_arrow(arrow.value_type)
        return declared_type("Other" if item.kind in (Kind.LIST, Kind.TEXT) else f"Array({item.name})")
    return declared_type(next((name for fits, name in _FROM_ARROW if fits(arrow)), "Other"))


def wider_type(one: DeclaredType, other: DeclaredType) -> DeclaredType:
    """Give the type in which two columns of one feature can both be held; text when nothing else fits."""
    if one == other:
        return one
    if one.item is not None and other.item is not None:
        return declared_type(f"Array({wider_type(one.item, other.item).name})")
    order = ["Bool", "Int32", "Int64", "Float32", "Float64"]
    if one.name in order and other.name in order:
        names = {one.name, other.name}
        if names in ({"Int64", "Float32"}, {"Int32", "Float32"}):
            return declared_type("Float64")
        return declared_type(max(one.name, other.name, key=order.index))
    return declared_type("String")


def shared_type(one: pa.DataType, other: pa.DataType) -> DeclaredType:
    """Give the declared type in which two Arrow columns can both be held; one of nulls alone follows the other."""
    if _is_void(one) or _is_void(other):
        one = other = other if _is_void(one) else one
    return wider_type(declared_from_arrow(one), declared_from_arrow(other))


def _is_void(arrow: pa.DataType) -> bool:
    """Tell whether a type can hold nothing but nulls, or lists of them."""
    return bool(pa.types.is_null(arrow) or (pa.types.is_list(arrow) and pa.types.is_null(arrow.value_type)))


def to_declared(  # noqa: PLR0911  one line per kind reads best
    values: pa.Array | pa.ChunkedArray, declared: DeclaredType
) -> pa.Array:
    """Bring a column into its declared type the way Feast writes it online.

    NaN becomes null, in lists too (Feast stores both as an empty value), timestamps are cut to whole seconds and read as UTC when
    they carry no zone, doubles that hold whole numbers become integers again. Integers that were declared but arrive
    with fractions stay doubles, so that the difference is seen rather than rounded away.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError
        When the values have no meaning in that type, such as text under a number.
    """
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(array, pa.ChunkedArray):  # combine_chunks keeps huge string columns chunked
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), declared.arrow)
    if declared.kind is Kind.TIMESTAMP:
        return _to_seconds(array)
    if pa.types.is_floating(array.type):
        array = _nan_to_null(array)
    if declared.kind is Kind.INTEGER and pa.types.is_floating(array.type):
        return _whole_or_double(array, declared.arrow)
    if declared.kind is Kind.FLOAT32 and pa.types.is_floating(array.type):
        return array.cast(pa.float32(), safe=False)
    if declared.kind in (Kind.FLOAT32, Kind.FLOAT64) and not pa.types.is_floating(array.type):
        return _nan_to_null(array.cast(pa.float64(), safe=False)).cast(declared.arrow, safe=False)
    if declared.kind is Kind.LIST and declared.item is not None:
        return _list_to_declared(array, declared.item)
    if array.type == declared.arrow:
        return array
    if declared.kind is Kind.TEXT and not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return pa.array([None if v is None else repr(v) for v in array.to_pylist()], pa.string())
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


def _list_to_declared(array: pa.Array, item: DeclaredType) -> pa.Array:
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        array = array.cast(pa.list_(array.type.value_type))
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    offsets = np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int32)
    flat = to_declared(array.flatten(), item)
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=pc.is_null(array))


def floats(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Give a column as float64 values with a mask of the non-null ones; nulls are 0.0.

    Timestamps become seconds since the epoch. Only for numbers, booleans and timestamps.
    """
    valid = np.asarray(pc.is_valid(array))
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    zero = pa.scalar(0, pa.int64()).cast(array.type) if not pa.types.is_boolean(array.type) else pa.scalar(False)
    filled = pc.fill_null(array, zero).cast(pa.float64(), safe=False)
    return np.asarray(filled, dtype=np.float64), valid
