"""Aggregations over several windows in one view."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS112",
    "fail",
    "aggregations over several windows in one view",
    why="Feast's engines take the window of the first aggregation for all of them (without tiles), so the others are computed over the wrong one",
    remedy="give each window a view of its own, or turn tiles on for a stream view",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at the windows of each view's aggregations."""
    for view in repository.views:
        windows = {one.window for one in view.aggregations}
        if len(windows) > 1 and not view.tiled:
            named = ", ".join(
                f"{one.name} over {one.window:g} s" if one.window else f"{one.name} over all"
                for one in view.aggregations
            )
            yield Hit(view.name, named)
