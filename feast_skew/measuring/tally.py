"""What is counted of all measured rows: classes, freshness, and by class how the hashes of the entities are spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.model import FeaturePlan
from feast_skew.core.pairs import FeaturePairs, PairClass, RowState
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.statistics.hashing import Hashes

STRATA = 2 * len(PairClass)
"""Rows of one class are told apart by whether they are stale."""

MOST_DRAWN = 24_000
"""Most rows of a stratum that are drawn; more than twice the size of a hash sample, so that half of them still hold it."""

_BITS = 64
_SECOND = 10**9
_POWERS = np.left_shift(np.uint64(1), np.arange(_BITS, dtype=np.uint64))

Strata = NDArray[np.int64]


def strata_of(pairs: FeaturePairs, rows: RowState) -> Strata:
    """Give the stratum of each entity: twice its class, and one more where its online row is stale."""
    return pairs.classes.astype(np.int64) * 2 + rows.stale


def bit_lengths(order: Hashes) -> NDArray[np.int64]:
    """Give the number of bits that each hash needs, 0 to 64; half of all hashes need 64, a quarter 63, and so on."""
    return np.searchsorted(_POWERS, order, side="right").astype(np.int64)


@dataclass(frozen=True)
class FeatureTally:
    """The rows of one feature by stratum and bit length of the entity's hash, shape (strata, 65).

    `late` counts the rows that lag more than the feature's `max_lag`.
    """

    spread: NDArray[np.int64]
    late: int = 0

    @classmethod
    def of(cls, feature: FeaturePlan, pairs: FeaturePairs, rows: RowState, lengths: NDArray[np.int64]) -> FeatureTally:
        """Count the rows of one feature; `lengths` are those of `bit_lengths`."""
        places = strata_of(pairs, rows) * (_BITS + 1) + lengths
        spread = np.bincount(places, minlength=STRATA * (_BITS + 1)).reshape(STRATA, _BITS + 1)
        most = feature.limits.max_lag
        late = 0 if most is None else int(np.count_nonzero(rows.lag > most))
        return cls(spread.astype(np.int64), late)

    def __add__(self, other: FeatureTally) -> FeatureTally:
        return FeatureTally(self.spread + other.spread, self.late + other.late)

    def count(self, *wanted: PairClass) -> int:
        """Count the entities in some classes."""
        return int(sum(self.spread[2 * kind : 2 * kind + 2].sum() for kind in wanted))

    @property
    def totals(self) -> NDArray[np.int64]:
        """Rows by stratum."""
        totals: NDArray[np.int64] = self.spread.sum(axis=1)
        return totals

    @property
    def drawn_bits(self) -> NDArray[np.int64]:
        """Bits that the hash of a drawn row has at most, by stratum: 64 draws all, each bit less draws half as many.

        The largest number that draws no more than `MOST_DRAWN`.
        """
        most: NDArray[np.int64] = (np.cumsum(self.spread, axis=1) <= MOST_DRAWN).sum(axis=1) - 1
        return most


@dataclass(frozen=True)
class Tally:
    """Counts over all rows of a view, or of those of its features that align alike; parts that share no row add up.

    `near` counts the unaligned entities with an offline row less than a second away; `ties` those with several offline rows at one instant,
    `differing_ties` those of them whose rows differ; `moved` those whose online row changed while the run looked.
    """

    features: Mapping[str, FeatureTally]
    entities: int = 0
    has_offline: int = 0
    has_online: int = 0
    has_both: int = 0
    stale: int = 0
    ahead: int = 0
    expired: int = 0
    unaligned: int = 0
    near: int = 0
    ties: int = 0
    differing_ties: int = 0
    moved: int = 0

    @classmethod
    def of(cls, measured: ViewMeasurement) -> Tally:
        """Count the rows of a measurement."""
        rows, lengths = measured.rows, bit_lengths(measured.order)
        masks = ("has_offline", "has_online", "stale", "ahead", "expired", "unaligned")
        return cls(
            {f.name: FeatureTally.of(f, measured.pairs[f.name], rows, lengths) for f in measured.features},
            entities=measured.entities.num_rows,
            has_both=int(np.count_nonzero(rows.has_offline & rows.has_online)),
            near=_near(rows),
            ties=measured.ties,
            differing_ties=measured.differing_ties,
            moved=measured.moved,
            **{name: int(np.count_nonzero(getattr(rows, name))) for name in masks},
        )

    def __add__(self, other: Tally) -> Tally:
        counts = (field.name for field in fields(self) if field.name != "features")
        return Tally(
            {name: own + other.features[name] for name, own in self.features.items()},
            **{name: getattr(self, name) + getattr(other, name) for name in counts},
        )

    @classmethod
    def zero(cls, features: Sequence[FeaturePlan]) -> Tally:
        """Give the counts of no rows."""
        nothing = np.zeros((STRATA, _BITS + 1), dtype=np.int64)
        return cls({feature.name: FeatureTally(nothing) for feature in features})


def _near(rows: RowState) -> int:
    unaligned = rows.unaligned
    online, before, after = rows.online[unaligned], rows.before[unaligned], rows.after[unaligned]
    near = (before != NO_INSTANT) & (online - np.where(before != NO_INSTANT, before, online) < _SECOND)
    near |= (after != NO_INSTANT) & (np.where(after != NO_INSTANT, after, online) - online < _SECOND)
    return int(np.count_nonzero(near))
