"""Online values held against values that offline had at the same instant before."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.equality import equal_or_null
from feast_skew.core.model import FeaturePlan
from feast_skew.core.pairs import FeaturePairs


def equal_to_earlier(feature: FeaturePlan, pairs: FeaturePairs, positions: Positions, older: pa.Array | None) -> Mask:
    """Tell of which entities the online value equals one of some earlier versions; `positions` are those of their entities."""
    found = np.zeros(len(pairs.classes), dtype=bool)
    if older is not None and len(positions):
        online = pairs.online.take(pa.array(positions))
        found[positions[equal_or_null(older, online, feature.tolerance, feature.declared.kind)]] = True
    return found
