"""What definitions and settings of a repository say, in plain values: all that hazards are found by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from feast_skew.core.meaning import Meaning


@dataclass(frozen=True)
class SourceFacts:
    """A batch source: its type as Feast names it, what it reads, and the columns of it that matter.

    `columns` are those of a local Parquet file with their Arrow types, None where they cannot be told without reading a store.
    """

    name: str
    kind: str
    label: str
    timestamp: str
    created: str = ""
    mapping: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] | None = None


@dataclass(frozen=True)
class AggregationFacts:
    """One aggregation of a view; windows in seconds, None for none."""

    name: str
    function: str
    window: float | None


@dataclass(frozen=True)
class ViewFacts:
    """A view, as it is defined or as it is registered.

    `ttl` is in seconds, None for no limit; `keys` and `features` hold types as Feast writes them; `stream` is the type of the stream source,
    empty without one; `materialized` are the ranges of event timestamps that the registry records; `uses` names what the code takes from
    outside of itself.
    """

    name: str
    kind: str
    meaning: Meaning
    online: bool = True
    ttl: float | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)
    source: SourceFacts | None = None
    stream: str = ""
    aggregations: tuple[AggregationFacts, ...] = ()
    has_code: bool = False
    uses: tuple[str, ...] = ()
    written_online: bool = False
    materialized: tuple[tuple[datetime, datetime], ...] = ()
    tiled: bool = False


@dataclass(frozen=True)
class ServiceFacts:
    """A feature service; `precomputed` tells that whole vectors of it are kept online, `views` what it reads."""

    name: str
    views: tuple[str, ...] = ()
    precomputed: bool = False


@dataclass(frozen=True)
class StoreFacts:
    """Settings of both stores and of the registry, as feature_store.yaml has them."""

    online_type: str
    offline_type: str
    registry_type: str
    online: Mapping[str, Any] = field(default_factory=dict)
    offline: Mapping[str, Any] = field(default_factory=dict)
    key_version: int = 3
    versioned: bool = False
    drops_older: bool = False


@dataclass(frozen=True)
class RepositoryFacts:
    """A repository: its settings, the views and services that it defines, and the views that are registered now, by name.

    `file` is where its settings stand, `moment` when it was looked at, with a zone.
    """

    project: str
    file: str
    moment: datetime
    stores: StoreFacts
    views: tuple[ViewFacts, ...]
    services: tuple[ServiceFacts, ...] = ()
    registered: Mapping[str, ViewFacts] = field(default_factory=dict)

    def before(self, view: ViewFacts) -> ViewFacts | None:
        """Give the view as it is registered; None for a new one."""
        return self.registered.get(view.name)
