"""Which number sends a block to which partition of Spark."""

from __future__ import annotations

import struct

import mmh3


def buckets_of(partitions: int) -> tuple[int, ...]:
    """Give for each partition of Spark a number that it sends there: by Murmur3 of the four bytes with a seed of 42."""
    found: dict[int, int] = {}
    number = 0
    while len(found) < partitions:
        found.setdefault(mmh3.hash(struct.pack("<i", number), 42) % partitions, number)
        number += 1
    return tuple(found[i] for i in range(partitions))
