"""Labels whose conflicts are settled offline only."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS122",
    "info",
    "labels whose conflicts are settled offline only",
    why="a label view settles labels that contradict each other by its policy offline, and by the last write online",
    remedy="read labels from the offline store; feast-skew does not compare them",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at label views."""
    for view in repository.views:
        if view.kind == "LabelView":
            yield Hit(view.name, "is a label view")
