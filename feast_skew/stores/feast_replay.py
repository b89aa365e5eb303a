"""Feast's own serving and retrieval, run on rows that were read before: its public base classes, without a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import FeatureStore
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.online_stores.online_store import OnlineStore
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from feast_skew.stores.feast_online import Row

_NOTHING: Row = (None, None)


def untouched(store: FeatureStore) -> FeatureStore:
    """Give the same store with a registry of its own.

    `get_historical_features` takes the dummy entity off views in the registry's cache, and from then on the same registry
    serves nothing of a view without entities.
    """
    return FeatureStore(repo_path=str(store.repo_path), config=store.config)


class RememberedRows(OnlineStore):
    """An online store that answers with rows that it was given, so that serving's whole code path runs on them."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, tuple[tuple[str, bytes], ...]], Row] = {}
        self._added: dict[str, list[str]] = {}

    def remember(
        self, table: str, keys: Sequence[EntityKey], rows: Sequence[Row | None], added: Sequence[str] = ()
    ) -> None:
        """Take the rows of one view, by entity key, and the names that its store adds to those that are asked for."""
        self._added[table] = list(added)
        for key, row in zip(keys, rows, strict=True):
            self._rows[table, _identity(key)] = row or _NOTHING

    def online_read(
        self, config: Any, table: Any, entity_keys: list[EntityKey], requested_features: list[str] | None = None
    ) -> list[Row]:
        """Give the remembered rows, as a store would; names that a store adds become columns that code gets to see."""
        if requested_features is not None:
            requested_features += self._added.get(table.name, [])
        return [self._rows.get((table.name, _identity(key)), _NOTHING) for key in entity_keys]

    def online_write_batch(
        self, config: Any, table: Any, data: list[Any], progress: Callable[[int], Any] | None
    ) -> None:
        """Refuse: nothing is ever written."""
        raise NotImplementedError

    def update(
        self,
        config: Any,
        tables_to_delete: Sequence[Any],
        tables_to_keep: Sequence[Any],
        entities_to_delete: Sequence[Any],
        entities_to_keep: Sequence[Any],
        partial: bool,
    ) -> None:
        """Refuse: there is nothing to set up."""
        raise NotImplementedError

    def teardown(self, config: Any, tables: Sequence[Any], entities: Sequence[Any]) -> None:
        """Refuse: there is nothing to take down."""
        raise NotImplementedError


def _identity(key: EntityKey) -> tuple[tuple[str, bytes], ...]:
    pairs = zip(key.join_keys, key.entity_values, strict=True)
    return tuple(sorted((name, value.SerializeToString()) for name, value in pairs))


class RememberedTable(RetrievalJob):
    """A retrieval whose features were joined before, so that Feast's own step for on-demand views runs on them."""

    def __init__(self, table: pa.Table, views: list[OnDemandFeatureView], references: list[str]) -> None:
        self._table = table
        self._views = views
        self._references = references

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._table

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._table.to_pandas()

    @property
    def full_feature_names(self) -> bool:
        """Short names, as is Feast's default."""
        return False

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """The views to compute."""
        return self._views

    @property
    def metadata(self) -> RetrievalMetadata:
        """The features that were asked for."""
        return RetrievalMetadata(features=self._references, keys=[])
