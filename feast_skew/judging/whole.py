"""A measurement whose rows are all at hand, brought into the form that every engine gives."""

from __future__ import annotations

from feast_skew.judging.profiling import compared_pairs, profile_of_pairs
from feast_skew.measuring.drawing import Measured, draw_together
from feast_skew.measuring.tally import Tally
from feast_skew.measuring.training import Training
from feast_skew.measuring.view import ViewMeasurement


def whole(
    rows: ViewMeasurement,
    tally: Tally | None = None,
    drawn: ViewMeasurement | None = None,
    training: Training | None = None,
) -> Measured:
    """Count, draw and profile all rows of a measurement; what was counted and drawn before is taken over."""
    tally = tally or Tally.of(rows)
    drawn = drawn or draw_together([rows], [tally])[0][0]
    profiles = {
        feature.name: profile_of_pairs(feature, pairs)
        for feature in rows.features
        if (pairs := compared_pairs(rows, feature)) is not None
    }
    return Measured(rows.view, rows.features, tally, drawn, profiles, training or Training())
