"""One question to Redis: the same fields of many hashes, and what of it is still open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import redis

from feast_skew.core.arrays import Mask, Positions
from feast_skew.stores.redis import resp

VALUE_BYTES = ROW_BYTES = 32 << 20
"""A value, or the values of a row together, beyond this size are not read as they are."""

SMALL_BYTES = 1 << 20
"""Of a row beyond that size, values beyond this one are not read."""


def oversized(sizes: np.ndarray) -> Mask:
    """Tell which values are not read, by the sizes of the values of some rows; shapes (rows, fields)."""
    heavy = sizes.sum(axis=1) > ROW_BYTES
    large: Mask = (sizes > VALUE_BYTES) | (heavy[:, None] & (sizes > SMALL_BYTES))
    for row in np.flatnonzero(heavy):  # many small ones may still be too much together
        order = np.argsort(sizes[row], kind="stable")
        large[row, order[np.cumsum(sizes[row][order]) > ROW_BYTES]] = True
    return large


class Taker(Protocol):
    """Takes replies as they come."""

    def take(self, buffer: np.ndarray, replies: resp.Replies, positions: Positions) -> None:
        """Take replies out of a buffer that is used again afterwards; they are of the rows at these positions."""


@dataclass
class Unread:
    """The rows that could not be read: those whose key holds no hash, and by field those whose value is too large."""

    wrong_type: list[int] = field(default_factory=list)
    too_large: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Question:
    """What is asked: keys, fields, who takes the replies, and which rows are still open.

    `put_off` is an error of some rows that may pass while the others are read.
    """

    keys: pa.Array
    fields: Sequence[bytes]
    taker: Taker
    open: Mask
    unread: Unread = field(default_factory=Unread)
    put_off: redis.exceptions.RedisError | None = None

    def rest(self, positions: Positions) -> Positions:
        """Give those of some rows that are still open."""
        return positions[self.open[positions]]

    def some_keys(self, positions: Positions) -> pa.Array:
        """Give the keys at some positions."""
        return self.keys if len(positions) == len(self.keys) else self.keys.take(pa.array(positions))

    def settle(self, buffer: np.ndarray, replies: resp.Replies, positions: Positions) -> None:
        """Hand replies over, but for values that are too large; their rows are done."""
        if replies.lengths.max(initial=0) > SMALL_BYTES:
            large = oversized(np.maximum(replies.lengths.T, 0))
            for row, number in np.argwhere(large):
                self.unread.too_large.append((int(positions[row]), int(number)))
            replies = replies.without(large.T)
        self.taker.take(buffer, replies, positions)
        self.open[positions] = False

    def settle_one(self, row: int, values: Sequence[bytes | None]) -> None:
        """Hand over the values of one row."""
        self.settle_some(np.array([row]), [values])

    def settle_some(self, positions: Positions, rows: Sequence[Sequence[bytes | None]]) -> None:
        """Hand over the values of some rows, of equally many fields."""
        raw = b"".join(map(resp.reply, rows))
        buffer = np.frombuffer(raw + bytes(resp.PADDING), dtype=np.uint8)
        self.settle(buffer, resp.scan(buffer, 0, len(raw), len(rows[0]), len(rows)), positions)
