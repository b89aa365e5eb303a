"""Source columns of nested types to the text that their online values have, through Feast's own writing."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from feast.type_map import python_values_to_proto_values
from feast.types import FeastType

from feast_skew.core.nested import canonical_text, json_text, plain_content
from feast_skew.core.types import DeclaredType
from feast_skew.stores.value_messages import text_of


def source_text(values: pa.ChunkedArray, feast_type: FeastType, declared: DeclaredType) -> pa.Array:
    """Bring a source column of a nested type to the text that its online value would have, through Feast's own writing.

    A text that is no JSON in a Json column stays what it is, although Feast would not write it.

    Raises
    ------
    pyarrow.ArrowInvalid
        When Feast can make no such value of one in the column. The value itself is not named.
    """
    plain = values.to_pylist()
    if declared.name == "Json":
        plain = [json_text(one) if isinstance(one, str) else one for one in plain]
        texts = [one if one is None or isinstance(one, str) else _json_of(one) for one in plain]
        return pa.array(texts, pa.string())
    if pa.types.is_map(values.type):
        plain = [None if pairs is None else dict(pairs) for pairs in plain]
    try:
        protos = python_values_to_proto_values(plain, feast_type.to_value_type())
    except Exception as error:
        raise pa.ArrowInvalid(f"Feast cannot write them as {declared.name}: {type(error).__name__}") from error
    return pa.array([None if p.WhichOneof("val") is None else text_of(p, declared) for p in protos], pa.string())


def _json_of(value: Any) -> str:
    return canonical_text(plain_content(value, keep_nulls=True))
