"""Rows that are pushed to the online store alone."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS115",
    "info",
    "rows that are pushed to the online store alone",
    why="push writes online only unless it is told otherwise, so serving has rows that training never sees, and what they say is compared with other code's history",
    remedy="push with to=PushMode.ONLINE_AND_OFFLINE, or write the same rows into the batch source",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at views that a push source feeds."""
    for view in repository.views:
        if view.stream == "PushSource" and view.online:
            yield Hit(view.name, "fed by a push source")
