"""The rows of a view, read in bulk from hashes into columns: what the driver of a run and executors elsewhere have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.stores.base import OnlineRows, check_held
from feast_skew.stores.redis import layout, resp
from feast_skew.stores.redis.bulk import BulkHashes
from feast_skew.stores.redis.columns import Values, column_of
from feast_skew.stores.redis.question import Question, Unread
from feast_skew.stores.redis.raw import words
from feast_skew.stores.redis.wire import timestamps

if TYPE_CHECKING:
    from feast.protos.feast.types.Value_pb2 import Value

CHUNK = 65_536
"""Entities that are best read in one call."""

_DECODED_BYTES = 8 << 20
"""Bytes of rows that are decoded together, and one row more."""

_SECOND = 1_000_000_000
_HEAVY = 1 << 20
"""Bytes of a value beyond which Feast is not asked for the row a second time: it would hold the value several times."""

_FAR = (1 << 63) // _SECOND - 1
"""Seconds that fit into nanoseconds of 64 bits: up to the year 2262."""


@dataclass(frozen=True)
class Answer:
    """Rows as they were read, which of them have a value that Feast had better not be asked for, and how many were too large."""

    rows: OnlineRows
    heavy: Mask
    too_large: int


class BulkRows:
    """Reads rows of views by pipelines and decodes them by column.

    Its connections are made by `connect` when they are needed first; `value` is Feast's class of values.
    """

    def __init__(self, stored: layout.Layout, value: type[Value], connect: Callable[[], BulkHashes]) -> None:
        self._layout = stored
        self._value = value
        self._connect = connect
        self._hashes: BulkHashes | None = None

    def close(self) -> None:
        """Close all connections; a further read makes new ones."""
        if self._hashes is not None:
            self._hashes.close()
            self._hashes = None

    def read(self, name: str, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table) -> Answer:
        """Read the rows of a view, kept under that name, of some entities.

        Raises
        ------
        StoreUnavailable
            When the store does not answer.
        """
        keys = self._layout.keys(entities, view.keys)
        fields = layout.fields(name, [feature.name for feature in features])
        rows = _Rows(features, len(keys), self._value)
        if self._hashes is None:
            self._hashes = self._connect()
        unread = self._hashes.read(keys, fields, rows)
        rows.heavy[[row for row, _ in unread.too_large]] = True
        return Answer(rows.finish(unread), rows.heavy, len(unread.too_large))


def decoded_rows(
    features: Sequence[FeaturePlan], rows: Sequence[Sequence[bytes | None] | None], value: type[Value]
) -> OnlineRows:
    """Decode rows that were read already: the bytes of each feature and of the timestamp; None for a key that holds no hash."""
    taken = _Rows(features, len(rows), value)
    question = Question(pa.nulls(len(rows), pa.binary()), (), taken, np.ones(len(rows), dtype=bool))
    question.unread.wrong_type.extend(number for number, values in enumerate(rows) if values is None)
    known = [(number, values) for number, values in enumerate(rows) if values is not None]
    sizes = np.cumsum([sum(len(one) for one in values if one is not None) for _, values in known])
    # Many at a time, but never so many bytes that a buffer could not hold them.
    for part in np.unique(sizes // _DECODED_BYTES):
        some = [known[i] for i in np.flatnonzero(sizes // _DECODED_BYTES == part)]
        question.settle_some(np.array([number for number, _ in some]), [values for _, values in some])
    return taken.finish(question.unread)


class _Rows:
    """The rows of one chunk, as replies come in: instants, a column per feature, and which rows have a very large value."""

    def __init__(self, features: Sequence[FeaturePlan], rows: int, value: type[Value]) -> None:
        self._features = features
        self._columns = [column_of(feature.declared, rows, value) for feature in features]
        self._instants = np.zeros(rows, dtype=np.int64)
        self._undated = np.zeros(rows, dtype=bool)
        self.heavy = np.zeros(rows, dtype=bool)

    def take(self, buffer: np.ndarray, replies: resp.Replies, positions: Positions) -> None:
        """Take replies out of a buffer; see `question.Taker`."""
        at = words(buffer)
        for number, column in enumerate(self._columns):
            column.add(Values(buffer, at, replies.starts[number], replies.lengths[number], positions))
        check_held(sum(column.held for column in self._columns), len(self._instants))
        if replies.lengths.max(initial=0) > _HEAVY:
            self.heavy[positions[(replies.lengths > _HEAVY).any(axis=0)]] = True
        stamps = Values(buffer, at, replies.starts[-1], replies.lengths[-1], positions)
        self._take_instants(stamps.some(stamps.lengths > 0))

    def _take_instants(self, stamps: Values) -> None:
        seconds, nanos, sound = timestamps(stamps.at, stamps.starts, stamps.lengths)
        for row in np.flatnonzero(~sound):
            raw = stamps.buffer[stamps.starts[row] : stamps.starts[row] + stamps.lengths[row]].tobytes()
            try:
                moment = Timestamp()
                moment.ParseFromString(raw)
            except DecodeError:
                continue
            seconds[row], nanos[row], sound[row] = moment.seconds, moment.nanos, True
        sound &= (np.abs(seconds) <= _FAR) & (seconds != np.iinfo(np.int64).min)
        self._undated[stamps.positions] = ~sound
        self._instants[stamps.positions] = np.where(sound, seconds * _SECOND + nanos, 0)

    def finish(self, unread: Unread) -> OnlineRows:
        """Give the rows; those that could not be read, or have no readable timestamp, are corrupt in every feature."""
        # Feast answers for a row without a timestamp with the epoch: such a row is not there.
        present = self._instants != 0
        broken = self._undated
        broken[unread.wrong_type] = True
        large = np.array(unread.too_large, dtype=np.int64).reshape(-1, 2)
        broken[large[large[:, 1] == len(self._features), 0]] = True
        columns: dict[str, pa.Array] = {}
        corrupt: dict[str, Mask] = {}
        large = large[present[large[:, 0]]]  # of a row without a timestamp nothing is there
        for number, (feature, column) in enumerate(zip(self._features, self._columns, strict=True)):
            values, wrong = column.finish()
            if not present.all():
                # What hangs on a row that is not there is nobody's value.
                values = values.take(pa.array(np.arange(len(present)), mask=~present))
                wrong &= present
            wrong |= broken
            wrong[large[large[:, 1] == number, 0]] = True
            columns[feature.name], corrupt[feature.name] = values, wrong
        return OnlineRows(np.where(present, self._instants, NO_INSTANT), columns, corrupt)
