"""What Feast 0.67 keeps in Redis and under which names: the one file that knows Feast's private layout.

Each entity has one hash per project, shared by all views with its join keys. Its key is the serialized entity key followed
by the project; a feature's field is the 4-byte murmur3 of `view:feature`, its value a serialized `Value`; `_ts:view` holds
the event timestamp as a protobuf `Timestamp`. Sources: feast/infra/online_stores/redis.py, online_stores/helpers.py,
infra/key_encoding_utils.py, protos/feast/types/Value.proto.

Feast itself is imported only where a view of its registry is looked at, so that the rest runs where Feast is not installed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import mmh3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.keys import KEY_TYPE_CODES, JoinKey, KeySet
from feast_skew.core.types import Kind
from feast_skew.errors import InputError, StoreUnavailable
from feast_skew.stores.redis.raw import WORD, slices, stands_at, words

# Field numbers of the scalars in Feast's `Value`, as the tag that stands before a value on the wire: number << 3 | wire type.
BYTES_TAG = 1 << 3 | 2
STRING_TAG = 2 << 3 | 2
INT32_TAG = 3 << 3 | 0
INT64_TAG = 4 << 3 | 0
DOUBLE_TAG = 5 << 3 | 1
FLOAT_TAG = 6 << 3 | 5
BOOL_TAG = 7 << 3 | 0
UNIX_TIMESTAMP_TAG = 8 << 3 | 0
# Those of google.protobuf.Timestamp.
SECONDS_TAG = 1 << 3 | 0
NANOS_TAG = 2 << 3 | 0

_WIDTHS = {KEY_TYPE_CODES["Int32"]: 4, KEY_TYPE_CODES["Int64"]: 8, KEY_TYPE_CODES["UnixTimestamp"]: 8}
"""Bytes of ids that are numbers, by their type."""

_TIMESTAMP_OF = "_ts:"
ANY_TIMESTAMP = f"{_TIMESTAMP_OF}*"
"""The pattern of the names of all fields that hold an event timestamp."""

NO_ENTITY = ("__dummy_id", "")
"""The join key and the id under which Feast keeps the one row of a view without entities (feature_view.py)."""


@dataclass(frozen=True)
class Layout:
    """The layout of one project: its name, how its entity keys are serialized, and whether views carry a version."""

    project: str
    serialization_version: int = 3
    versioned: bool = False

    def view_name(self, view: Any) -> str:
        """Give the name under which the rows of a Feast view are kept, with its version where the registry asks for it."""
        from feast.infra.online_stores.helpers import compute_versioned_name

        return str(compute_versioned_name(view, self.versioned))

    def keys(self, entities: pa.Table, keys: KeySet, order: Sequence[str] = ()) -> pa.Array:
        """Build the keys of some entities, without nulls, in their declared types; one binary value per row.

        Join keys stand in the order of their names, as Feast puts them, or in another `order`.

        Raises
        ------
        InputError
            When an id does not fit the four bytes that serialization versions below 2 keep of an Int64.
        """
        by_name = {key.name: key for key in keys.keys}
        ordered = [by_name[name] for name in order or sorted(by_name)]
        project = self.project.encode()
        if not ordered:
            name, value = NO_ENTITY
            head = self.prefix([name]) + struct.pack("<II", KEY_TYPE_CODES["String"], len(value)) + value.encode()
            return pa.array([head + project] * entities.num_rows, pa.binary())
        parts: list[Any] = [pa.scalar(self.prefix([key.name for key in ordered]), pa.binary())]
        for key in ordered:
            parts.extend(self._value(entities.column(key.name), key))
        parts.append(pa.scalar(project, pa.binary()))
        return _in_one_piece(pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary())))

    def prefix(self, names: Sequence[str]) -> bytes:
        """Give the bytes with which all keys of a set of join keys begin; names in order."""
        lengths = self.serialization_version > 2
        parts = [struct.pack("<I", len(names))] if lengths else []
        for name in names:
            encoded = name.encode()
            parts.append(struct.pack("<I", KEY_TYPE_CODES["String"]))
            if lengths:
                parts.append(struct.pack("<I", len(encoded)))
            parts.append(encoded)
        return b"".join(parts)

    def entities(self, raw: Sequence[bytes], keys: KeySet) -> pa.Table:
        """Read keys back into the entities that they are of; what is no key of this project and these join keys is left out.

        Only serialization version 3 can be read back; keys of a project whose name ends in this one's are left out, too.
        """
        ordered = sorted(keys.keys, key=lambda key: key.name)
        head, project = self.prefix([key.name for key in ordered]), self.project.encode()
        buffer = np.frombuffer(b"".join(raw) + bytes(WORD), dtype=np.uint8)
        at = words(buffer)
        ends = np.cumsum(np.fromiter((len(one) for one in raw), dtype=np.int64, count=len(raw)))
        starts = np.concatenate([[0], ends])[: len(raw)].astype(np.int64)
        ends = ends - len(project)
        good = stands_at(at, starts, head) & stands_at(at, ends, project)
        place, contents = starts + len(head), []
        for key in ordered:
            code = KEY_TYPE_CODES.get(key.declared.name, KEY_TYPE_CODES["String"])
            header = at[np.clip(place, 0, len(at) - 1)]
            length = (header >> np.uint64(32)).astype(np.int64)
            good &= ((header & np.uint64(0xFFFFFFFF)) == code) & (place + WORD + length <= ends)
            if code in _WIDTHS:
                good &= length == _WIDTHS[code]
            place = np.where(good, place + WORD, 0)
            contents.append((place, length))
            place = np.where(good, place + length, 0)
        good &= place == ends
        found = {
            key.name: _id_column(key, buffer, place[good], length[good])
            for key, (place, length) in zip(ordered, contents, strict=True)
        }
        table = pa.table([found[key.name] for key in keys.keys], names=list(keys.names))
        return table.drop_null().cast(keys.schema)

    def _value(self, column: pa.ChunkedArray, key: JoinKey) -> list[Any]:
        """Give the pieces of one id: type and length, then its bytes."""
        code = KEY_TYPE_CODES.get(key.declared.name, KEY_TYPE_CODES["String"])
        column = _in_one_piece(column)
        if key.declared.kind in (Kind.INTEGER, Kind.TIMESTAMP):
            width = 4 if key.declared.name == "Int32" or (code == 4 and self.serialization_version < 2) else 8
            numbers = np.asarray(column.cast(pa.int64()))
            narrow = numbers.astype(f"<i{width}")
            if (narrow != numbers).any():
                raise InputError(
                    f"ids of {key.name} do not fit the {width} bytes that entity_key_serialization_version "
                    f"{self.serialization_version} keeps of them",
                    hint="Feast cannot serve them either; set entity_key_serialization_version: 3 and materialize again",
                )
            return [pa.scalar(struct.pack("<II", code, width), pa.binary()), _fixed(narrow, width)]
        if key.declared.arrow not in (pa.string(), pa.binary()):
            raise StoreUnavailable(
                f"ids of {key.name} are of type {key.declared.name}, which Feast keeps no rows by",
                hint="give the join key another type, or leave the view out with --view",
            )
        raw = column.cast(pa.binary())
        lengths = np.asarray(pc.binary_length(raw)).astype("<u4")
        return [pa.scalar(struct.pack("<I", code), pa.binary()), _fixed(lengths, 4), raw]


@dataclass(frozen=True)
class KeyForm:
    """How a key is made: of which project, serialized how, its join keys in which order and of which types."""

    project: str
    serialization_version: int
    names: tuple[str, ...]
    types: tuple[str, ...]


def form_of(raw: bytes, names: Sequence[str]) -> KeyForm | None:
    """Tell how a key is made, of whatever project; None for what is no key of these join keys.

    Versions below 2 differ from it in ids of type Int64 alone, of which they keep four bytes.
    """
    for version in (3, 2):
        for order in permutations(names):
            head = Layout("", version).prefix(order)
            if not raw.startswith(head):
                continue
            found = _values_of(raw, len(head), len(order))
            if found is not None:
                types, narrow, project = found
                return KeyForm(project, 1 if narrow and version == 2 else version, order, types)
    return None


def _values_of(raw: bytes, place: int, count: int) -> tuple[tuple[str, ...], bool, str] | None:
    """Read the types of so many ids from a place on, whether an Int64 has four bytes, and the project behind them."""
    types, narrow = [], False
    names = {code: name for name, code in KEY_TYPE_CODES.items()}
    for _ in range(count):
        if len(raw) < place + WORD:
            return None
        code, length = struct.unpack_from("<II", raw, place)
        if code not in names or len(raw) < place + WORD + length:
            return None
        narrow |= names[code] == "Int64" and length == _WIDTHS[KEY_TYPE_CODES["Int32"]]
        types.append(names[code])
        place += WORD + length
    project = _text(raw[place:])
    return (tuple(types), narrow, project) if project else None


def views_of(names: Iterable[bytes]) -> list[str]:
    """Give the views that have a row in a hash, under the names that they are kept by, from the names of its fields."""
    marks = (_text(name) for name in names if name.startswith(_TIMESTAMP_OF.encode()))
    return [mark.removeprefix(_TIMESTAMP_OF) for mark in marks if mark and mark != _TIMESTAMP_OF]


def first_field(raw: bytes) -> int | None:
    """Give the number of the field with which a message begins; None where it is none."""
    number = shift = 0
    for byte in raw[:5]:
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number >> 3 or None
        shift += 7
    return None


def fields(view_name: str, features: Sequence[str]) -> list[bytes]:
    """Give the hash fields of some features of a view, under the name that it is kept by, and last that of its timestamp."""
    hashed = (mmh3.hash(f"{view_name}:{feature}", signed=False) for feature in features)
    return [*(struct.pack("<I", number) for number in hashed), f"{_TIMESTAMP_OF}{view_name}".encode()]


def _id_column(key: JoinKey, buffer: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> pa.Array:
    """Read ids; texts that are no UTF-8 are null."""
    if key.declared.kind in (Kind.INTEGER, Kind.TIMESTAMP):
        numbers = words(buffer)[starts].view(np.int64)
        if key.declared.name == "Int32":
            numbers = numbers.astype(np.int32)
        return pa.array(numbers).cast(key.declared.arrow)
    content = slices(buffer, starts, lengths)
    if key.declared.arrow == pa.binary():
        return content
    try:
        return content.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_text(one) for one in content.to_pylist()], pa.string())


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _fixed(numbers: np.ndarray, width: int) -> pa.Array:
    raw = pa.py_buffer(np.ascontiguousarray(numbers))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(numbers), [None, raw]).cast(pa.binary())


def _in_one_piece(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
