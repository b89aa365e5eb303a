"""Pairs of an offline and an online value, one per entity, and the class that each pair falls into."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Instants, Mask


class PairClass(IntEnum):
    """What the two stores say of one feature of one entity; every entity is in exactly one class."""

    MATCH = 0
    MISMATCH = 1
    OFFLINE_ONLY = 2
    ONLINE_ONLY = 3
    NULL_OFFLINE = 4
    NULL_ONLINE = 5
    NULL_BOTH = 6
    ABSENT_BOTH = 7
    UNALIGNED = 8
    CORRUPT = 9

    @property
    def key(self) -> str:
        """The name of the class in reports."""
        return self.name.lower()


WRONG = (PairClass.MISMATCH, PairClass.NULL_OFFLINE, PairClass.NULL_ONLINE, PairClass.CORRUPT)
COMPARED = (*WRONG, PairClass.MATCH, PairClass.NULL_BOTH)


@dataclass
class RowState:
    """What is known of the rows of one view, per entity of the sample (arrays of shape (entities,)).

    `aligned` is the instant of the offline row that is held against the online row; `overlays` are the freshness
    classes that lie over the pair classes.
    """

    online: Instants
    latest: Instants
    before: Instants
    after: Instants
    aligned: Instants
    has_offline: Mask
    stale: Mask
    ahead: Mask
    expired: Mask

    @property
    def has_online(self) -> Mask:
        """Entities with an online row."""
        found: Mask = self.online != NO_INSTANT
        return found

    @property
    def unaligned(self) -> Mask:
        """Entities with rows in both stores that share no instant."""
        found: Mask = self.has_offline & self.has_online & (self.aligned == NO_INSTANT)
        return found

    @property
    def held(self) -> Instants:
        """The instant of the offline row that stands beside the online one: the aligned one, else the last before it, else the latest."""
        before = np.where(self.before != NO_INSTANT, self.before, self.latest)
        return np.where(self.aligned != NO_INSTANT, self.aligned, before)

    @property
    def lag(self) -> Instants:
        """Nanoseconds that the online row lies behind the latest offline row; 0 where it does not."""
        lag = np.zeros(len(self.online), dtype=np.int64)
        lag[self.stale] = self.latest[self.stale] - self.online[self.stale]
        return lag


@dataclass
class FeaturePairs:
    """The two columns of one feature side by side: row i of both belongs to entity i of the sample.

    `offline` holds the value of the aligned row, else the last value known before the online instant, else the latest;
    `classes` is a uint8 array of `PairClass`.
    """

    offline: pa.Array
    online: pa.Array
    classes: NDArray[np.uint8]

    def count(self, wanted: PairClass) -> int:
        """Count the entities in a class."""
        return int(np.count_nonzero(self.classes == wanted))

    def mask(self, *wanted: PairClass) -> Mask:
        """Entities in any of the given classes."""
        return np.isin(self.classes, np.array(wanted, dtype=np.uint8))

    @property
    def wrong(self) -> Mask:
        """Entities whose aligned values differ (or cannot be read)."""
        return self.mask(*WRONG)


def classify(
    rows: RowState, same: np.ndarray, null_offline: np.ndarray, null_online: np.ndarray, corrupt: np.ndarray
) -> np.ndarray:
    """Give the class of each pair from row presence, alignment, nulls and equality; shape (entities,), uint8."""
    classes = np.full(len(same), PairClass.ABSENT_BOTH, dtype=np.uint8)
    has_online = rows.has_online | corrupt
    classes[rows.has_offline & ~has_online] = PairClass.OFFLINE_ONLY
    classes[~rows.has_offline & has_online] = PairClass.ONLINE_ONLY
    both = rows.has_offline & has_online
    aligned = both & (rows.aligned != NO_INSTANT)
    classes[both & ~aligned] = PairClass.UNALIGNED
    classes[aligned] = np.where(same[aligned], PairClass.MATCH, PairClass.MISMATCH)
    classes[aligned & null_offline & ~null_online] = PairClass.NULL_OFFLINE
    classes[aligned & ~null_offline & null_online] = PairClass.NULL_ONLINE
    classes[aligned & null_offline & null_online] = PairClass.NULL_BOTH
    classes[both & corrupt] = PairClass.CORRUPT
    return classes
