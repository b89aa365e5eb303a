"""A schema that changes where the online store keeps versions."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS121",
    "warn",
    "a schema that changes where the online store keeps versions",
    why="after the apply serving reads the new version of the view, of which nothing is online until it is materialized: every feature is null",
    remedy="materialize right after the apply, or apply with --no-promote, materialize the new version, and promote it then",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at materialized views whose features or keys change, where versions are on."""
    if not repository.stores.versioned:
        return
    for view in repository.views:
        before = repository.before(view)
        if before is None or not before.materialized:
            continue
        if (dict(before.features), dict(before.keys)) != (dict(view.features), dict(view.keys)):
            yield Hit(view.name, "its features or keys change, and the view was materialized")
