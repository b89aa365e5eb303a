"""A field added to a view that is materialized."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS102",
    "warn",
    "a field added to a view that is materialized",
    why="rows that are online already are not written again, as their timestamps are not newer, so the new field is null there however often the same days are materialized, and has values offline",
    remedy="wait until newer rows of every entity were materialized before a model uses the field, or give the view another name",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at materialized views that define features which the registered ones do not have."""
    for view in repository.views:
        before = repository.before(view)
        if before is None or not before.materialized or not view.online or not repository.stores.drops_older:
            continue
        added = sorted(set(view.features) - set(before.features))
        if added:
            yield Hit(view.name, f"{', '.join(added)} is new, and the view was materialized")
