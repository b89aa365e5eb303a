"""A ttl that only training keeps to."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS104",
    "info",
    "a ttl that only training keeps to",
    why="Feast leaves values older than the ttl out of training sets, and serves them online all the same",
    remedy="check the event timestamps in the response where old values matter, or set key_ttl_seconds of the store near the ttl where all views allow it; `feast-skew validate` counts such rows as expired",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at views that are online and have a ttl, unless the store forgets rows by itself by then."""
    limit = repository.stores.online.get("key_ttl_seconds")
    for view in repository.views:
        if (
            view.online
            and view.source is not None
            and view.ttl is not None
            and not (limit and float(limit) <= view.ttl)
        ):
            yield Hit(view.name, f"a ttl of {view.ttl:g} s: online values stay beyond it")
