"""One join key in two types."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS123",
    "warn",
    "one join key in two types",
    why="the type of an id is a part of the key in the online store: what is written as Int32 is not found as Int64 or String, and a request has one type for all views",
    remedy="give the join key the same value type in every entity and view",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at the types of each join key among all views."""
    types: dict[str, dict[str, str]] = {}
    for view in repository.views:
        for key, kind in view.keys.items():
            types.setdefault(key, {}).setdefault(kind, view.name)
    for key, seen in sorted(types.items()):
        if len(seen) > 1:
            named = ", ".join(f"{kind} in {view}" for kind, view in sorted(seen.items()))
            yield Hit("", f"join key {key} is {named}")
