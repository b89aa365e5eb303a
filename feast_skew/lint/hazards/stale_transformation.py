"""Code of a batch view that a registry in a file keeps as it was."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS114",
    "fail",
    "code of a batch view that a registry in a file keeps as it was",
    why="applying new code of a batch view leaves the old one in a registry that is a file, and jobs that take the view from there go on computing the old values",
    remedy="give the view another name, remove it and apply, then add it again, or keep the registry in SQL",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at batch views whose code is another than the registered one."""
    if repository.stores.registry_type != "file":
        return
    for view in repository.views:
        before = repository.before(view)
        if view.kind != "BatchFeatureView" or before is None or not before.has_code:
            continue
        if before.meaning.parts.get("transformation") != view.meaning.parts.get("transformation"):
            yield Hit(view.name, "the code differs from the registered one, which an apply will not replace")
