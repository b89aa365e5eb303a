"""Entity keys: finding rows of an entity in any table, distinct entities, and the seeded sample."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.codes import Codes, codes_of, place, plain_keys
from feast_skew.core.columns import bare_rows
from feast_skew.core.plain import python_value
from feast_skew.core.types import DeclaredType, Kind, to_declared

Positions = np.ndarray

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
    and numbered again, so that composite keys can never run into each other as concatenated texts do.
    """

    def __init__(self, entities: pa.Table) -> None:
        self.entities = entities
        self.size = entities.num_rows
        self._names = entities.column_names
        self._columns: list[Codes] = []
        self._folds: list[tuple[np.ndarray, int]] = []
        self._position: Positions | None = None
        self._other: tuple[pa.Table, Positions] | None = None

    def _build(self) -> Positions:
        codes: np.ndarray | None = None
        for name in self._names:
            column = plain_keys(self.entities.column(name))
            coded = codes_of(column)
            code = coded.find(column)
            self._columns.append(coded)
            if codes is None:
                codes = code
                continue
            combined = _fold(codes, code, coded.size)
            known = np.unique(combined[combined >= 0])
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
            code = self._columns[i].find(plain_keys(table.column(name)))
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


class DistinctEntities:
    """Collects the distinct entities of a stream of tables, in memory of the order of the distinct ones."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys
        self._known = keys.schema.empty_table()
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self.any_row = False

    def add(self, table: pa.Table, distinct: bool = False) -> None:
        """Take the keys of more rows; the table holds the key columns and no null, `distinct` ones where that is known."""
        self.any_row = self.any_row or table.num_rows > 0
        if not self._keys.keys or not table.num_rows:
            return
        self._pending.append(table if distinct else _distinct(table))
        self._pending_rows += self._pending[-1].num_rows
        if self._pending_rows > max(self._known.num_rows, 1_000_000):
            self._fold()

    def _fold(self) -> None:
        if not self._pending:
            return
        if self._known.num_rows or len(self._pending) > 1:
            self._known = _distinct(pa.concat_tables([self._known, *self._pending]))
        else:
            self._known = self._pending[0]
        self._pending, self._pending_rows = [], 0

    def table(self) -> pa.Table:
        """Give the distinct entities found so far; their order has no meaning."""
        self._fold()
        return self._known


def _distinct(table: pa.Table) -> pa.Table:
    return table.group_by(table.column_names).aggregate([])


def canonical_key_bytes(entities: pa.Table, keys: KeySet) -> Iterator[bytes]:
    """Yield the canonical bytes of each entity: Feast's own entity key serialization, version 3, without project."""
    ordered = sorted(keys.keys, key=lambda key: key.name)
    prefix = [struct.pack("<I", len(ordered))]
    for key in ordered:
        name = key.name.encode()
        prefix.append(struct.pack("<II", KEY_TYPE_CODES["String"], len(name)) + name)
    head = b"".join(prefix)
    columns = [_encoded(entities.column(key.name), key.declared) for key in ordered]
    for parts in zip(*columns, strict=True):
        yield head + b"".join(parts)


def _encoded(column: pa.ChunkedArray, declared: DeclaredType) -> Iterable[bytes]:
    code = KEY_TYPE_CODES.get(declared.name, KEY_TYPE_CODES["String"])
    if declared.kind in (Kind.INTEGER, Kind.TIMESTAMP):
        width, pattern = (4, "<IIi") if declared.name == "Int32" else (8, "<IIq")
        pack = struct.Struct(pattern).pack
        numbers = np.asarray(column.cast(pa.int64())).tolist()
        return (pack(code, width, number) for number in numbers)
    pack = struct.Struct("<II").pack
    values = (value if isinstance(value, bytes) else str(value).encode() for value in column.to_pylist())
    return (pack(code, len(value)) + value for value in values)


def key_hashes(entities: pa.Table, keys: KeySet, seed: int) -> np.ndarray:
    """Give the seeded 64-bit hash (BLAKE2b) of each entity's canonical key bytes, shape (rows,), uint64."""
    salt = struct.pack("<q", seed)
    digest = hashlib.blake2b
    joined = b"".join(digest(key, digest_size=8, key=salt).digest() for key in canonical_key_bytes(entities, keys))
    return np.frombuffer(joined, dtype="<u8")


def smallest(hashes: np.ndarray, wanted: int) -> np.ndarray:
    """Give the positions of the `wanted` smallest hashes, smallest first; all of them when there are fewer."""
    if wanted >= len(hashes):
        return np.argsort(hashes, kind="stable")
    part = np.argpartition(hashes, wanted)[:wanted]
    return part[np.argsort(hashes[part], kind="stable")]


def render_key(entities: pa.Table, position: int) -> dict[str, object]:
    """Give one entity as a mapping of join key to plain Python value, for reports."""
    return {name: python_value(entities.column(name)[position]) for name in entities.column_names}
