"""Numbers of the protobuf wire format, read for many values at once.

Source: https://protobuf.dev/programming-guides/encoding/. Only what its writers produce is read here; whatever else the format
allows is left to the protobuf library by the callers.
"""

from __future__ import annotations

import numpy as np

from feast_skew.core.arrays import Mask
from feast_skew.stores.redis.layout import NANOS_TAG, SECONDS_TAG

_U = np.uint64
_ALL = (1 << 64) - 1
_CONTINUES = 0x8080808080808080
LONGEST = 10
"""Bytes of the longest varint of 64 bits; negative numbers take so many."""

# By the number of bytes: which of the first eight belong to the varint, and which of these say that another one follows.
_OWN = np.array([(1 << 8 * min(n, 8)) - 1 for n in range(LONGEST + 1)], dtype=_U)
_MORE = np.array([_CONTINUES & ((1 << 8 * min(max(n - 1, 0), 8)) - 1) for n in range(LONGEST + 1)], dtype=_U)
# The same for the two bytes behind them, with the only number that the tenth may hold.
_OWN_HIGH = np.array([0] * 9 + [0xFF, 0xFFFF], dtype=_U)
_MORE_HIGH = np.array([0] * 10 + [0x80], dtype=_U)
_FIXED_HIGH = np.array([0] * 9 + [0x80, 0xFE80], dtype=_U)


def varints(at: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, Mask]:
    """Read varints of known sizes (1 to 10 bytes) as 64-bit numbers, and tell which of them are sound.

    `at` gives the eight bytes at every place of the buffer (`raw.words`); the numbers are int64, two's complement.
    """
    low = at[starts] & _OWN[sizes]
    sound = (low & _U(_CONTINUES)) == _MORE[sizes]
    value = _gathered(low)
    if len(sizes) and int(sizes.max()) > 8:
        high = at[starts + 8] & _OWN_HIGH[sizes]
        sound &= (high & _FIXED_HIGH[sizes]) == _MORE_HIGH[sizes]
        value |= (high & _U(0x7F)) << _U(56) | (high >> _U(8) & _U(1)) << _U(63)
    return value.view(np.int64), sound


def _gathered(word: np.ndarray) -> np.ndarray:
    """Put the lower seven bits of eight bytes together, the first byte lowest."""
    word = (word & _U(0x007F007F007F007F)) | (word & _U(0x7F007F007F007F00)) >> _U(1)
    word = (word & _U(0x00003FFF00003FFF)) | (word & _U(0x3FFF00003FFF0000)) >> _U(2)
    return (word & _U(0x0FFFFFFF)) | (word & _U(0x0FFFFFFF00000000)) >> _U(4)


def varint_sizes(at: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Give how many bytes the varints that begin at some places take; 0 for those of more than eight."""
    ending = ~at[starts] & _U(_CONTINUES)
    lowest = ending & (~ending + _U(1))
    sizes = np.bitwise_count(lowest - _U(1)).astype(np.int64) // 8 + 1
    return np.where(ending == 0, 0, sizes)


def timestamps(at: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, Mask]:
    """Read protobuf Timestamps of at least one byte: seconds, nanoseconds, and which of them could be read.

    Read are those with their seconds in up to eight bytes and their nanoseconds, if any, behind them: all from 1970 on.
    """
    sizes = varint_sizes(at, starts + 1)
    left = lengths - 1 - sizes
    sound = ((at[starts] & _U(0xFF)) == SECONDS_TAG) & (sizes > 0) & ((left == 0) | ((left >= 2) & (left <= 6)))
    seconds, fine = varints(at, starts + 1, sizes)
    sound &= fine
    nanos = np.zeros(len(starts), dtype=np.int64)
    rows = np.flatnonzero(sound & (left > 0))
    if len(rows):
        behind = starts[rows] + 1 + sizes[rows]
        wide, fine = varints(at, behind + 1, left[rows] - 1)
        nanos[rows] = wide.astype(np.int32)  # as the library does
        sound[rows] = fine & ((at[behind] & _U(0xFF)) == NANOS_TAG)
    return seconds, nanos, sound
