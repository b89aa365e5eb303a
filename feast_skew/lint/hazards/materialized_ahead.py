"""A materialization that ends in the future."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.core.moments import aware
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS119",
    "warn",
    "a materialization that ends in the future",
    why="an incremental materialization begins where the last one ended, so until that moment it reads nothing, and online stays as it is while offline goes on",
    remedy="materialize the days since by their range (`feast materialize START END`), with an end that is not ahead of the clock",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at the ranges that the registry records."""
    for view in repository.registered.values():
        ends = [end for _, end in view.materialized]
        if ends and aware(max(ends, key=aware)) > repository.moment:
            yield Hit(view.name, f"materialized until {aware(max(ends, key=aware)):%Y-%m-%d %H:%M} UTC")
