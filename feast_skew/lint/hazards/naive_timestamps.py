"""Timestamps without a zone."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS111",
    "info",
    "timestamps without a zone",
    why="Feast takes timestamps without a zone for UTC; where the pipeline writes local times, every row is hours off for point-in-time joins and for what counts as newer",
    remedy="write timestamps with a zone, or make sure that they are UTC",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at the timestamp columns of local Parquet files."""
    for view in repository.views:
        source = view.source
        if source is None or source.columns is None:
            continue
        naive = [name for name in (source.timestamp, source.created) if _is_naive(source.columns.get(name, ""))]
        if naive:
            yield Hit(view.name, f"{', '.join(naive)} of {source.label} has no zone")


def _is_naive(kind: str) -> bool:
    return kind.startswith("timestamp[") and "tz=" not in kind
