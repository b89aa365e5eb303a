"""An on-demand view that is written online."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS116",
    "warn",
    "an on-demand view that is written online",
    why="serving gives what was computed when the row was written, by the code of then; training computes with the code and the request of now",
    remedy="leave write_to_online_store out, or materialize the view again after every change of its code and its sources",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at on-demand views that are written online."""
    for view in repository.views:
        if view.written_online:
            yield Hit(view.name, "write_to_online_store is set")
