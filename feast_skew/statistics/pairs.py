"""What states are built from: the two columns of a feature over the same entities, as numbers or as categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics.hashing import Hashes, mix

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class NumberPairs:
    """Numbers of the same entities on both sides, in the unit of the feature.

    ``order`` is a hash of each entity that no row shares with another, ``same`` tells where the two values are equal as the
    feature's comparison sees it. ``known`` are False for nulls. ``offline_rest`` and ``online_rest`` are what a
    double cannot hold of a large integer: value = offline + offline_rest.
    """

    order: Hashes
    same: Mask
    offline: Floats
    online: Floats
    known_offline: Mask
    known_online: Mask
    offline_rest: Floats | None = None
    online_rest: Floats | None = None

    @classmethod
    def of(cls, offline: Any, online: Any, order: Any = None, same: Any = None) -> NumberPairs:
        """Build pairs from two sequences of numbers with None or NaN for null; by default equal means identical.

        Raises
        ------
        ValueError
            If the lengths differ.
        """
        off, on = (np.array([np.nan if v is None else v for v in side], dtype=np.float64) for side in (offline, online))
        if off.shape != on.shape:
            raise ValueError(f"pairs need two sides of one length, not {off.size} and {on.size}")
        known_off, known_on = ~np.isnan(off), ~np.isnan(on)
        return cls(
            mix(np.arange(off.size)) if order is None else np.asarray(order, dtype=np.uint64),
            (off == on) if same is None else np.asarray(same, dtype=np.bool_),
            np.where(known_off, off, 0.0),
            np.where(known_on, on, 0.0),
            known_off,
            known_on,
        )

    def __len__(self) -> int:
        return int(self.order.size)

    def take(self, rows: NDArray[Any]) -> NumberPairs:
        """Give some of the pairs, by a mask or by positions."""
        low_off = None if self.offline_rest is None else self.offline_rest[rows]
        low_on = None if self.online_rest is None else self.online_rest[rows]
        return NumberPairs(
            self.order[rows],
            self.same[rows],
            self.offline[rows],
            self.online[rows],
            self.known_offline[rows],
            self.known_online[rows],
            low_off,
            low_on,
        )


@dataclass(frozen=True)
class CategoryPairs:
    """Categories of the same entities on both sides, as positions in ``labels``; -1 is null.

    ``labels`` are distinct and hashable; ``order`` and ``same`` are as for numbers.
    """

    order: Hashes
    same: Mask
    offline: Codes
    online: Codes
    labels: tuple[Any, ...]

    @classmethod
    def of(cls, offline: Sequence[Any], online: Sequence[Any], order: Any = None, same: Any = None) -> CategoryPairs:
        """Build pairs from two sequences of categories with None for null; by default equal means identical.

        Raises
        ------
        ValueError
            If the lengths differ.
        """
        if len(offline) != len(online):
            raise ValueError(f"pairs need two sides of one length, not {len(offline)} and {len(online)}")
        index: dict[Any, int] = {}
        codes = [
            np.array([-1 if v is None else index.setdefault(v, len(index)) for v in side], dtype=np.int64)
            for side in (offline, online)
        ]
        return cls(
            mix(np.arange(len(offline))) if order is None else np.asarray(order, dtype=np.uint64),
            (codes[0] == codes[1]) & (codes[0] >= 0) if same is None else np.asarray(same, dtype=np.bool_),
            codes[0],
            codes[1],
            tuple(index),
        )

    @property
    def known_offline(self) -> Mask:
        """Where offline is not null."""
        return np.asarray(self.offline >= 0, dtype=np.bool_)

    @property
    def known_online(self) -> Mask:
        """Where online is not null."""
        return np.asarray(self.online >= 0, dtype=np.bool_)

    def __len__(self) -> int:
        return int(self.order.size)

    def take(self, rows: NDArray[Any]) -> CategoryPairs:
        """Give some of the pairs, by a mask or by positions."""
        return CategoryPairs(self.order[rows], self.same[rows], self.offline[rows], self.online[rows], self.labels)


Pairs = NumberPairs | CategoryPairs
