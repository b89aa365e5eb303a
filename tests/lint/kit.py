"""A small Feast repository on a real Redis, to show what a hazard does in stock Feast, and what `lint` says of the same definitions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

from feast_skew.lint.base import lint, load_hazards
from feast_skew.report import Finding
from feast_skew.stores.feast_facts import repository_facts

DAY = datetime(2026, 3, 1, tzinfo=timezone.utc)
NOW = datetime(2026, 3, 20, tzinfo=timezone.utc)
_NUMBERS = count()

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)


@dataclass
class Kit:
    """A repository in a directory, with a project of its own on a server."""

    path: Path
    redis: str
    online: dict[str, Any] = field(default_factory=dict)
    offline: dict[str, Any] = field(default_factory=lambda: {"type": "dask"})
    registry: dict[str, Any] = field(default_factory=dict)
    key_version: int = 3
    project: str = ""

    def __post_init__(self) -> None:
        self.project = self.project or f"kit_{self.path.name}_{next(_NUMBERS)}"

    @property
    def store(self) -> FeatureStore:
        """The store, with a fresh registry."""
        config = RepoConfig(
            project=self.project,
            provider="local",
            registry={"registry_type": "file", "path": str(self.path / "registry.db"), **self.registry},
            online_store={"type": "redis", "connection_string": self.redis, **self.online},
            offline_store=self.offline,
            entity_key_serialization_version=self.key_version,
            repo_path=str(self.path),
        )
        return FeatureStore(config=config)

    def table(self, name: str = "rows.parquet", **columns: Any) -> FileSource:
        """Write a table, of one driver at one instant unless said, and give the source that reads it."""
        frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [pd.Timestamp(DAY)], **columns})
        frame.to_parquet(self.path / name)
        return FileSource(
            name=name.split(".", maxsplit=1)[0], path=str(self.path / name), timestamp_field="event_timestamp"
        )

    def apply(self, *objects: Any) -> None:
        """Apply with Feast."""
        self.store.apply(list(objects))

    def materialize(self, end: datetime | None = None) -> None:
        """Materialize all days until an end."""
        self.store.materialize(DAY - timedelta(days=60), end or DAY + timedelta(days=5))

    def served(self, *refs: str, **keys: Any) -> dict[str, list[Any]]:
        """Ask for features as serving does."""
        rows = [keys or {"driver_id": 1}]
        return dict(self.store.get_online_features(features=list(refs), entity_rows=rows).to_dict())

    def trained(self, *refs: str, at: datetime = NOW, **keys: Any) -> pd.DataFrame:
        """Ask for features as training does."""
        entities = pd.DataFrame(
            {
                **{name: [value] for name, value in (keys or {"driver_id": 1}).items()},
                "event_timestamp": [pd.Timestamp(at)],
            }
        )
        frame: pd.DataFrame = self.store.get_historical_features(entity_df=entities, features=list(refs)).to_df()
        return frame

    def hazards(self, views: Iterable[Any], services: Iterable[Any] = (), moment: datetime = NOW) -> list[Finding]:
        """Give what `lint` finds in these definitions, beside what is registered."""
        load_hazards()
        store = self.store
        registered = store.registry.list_all_feature_views(store.project, allow_cache=False)
        return list(lint(repository_facts(store, views, services, registered, moment)))

    def codes(self, *views: Any, **more: Any) -> list[str]:
        """Give the codes of what `lint` finds, but for those that only inform."""
        return [one.code for one in self.hazards(views, **more) if one.severity != "info"]


def view_of(
    source: Any, name: str = "stats", fields: dict[str, Any] | None = None, entity: Entity = driver, **more: Any
) -> FeatureView:
    """Give a view over a source, of one double unless said."""
    schema = [Field(name=feature, dtype=kind) for feature, kind in (fields or {"rate": Float64}).items()]
    # With its key's type, as Feast infers it when it is applied.
    from feast.types import from_value_type

    keys = [Field(name=key, dtype=from_value_type(entity.value_type)) for key in (entity.join_key,)]
    return FeatureView(
        name=name, entities=[entity], source=source, schema=[*keys, *schema], ttl=more.pop("ttl", timedelta(0)), **more
    )
