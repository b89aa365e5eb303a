"""Aggregations of a batch view, which the registry drops."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS113",
    "fail",
    "aggregations of a batch view, which the registry drops",
    why="Feast's registry has no place for the aggregations of a batch view: whoever materializes from the registry writes rows that were not aggregated",
    remedy="aggregate in the pipeline that writes the source, or in a stream view",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at batch views with aggregations."""
    for view in repository.views:
        if view.kind == "BatchFeatureView" and view.aggregations:
            yield Hit(view.name, f"{', '.join(one.name for one in view.aggregations)}")
