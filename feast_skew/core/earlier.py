"""Online values held against values that offline had at the same instant before."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.equality import equal
from feast_skew.core.model import FeaturePlan
from feast_skew.core.pairs import FeaturePairs


def same_or_null(feature: FeaturePlan, values: pa.Array, online: pa.Array) -> Mask:
    """Tell where online values equal other ones, in pairs; two nulls are equal."""
    both_null: Mask = np.asarray(online.is_null()) & np.asarray(values.is_null())
    return equal(values, online, feature.tolerance, feature.declared.kind) | both_null


def equal_to_earlier(feature: FeaturePlan, pairs: FeaturePairs, positions: Positions, older: pa.Array | None) -> Mask:
    """Tell of which entities the online value equals one of some earlier versions; `positions` are those of their entities."""
    found = np.zeros(len(pairs.classes), dtype=bool)
    if older is not None and len(positions):
        found[positions[same_or_null(feature, older, pairs.online.take(pa.array(positions)))]] = True
    return found
