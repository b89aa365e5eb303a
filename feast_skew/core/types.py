"""Declared feature types, and how values of either store are brought into them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.columns import in_one_piece
from feast_skew.core.nested import canonical_text, plain_content
from feast_skew.core.scalars import FEAST_DECIMAL, decimals, uuid_texts, zoned_texts
from feast_skew.core.sets import as_sets

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
    UUID = "uuid"
    ZONED = "zoned"
    LIST = "list"
    SET = "set"
    NESTED = "nested"

    @property
    def is_number(self) -> bool:
        """Tell whether means, variances and differences make sense."""
        return self in (Kind.INTEGER, Kind.FLOAT32, Kind.FLOAT64, Kind.DECIMAL)


@dataclass(frozen=True)
class DeclaredType:
    """A Feast type by its own name, with the Arrow type that holds it and its kind.

    `item` is the element type of an array or a set. UUIDs and moments with a zone are held as text in one spelling, sets as
    lists in order. Maps, structs, JSON and collections of collections are held as canonical JSON text (Kind.NESTED) and
    compared by path; their `parts` are the types of a struct's fields, or the one of the elements under the name `[*]`.
    """

    name: str
    kind: Kind
    arrow: pa.DataType
    item: DeclaredType | None = None
    parts: tuple[tuple[str, DeclaredType], ...] = ()


_SCALARS = {
    "Int32": (Kind.INTEGER, pa.int32()),
    "Int64": (Kind.INTEGER, pa.int64()),
    "Float32": (Kind.FLOAT32, pa.float32()),
    "Float64": (Kind.FLOAT64, pa.float64()),
    "Bool": (Kind.BOOLEAN, pa.bool_()),
    "String": (Kind.STRING, pa.string()),
    "Bytes": (Kind.BYTES, pa.binary()),
    "PdfBytes": (Kind.BYTES, pa.binary()),
    "ImageBytes": (Kind.BYTES, pa.binary()),
    "UnixTimestamp": (Kind.TIMESTAMP, pa.timestamp("s", tz="UTC")),
    "Uuid": (Kind.UUID, pa.string()),
    "TimeUuid": (Kind.UUID, pa.string()),
    "Decimal": (Kind.DECIMAL, FEAST_DECIMAL),
    "ZonedTimestamp": (Kind.ZONED, pa.string()),
}
_NO_ITEMS = (Kind.LIST, Kind.SET, Kind.NESTED)
ELEMENT = "[*]"


def declared_type(name: str) -> DeclaredType:
    """Give the declared type for a Feast type's own name, such as `Float64`, `Array(String)` or `Struct({x: Int64})`.

    A name that is not known is that of a nested type, so that nothing is lost of values of a newer Feast.
    """
    if name in _SCALARS:
        kind, arrow = _SCALARS[name]
        return DeclaredType(name, kind, arrow)
    for outer, collection in (("Array", array_of), ("Set", set_of)):
        if name.startswith(f"{outer}(") and name.endswith(")"):
            return collection(declared_type(name[len(outer) + 1 : -1]))
    if name.startswith("Struct({") and name.endswith("})"):
        fields = (one.partition(": ") for one in _fields(name[len("Struct({") : -len("})")]))
        return _nested(name, *((field, declared_type(inner)) for field, _, inner in fields))
    return _nested(name)


def key_type(name: str) -> DeclaredType:
    """Give the type that holds a join key: ids keep their spelling, as Feast's key bytes do."""
    declared = declared_type(name)
    if declared.kind in (Kind.UUID, Kind.DECIMAL, Kind.ZONED, *_NO_ITEMS):
        return DeclaredType(name, Kind.STRING, pa.string())
    return declared


def _fields(text: str) -> Iterator[str]:
    """Split the fields of a struct's name at the commas that stand in no brackets."""
    depth = start = 0
    for i, char in enumerate(text):
        depth += (char in "({") - (char in ")}")
        if char == "," and depth == 0:
            yield text[start:i].strip()
            start = i + 1
    yield text[start:].strip()


def _nested(name: str, *parts: tuple[str, DeclaredType]) -> DeclaredType:
    return DeclaredType(name, Kind.NESTED, pa.string(), parts=parts)


def array_of(item: DeclaredType) -> DeclaredType:
    """Give the type of lists of such elements."""
    name = f"Array({item.name})"
    if item.kind in _NO_ITEMS:
        return _nested(name, (ELEMENT, item))
    return DeclaredType(name, Kind.LIST, pa.list_(item.arrow), item)


def set_of(item: DeclaredType) -> DeclaredType:
    """Give the type of sets of such elements."""
    name = f"Set({item.name})"
    if item.kind in _NO_ITEMS:
        return _nested(name, (ELEMENT, item))
    return DeclaredType(name, Kind.SET, pa.list_(item.arrow), item)


def is_list(arrow: pa.DataType) -> bool:
    """Tell whether a column holds lists of any make."""
    return bool(pa.types.is_list(arrow) or pa.types.is_large_list(arrow) or pa.types.is_fixed_size_list(arrow))


def unpacked(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Give a column in one piece and in the plain form of its type."""
    array = in_one_piece(values)
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


def to_declared(values: pa.Array | pa.ChunkedArray, declared: DeclaredType) -> pa.Array:
    """Bring a column into its declared type the way Feast writes it online.

    NaN becomes null, in lists too (Feast stores both as an empty value), timestamps are cut to whole seconds (but for
    those of `exact_timestamp`) and read as UTC when they carry no zone, doubles that hold whole numbers become integers
    again. Integers that were declared but arrive with fractions stay doubles, so that the difference is seen rather than
    rounded away. Sets are put in order, each element once; UUIDs and zones are written in one spelling; Feast's decimals
    are held by value; text of a nested type is taken as canonical.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError
        When the values have no meaning in that type, such as text under a number.
    """
    array = unpacked(values)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), declared.arrow)
    if declared.kind is Kind.TIMESTAMP:
        return _to_seconds(array) if declared.arrow.unit == "s" else array.cast(declared.arrow)
    if declared.kind in (Kind.LIST, Kind.SET):
        return _to_lists(array, declared)
    if declared.kind in (Kind.UUID, Kind.ZONED, Kind.NESTED):
        return _to_text(array, declared.kind)
    if declared.arrow == FEAST_DECIMAL and declared.name == "Decimal":
        return decimals(array)
    return _to_plain(array, declared)


def _to_lists(array: pa.Array, declared: DeclaredType) -> pa.Array:
    if not is_list(array.type) or declared.item is None:
        raise pa.ArrowInvalid(f"{array.type} holds no lists")
    flat = array.flatten()
    if declared.item.kind in (Kind.UUID, Kind.DECIMAL) and pa.types.is_string(flat.type):
        # Feast writes an empty text for a null among them (type_map._LIST_NONE_DEFAULTS).
        flat = pc.if_else(pc.equal(flat, ""), pa.scalar(None, pa.string()), flat)
    lists = with_items(array, to_declared(flat, declared.item))
    return as_sets(lists) if declared.kind is Kind.SET else lists


def _to_text(array: pa.Array, kind: Kind) -> pa.Array:
    if kind is Kind.UUID:
        return uuid_texts(array)
    if kind is Kind.ZONED:
        return zoned_texts(array)
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return array.cast(pa.string())
    texts = [None if value is None else canonical_text(plain_content(value)) for value in array.to_pylist()]
    return pa.array(texts, pa.string())


def _to_plain(array: pa.Array, declared: DeclaredType) -> pa.Array:
    if pa.types.is_floating(array.type):
        array = nan_to_null(array)
        if declared.kind is Kind.INTEGER:
            return _whole_or_double(array, declared.arrow)
        if declared.kind is Kind.FLOAT32:
            return array.cast(pa.float32(), safe=False)
    elif declared.kind in (Kind.FLOAT32, Kind.FLOAT64):
        return nan_to_null(array.cast(pa.float64(), safe=False)).cast(declared.arrow, safe=False)
    if declared.kind is Kind.DECIMAL and pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    return array if array.type == declared.arrow else array.cast(declared.arrow)


def nan_to_null(array: pa.Array) -> pa.Array:
    """Give a column of floating point numbers with null for NaN."""
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
        seconds = nan_to_null(array).cast(pa.int64(), safe=False)
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


def with_items(array: pa.Array, flat: pa.Array) -> pa.Array:
    """Give lists of the same lengths as other ones, with these elements."""
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    offsets = np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=pc.is_null(array))


def floats(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Give a column as float64 values with a mask of the non-null ones; nulls are 0.0.

    Timestamps become seconds since the epoch. Only for numbers, decimals included, booleans and timestamps.
    """
    valid = np.asarray(pc.is_valid(array))
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    if pa.types.is_decimal256(array.type):
        array = array.cast(pa.string())  # Arrow's own conversion makes 0.09999999999999999 of a tenth
    filled = pc.fill_null(array.cast(pa.float64(), safe=False), 0.0)
    return np.asarray(filled, dtype=np.float64), valid
