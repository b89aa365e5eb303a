"""Two sides of a feature as tables of the same entities, and what `compare()` says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew import compare
from feast_skew.report import Cause, FeatureResult

Random = np.random.Generator
Columns = Mapping[str, Any]


def results(
    keys: Columns, offline: Columns, online: Columns, population: int | None = None
) -> dict[str, FeatureResult]:
    """Compare two tables of the same entities; give what is said of each feature by its name."""
    sides = (pa.table({**keys, **{name: arrow(column) for name, column in side.items()}}) for side in (offline, online))
    report = compare(*sides, list(keys), population=population)
    return {found.feature: found for found in report.features}


def arrow(column: Any) -> pa.Array:
    return column if isinstance(column, pa.Array) else pa.array(column, from_pandas=True)


def of_one(offline: Any, online: Any) -> FeatureResult:
    """Compare one feature."""
    return results({"id": np.arange(len(offline))}, {"x": offline}, {"x": online})["x"]


def only(found: FeatureResult, code: str) -> Cause:
    """The one cause that is named, explaining everything; all other rules are silent."""
    assert [cause.code for cause in found.causes] == [code], found.causes
    (cause,) = found.causes
    assert (cause.kind, cause.share) == ("what", 1.0)
    return cause


def codes(found: FeatureResult) -> list[str]:
    return [cause.code for cause in found.causes]


def hit(random: Random, share: float, size: int) -> np.ndarray:
    """Choose exactly that share of the rows."""
    chosen = np.zeros(size, dtype=bool)
    chosen[random.permutation(size)[: round(share * size)]] = True
    return chosen
