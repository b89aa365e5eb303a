"""What Feast's views and services mean: everything in their definitions that changes numbers, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from feast import FeatureService
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID
from feast.transformation.udf_rehydrate import rehydrate_udf_from_source
from google.protobuf import json_format

from feast_skew.config import tag_settings
from feast_skew.core.code_meaning import code_digest, function_in, is_code_of
from feast_skew.core.code_uses import uses_of
from feast_skew.core.meaning import Meaning
from feast_skew.errors import ConfigError

_BROKERS = "kafkaBootstrapServers"
_BOOKKEEPING = ("meta", "description", "owner", "tags", "project", "name", "dataSourceClassType", "batchSource")
_DEFINITION = "skew.definition"
_RUN_FROM_TEXT = "feast_udf_rehydrate"
"""The name that Feast gives to the module of a function that it made from its text."""

_KINDS = {"BatchFeatureView": "FeatureView"}
"""A batch view without code of its own comes back from the registry as a plain view."""


def meaning_of(view: Any, *, defined: bool = False) -> Meaning:
    """Give the meaning of a view of any type, or of a feature service.

    Of a view as its author `defined` it, what its code uses from outside is a part, too; Feast's registry keeps only the code itself. Owner, organisation, tags, descriptions, the names of sources and entities, and what Feast itself notes in a source are no
    part of it; the declared definition of a feature (tag `skew.definition`) is.
    """
    if isinstance(view, FeatureService):
        return Meaning(view.name, "FeatureService", {"views": _projections(view.feature_view_projections)})
    parts = {name: found for name, part in _PARTS.items() if (found := part(view)) not in (None, {}, [])}
    uses = _uses(view) if defined else None
    if uses:
        parts["uses"] = uses
    return Meaning(view.name, _KINDS.get(type(view).__name__, type(view).__name__), parts)


def source_reads(source: DataSource) -> dict[str, Any]:
    """Give what a source reads, as Feast stores it: its query or path, mapping and timestamp columns."""
    stored = json_format.MessageToDict(source.to_proto())
    return {key: value for key, value in stored.items() if key not in _BOOKKEEPING}


def _features(view: Any) -> dict[str, str]:
    keys = _keys(view)  # a stream view has them among its features once it comes from the registry
    return {field.name: str(field.dtype) for field in view.features if field.name not in keys}


def _keys(view: Any) -> dict[str, str]:
    columns = getattr(view, "entity_columns", None) or ()
    return {column.name: str(column.dtype) for column in columns if column.name != DUMMY_ENTITY_ID}


def _ttl(view: Any) -> float | None:
    ttl = getattr(view, "ttl", None)
    return ttl.total_seconds() or None if ttl else None


def _source(view: Any) -> dict[str, Any] | None:
    source = getattr(view, "batch_source", None)
    if source is None:
        return None
    reads = source_reads(source)
    files = reads.get("fileOptions")
    if isinstance(files, dict) and isinstance(files.get("uri"), str):
        reads["fileOptions"] = {**files, "uri": _plain_path(files["uri"])}
    return reads


def _plain_path(uri: str) -> str:
    """Give a path without what leads nowhere, as in `./data/x.parquet`: Feast takes it from the repository all the same. A URI stays as it is."""
    return uri if not uri or ":" in uri else PurePosixPath(uri).as_posix()


def _stream(view: Any) -> dict[str, Any] | None:
    source = getattr(view, "stream_source", None)
    if source is None:
        return None
    reads = source_reads(source)
    if isinstance(reads.get("kafkaOptions"), dict):
        # Through which brokers a topic is read is no part of what it says.
        reads["kafkaOptions"] = {name: one for name, one in reads["kafkaOptions"].items() if name != _BROKERS}
    return reads


def _transformation(view: Any) -> dict[str, str] | None:
    given = getattr(view, "feature_transformation", None)
    if given is None:
        return None
    plan = getattr(given, "substrait_plan", None)
    if plan is not None:
        return {"substrait": code_digest(None, plan.hex() if isinstance(plan, bytes) else str(plan))}
    function, text = _code(given)
    if _runs_text(view, function, text) is False:
        text = ""
    found = {"code": code_digest(function, text)}
    if text and not _is_on_demand(view) and function is not None and not is_code_of(function, text):
        found["body"] = code_digest(
            function
        )  # a stream or batch view runs the function, or the text where Spark computes it
    return {name: part for name, part in found.items() if part} or None


def _uses(view: Any) -> dict[str, str]:
    given = getattr(view, "feature_transformation", None)
    if given is None:
        return {}
    function, text = _code(given)
    other = text and _runs_text(view, function, text) and not is_code_of(function, text)
    return uses_of(function, function_in(text) if other else None)


def _code(given: Any) -> tuple[Callable[..., Any] | None, str]:
    function = getattr(given, "udf", None)
    return (function if callable(function) else None), str(getattr(given, "udf_string", "") or "")


def _is_on_demand(view: Any) -> bool:
    return hasattr(view, "source_request_sources")


def _runs_text(view: Any, function: Callable[..., Any] | None, text: str) -> bool | None:
    """Tell whether Feast runs the text of an on-demand view in the place of its function: it does where the text defines one.

    None for views of other types, which have it their own way. A text such as `lambda row: ...` defines nothing, and Feast takes the function
    that it has pickled.
    """
    if not _is_on_demand(view):
        return None
    if function is not None and getattr(function, "__globals__", {}).get("__name__") == _RUN_FROM_TEXT:
        return True
    return rehydrate_udf_from_source(text, preferred_name=getattr(function, "__name__", None)) is not None


def _mode(view: Any) -> str | None:
    mode = getattr(view, "mode", None)
    computes = getattr(view, "feature_transformation", None) or getattr(view, "aggregations", None)
    return str(getattr(mode, "value", mode)) if mode and computes else None


def _aggregations(view: Any) -> dict[str, Any]:
    found = {}
    for one in getattr(view, "aggregations", None) or ():
        window, slide = one.time_window, one.slide_interval
        name = one.name or f"{one.function}_{one.column}" + (f"_{int(window.total_seconds())}s" if window else "")
        found[name] = {
            "column": one.column,
            "function": one.function,
            "window": window.total_seconds() if window else None,
            "slide": slide.total_seconds() if slide else None,
        }
    return found


def _tiles(view: Any) -> dict[str, Any] | None:
    if not getattr(view, "enable_tiling", False):
        return None
    hop = getattr(view, "tiling_hop_size", None)
    return {"hop": hop.total_seconds() if hop else None}


def _event_time(view: Any) -> str | None:
    return getattr(view, "timestamp_field", None) or None


def _inputs(view: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    used = getattr(view, "source_feature_view_projections", None)
    if used:
        found["views"] = _projections(used.values())
    requests = getattr(view, "source_request_sources", None)
    if requests:
        found["request"] = {field.name: str(field.dtype) for one in requests.values() for field in one.schema}
    derived = getattr(view, "source_views", None)
    if derived:
        found["derived"] = sorted(getattr(one, "name", str(one)) for one in derived)
    return found


def _projections(used: Any) -> dict[str, Any]:
    found = {}
    for one in used:
        features = sorted(field.name for field in one.features) or sorted(one.desired_features)
        found[one.name_to_use()] = {"view": one.name, "features": features, "keys": dict(one.join_key_map)}
    return found


def _serving(view: Any) -> dict[str, Any] | None:
    if hasattr(view, "write_to_online_store"):
        return {
            "written_online": bool(view.write_to_online_store),
            "singleton": bool(getattr(view, "singleton", False)),
        }
    online = getattr(view, "online", None)
    return None if online is None else {"online": bool(online)}


def _definitions(view: Any) -> dict[str, Any]:
    return {
        field.name: _declared(f"feature {view.name}:{field.name}", field.tags[_DEFINITION])
        for field in view.features
        if _DEFINITION in (field.tags or {})
    }


def _declared(origin: str, text: str) -> Any:
    try:
        return tag_settings(origin, {_DEFINITION: text})["definition"]
    except ConfigError:
        return text  # what is wrong with it is said where it is used


_PARTS: Mapping[str, Callable[[Any], Any]] = {
    "features": _features,
    "keys": _keys,
    "ttl": _ttl,
    "source": _source,
    "stream": _stream,
    "transformation": _transformation,
    "aggregations": _aggregations,
    "mode": _mode,
    "event_time": _event_time,
    "tiles": _tiles,
    "inputs": _inputs,
    "serving": _serving,
    "definitions": _definitions,
}
