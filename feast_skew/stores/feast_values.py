"""Feast's Value protobufs to Arrow columns of the declared types, and source columns of rarer types to the same text."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from feast.types import FeastType

from feast_skew.core.types import NULL_TIMESTAMP_SECONDS, DeclaredType, Kind, to_declared

_ACCEPTED = {
    Kind.INTEGER: {"int32_val", "int64_val"},
    Kind.FLOAT32: {"float_val", "double_val", "int32_val", "int64_val"},
    Kind.FLOAT64: {"float_val", "double_val", "int32_val", "int64_val"},
    Kind.BOOLEAN: {"bool_val"},
    Kind.STRING: {"string_val"},
    Kind.BYTES: {"bytes_val"},
    Kind.TIMESTAMP: {"unix_timestamp_val", "int64_val"},
}
_LISTS = {
    "Int32": "int32_list_val",
    "Int64": "int64_list_val",
    "Float32": "float_list_val",
    "Float64": "double_list_val",
    "Bool": "bool_list_val",
    "String": "string_list_val",
    "Bytes": "bytes_list_val",
    "UnixTimestamp": "unix_timestamp_list_val",
}


def decode_column(values: Sequence[Value], declared: DeclaredType) -> tuple[pa.Array, np.ndarray]:
    """Turn the values of one feature into a column and a mask of those of another type than declared.

    An empty Value is null; so is Feast's stand-in for a missing timestamp. Values under another type are null in the
    column and marked.
    """
    wrong = np.zeros(len(values), dtype=bool)
    plain: list[Any] = [None] * len(values)
    accepted = _ACCEPTED.get(declared.kind, set())
    list_field = _LISTS.get(declared.item.name) if declared.kind is Kind.LIST and declared.item else None
    for i, value in enumerate(values):
        which = value.WhichOneof("val")
        if which is None or which == "null_val":
            continue
        if which in accepted:
            plain[i] = getattr(value, which)
        elif list_field is not None and which == list_field:
            plain[i] = list(getattr(value, which).val)
        elif declared.kind is Kind.TEXT:
            plain[i] = canonical_text(value)
        else:
            wrong[i] = True
    return _column(plain, declared, wrong), wrong


def _column(plain: list[Any], declared: DeclaredType, wrong: np.ndarray) -> pa.Array:
    carrier = pa.int64() if declared.kind is Kind.TIMESTAMP else declared.arrow
    if declared.kind is Kind.TIMESTAMP:
        plain = [None if value == NULL_TIMESTAMP_SECONDS else value for value in plain]
    if declared.kind is Kind.FLOAT32:
        carrier = pa.float64()
    try:
        column = pa.array(plain, carrier)
    except (pa.ArrowInvalid, OverflowError):
        # A value out of the declared type's range: find it, the others are sound.
        for i, value in enumerate(plain):
            try:
                pa.array([value], carrier)
            except (pa.ArrowInvalid, OverflowError):
                plain[i], wrong[i] = None, True
        column = pa.array(plain, carrier)
    return to_declared(column, declared)


def canonical_text(value: Value) -> str:
    """Give a value as JSON text that is the same for equal contents: keys and sets in order, 1.0 written as 1.

    A text stands for itself, without quotes.
    """
    content = _content(value)
    return content if isinstance(content, str) else _dump(content)


def _dump(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _content(value: Any) -> Any:
    which = value.WhichOneof("val")
    if which is None or which == "null_val":
        return None
    inner = getattr(value, which)
    read: Callable[[Any], Any] = _READ.get(which, _items if hasattr(inner, "val") else _plain)
    content = read(inner)
    return sorted(content, key=_dump) if which.endswith("set_val") else content


def _mapping(given: Any) -> dict[str, Any]:
    return {key: _content(one) for key, one in given.val.items()}


def _parsed(text: str) -> Any:
    """Read JSON, so that white space and the order of keys make no difference; what is none stays the text it is."""
    try:
        return _plain(json.loads(text))
    except ValueError:
        return text


def _plain(content: Any) -> Any:
    """Give bytes as hex and whole doubles as integers: pandas turns integers beside a null into doubles."""
    if isinstance(content, bytes):
        return content.hex()
    if isinstance(content, float):
        return int(content) if content.is_integer() else content
    if isinstance(content, list):
        return [_plain(one) for one in content]
    if isinstance(content, dict):
        return {key: _plain(one) for key, one in content.items()}
    return content


def _items(given: Any) -> list[Any]:
    return [_plain(one) for one in given.val]


def _pairs(given: Any) -> list[Any]:
    pairs = [[_plain(getattr(one.key, one.key.WhichOneof("key"))), _content(one.value)] for one in given.val]
    return sorted(pairs, key=_dump)


_READ: dict[str, Callable[[Any], Any]] = {
    "map_val": _mapping,
    "struct_val": _mapping,
    "map_list_val": lambda given: [_mapping(one) for one in given.val],
    "struct_list_val": lambda given: [_mapping(one) for one in given.val],
    "scalar_map_val": _pairs,
    "zoned_timestamp_val": lambda given: [given.unix_timestamp, given.zone],
    "json_val": _parsed,
    "json_list_val": lambda given: [_parsed(one) for one in given.val],
    "list_val": lambda given: [_content(one) for one in given.val],
    "set_val": lambda given: [_content(one) for one in given.val],
}


def source_text(values: pa.ChunkedArray, feast_type: FeastType) -> pa.Array:
    """Bring a source column of a type without an Arrow form to the text that its online value would have."""
    plain = values.to_pylist()
    if pa.types.is_map(values.type):
        plain = [None if pairs is None else dict(pairs) for pairs in plain]
    protos = python_values_to_proto_values(plain, feast_type.to_value_type())
    return pa.array([None if p.WhichOneof("val") is None else canonical_text(p) for p in protos], pa.string())
