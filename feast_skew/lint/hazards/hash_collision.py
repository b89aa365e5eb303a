"""Two features in one field of Redis."""

from __future__ import annotations

from collections.abc import Iterator

import mmh3

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS107",
    "fail",
    "two features in one field of Redis",
    why="Redis keeps a feature under a hash of 32 bits of its name, in one row for all views with the same keys, so two names with the same hash overwrite each other",
    remedy="rename one of the two features",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at all features of views that share their join keys."""
    fields: dict[tuple[tuple[str, ...], int], str] = {}
    if not repository.stores.online_type.startswith("redis"):
        return
    for view in repository.views:
        if not view.online or not view.keys:
            continue
        for feature in view.features:
            name = f"{view.name}:{feature}"
            other = fields.setdefault((tuple(sorted(view.keys)), mmh3.hash(name, signed=False)), name)
            if other != name:
                yield Hit(view.name, f"{name} has the hash of {other}")
