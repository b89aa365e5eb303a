"""Rows with very large values: first how large they are, then no more at a time than may be held."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask, Positions
from feast_skew.stores.redis import resp
from feast_skew.stores.redis.channel import Channel
from feast_skew.stores.redis.pace import Pace
from feast_skew.stores.redis.question import SMALL_BYTES, Question, oversized

_AT_A_TIME = 256


SettleError = Callable[[int, bytes, Question], None]
"""What is done with a row whose reply is an error, and the error's text."""


def read_large(channel: Channel, positions: Positions, question: Question, pace: Pace, refused: SettleError) -> None:
    """Read rows of one server of which some may not fit into memory together; values that are too large are noted.

    Raises
    ------
    OSError, redis.exceptions.RedisError, resp.ProtocolError, TooLarge
        As `Channel.replies`; the last when a value has grown meanwhile, or this user may not ask for sizes.
    """
    for start in range(0, len(positions), _AT_A_TIME):
        rows = positions[start : start + _AT_A_TIME]
        sizes = _sizes(channel, rows, question, pace)
        large = oversized(sizes)
        cut = large.any(axis=1)
        for row in np.flatnonzero(cut):
            _read_cut(channel, int(rows[row]), ~large[row], question, pace, refused)
        whole = rows[~cut]
        for bundle in _bundles(sizes[~cut].sum(axis=1), SMALL_BYTES):
            _read_bundle(channel, whole[bundle], question, pace, refused)


def _sizes(channel: Channel, rows: Positions, question: Question, pace: Pace) -> np.ndarray:
    """Give the sizes of the values of some rows, shape (rows, fields); 0 for what is absent or no hash."""
    keys = question.some_keys(rows)
    sizes = np.zeros((len(rows), len(question.fields)), dtype=np.int64)
    for number, field in enumerate(question.fields):
        begun = _send(channel, resp.commands(b"HSTRLEN", keys, [field]), pace)
        sizes[:, number] = np.maximum(channel.integers(len(rows)), 0)
        pace.rest(begun, channel.received)
    return sizes


def _read_bundle(channel: Channel, rows: Positions, question: Question, pace: Pace, refused: SettleError) -> None:
    begun = _send(channel, resp.commands(b"HMGET", question.some_keys(rows), question.fields), pace)
    done = 0
    for replies in channel.replies(len(question.fields), len(rows), 0):
        some = rows[done : done + replies.rows]
        done += replies.rows
        sound = np.ones(replies.rows, dtype=bool)
        sound[list(replies.errors)] = False
        question.settle(channel.buffer, replies.only(sound), some[sound])
        for row, text in replies.errors.items():
            refused(int(some[row]), text, question)
    pace.rest(begun, channel.received)


def _read_cut(channel: Channel, row: int, small: Mask, question: Question, pace: Pace, refused: SettleError) -> None:
    """Read what is not too large of one row, by one command: its values belong together."""
    numbers = np.flatnonzero(small)
    values: list[bytes | None] = [None] * len(question.fields)
    if len(numbers):
        key, fields = question.keys.slice(row, 1), [question.fields[int(number)] for number in numbers]
        begun = _send(channel, resp.commands(b"HMGET", key, fields), pace)
        for replies in channel.replies(len(fields), 1, 0):
            for text in replies.errors.values():
                refused(row, text, question)
                return
            for number, start, length in zip(numbers, replies.starts[:, 0], replies.lengths[:, 0], strict=True):
                values[number] = None if length < 0 else channel.buffer[start : start + length].tobytes()
        pace.rest(begun, channel.received)
    question.settle_one(row, values)
    question.unread.too_large.extend((row, int(number)) for number in np.flatnonzero(~small))


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
