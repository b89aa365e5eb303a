"""From a Feast repository to the plan of a run: views, features, types, keys, owners, tags, all resolved once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from feast import FeatureStore
from feast.feature_view import DUMMY_ENTITY_ID, FeatureView, FeatureViewState
from feast.on_demand_feature_view import OnDemandFeatureView
from google.protobuf import json_format

from feast_skew.config import Settings, suggestion
from feast_skew.core.alignment import to_nanoseconds
from feast_skew.core.definition import Definition
from feast_skew.core.equality import Tolerance, default_tolerance
from feast_skew.core.keys import JoinKey, KeySet
from feast_skew.core.model import (
    FeaturePlan,
    Limits,
    OnDemandPlan,
    Plan,
    Projection,
    Skipped,
    SourceVersion,
    ViewPlan,
)
from feast_skew.core.moments import aware
from feast_skew.core.types import declared_type, key_type
from feast_skew.errors import ConfigError, UnknownName
from feast_skew.stores.feast_meaning import meaning_of
from feast_skew.stores.feast_owners import responsible
from feast_skew.stores.feast_serving_plans import not_computable, on_demand_plan, service_plan, source_names
from feast_skew.stores.table_rows import EVENT_TIMESTAMP

_APPLY_TAKES = timedelta(seconds=2)
_UsedBy = dict[str, dict[str, Any]]
"""The feature services that use a feature, by its reference and their name."""

_Uses = dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, None]]
"""The uses of one view: by its name in serving and its mapped join keys, the features in their order."""


@dataclass(frozen=True)
class Selection:
    """Which services, views and features were asked for; all empty means everything that is online.

    `given` are feature services as objects, which the registry need not have.
    """

    services: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    given: tuple[Any, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Tell whether nothing was singled out."""
        return not (self.services or self.views or self.features or self.given)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def build_plan(
    store: FeatureStore,
    selection: Selection,
    settings: Settings,
    *,
    may_be_empty: bool = False,
    check_names: bool = True,
) -> Plan:
    """Resolve a selection to views and features, with reasons for what cannot be compared.

    With `may_be_empty` a plan may hold nothing but reasons; without `check_names` settings may be of views that the registry lacks.

    Raises
    ------
    UnknownName
        For a service, view or feature that the registry does not have, with the nearest names.
    ConfigError
        When nothing that was asked for can be compared.
    """
    project = store.project
    try:
        views = {view.name: view for view in store.registry.list_all_feature_views(project, allow_cache=False)}
        services = {service.name: service for service in store.list_feature_services()}
    except Exception as error:
        raise ConfigError("the registry cannot be read", hint=_short(error)) from error
    if check_names:
        _check_named(settings, views)
    wanted, used_by = _wanted(selection, views, services)
    skipped: list[Skipped] = []
    plans: list[ViewPlan] = []
    computed: list[OnDemandPlan] = []
    for name, uses in wanted.items():
        if isinstance(views[name], OnDemandFeatureView):
            found = _on_demand_plan(store, views, name, uses, settings, used_by)
            if isinstance(found, Skipped):
                skipped.append(found)
            else:
                computed.append(found)
            continue
        reason = _not_comparable(views[name])
        if reason:
            skipped.append(Skipped(name, reason))
            continue
        view = views[name]
        assert isinstance(view, FeatureView)  # noqa: S101  _not_comparable has turned away everything else
        plans.append(_view_plan(store, view, uses, settings, used_by))
    if not plans and not computed and not may_be_empty:
        if not views:
            raise ConfigError(f"project {project} has no feature view", hint="run `feast apply` first")
        reasons = "; ".join(f"{entry.view}: {entry.reason}" for entry in skipped[:5])
        raise ConfigError("nothing that was asked for can be compared", hint=reasons or "no view is online")
    asked = _asked_services(selection, services, {plan.name for plan in plans})
    vectors = tuple(service_plan(service, views) for service in asked)
    registered = {name: tuple(field.name for field in view.features) for name, view in views.items()}
    return Plan(project, tuple(plans), tuple(skipped), tuple(computed), vectors, registered)


def _asked_services(selection: Selection, services: dict[str, Any], compared: set[str]) -> list[Any]:
    """Give the services with vectors that were asked for; when nothing was singled out, all that use compared views."""
    named = [services[name] for name in dict.fromkeys(selection.services)]
    if selection.is_everything:
        named = [one for one in services.values() if compared & {use.name for use in one.feature_view_projections}]
    return [service for service in named if getattr(service, "precompute_online", False)]


def _on_demand_plan(
    store: FeatureStore,
    views: dict[str, Any],
    name: str,
    uses: _Uses,
    settings: Settings,
    used_by: _UsedBy,
) -> OnDemandPlan | Skipped:
    view = views[name]
    reason = not_computable(view, views) or next(
        (f"its source {source}: {why}" for source in source_names(view) if (why := _not_comparable(views[source]))), ""
    )
    if reason:
        return Skipped(name, reason)
    fields = {field.name: field for field in view.features}
    asked = dict.fromkeys(feature for features in uses.values() for feature in features)
    features = tuple(_feature_plan(view, fields[feature], settings, used_by) for feature in asked)
    sources = tuple(
        _view_plan(store, views[use.name], {(use.name, ()): dict.fromkeys(f.name for f in use.features)}, settings, {})
        for use in view.source_feature_view_projections.values()
    )
    return on_demand_plan(view, features, sources)


def view_columns(store: FeatureStore) -> dict[str, tuple[str, ...]]:
    """Give for every view of the registry, online or not, the columns of its rows: join keys, features, event timestamp."""
    found = {}
    for view in store.registry.list_all_feature_views(store.project, allow_cache=True):
        keys = sorted(column.name for column in getattr(view, "entity_columns", ()) if column.name != DUMMY_ENTITY_ID)
        found[view.name] = (*keys, *(field.name for field in view.features), EVENT_TIMESTAMP)
    return found


def _check_named(settings: Settings, views: dict[str, Any]) -> None:
    for origin, section, name in settings.named_targets():
        view, _, feature = name.partition(":")
        if view not in views:
            raise UnknownName(f"{origin}: {section}: no view {view!r}", hint=suggestion(view, views))
        if feature and feature not in {field.name for field in views[view].features}:
            raise UnknownName(
                f"{origin}: {section}: no feature {feature!r} in view {view}",
                hint=suggestion(feature, [field.name for field in views[view].features]),
            )


def _wanted(selection: Selection, views: dict[str, Any], services: dict[str, Any]) -> tuple[dict[str, _Uses], _UsedBy]:
    """Give the uses of each view that was asked for, and the services of each feature by its reference."""
    wanted: dict[str, _Uses] = {}
    used_by: _UsedBy = {}

    def want(view: str, features: Iterable[str], alias: str = "", key_map: dict[str, str] | None = None) -> None:
        use = (alias or view, tuple(sorted((key_map or {}).items())))
        wanted.setdefault(view, {}).setdefault(use, {}).update(dict.fromkeys(features))

    for service in services.values():
        for projection in service.feature_view_projections:
            for field in projection.features:
                used_by.setdefault(f"{projection.name}:{field.name}", {})[service.name] = service
    for service in (*(_named(services, name, "feature service") for name in selection.services), *selection.given):
        for projection in service.feature_view_projections:
            features = [_one_feature(f"{projection.name}:{field.name}", views)[1] for field in projection.features]
            want(projection.name, features, projection.name_to_use(), projection.join_key_map)
    for name in selection.views:
        want(name, [field.name for field in _named(views, name, "feature view").features])
    for ref in selection.features:
        view, feature = _one_feature(ref, views)
        want(view, [feature])
    if selection.is_everything:
        for name, view in views.items():
            want(name, [field.name for field in view.features])
    return dict(sorted(wanted.items())), used_by


def _one_feature(ref: str, views: dict[str, Any]) -> tuple[str, str]:
    view, _, feature = ref.partition(":")
    if not (view and feature):
        raise ConfigError(f"--feature {ref!r} names no feature", hint="write it as view:feature")
    fields = [field.name for field in _named(views, view, "feature view").features]
    if feature not in fields:
        raise UnknownName(f"no feature {feature!r} in view {view}", hint=suggestion(feature, fields))
    return view, feature


def _named(known: dict[str, Any], name: str, what: str) -> Any:
    if name not in known:
        raise UnknownName(f"no {what} {name!r}", hint=suggestion(name, known))
    return known[name]


def _not_comparable(view: Any) -> str:  # noqa: PLR0911  one line per reason
    """Say why a view cannot be compared; empty when it can."""
    kind = type(view).__name__
    if kind == "LabelView":
        return "label views resolve conflicts offline only, so they differ by design"
    if not isinstance(view, FeatureView):
        return f"a {kind} is not supported yet"
    if not getattr(view, "enabled", True):
        return "disabled in the registry"
    if not view.online:
        return "not online"
    if getattr(view, "state", None) == FeatureViewState.MATERIALIZING:
        return "being materialized right now"
    if view.batch_source is None:
        return "has no batch source"
    if getattr(view, "aggregations", None) or getattr(view, "feature_transformation", None) or view.source_views:
        return "transformed inside Feast, so its source does not hold its features; not supported yet"
    if not view.features:
        return "has no features"
    return ""


def _feature_plan(view: Any, field: Any, settings: Settings, used_by: _UsedBy) -> FeaturePlan:
    asked = settings.feature(view.name, field.name, view.tags or {}, field.tags or {})
    services = used_by.get(f"{view.name}:{field.name}", {})
    who = responsible(asked, view, services)
    declared = declared_type(str(field.dtype))
    tolerance = (
        Tolerance(asked.tolerance.rtol, asked.tolerance.atol) if asked.tolerance else default_tolerance(declared)
    )
    return FeaturePlan(
        view=view.name,
        name=field.name,
        declared=declared,
        tolerance=tolerance,
        limits=Limits.asked(asked),
        owner=who.owner,
        runbook=who.runbook,
        channel=who.channel,
        services=tuple(sorted(services)),
        definition=Definition.asked(asked),
        feast_type=field.dtype,
    )


def _view_plan(store: FeatureStore, view: FeatureView, uses: _Uses, settings: Settings, used_by: _UsedBy) -> ViewPlan:
    fields = {field.name: field for field in view.features}
    keys = tuple(
        JoinKey(column.name, key_type(str(column.dtype)))
        for column in sorted(view.entity_columns, key=lambda column: column.name)
        if column.name != DUMMY_ENTITY_ID
    )
    names = dict.fromkeys(name for features in uses.values() for name in features)
    planned = [_feature_plan(view, fields[name], settings, used_by) for name in names]
    ttl = int(view.ttl.total_seconds() * 10**9) if view.ttl and view.ttl.total_seconds() > 0 else None
    online = store.config.online_store
    return ViewPlan(
        name=view.name,
        keys=KeySet(keys),
        features=tuple(planned),
        ttl=ttl,
        materialized=bool(view.materialization_intervals),
        keeps_newer=type(online).__name__.startswith("Redis") and not getattr(online, "skip_dedup", False),
        source_changed=_source_changed(store, view),
        version=source_version(view),
        projections=tuple(
            Projection(alias, tuple(features), tuple(dict(key_map).get(key.name, key.name) for key in keys))
            for (alias, key_map), features in uses.items()
        ),
        key_ttl=_key_ttl(online),
        materializations=_materializations(view),
        handle=view,
    )


def _key_ttl(online: Any) -> int | None:
    """Give after how many nanoseconds the store forgets a row; None where it keeps rows, or says nothing of it."""
    seconds = getattr(online, "key_ttl_seconds", None)
    return int(seconds * 10**9) if seconds else None


def _materializations(view: FeatureView) -> tuple[tuple[int, int], ...]:
    return tuple(
        (to_nanoseconds(start), to_nanoseconds(end))
        for start, end in ((_utc(start), _utc(end)) for start, end in view.materialization_intervals)
        if start is not None and end is not None
    )


def _source_changed(store: FeatureStore, view: FeatureView) -> str:
    """Tell from the registry's own dates whether the source was changed after the view was first applied."""
    assert view.batch_source is not None  # noqa: S101  such views are not comparable
    try:
        source = store.registry.get_data_source(view.batch_source.name, store.project)
        created, updated = _utc(source.created_timestamp), _utc(source.last_updated_timestamp)
        first = _utc(view.created_timestamp)
    except Exception:  # noqa: BLE001  registries differ in what they keep; without dates nothing is claimed
        return ""
    if created and first and created - first > _APPLY_TAKES:
        return f"source {view.batch_source.name} was registered on {created:%Y-%m-%d %H:%M:%S}, after the view"
    if created and updated and updated - created > _APPLY_TAKES:
        return f"source {view.batch_source.name} was changed on {updated:%Y-%m-%d %H:%M:%S}"
    return ""


def _utc(moment: datetime | None) -> datetime | None:
    """Registries give moments with and without a zone; those without are UTC."""
    return None if moment is None else aware(moment)


def source_version(view: FeatureView) -> SourceVersion:
    """Give the semantic fingerprint of a view, with its source: what changes its numbers, and nothing else."""
    assert view.batch_source is not None  # noqa: S101  such views are not comparable
    source = json_format.MessageToDict(view.batch_source.to_proto())
    source.pop("meta", None)
    return SourceVersion(meaning_of(view).fingerprint, source_label(source), source)


def source_label(source: dict[str, Any]) -> str:
    """Name a stored source for people: its path, table, query or name."""
    for group in source.values():
        if isinstance(group, dict):
            for key in ("uri", "path", "table", "query"):
                if group.get(key):
                    return " ".join(str(group[key]).split())
    return str(source.get("name", "source"))


def selection_of(features: Any) -> Selection:
    """Turn a feature service, or references and view names, into a selection.

    Raises
    ------
    ConfigError
        When it is none of these.
    """
    if hasattr(features, "feature_view_projections"):
        return Selection(given=(features,))
    names = [features] if isinstance(features, str) else list(features)
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError("features must be a feature service, view names, or references such as view:feature")
    return Selection(
        views=tuple(name for name in names if ":" not in name), features=tuple(name for name in names if ":" in name)
    )


def feast_version() -> str:
    """Give the installed version of Feast."""
    from importlib.metadata import version

    return version("feast")


def store_types(store: FeatureStore) -> tuple[str, str]:
    """Give the types of the online and the offline store as feature_store.yaml names them."""
    return (
        str(getattr(store.config.online_store, "type", "unknown")),
        str(getattr(store.config.offline_store, "type", "unknown")),
    )
