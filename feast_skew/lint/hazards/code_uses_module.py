"""Code that uses names of its module."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS118",
    "fail",
    "code that uses names of its module",
    why="Feast stores the text of a transformation and runs that text alone: a helper, a constant or an import of the file around it is missing there, and serving raises NameError or falls back to what was pickled when it was applied",
    remedy="put the imports, helpers and constants into the function itself",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at what the code of each view takes from outside."""
    for view in repository.views:
        if view.uses:
            yield Hit(view.name, f"its code uses {', '.join(view.uses)}")
