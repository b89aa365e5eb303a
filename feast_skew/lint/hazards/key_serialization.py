"""Keys in an old serialization."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS106",
    "warn",
    "keys in an old serialization",
    why="entity keys are written in another form below version 3, so whatever writes or reads under another version (another team's repository, a newer feature server) finds none of the rows",
    remedy="set entity_key_serialization_version: 3 everywhere at once, and materialize again",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at the version that feature_store.yaml names."""
    if repository.stores.key_version < 3:
        yield Hit("", f"{repository.file}: entity_key_serialization_version is {repository.stores.key_version}")
