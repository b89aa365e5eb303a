"""Takes from Feast's objects what hazards are found by."""

from __future__ import annotations

import builtins
import contextlib
import dis
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureStore
from feast.feature_view import DUMMY_ENTITY_ID

from feast_skew.core.facts import (
    AggregationFacts,
    RepositoryFacts,
    ServiceFacts,
    SourceFacts,
    StoreFacts,
    ViewFacts,
)
from feast_skew.stores.feast_meaning import meaning_of, source_reads
from feast_skew.stores.feast_registry import source_label
from feast_skew.stores.parquet_files import local_file

_GIVEN = {"pd", "pandas", "np", "numpy"}
"""What Feast gives to code that it takes from its registry (feast/transformation/udf_rehydrate.py)."""


def repository_facts(
    store: FeatureStore, views: Iterable[Any], services: Iterable[Any], registered: Iterable[Any], moment: datetime
) -> RepositoryFacts:
    """Describe a repository at a moment by its settings, the views and services it defines, and the views that are registered."""
    return RepositoryFacts(
        project=store.project,
        file=str(Path(str(store.repo_path)) / "feature_store.yaml"),
        moment=moment,
        stores=_stores(store),
        views=tuple(_view(store, view, defined=True) for view in views),
        services=tuple(
            ServiceFacts(
                one.name,
                tuple(use.name for use in one.feature_view_projections),
                bool(getattr(one, "precompute_online", False)),
            )
            for one in services
        ),
        registered={view.name: _view(store, view, defined=False) for view in registered},
    )


def _stores(store: FeatureStore) -> StoreFacts:
    online, offline, registry = store.config.online_store, store.config.offline_store, store.config.registry
    is_redis = type(online).__name__.startswith("Redis")
    return StoreFacts(
        online_type=str(getattr(online, "type", "")),
        offline_type=str(getattr(offline, "type", "")),
        registry_type=str(getattr(registry, "registry_type", "file")),
        online={name: getattr(online, name, None) for name in ("key_ttl_seconds", "skip_dedup")},
        offline={name: getattr(offline, name, None) for name in ("spark_conf",)},
        key_version=int(store.config.entity_key_serialization_version),
        versioned=bool(getattr(registry, "enable_online_feature_view_versioning", False)),
        drops_older=is_redis and not getattr(online, "skip_dedup", False),
    )


def _view(store: FeatureStore, view: Any, *, defined: bool) -> ViewFacts:
    columns = getattr(view, "entity_columns", None) or ()
    keys = {column.name: str(column.dtype) for column in columns if column.name != DUMMY_ENTITY_ID}
    ttl = getattr(view, "ttl", None)
    stream = getattr(view, "stream_source", None)
    code = getattr(view, "feature_transformation", None)
    return ViewFacts(
        name=view.name,
        kind=type(view).__name__,
        meaning=meaning_of(view, defined=defined),
        online=bool(getattr(view, "online", True)),
        ttl=ttl.total_seconds() or None if ttl else None,
        keys=keys,
        features={field.name: str(field.dtype) for field in view.features if field.name not in keys},
        source=_source(store, getattr(view, "batch_source", None)),
        stream=type(stream).__name__ if stream is not None else "",
        aggregations=tuple(
            AggregationFacts(
                one.name or f"{one.function}_{one.column}",
                one.function,
                one.time_window.total_seconds() if one.time_window else None,
            )
            for one in getattr(view, "aggregations", None) or ()
        ),
        has_code=code is not None,
        uses=tuple(_outside(code)) if defined else (),
        written_online=bool(getattr(view, "write_to_online_store", False)),
        materialized=tuple(getattr(view, "materialization_intervals", None) or ()),
        tiled=bool(getattr(view, "enable_tiling", False)),
    )


def _source(store: FeatureStore, source: Any) -> SourceFacts | None:
    if source is None:
        return None
    return SourceFacts(
        name=source.name,
        kind=type(source).__name__,
        label=source_label({**source_reads(source), "name": source.name}),
        timestamp=source.timestamp_field or "",
        created=source.created_timestamp_column or "",
        mapping=dict(source.field_mapping or {}),
        columns=_columns(store, source),
    )


def _columns(store: FeatureStore, source: Any) -> dict[str, str] | None:
    """Give the columns of a local Parquet file from its footer; None for any other source, and for a file that cannot be read."""
    if type(source).__name__ != "FileSource":
        return None
    with contextlib.suppress(OSError, pa.ArrowException, ValueError):
        file = local_file(source, store.repo_path)
        if file is not None:
            return {field.name: str(field.type) for field in pq.read_schema(file)}
    return None


def _outside(code: Any) -> Iterator[str]:
    """Give the names that the code of a transformation takes from its module, beside those that Feast gives to it."""
    function = getattr(code, "udf", None)
    if not isinstance(function, FunctionType):
        return
    known = function.__globals__
    for name in sorted(set(_loaded(function.__code__))):
        if name in known and name not in _GIVEN and not hasattr(builtins, name):
            yield name


def _loaded(code: CodeType) -> Iterator[str]:
    """Give the global names that code loads, and not those that are attributes."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _loaded(constant)
