"""The cause `batch`: what an on-demand view computes depends on the other rows that it is computed with."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask
from feast_skew.core.equality import equal_or_null
from feast_skew.core.model import FeaturePlan, OnDemandPlan
from feast_skew.diagnosis.base import share_text
from feast_skew.judging.feature import Draft
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.report import Cause
from feast_skew.stores.serving import Computed, OnDemandInputs, OnDemandPaths

_MOST_TOGETHER = 5_000
_PROVEN = 0.9
_REMEDY = (
    "compute a statistic over entities in a feature view and take it as an input; write code that gives the same for a row "
    "alone, nulls included, as for that row among others"
)


def name_batch(
    plan: OnDemandPlan,
    inputs: OnDemandInputs,
    positions: np.ndarray,
    offline: Computed,
    paths: OnDemandPaths,
    measured: ViewMeasurement,
    drafts: list[Draft],
) -> None:
    """Ask serving once with all rows in one request; where it then gives training's values, that is the cause.

    What the wrong values look like, such as a constant, is then the outcome of a request with one row, and no cause.
    """
    wrong = [draft for draft in drafts if not draft.error and measured.pairs[draft.feature.name].wrong.any()]
    if not wrong or plan.stored or not 1 < len(positions) <= _MOST_TOGETHER:
        return
    together = paths.serve(plan, inputs, positions, together=True)
    if not together.answered.all():
        return
    for draft in wrong:
        name = draft.feature.name
        was_wrong = measured.pairs[name].wrong[positions]
        right = same(together.columns[name], offline.columns[name], draft.feature) & was_wrong
        count, size = int(right.sum()), int(was_wrong.sum())
        if count >= _PROVEN * size:
            draft.causes = (_cause(count, size, len(positions)),)


def _cause(count: int, size: int, rows: int) -> Cause:
    return Cause(
        "batch",
        "how",
        count / size,
        1.0,
        f"{share_text(count, size)} of the wrong values are training's when serving's code gets all rows in one request: it "
        f"computes a statistic of the batch, or minds the type that the nulls of a batch give to a column",
        {"rows": rows, "explained": count, "wrong": size},
        _REMEDY,
    )


def same(one: pa.Array, other: pa.Array, feature: FeaturePlan) -> Mask:
    """Tell for each pair whether both values are the same, two nulls included."""
    return equal_or_null(one, other, feature.tolerance, feature.declared.kind)
