"""Feast's Value messages to Arrow columns of the declared types.

Feast itself is not needed: its class of values comes from where Feast is installed, or is made of its description.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from feast_skew.core.arrays import Mask
from feast_skew.core.nested import (
    canonical_text,
    decimal_content,
    json_text,
    key_text,
    plain_content,
    set_content,
    uuid_content,
)
from feast_skew.core.scalars import zoned_text
from feast_skew.core.shapes import shaped
from feast_skew.core.types import NULL_TIMESTAMP_SECONDS, DeclaredType, Kind, to_declared

if TYPE_CHECKING:
    from feast.protos.feast.types.Value_pb2 import Value

_ACCEPTED = {
    Kind.INTEGER: {"int32_val", "int64_val"},
    Kind.FLOAT32: {"float_val", "double_val", "int32_val", "int64_val"},
    Kind.FLOAT64: {"float_val", "double_val", "int32_val", "int64_val"},
    Kind.BOOLEAN: {"bool_val"},
    Kind.STRING: {"string_val"},
    Kind.BYTES: {"bytes_val"},
    Kind.TIMESTAMP: {"unix_timestamp_val", "int64_val"},
    # Older versions of Feast wrote UUIDs as strings.
    Kind.UUID: {"uuid_val", "time_uuid_val", "string_val"},
    Kind.DECIMAL: {"decimal_val"},
}
_COLLECTIONS = {
    "Int32": ("int32",),
    "Int64": ("int64",),
    "Float32": ("float",),
    "Float64": ("double",),
    "Bool": ("bool",),
    "String": ("string",),
    "Bytes": ("bytes",),
    "UnixTimestamp": ("unix_timestamp",),
    "Uuid": ("uuid", "time_uuid", "string"),
    "TimeUuid": ("uuid", "time_uuid", "string"),
    "Decimal": ("decimal",),
}
# By the beginning of the declared name, the longest first; other nested types are of a newer Feast, and take anything.
_NESTED = (
    ("Array(Map", {"map_list_val"}),
    ("Array(Json", {"json_list_val"}),
    ("Array(Struct", {"struct_list_val", "map_list_val"}),
    ("Array(", {"list_val"}),
    ("Set(", {"set_val"}),
    ("Struct(", {"struct_val", "map_val"}),
    ("ScalarMap", {"scalar_map_val"}),
    ("Map", {"map_val"}),
    ("Json", {"json_val"}),
)


@cache
def value_class(described: bytes) -> type[Value]:
    """Make Feast's class of values from the description of its file, serialized, without Feast.

    It lies in a pool of its own, so that Feast's own class may be loaded beside it.
    """
    pool = DescriptorPool()
    pool.AddSerializedFile(described)
    return cast("type[Value]", GetMessageClass(pool.FindMessageTypeByName("feast.types.Value")))


def parse_column(raw: Sequence[bytes], declared: DeclaredType, value: type[Value]) -> tuple[pa.Array, Mask]:
    """Read serialized values of one feature; those that are none, or of another type, are null and marked.

    `value` is Feast's class of values.
    """
    values, broken = [], np.zeros(len(raw), dtype=bool)
    for i, one in enumerate(raw):
        parsed = value()
        try:
            parsed.ParseFromString(one)
        except DecodeError:
            parsed, broken[i] = value(), True
        values.append(parsed)
    column, wrong = decode_column(values, declared)
    return column, broken | wrong


def decode_column(values: Sequence[Value], declared: DeclaredType) -> tuple[pa.Array, np.ndarray]:
    """Turn the values of one feature into a column and a mask of those of another type than declared.

    An empty Value is null; so is Feast's stand-in for a missing timestamp. Values under another type are null in the
    column and marked, and so are those that the type cannot hold, such as a decimal that is no finite number. A text that is
    no JSON, or no UUID, stays the text that it is.
    """
    wrong = np.zeros(len(values), dtype=bool)
    plain: list[Any] = [None] * len(values)
    accepted, read = _reading(declared)
    for i, value in enumerate(values):
        which = value.WhichOneof("val")
        if which is None or which == "null_val":
            continue
        if accepted is None or which in accepted:
            plain[i] = read(value, which)
        else:
            wrong[i] = True
    return _column(plain, declared, wrong), wrong


def _reading(declared: DeclaredType) -> tuple[set[str] | None, Callable[[Value, str], Any]]:
    """Give the fields of a Value that hold the declared type (None: any), and how they are read."""
    if declared.item is not None:
        suffix = "list_val" if declared.kind is Kind.LIST else "set_val"
        return {f"{name}_{suffix}" for name in _COLLECTIONS.get(declared.item.name, ())}, _elements
    if declared.kind is Kind.NESTED:
        accepted = next((fields for start, fields in _NESTED if declared.name.startswith(start)), None)
        return accepted, lambda value, _: text_of(value, declared)
    if declared.kind is Kind.ZONED:
        return {"zoned_timestamp_val"}, lambda value, _: _content(value)
    return _ACCEPTED[declared.kind], getattr


def stored_type(which: str | None) -> str:
    """Give Feast's name of the type whose values are stored in a field of a Value; empty for none."""
    if which is None or which == "null_val":
        return ""
    if which in ("list_val", "set_val"):
        return {"list_val": "Array", "set_val": "Set"}[which]
    name = which.removesuffix("_val")
    for ending, outer in (("_list", "Array"), ("_set", "Set")):
        if name.endswith(ending):
            return f"{outer}({_scalar_name(name.removesuffix(ending))})"
    return _scalar_name(name)


def _scalar_name(name: str) -> str:
    return {"float": "Float32", "double": "Float64"}.get(name, name.title().replace("_", ""))


def declared_name(declared: DeclaredType) -> str:
    """Give the name that `stored_type` has for values of a declared type; its own where Feast stores it as one of several."""
    return "Bytes" if declared.kind is Kind.BYTES else declared.name


def _elements(value: Value, which: str) -> list[Any]:
    return list(getattr(value, which).val)


def text_of(value: Value, declared: DeclaredType) -> str:
    """Give a value of a nested type as the text by which it is compared."""
    if value.WhichOneof("val") == "json_val":
        return json_text(value.json_val)
    return canonical_text(shaped(_content(value), declared))


def _column(plain: list[Any], declared: DeclaredType, wrong: np.ndarray) -> pa.Array:
    carrier = _carrier(declared)
    try:
        return to_declared(pa.array(plain, carrier), declared)
    except (pa.ArrowInvalid, OverflowError):
        # A value out of the declared type's range: find it, the others are sound.
        for i, value in enumerate(plain):
            try:
                to_declared(pa.array([value], carrier), declared)
            except (pa.ArrowInvalid, OverflowError):
                plain[i], wrong[i] = None, True
        return to_declared(pa.array(plain, carrier), declared)


def _carrier(declared: DeclaredType) -> pa.DataType:
    """Give the Arrow type of what Feast stores for a declared one."""
    if declared.item is not None:
        return pa.list_(_carrier(declared.item))
    if declared.kind is Kind.TIMESTAMP:
        return pa.int64()
    if declared.kind is Kind.FLOAT32:
        return pa.float64()
    return pa.string() if declared.kind is Kind.DECIMAL else declared.arrow


def _content(value: Value) -> Any:
    """Give a value as JSON can say it: keys and sets in order, null members of maps left out."""
    which = value.WhichOneof("val")
    if which is None or which == "null_val":
        return None
    kind = which.removesuffix("_val").removesuffix("_list").removesuffix("_set")
    inner = getattr(value, which)
    if which in _READ:
        content = _READ[which](inner)
    elif hasattr(inner, "val"):
        content = [_leaf(one, kind) for one in inner.val]
    else:
        content = _leaf(inner, kind)
    return set_content(content) if which.endswith("set_val") else content


def _leaf(given: Any, kind: str) -> Any:
    if kind == "unix_timestamp":
        return None if given == NULL_TIMESTAMP_SECONDS else f"{np.datetime64(given, 's')}Z"
    if kind in ("uuid", "time_uuid"):
        return uuid_content(given)
    if kind == "decimal":
        try:
            return decimal_content(Decimal(given))
        except InvalidOperation:
            return given
    return _parsed(given) if kind == "json" else plain_content(given)


def _mapping(given: Any) -> dict[str, Any]:
    members = {key: _content(one) for key, one in given.val.items()}
    return {key: one for key, one in members.items() if one is not None}


def _parsed(text: str) -> Any:
    """Read JSON, so that white space and the order of keys make no difference; what is none stays the text it is."""
    try:
        return plain_content(json.loads(text), keep_nulls=True)
    except (ValueError, RecursionError):
        return text


def _scalar_mapping(given: Any) -> dict[str, Any]:
    members = {_key(one.key): _content(one.value) for one in given.val}
    return {key: one for key, one in members.items() if one is not None}


def _key(key: Any) -> str:
    which = key.WhichOneof("key")
    return "null" if which is None else key_text(_leaf(getattr(key, which), which.removesuffix("_key")))


_READ: dict[str, Callable[[Any], Any]] = {
    "map_val": _mapping,
    "struct_val": _mapping,
    "map_list_val": lambda given: [_mapping(one) for one in given.val],
    "struct_list_val": lambda given: [_mapping(one) for one in given.val],
    "scalar_map_val": _scalar_mapping,
    "zoned_timestamp_val": lambda given: (
        None if given.unix_timestamp == NULL_TIMESTAMP_SECONDS else zoned_text(given.unix_timestamp, given.zone)
    ),
    "list_val": lambda given: [_content(one) for one in given.val],
    "set_val": lambda given: [_content(one) for one in given.val],
}
