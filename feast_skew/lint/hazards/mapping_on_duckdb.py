"""A field mapping on the DuckDB store."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS124",
    "warn",
    "a field mapping on the DuckDB store",
    why="Feast's DuckDB store does not apply field mappings where it reads the latest rows, so materialization writes nulls or fails where training has values",
    remedy="rename the columns in the source, and leave the mapping out",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at sources with mappings, where the offline store is DuckDB."""
    if repository.stores.offline_type != "duckdb":
        return
    for view in repository.views:
        if view.source is not None and view.source.mapping:
            yield Hit(view.name, f"source {view.source.name} maps {', '.join(sorted(view.source.mapping))}")
