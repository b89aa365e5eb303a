"""From a measurement to the case that rules look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from feast_skew.core.model import FeaturePlan
from feast_skew.diagnosis.base import Case
from feast_skew.diagnosis.context import Context
from feast_skew.judging.unaligned import Apart
from feast_skew.measuring.drawing import Measured


def case_of(
    measured: Measured,
    feature: FeaturePlan,
    context: Context | None = None,
    *,
    apart: Apart | None = None,
    failed: bool = False,
    movement: Mapping[str, Mapping[str, Any]] | None = None,
) -> Case:
    """Give the case of one feature, on the rows that were drawn for it.

    `context` is what is known of its view; `apart` holds unaligned ones among the drawn rows of the view, and `failed` tells that the
    feature failed by them; `movement` is what each statistic of theirs told.
    """
    context = context or Context()
    evidence = measured.evidence(feature)
    rows = evidence.rows
    everywhere = np.full(measured.drawn.entities.num_rows, -1, dtype=np.int64)
    everywhere[evidence.positions] = np.arange(len(evidence.positions))

    return Case(
        measured.view,
        feature,
        rows.pairs[feature.name],
        rows.rows,
        rows.older_positions,
        rows.older.get(feature.name),
        lambda: context.earlier_at(feature, evidence.positions),
        apart=None if apart is None else apart.at(everywhere),
        unaligned_failed=failed,
        movement=movement or {},
        weights=evidence.weights,
        positions=evidence.positions,
        context=context,
    )
