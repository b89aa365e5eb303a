"""Entity keys: finding rows of an entity in any table, distinct entities, and the seeded sample."""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import distinct
from feast_skew.core.codes import Codes, codes_of, place
from feast_skew.core.columns import bare_rows, in_one_piece
from feast_skew.core.plain import python_value
from feast_skew.core.types import DeclaredType, Kind, to_declared

Positions = np.ndarray

_BLOCK = 4_096
"""Entities whose bytes are made at a time: few enough to stay in the cache."""

KEY_TYPE_CODES = {"Bytes": 1, "String": 2, "Int32": 3, "Int64": 4, "UnixTimestamp": 8}
"""Feast's ValueType numbers, as they stand in a serialized entity key (key_encoding_utils.py)."""


@dataclass(frozen=True)
class JoinKey:
    """A join key by name with the type that the registry declares for it."""

    name: str
    declared: DeclaredType


@dataclass(frozen=True)
class KeySet:
    """The join keys that identify an entity, in the order of their names; none for a view without entities."""

    keys: tuple[JoinKey, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the join keys."""
        return tuple(key.name for key in self.keys)

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of a table of such entities."""
        return pa.schema([(key.name, key.declared.arrow) for key in self.keys])

    def __str__(self) -> str:
        return ", ".join(self.names) or "(no entity)"


def cast_keys(table: pa.Table, keys: KeySet) -> tuple[pa.Table, np.ndarray]:
    """Bring the key columns of a table into their declared types; also tell which rows have no null key.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError
        When an id cannot be held in the declared type.
    """
    columns = []
    complete = np.ones(table.num_rows, dtype=bool)
    for key in keys.keys:
        column = to_declared(table.column(key.name), key.declared)
        if column.type != key.declared.arrow:
            raise pa.ArrowInvalid(f"{key.name} holds ids that are no {key.declared.name}")
        complete &= np.asarray(pc.is_valid(column))
        if pa.types.is_floating(column.type):
            column = pc.add(column, pa.scalar(0.0, column.type))  # -0.0 is 0.0 for everybody but a hash
        columns.append(column)
    if not columns:
        return bare_rows(table.num_rows), complete
    return pa.table(columns, schema=keys.schema), complete


class KeyIndex:
    """Answers at which position of a table of distinct entities a key stands; rows with a null key stand nowhere.

    It is built when it is first asked. Each key column is replaced by the code of its value, and codes of several columns are folded pairwise into one
    and numbered again, so that composite keys can never run into each other as concatenated texts do. Where the entities were taken
    out of another table, at the places `taken`, rows of that one are found without looking up any key.
    """

    def __init__(self, entities: pa.Table, whole: pa.Table | None = None, taken: Positions | None = None) -> None:
        self.entities = entities
        self.size = entities.num_rows
        self._names = entities.column_names
        self._columns: list[Codes] = []
        self._folds: list[tuple[np.ndarray, int]] = []
        self._position: Positions | None = None
        self._other: tuple[pa.Table, Positions] | None = None
        if whole is not None and taken is not None:
            through = np.full(whole.num_rows + 1, -1, dtype=np.int64)
            through[taken] = np.arange(len(taken))
            self._other = (whole, through)

    def _build(self) -> Positions:
        codes: np.ndarray | None = None
        for name in self._names:
            column = in_one_piece(self.entities.column(name))
            coded = codes_of(column)
            code = coded.find(column)
            self._columns.append(coded)
            if codes is None:
                codes = code
                continue
            combined = _fold(codes, code, coded.size)
            known = distinct(combined[combined >= 0])
            self._folds.append((known, coded.size))
            codes = place(known, combined)
        position = np.full(0 if codes is None else int(codes.max(initial=-1)) + 1, -1, dtype=np.int64)
        if codes is not None:
            # The first of repeated keys keeps the place; a null is nobody's key.
            whole = np.flatnonzero(codes >= 0)[::-1]
            position[codes[whole]] = whole
        return position

    def positions(self, table: pa.Table) -> Positions:
        """Give for each row of a table the position of its entity, or -1 (also for null keys)."""
        if not self._names:
            return np.zeros(table.num_rows, dtype=np.int64) if self.size else np.full(table.num_rows, -1, np.int64)
        if self._position is None:
            self._position = self._build()
        if not len(self._position):
            return np.full(table.num_rows, -1, dtype=np.int64)
        codes: np.ndarray | None = None
        for i, name in enumerate(self._names):
            code = self._columns[i].find(in_one_piece(table.column(name)))
            if codes is None:
                codes = code
                continue
            known, width = self._folds[i - 1]
            codes = place(known, _fold(codes, code, width))
        assert codes is not None  # noqa: S101  there is at least one name
        return np.where(codes >= 0, self._position[codes], -1)

    def through(self, entities: pa.Table, positions: Positions) -> Positions:
        """Give the positions of rows whose places in another table of entities are known; -1 for those of no place.

        The other table is looked up once, for all questions that come through it.
        """
        if entities is self.entities:
            return positions
        if self._other is None or self._other[0] is not entities:
            self._other = (entities, np.append(self.positions(entities), -1))
        return self._other[1][positions]


def _fold(codes: np.ndarray, code: np.ndarray, width: int) -> np.ndarray:
    """Make one number of two codes; -1 where either is missing."""
    return np.where((codes < 0) | (code < 0), -1, codes * width + code)


def canonical_key_bytes(entities: pa.Table, keys: KeySet) -> Iterator[bytes]:
    """Yield the canonical bytes of each entity: Feast's own entity key serialization, version 3, without project."""
    head = _head(keys)
    for block in _value_bytes(entities, keys):
        for values in block:
            yield head + values


def _head(keys: KeySet) -> bytes:
    """Give what the bytes of all entities of a key set begin with: the names of the keys."""
    names = [name.encode() for name in sorted(keys.names)]
    parts = [struct.pack("<II", KEY_TYPE_CODES["String"], len(name)) + name for name in names]
    return struct.pack("<I", len(names)) + b"".join(parts)


def _value_bytes(entities: pa.Table, keys: KeySet) -> Iterator[list[bytes]]:
    """Yield what follows: the values of the keys, of some entities at a time."""
    for start in range(0, entities.num_rows, _BLOCK):
        yield value_bytes(entities.slice(start, _BLOCK), keys).to_pylist()


def value_bytes(entities: pa.Table, keys: KeySet) -> pa.Array:
    """Give the part of the canonical bytes that tells the entities of one key set apart: the values of their keys."""
    ordered = sorted(keys.keys, key=lambda key: key.name)
    parts = [part for key in ordered for part in _encoded(in_one_piece(entities.column(key.name)), key.declared)]
    if not parts:
        return pa.array([b""] * entities.num_rows, pa.binary())
    return in_one_piece(pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary())))


def _encoded(column: pa.Array, declared: DeclaredType) -> list[pa.Scalar | pa.Array]:
    """Give the parts of the bytes of a value: type, length, content."""
    code = KEY_TYPE_CODES.get(declared.name, KEY_TYPE_CODES["String"])
    if declared.kind in (Kind.INTEGER, Kind.TIMESTAMP):
        width = 4 if declared.name == "Int32" else 8
        head = pa.scalar(struct.pack("<II", code, width), pa.binary())
        return [head, _fixed(np.asarray(column.cast(pa.int64())), f"<i{width}")]
    if not (pa.types.is_string(column.type) or pa.types.is_binary(column.type)):
        column = pa.array([str(value) for value in column.to_pylist()], pa.string())
    content = column.cast(pa.binary())
    return [pa.scalar(struct.pack("<I", code), pa.binary()), _fixed(pc.binary_length(content), "<u4"), content]


def _fixed(numbers: np.ndarray | pa.Array, kind: str) -> pa.Array:
    """Give the bytes of whole numbers of one width."""
    content = np.ascontiguousarray(np.asarray(numbers), dtype=kind)
    whole = pa.Array.from_buffers(pa.binary(content.itemsize), len(content), [None, pa.py_buffer(content)])
    return whole.cast(pa.binary())


def key_hashes(entities: pa.Table, keys: KeySet, seed: int) -> np.ndarray:
    """Give the seeded 64-bit hash (BLAKE2b) of each entity's canonical key bytes, shape (rows,), uint64."""
    # What all keys begin with is hashed once, and copied; the calls are chained without a line of Python for each entity.
    begun = hashlib.blake2b(_head(keys), digest_size=8, key=struct.pack("<q", seed))
    update, digest = hashlib.blake2b.update, hashlib.blake2b.digest
    joined = bytearray()
    for block in _value_bytes(entities, keys):
        states = [begun.copy() for _ in block]
        deque(map(update, states, block), maxlen=0)
        joined += b"".join(map(digest, states))
    return np.frombuffer(bytes(joined), dtype="<u8")


def smallest(hashes: np.ndarray, wanted: int) -> np.ndarray:
    """Give the positions of the `wanted` smallest hashes, smallest first; all of them when there are fewer."""
    if wanted >= len(hashes):
        return np.argsort(hashes, kind="stable")
    part = np.argpartition(hashes, wanted)[:wanted]
    return part[np.argsort(hashes[part], kind="stable")]


def render_key(entities: pa.Table, position: int) -> dict[str, object]:
    """Give one entity as a mapping of join key to plain Python value, for reports."""
    return {name: python_value(entities.column(name)[position]) for name in entities.column_names}
