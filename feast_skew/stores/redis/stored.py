"""Under which of Feast's types values are stored in Redis, whatever type is declared for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from google.protobuf.message import DecodeError

from feast_skew.stores.redis import resp
from feast_skew.stores.redis.layout import first_field
from feast_skew.stores.value_messages import stored_type

if TYPE_CHECKING:
    from feast.protos.feast.types.Value_pb2 import Value

_PARSED = 1 << 16
"""Bytes up to which a value is parsed; a larger one is told by its beginning."""


class StoredKinds:
    """Notes the types of the first of the fields that are asked for; has the port `question.Taker`."""

    def __init__(self, rows: int, value: type[Value]) -> None:
        self._value = value
        self._names = [""] * rows

    @property
    def names(self) -> Sequence[str]:
        """Feast's names of the types, by row; empty where there is no value, or none that can be read."""
        return self._names

    def take(self, buffer: np.ndarray, replies: resp.Replies, positions: np.ndarray) -> None:
        """Take replies; see `question.Taker`."""
        for position, start, length in zip(positions, replies.starts[0], replies.lengths[0], strict=True):
            if length > 0:
                self._names[position] = self._name(buffer[start : start + min(length, _PARSED)].tobytes(), int(length))

    def _name(self, raw: bytes, length: int) -> str:
        if length > _PARSED:
            field = self._value.DESCRIPTOR.fields_by_number.get(first_field(raw) or 0)
            return stored_type(field.name if field is not None else None)
        parsed = self._value()
        try:
            parsed.ParseFromString(raw)
        except DecodeError:
            return ""
        return stored_type(parsed.WhichOneof("val"))
