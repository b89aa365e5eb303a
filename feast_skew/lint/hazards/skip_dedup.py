"""Writes that are taken in any order."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS105",
    "warn",
    "writes that are taken in any order",
    why="with skip_dedup the row that is written last stays, also when it is an older one: a late batch, or a backfill of old days, puts old values over new ones, and training has the newest by its timestamps",
    remedy="set skip_dedup only for the one run that has to overwrite rows",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at the setting of the store."""
    if repository.stores.online.get("skip_dedup"):
        yield Hit("", f"{repository.file}: online_store.skip_dedup is set for every run")
