"""Bytes in a buffer, at many places at once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

WORD = 8
"""Bytes of a word; a buffer has at least so many behind the last place that is looked at."""


def words(buffer: np.ndarray) -> np.ndarray:
    """Give the eight bytes at every place of a buffer as numbers, without a copy; shape (len - 7,), uint64."""
    return np.ndarray((len(buffer) - WORD + 1,), dtype="<u8", buffer=buffer, strides=(1,))


def stands_at(at: np.ndarray, places: np.ndarray, text: bytes) -> np.ndarray:
    """Tell at which places some bytes stand; `at` are the words of the buffer, places beyond it are looked for at its end."""
    same = np.ones(len(places), dtype=bool)
    for begin in range(0, len(text), WORD):
        part = text[begin : begin + WORD]
        mask = np.uint64((1 << 8 * len(part)) - 1)
        found = at[np.clip(places + begin, 0, len(at) - 1)]
        same &= (found & mask) == np.uint64(int.from_bytes(part, "little"))
    return same


def slices(buffer: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> pa.Array:
    """Copy slices of a buffer, in the order of their starts and without overlaps, into a binary column."""
    count = len(starts)
    if not count:
        return pa.array([], pa.binary())
    # Every slice and every gap between two of them is an element; the gaps are dropped.
    offsets = np.empty(2 * count, dtype=np.int32)
    offsets[0::2] = starts
    offsets[1::2] = starts + lengths
    parts = [None, pa.py_buffer(offsets), pa.py_buffer(buffer)]
    return pa.Array.from_buffers(pa.binary(), 2 * count - 1, parts).take(pa.array(np.arange(0, 2 * count - 1, 2)))
