"""Values of one feature, from the bytes of many replies into one Arrow column of the declared type.

Values written the usual way are read by column; whatever the format allows besides goes through the protobuf library, one by
one, and so do types that are rare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.columns import put
from feast_skew.core.types import DeclaredType, Kind, to_declared
from feast_skew.stores.redis import layout
from feast_skew.stores.redis.raw import slices
from feast_skew.stores.redis.wire import LONGEST, varints
from feast_skew.stores.value_messages import parse_column

if TYPE_CHECKING:
    from feast.protos.feast.types.Value_pb2 import Value


@dataclass(frozen=True)
class Values:
    """Where the values of one feature lie in a buffer, and the rows that they are of.

    `at` gives the eight bytes at every place (`raw.words`); lengths below 1 are nulls; starts go upwards.
    """

    buffer: np.ndarray
    at: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    positions: Positions

    def some(self, which: Mask) -> Values:
        """Give the values that a mask picks; itself when it picks all."""
        if which.all():
            return self
        return Values(self.buffer, self.at, self.starts[which], self.lengths[which], self.positions[which])

    @property
    def tags(self) -> np.ndarray:
        """The first byte of each value."""
        return self.buffer[self.starts]


class Column:
    """Collects the values of one feature for a known number of rows; rows without a value are null.

    `held` is how many bytes are kept of values that have no fixed size.
    """

    def __init__(self, declared: DeclaredType, rows: int, value: type[Value]) -> None:
        self._declared = declared
        self._rows = rows
        self._value = value
        self._odd: list[tuple[int, bytes]] = []
        self.held = 0

    def add(self, values: Values) -> None:
        """Take the values of more rows out of a buffer; nothing of it is kept."""
        usual = self._take(values)
        if usual.all():
            return
        odd = values.some((values.lengths > 0) & ~usual)
        for position, start, length in zip(odd.positions, odd.starts, odd.lengths, strict=True):
            self._odd.append((int(position), values.buffer[start : start + length].tobytes()))
        self.held += int(odd.lengths.sum())

    def finish(self) -> tuple[pa.Array, Mask]:
        """Give the column in its declared type, and a mask of the values that could not be decoded, null in the column."""
        corrupt = np.zeros(self._rows, dtype=bool)
        column = to_declared(self._usual(corrupt), self._declared)
        if self._odd:
            self._odd.sort(key=lambda one: one[0])  # replies of several servers come in any order
            positions = np.array([position for position, _ in self._odd], dtype=np.int64)
            values, broken = parse_column([raw for _, raw in self._odd], self._declared, self._value)
            corrupt[positions] = broken
            column = values if len(positions) == self._rows else put(column, positions, values)
        return column, corrupt

    def _take(self, values: Values) -> Mask:
        """Keep the values that are written the usual way, and tell which these are."""
        return np.zeros(len(values.starts), dtype=bool)

    def _usual(self, corrupt: Mask) -> pa.Array:
        """Give what was kept, in a type that the declared one takes; mark what turns out to be broken."""
        return pa.nulls(self._rows, self._declared.arrow)


class _Numbers(Column):
    """Numbers in an array that is filled as they come."""

    def __init__(self, declared: DeclaredType, rows: int, value: type[Value], tag: int, dtype: str) -> None:
        super().__init__(declared, rows, value)
        self._tag = tag
        self._values = np.zeros(rows, dtype=dtype)
        self._valid = np.zeros(rows, dtype=bool)

    def _usual(self, corrupt: Mask) -> pa.Array:
        return pa.array(self._values, mask=None if self._valid.all() else ~self._valid)

    def _keep(self, positions: Positions, numbers: np.ndarray) -> None:
        self._values[positions] = numbers
        self._valid[positions] = True


class _Fixed(_Numbers):
    """Floats: the tag, then four or eight bytes."""

    def _take(self, values: Values) -> Mask:
        usual: Mask = values.lengths == 1 + self._values.itemsize
        if usual.all():
            usual &= values.tags == self._tag
        else:
            usual[usual] = values.tags[usual] == self._tag
        chosen = values.some(usual)
        words = chosen.at[chosen.starts + 1]
        if self._values.itemsize == 4:
            words = words.astype(np.uint32)
        self._keep(chosen.positions, words.view(self._values.dtype))
        return usual


class _Varints(_Numbers):
    """Whole numbers and moments: the tag, then a varint. As the library does, Int32 takes the lower half."""

    def _take(self, values: Values) -> Mask:
        usual: Mask = (values.lengths >= 2) & (values.lengths <= 1 + LONGEST)
        chosen = values.some(usual)
        numbers, sound = varints(chosen.at, chosen.starts + 1, chosen.lengths - 1)
        sound &= chosen.tags == self._tag
        usual[usual] = sound
        self._keep(chosen.positions[sound], numbers[sound].astype(self._values.dtype))
        return usual


class _Booleans(_Numbers):
    """The tag, then a byte that is 0 or 1."""

    def _take(self, values: Values) -> Mask:
        usual: Mask = values.lengths == 2
        chosen = values.some(usual)
        content = chosen.buffer[chosen.starts + 1]
        sound = (chosen.tags == self._tag) & (content <= 1)
        usual[usual] = sound
        self._keep(chosen.positions[sound], content[sound] == 1)
        return usual


class _Text(Column):
    """Strings and bytes: the tag, the length as a varint, the content."""

    _LENGTHS = 3  # bytes of the length that are read here: contents up to 2 MiB

    def __init__(self, declared: DeclaredType, rows: int, value: type[Value], tag: int) -> None:
        super().__init__(declared, rows, value)
        self._tag = tag
        self._parts: list[pa.Array] = []
        self._positions: list[Positions] = []

    def _take(self, values: Values) -> Mask:
        usual = np.zeros(len(values.starts), dtype=bool)
        tagged = (values.lengths >= 2) & (values.buffer[np.maximum(values.starts, 0)] == self._tag)
        headers = np.zeros(len(usual), dtype=np.int64)
        for size in range(1, self._LENGTHS + 1):
            content = values.lengths - 1 - size
            wanted = tagged & (content >= (0 if size == 1 else 1 << 7 * (size - 1))) & (content < 1 << 7 * size)
            if not wanted.any():
                continue
            rows = np.flatnonzero(wanted)
            told, sound = varints(values.at, values.starts[rows] + 1, np.full(len(rows), size))
            usual[rows] = sound & (told == content[rows])
            headers[rows] = 1 + size
        chosen = values.some(usual)
        header = headers if usual.all() else headers[usual]
        self.held += int(chosen.lengths.sum())
        self._parts.append(slices(chosen.buffer, chosen.starts + header, chosen.lengths - header))
        self._positions.append(chosen.positions)
        return usual

    def _usual(self, corrupt: Mask) -> pa.Array:
        if not self._parts:
            return pa.nulls(self._rows, self._declared.arrow)
        found = pa.concat_arrays(self._parts)
        positions = np.concatenate(self._positions)
        if self._declared.kind is Kind.STRING:
            found = _decoded(found, positions, corrupt)
        if len(positions) == self._rows and (positions[1:] > positions[:-1]).all():
            return found
        order = np.full(self._rows, -1, dtype=np.int64)
        order[positions] = np.arange(len(positions))
        return found.take(pa.array(order, mask=order < 0))


def _decoded(raw: pa.Array, positions: Positions, corrupt: Mask) -> pa.Array:
    """Read bytes as UTF-8; those that are none are null and marked."""
    try:
        return raw.cast(pa.string())
    except pa.ArrowInvalid:
        texts: list[str | None] = []
        for position, value in zip(positions, raw.to_pylist(), strict=True):
            try:
                texts.append(value.decode())
            except UnicodeDecodeError:
                texts.append(None)
                corrupt[position] = True
        return pa.array(texts, pa.string())


_READERS: dict[str, tuple[Callable[..., Column], tuple[Any, ...]]] = {
    "Int32": (_Varints, (layout.INT32_TAG, "i4")),
    "Int64": (_Varints, (layout.INT64_TAG, "i8")),
    "Float32": (_Fixed, (layout.FLOAT_TAG, "f4")),
    "Float64": (_Fixed, (layout.DOUBLE_TAG, "f8")),
    "Bool": (_Booleans, (layout.BOOL_TAG, "?")),
    "UnixTimestamp": (_Varints, (layout.UNIX_TIMESTAMP_TAG, "i8")),
    "String": (_Text, (layout.STRING_TAG,)),
    "Bytes": (_Text, (layout.BYTES_TAG,)),
    "PdfBytes": (_Text, (layout.BYTES_TAG,)),
    "ImageBytes": (_Text, (layout.BYTES_TAG,)),
}
"""By the declared type, what reads it by column, and how its values are told from others."""


def column_of(declared: DeclaredType, rows: int, value: type[Value]) -> Column:
    """Make the column that reads values of a declared type the fastest way there is for it.

    `value` is Feast's class of values, by which it reads what is written in no usual way.
    """
    reader, how = _READERS.get(declared.name, (Column, ()))
    return reader(declared, rows, value, *how)
