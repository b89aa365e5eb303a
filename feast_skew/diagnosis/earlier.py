"""What earlier definitions of a view give at the instants of the online rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan, SourceVersion, ViewPlan
from feast_skew.core.pairs import RowState
from feast_skew.diagnosis.context import Earlier
from feast_skew.errors import SkewError
from feast_skew.measuring.history import pick_rows
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.stores.base import RowSource


class EarlierValues:
    """Reads, at most once per view, what earlier definitions give at the aligned instants.

    Where online and offline share none, the online row's own instant is looked up.
    """

    def __init__(
        self,
        measured: ViewMeasurement,
        versions: Sequence[SourceVersion],
        offline: RowSource,
        progress: Progress,
    ) -> None:
        self._measured = measured
        self._versions = versions
        self._offline = offline
        self._progress = progress
        self._found: list[tuple[SourceVersion, dict[str, pa.Array]]] | None = None

    def __call__(self, feature: FeaturePlan) -> list[Earlier]:
        """Give the earlier values of one feature, latest definition first."""
        if self._found is None:
            self._found = self._read()
        return [Earlier(version, columns[feature.name]) for version, columns in self._found if feature.name in columns]

    def _read(self) -> list[tuple[SourceVersion, dict[str, pa.Array]]]:
        found = []
        measured = self._measured
        index = KeyIndex(measured.entities)
        for earlier_version in reversed(self._versions):
            view = self._offline.earlier(measured.view, earlier_version)
            if view is None:
                continue
            try:
                with self._progress.stage(
                    f"{view.name}: earlier definition", self._offline.row_count(view), "rows"
                ) as stage:
                    values = earlier_values(measured.rows, view, index, self._offline, stage.advance)
                found.append((earlier_version, values))
            except SkewError:
                continue  # an earlier source that broke since then proves nothing
        return found


def earlier_values(
    rows: RowState, view: ViewPlan, index: KeyIndex, offline: RowSource, advance: Callable[[int], None] = lambda _: None
) -> dict[str, pa.Array]:
    """Give what an earlier definition of a view gives at the aligned instants of some entities, and else at those of the online rows."""
    instants = np.where(rows.aligned == NO_INSTANT, rows.online, rows.aligned)
    return pick_rows(view, view.features, index, {"held": instants}, offline, advance)["held"].columns
