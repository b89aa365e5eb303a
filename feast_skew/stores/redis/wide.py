"""Whole hashes in place of many of their fields: a short hash is searched from its start for each field that is asked for.

Redis keeps short hashes as lists, so HMGET of all their fields takes it the square of their number, and HGETALL a multiple
of it: a third of the time at 50 fields, an eighth at 200.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from feast_skew.core.arrays import Mask
from feast_skew.stores.redis import resp

WIDE = 24
"""From so many fields on whole hashes are cheaper."""

_USED = 0.5
"""The least share of a hash's fields that has to be asked for."""


def common_size(sizes: np.ndarray, fields: int) -> int:
    """Give the number of fields that most hashes have, of which most are asked for; 0 when there is none."""
    sizes = sizes[sizes > 0]
    if fields < WIDE or not len(sizes):
        return 0
    values, counts = np.unique(sizes, return_counts=True)
    best = int(counts.argmax())
    enough = 2 * counts[best] > len(sizes) and fields >= _USED * values[best]
    return int(values[best]) if enough else 0


def picked(buffer: np.ndarray, replies: resp.Replies, fields: Sequence[bytes]) -> tuple[resp.Replies, Mask]:
    """Find the asked fields in replies to HGETALL; also tell which rows could be read.

    The names in the first reply say where the fields are; rows with other names, or in another order, cannot be read this
    way. A key that does not exist has nils.
    """
    absent = replies.lengths[0] < 0
    rows = np.flatnonzero(~absent)
    readable = np.ones(replies.rows, dtype=bool)
    readable[list(replies.others) + list(replies.errors)] = False
    starts = np.zeros((len(fields), replies.rows), dtype=np.int64)
    lengths = np.full((len(fields), replies.rows), -1, dtype=np.int64)
    if len(rows):
        names, same = _names(buffer, replies, rows)
        readable[rows] &= same
        for number, field in enumerate(fields):
            if field in names:
                starts[number] = replies.starts[2 * names[field] + 1]
                lengths[number] = replies.lengths[2 * names[field] + 1]
    found = resp.Replies(starts, lengths, {}, replies.consumed, replies.needed)
    return found.only(readable), readable


def _names(buffer: np.ndarray, replies: resp.Replies, rows: np.ndarray) -> tuple[dict[bytes, int], Mask]:
    """Give the names of the first row by their place, and which of the rows have the same ones in the same order."""
    at = resp.words(buffer)
    every = len(rows) == replies.rows
    same = np.ones(len(rows), dtype=bool)
    names = {}
    for number in range(0, len(replies.starts), 2):
        starts, lengths = replies.starts[number], replies.lengths[number]
        if not every:
            starts, lengths = starts[rows], lengths[rows]
        start, length = int(starts[0]), int(lengths[0])
        name = buffer[start : start + length].tobytes()
        names[name] = number // 2
        same &= lengths == length
        for begin in range(0, length, 8):
            part = name[begin : begin + 8]
            mask = np.uint64((1 << 8 * len(part)) - 1)
            # A row with a shorter name than the first one's is out already, wherever this looks.
            words = at[starts if not begin else np.minimum(starts + begin, len(at) - 1)]
            same &= (words & mask) == np.uint64(int.from_bytes(part, "little"))
    return names, same
