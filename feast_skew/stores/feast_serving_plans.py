"""What serving does beyond reading views: on-demand views and services with vectors, from Feast's objects to plans."""

from __future__ import annotations

from typing import Any

from feast.feature_view import DUMMY_ENTITY_ID
from feast.on_demand_feature_view import OnDemandFeatureView

from feast_skew.core.keys import JoinKey, KeySet
from feast_skew.core.model import FeaturePlan, OnDemandPlan, ServicePlan, ViewPlan
from feast_skew.core.types import declared_type, key_type


def source_names(view: OnDemandFeatureView) -> list[str]:
    """Name the feature views that an on-demand view computes from."""
    return [use.name for use in view.source_feature_view_projections.values()]


def not_computable(view: OnDemandFeatureView, views: dict[str, Any]) -> str:
    """Say why an on-demand view cannot be computed on both code paths; empty when it can."""
    if not getattr(view, "enabled", True):
        return "disabled in the registry"
    if getattr(view, "aggregations", None):
        return "aggregates the rows of one request, which training does not do; not supported yet"
    if not view.features:
        return "has no features"
    missing = [name for name in source_names(view) if name not in views]
    if missing:
        return f"its source {missing[0]} is not in the registry"
    return ""


def on_demand_plan(
    view: OnDemandFeatureView, features: tuple[FeaturePlan, ...], sources: tuple[ViewPlan, ...]
) -> OnDemandPlan:
    """Put together what both code paths of an on-demand view need; its keys have the names that a request gives them."""
    maps = {
        use.name: dict(getattr(use, "join_key_map", None) or {})
        for use in view.source_feature_view_projections.values()
    }
    keys = {
        maps[source.name].get(key.name, key.name): JoinKey(maps[source.name].get(key.name, key.name), key.declared)
        for source in sources
        for key in source.keys.keys
    }
    stored = bool(view.write_to_online_store)
    if stored:
        keys = {
            column.name: JoinKey(column.name, key_type(str(column.dtype)))
            for column in view.entity_columns or ()
            if column.name != DUMMY_ENTITY_ID
        } | keys
    plan = ViewPlan(
        name=view.name,
        keys=KeySet(tuple(keys[name] for name in sorted(keys))),
        features=features,
        materialized=True,
        handle=view,
    )
    return OnDemandPlan(plan, sources, _request_columns(view), maps, stored)


def _request_columns(view: OnDemandFeatureView) -> tuple[JoinKey, ...]:
    """Give the columns of request data; Feast's own list of them has value types, the fields have the full ones."""
    declared: dict[str, str] = {}
    for source in view.source_request_sources.values():
        declared.update({field.name: str(field.dtype) for field in source.schema})
    for field in getattr(getattr(view, "_input_schema_sentinel", None), "schema", None) or ():
        declared[field.name] = str(field.dtype)
    return tuple(JoinKey(name, declared_type(dtype)) for name, dtype in declared.items())


def service_plan(service: Any, views: dict[str, Any]) -> ServicePlan:
    """Name the columns of a request to a service, with the key set and the join key that each one stands for."""
    columns: dict[str, tuple[str, KeySet, str]] = {}
    computes = ""
    primary: tuple[KeySet, tuple[str, ...]] | None = None
    for use in service.feature_view_projections:
        view = views.get(use.name)
        if isinstance(view, OnDemandFeatureView):
            computes = computes or view.name
            continue
        found = sorted(
            (column.name, str(column.dtype))
            for column in getattr(view, "entity_columns", ())
            if column.name != DUMMY_ENTITY_ID
        )
        keys = KeySet(tuple(JoinKey(name, key_type(dtype)) for name, dtype in found))
        asked = {name: (use.join_key_map or {}).get(name, name) for name in keys.names}
        primary = primary or (keys, tuple(asked.values()))
        for name, column in asked.items():
            columns.setdefault(column, (column, keys, name))
    first, first_columns = primary or (KeySet(()), ())
    return ServicePlan(service.name, tuple(columns.values()), first, first_columns, computes, service)
