"""Ties that nothing settles."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS108",
    "info",
    "ties that nothing settles",
    why="of two rows of an entity with the same event timestamp, Feast takes the one that was created later; without that column each store takes whichever it happens to see last, and they need not be the same",
    remedy="name the column with the time of writing as created_timestamp_column, where rows are ever written twice",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at the sources of views that are online."""
    for view in repository.views:
        if view.online and view.source is not None and not view.source.created:
            yield Hit(view.name, f"source {view.source.name} has no created timestamp column")
