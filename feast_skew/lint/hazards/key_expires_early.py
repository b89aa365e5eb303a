"""Keys that expire before the view's ttl."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS103",
    "warn",
    "keys that expire before the view's ttl",
    why="key_ttl_seconds makes Redis forget the whole row that long after the last write that was taken, and a row that is materialized again without being newer does not count as one, so serving finds null where training still has a value",
    remedy="set key_ttl_seconds well above the longest ttl and the longest pause between two new rows of an entity, or leave it out",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at views whose ttl, or whose having none, lets values live longer than the keys."""
    limit = repository.stores.online.get("key_ttl_seconds")
    if not limit:
        return
    for view in repository.views:
        if view.online and view.source is not None and (view.ttl is None or view.ttl > float(limit)):
            life = "no ttl" if view.ttl is None else f"a ttl of {view.ttl:g} s"
            yield Hit(view.name, f"keys expire after {float(limit):g} s, and the view has {life}")
