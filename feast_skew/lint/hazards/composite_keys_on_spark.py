"""Composite keys on the Spark store."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS109",
    "warn",
    "composite keys on the Spark store",
    why="Feast's Spark query joins the keys of an entity to one text without a separator, so (1, 12) and (11, 2) are one entity to it, and training sets hold another entity's values",
    remedy="compute one key column that is unique by itself, or give keys of a fixed width; feast-skew reads around it",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at views with several join keys, where the offline store is Spark."""
    if repository.stores.offline_type != "spark":
        return
    for view in repository.views:
        if len(view.keys) > 1 and view.source is not None:
            yield Hit(view.name, f"keys {', '.join(view.keys)}")
