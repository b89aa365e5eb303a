"""A source that was changed under rows that stay online."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS101",
    "fail",
    "a source that was changed under rows that stay online",
    why="Redis drops a write whose event timestamp is not newer than the stored one, so materializing the new source over the same days leaves the old values, while training reads the new ones",
    remedy="give the view another name or version, or delete its keys (or set skip_dedup for one run) and materialize again; `feast-skew plan` measures what the change does",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at materialized views whose source reads something else than the registered one."""
    for view in repository.views:
        before = repository.before(view)
        if before is None or not before.materialized or not view.online or not repository.stores.drops_older:
            continue
        if view.source is None or before.source is None:
            continue
        if before.meaning.parts.get("source") != view.meaning.parts.get("source"):
            yield Hit(
                view.name, f"source {before.source.label} becomes {view.source.label}, and the view was materialized"
            )
