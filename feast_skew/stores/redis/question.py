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
        """Hand replies over; their rows are done."""
        self.taker.take(buffer, replies, positions)
        self.open[positions] = False

    def settle_one(self, row: int, values: Sequence[bytes | None]) -> None:
        """Hand over the values of one row."""
        raw = resp.reply(values)
        buffer = np.frombuffer(raw + bytes(resp.PADDING), dtype=np.uint8)
        self.settle(buffer, resp.scan(buffer, 0, len(raw), len(values), 1), np.array([row]))
