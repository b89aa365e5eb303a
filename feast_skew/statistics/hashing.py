"""64-bit hashes of whole columns at once, the same on every machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_BLOCK = 4_096
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mix(words: NDArray[Any], seed: int = 0) -> Hashes:
    """Spread 64-bit words evenly over all 64-bit words, one to one.

    Parameters
    ----------
    words : array of 8-byte items
        Integers, floats or times, taken as their bits; 0.0 and -0.0 are one word.
    seed : int
        Gives another spreading.

    Returns
    -------
    array of uint64
        Same shape; empty for no words.

    Notes
    -----
    The output function of SplitMix64: G. L. Steele, D. Lea, C. H. Flood, Fast splittable pseudorandom number generators,
    OOPSLA 2014.
    """
    given = np.ascontiguousarray(words)
    if given.dtype.kind == "f":
        given = given.astype(np.float64) + 0.0
    if given.dtype.itemsize != 8:
        given = given.astype(np.int64)
    found = given.view(np.uint64) + np.uint64(_GOLDEN * (2 * seed + 1) % 2**64)
    found ^= found >> np.uint64(30)
    found *= _FIRST
    found ^= found >> np.uint64(27)
    found *= _SECOND
    found ^= found >> np.uint64(31)
    return found


def label_hashes(labels: Sequence[object]) -> Hashes:
    """Give a hash per label, from its type and its text; shape (labels,)."""
    if all(type(label) is str for label in labels):
        return text_hashes([str(label).encode("utf-8", "surrogatepass") for label in labels])
    contents = (f"{type(label).__name__}:{label}".encode("utf-8", "surrogatepass") for label in labels)
    joined = b"".join(blake2b(content, digest_size=8).digest() for content in contents)
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)


def text_hashes(texts: Sequence[bytes]) -> Hashes:
    """Give the hash that `label_hashes` gives of each text, here in UTF-8; shape (texts,)."""
    # The calls are chained without a line of Python for each text, and the type, which is that of all, is hashed once.
    begun = blake2b(b"str:", digest_size=8)
    joined = bytearray()
    for start in range(0, len(texts), _BLOCK):
        block = texts[start : start + _BLOCK]
        states = [begun.copy() for _ in block]
        deque(map(blake2b.update, states, block), maxlen=0)
        joined += b"".join(map(blake2b.digest, states))
    return np.frombuffer(bytes(joined), dtype="<u8").astype(np.uint64)
