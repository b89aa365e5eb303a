"""A measurement whose rows are all at hand, brought into the form that every engine gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feast_skew.core.model import FeaturePlan
from feast_skew.core.pairs import PairClass
from feast_skew.judging.profiling import profile_of
from feast_skew.measuring.drawing import Measured, compared_mask, draw_together
from feast_skew.measuring.tally import Tally
from feast_skew.measuring.training import Training
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.statistics.profile import Profile


def whole(
    rows: ViewMeasurement,
    tally: Tally | None = None,
    drawn: ViewMeasurement | None = None,
    training: Training | None = None,
) -> Measured:
    """Count, draw and profile all rows of a measurement; what was counted and drawn before is taken over."""
    tally = tally or Tally.of(rows)
    drawn = drawn or draw_together([rows], [tally])[0][0]
    profiles = {feature.name: profile for feature in rows.features if (profile := _profile(rows, feature)) is not None}
    return Measured(rows.view, rows.features, tally, drawn, profiles, training or Training())


def _profile(rows: ViewMeasurement, feature: FeaturePlan) -> Profile | None:
    pairs, order = rows.pairs[feature.name], rows.order
    compared = compared_mask(pairs)
    if not compared.any():
        return None
    offline, online, same = pairs.offline, pairs.online, pairs.mask(PairClass.MATCH)
    if not compared.all():
        positions = np.flatnonzero(compared)
        take = pa.array(positions)
        offline, online, same, order = offline.take(take), online.take(take), same[positions], order[positions]
    return profile_of(feature, offline, online, same, order)
