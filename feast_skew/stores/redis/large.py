"""Rows with very large values: first how large they are, then no more at a time than may be held."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask, Positions
from feast_skew.stores.redis import resp
from feast_skew.stores.redis.channel import Channel
from feast_skew.stores.redis.pace import Pace
from feast_skew.stores.redis.question import Question

VALUE_BYTES = 32 << 20
"""A value beyond this size is not read."""

_ROW_BYTES = 32 << 20
_SMALL = 1 << 20
"""Of a row beyond the one size, values beyond the other are not read."""

_AT_A_TIME = 256


def read_large(channel: Channel, positions: Positions, question: Question, pace: Pace) -> None:
    """Read rows of one server of which some may not fit into memory together; values that are too large are noted.

    Raises
    ------
    OSError, redis.exceptions.RedisError, resp.ProtocolError, TooLarge
        As `Channel.replies`; the last when a value has grown meanwhile.
    """
    for start in range(0, len(positions), _AT_A_TIME):
        rows = positions[start : start + _AT_A_TIME]
        sizes = _sizes(channel, rows, question, pace)
        heavy = sizes.sum(axis=1) > _ROW_BYTES
        large = (sizes > VALUE_BYTES) | (heavy[:, None] & (sizes > _SMALL))
        for row in np.flatnonzero(heavy):
            _read_apart(channel, int(rows[row]), ~large[row], question, pace)
        light = rows[~heavy]
        for bundle in _bundles(sizes[~heavy].sum(axis=1), _SMALL):
            _read_bundle(channel, light[bundle], question, pace)


def _sizes(channel: Channel, rows: Positions, question: Question, pace: Pace) -> np.ndarray:
    """Give the sizes of the values of some rows, shape (rows, fields); 0 for what is absent or no hash."""
    keys = question.some_keys(rows)
    sizes = np.zeros((len(rows), len(question.fields)), dtype=np.int64)
    for number, field in enumerate(question.fields):
        begun = _send(channel, resp.commands(b"HSTRLEN", keys, [field]), pace)
        sizes[:, number] = np.maximum(channel.integers(len(rows)), 0)
        pace.rest(begun, channel.received)
    return sizes


def _read_bundle(channel: Channel, rows: Positions, question: Question, pace: Pace) -> None:
    begun = _send(channel, resp.commands(b"HMGET", question.some_keys(rows), question.fields), pace)
    done = 0
    for replies in channel.replies(len(question.fields), len(rows), 0):
        some = rows[done : done + replies.rows]
        done += replies.rows
        sound = np.ones(replies.rows, dtype=bool)
        sound[list(replies.errors)] = False  # they stay open, and are asked for again the usual way
        question.settle(channel.buffer, replies.only(sound), some[sound])
    pace.rest(begun, channel.received)


def _read_apart(channel: Channel, row: int, small: Mask, question: Question, pace: Pace) -> None:
    """Read what is not too large of one row, a field at a time."""
    key = question.keys.slice(row, 1)
    values: list[bytes | None] = []
    for number, field in enumerate(question.fields):
        if not small[number]:
            question.unread.too_large.append((row, number))
            values.append(None)
            continue
        begun = _send(channel, resp.commands(b"HMGET", key, [field]), pace)
        for replies in channel.replies(1, 1, 0):
            start, length = int(replies.starts[0, 0]), int(replies.lengths[0, 0])
            values.append(None if length < 0 else channel.buffer[start : start + length].tobytes())
        pace.rest(begun, channel.received)
    question.settle_one(row, values)


def _send(channel: Channel, commands: pa.Array, pace: Pace) -> float:
    """Send commands when they may be sent; tell when that was."""
    pace.admit(len(commands))
    begun = pace.clock()
    channel.send(resp.pipeline(commands)[0])
    return begun


def _bundles(weights: np.ndarray, most: int) -> Iterator[slice]:
    """Cut rows into runs that weigh no more than asked; a heavier row stands alone."""
    start, weight = 0, 0
    for row, one in enumerate(weights.tolist()):
        if row > start and weight + one > most:
            yield slice(start, row)
            start, weight = row, 0
        weight += one
    if start < len(weights):
        yield slice(start, len(weights))
