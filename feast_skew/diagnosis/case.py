"""From a measurement to the case that rules look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from feast_skew.core.model import FeaturePlan, SourceVersion
from feast_skew.diagnosis.base import Case, Earlier
from feast_skew.judging.unaligned import Apart
from feast_skew.measuring.drawing import Measured


def case_of(
    measured: Measured,
    feature: FeaturePlan,
    ask_earlier: Callable[[FeaturePlan], list[Earlier]] | None = None,
    *,
    apart: Apart | None = None,
    failed: bool = False,
    changed: Sequence[SourceVersion] = (),
) -> Case:
    """Give the case of one feature, on the rows that were drawn for it.

    `ask_earlier` gives what earlier definitions say of the drawn rows of the view; `apart` holds unaligned ones among these, and
    `failed` tells that the feature failed by them.
    """
    evidence = measured.evidence(feature)
    rows = evidence.rows
    everywhere = np.full(measured.drawn.entities.num_rows, -1, dtype=np.int64)
    everywhere[evidence.positions] = np.arange(len(evidence.positions))

    def earlier() -> list[Earlier]:
        found = ask_earlier(feature) if ask_earlier is not None else []
        return [one.at(evidence.positions) for one in found]

    return Case(
        measured.view,
        feature,
        rows.pairs[feature.name],
        rows.rows,
        rows.older_positions,
        rows.older.get(feature.name),
        earlier,
        apart=None if apart is None else apart.at(everywhere),
        unaligned_failed=failed,
        changed_versions=tuple(changed),
        weights=evidence.weights,
        positions=evidence.positions,
    )
