"""A random sample of pairs of categories, and one of those pairs that differ: those whose entities have the smallest hashes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics.hashing import Hashes
from feast_skew.statistics.pairs import CategoryPairs, Codes
from feast_skew.statistics.states.base import Bins, State, state
from feast_skew.statistics.states.number_sample import candidates, smallest

if TYPE_CHECKING:
    from typing_extensions import Self


def _no_codes() -> Codes:
    return np.zeros(0, dtype=np.int64)


def _no_hashes() -> Hashes:
    return np.zeros(0, dtype=np.uint64)


@state("category_sample")
@dataclass(frozen=True, eq=False)
class CategorySample(State):
    """Up to ``SIZE`` pairs with the smallest hashes, in the order of these.

    `offline` and `online` are positions in `labels`, -1 for null; labels are in the order in which they first appear. `rows` counts
    all pairs of this kind.
    """

    numbers = False

    rows: int = 0
    order: Hashes = field(default_factory=_no_hashes)
    offline: Codes = field(default_factory=_no_codes)
    online: Codes = field(default_factory=_no_codes)
    labels: tuple[Any, ...] = ()

    @classmethod
    def of(cls, pairs: CategoryPairs, bins: Bins | None = None) -> Self:
        """Draw the sample; the bins are cut from it, so that it comes before them."""
        del bins
        return cls._drawn(len(pairs), pairs.take(candidates(pairs.order)))

    def __add__(self, other: Self) -> Self:
        labels = list(dict.fromkeys((*self.labels, *other.labels)))
        place = {_identity(label): i for i, label in enumerate(labels)}
        moved = np.array([*(place[_identity(label)] for label in other.labels), -1], dtype=np.int64)
        pairs = CategoryPairs(
            np.concatenate([self.order, other.order]),
            np.zeros(self.order.size + other.order.size, dtype=np.bool_),
            np.concatenate([self.offline, moved[other.offline]]),
            np.concatenate([self.online, moved[other.online]]),
            tuple(labels),
        )
        return self._drawn(self.rows + other.rows, pairs)

    def thinned(self, size: int) -> Self:
        """Give the sample of that many pairs, which is the one that would have been drawn."""
        return self._drawn(self.rows, self.pairs().take(np.arange(min(size, self.order.size))))

    def pairs(self) -> CategoryPairs:
        """Give the drawn pairs, equal where their labels are."""
        return CategoryPairs(self.order, self.offline == self.online, self.offline, self.online, self.labels)

    def offline_counts(self) -> Counter[Any]:
        """Count the offline categories of the sample, nulls left out."""
        return self._tally(self.offline)

    def top_pairs(self, most: int) -> list[tuple[Any, Any, int]]:
        """Give the most frequent (offline, online, pairs in the sample), None for null; equal counts by their text."""
        size = len(self.labels) + 1
        # Of the pairs that are there: all that could be are as many as the square of the labels.
        pairs, counts = np.unique((self.offline + 1) * size + (self.online + 1), return_counts=True)
        names = [None, *self.labels]
        found = [(names[i // size], names[i % size], int(n)) for i, n in zip(pairs, counts, strict=True)]
        return sorted(found, key=lambda entry: (-entry[2], str(entry[0]), str(entry[1])))[:most]

    def _tally(self, codes: NDArray[np.int64]) -> Counter[Any]:
        counts = np.bincount(codes[codes >= 0], minlength=len(self.labels))
        return Counter({label: int(count) for label, count in zip(self.labels, counts, strict=True) if count})

    @classmethod
    def _drawn(cls, rows: int, pairs: CategoryPairs) -> Self:
        # Codes depend on the split, the texts of labels do not.
        rank = np.argsort(np.argsort([str(label) for label in pairs.labels], kind="stable"), kind="stable")
        rank = np.append(rank, -1)
        chosen = pairs.take(smallest(pairs.order, rank[pairs.offline], rank[pairs.online]))
        appear = np.stack([chosen.offline, chosen.online], axis=1).ravel()
        used, first = np.unique(appear[appear >= 0], return_index=True)
        by_appearance = used[np.argsort(first)]
        place = np.full(len(pairs.labels) + 1, -1, dtype=np.int64)
        place[by_appearance] = np.arange(by_appearance.size)
        labels = tuple(pairs.labels[i] for i in by_appearance)
        return cls(rows, chosen.order, place[chosen.offline], place[chosen.online], labels)


@state("confusion")
@dataclass(frozen=True, eq=False)
class Confusion(CategorySample):
    """The same of the pairs that differ, those with one null among them."""

    @classmethod
    def of(cls, pairs: CategoryPairs, bins: Bins | None = None) -> Self:
        """Draw the sample from the pairs that differ."""
        del bins
        differ = np.flatnonzero(~pairs.same & (pairs.known_offline | pairs.known_online))
        chosen = pairs.take(differ[candidates(pairs.order[differ])])
        return cls._drawn(int(differ.size), chosen)


def _identity(label: object) -> tuple[str, object]:
    return type(label).__name__, label
