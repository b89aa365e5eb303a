"""`compare()`: two tables and their keys to a report, without Feast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew.config import Settings, read_config_file, suggestion
from feast_skew.core.equality import Tolerance, default_tolerance
from feast_skew.core.keys import DistinctEntities, JoinKey, KeySet, cast_keys
from feast_skew.core.meeting import exact_timestamp, meet
from feast_skew.core.model import FeaturePlan, Limits, Plan, ViewPlan
from feast_skew.core.types import DeclaredType, Kind
from feast_skew.errors import InputError, SourceUnreadable, UnknownName
from feast_skew.judging.findings import null_keys
from feast_skew.report import SkewReport
from feast_skew.service import Job, run
from feast_skew.stores.rows import to_instants
from feast_skew.stores.tables import (
    CREATED_TIMESTAMP,
    EVENT_TIMESTAMP,
    TableOfflineReader,
    TableOnlineReader,
)

VIEW = "table"
_KEYS_DO_NOT_FIT = "the keys of the {} table do not fit those of the other one"
_DAY_IN_1970 = datetime(1970, 1, 2, tzinfo=timezone.utc)


def compare(
    offline: Any,
    online: Any,
    keys: Sequence[str],
    config: Mapping[str, Any] | str | Path | None = None,
    population: int | None = None,
) -> SkewReport:
    """Compare two tables entity by entity and judge every feature that both have.

    Parameters
    ----------
    offline, online : pyarrow.Table, pandas.DataFrame, Spark DataFrame or mapping of lists
        A column that both have and that is no key is a feature. With `event_timestamp` columns on both sides rows are
        aligned by it and the freshness classes are on; offline may then hold several rows per entity, online one.
    keys : names
        The join keys, in both tables. Rows with a null key are left out, and counted in a finding.
    config : mapping or path, optional
        Settings as in the configuration file; features are named `table:feature`.
    population : int, optional
        How many entities the tables are a random sample of; by default they are the whole population, and shares exact.

    Returns
    -------
    SkewReport
        With `table` as the view of every feature.

    Raises
    ------
    InputError
        When a table cannot be read; when keys are missing, repeat, or have types that do not fit; when the tables
        share no feature.
    ConfigError
        For settings that cannot be used, or that name a view or feature other than these.
    """
    left, right = _arrow(offline, "offline"), _arrow(online, "online")
    timed = EVENT_TIMESTAMP in left.column_names and EVENT_TIMESTAMP in right.column_names
    settings = Settings()
    if config is not None:
        path = config if isinstance(config, (str, Path)) else None
        content = read_config_file(Path(path)) if path is not None else config
        settings.add_layer(str(path) if path is not None else "config", content)  # type: ignore[arg-type]
    names = [keys] if isinstance(keys, str) else list(keys)
    left, right, types = _meeting(left, right, names, _shared(left, right, names))
    view = _view(names, types, settings)
    _check_targets(settings, view)
    entities = _entities(left, right, view.keys)
    _check_repeats(left, view.keys, "offline", timed)
    _check_repeats(right, view.keys, "online", False)
    if population is not None and population < entities.num_rows:
        raise InputError(
            f"population {population:,} is smaller than the {entities.num_rows:,} entities of the tables",
            hint="leave it out when the tables are whole",
        )
    report = run(
        Job(
            Plan(VIEW, (view,)),
            TableOnlineReader(right, view, timed),
            TableOfflineReader(left, timed),
            settings.run,
            now=datetime.now(timezone.utc),
            as_of=_last_moment(left, right) if timed else _DAY_IN_1970,
            entities={view.keys: entities},
            population=population,
            scan=False,
        )
    )
    nameless = right.num_rows - _cast(right, view.keys, "online").num_rows
    return replace(report, findings=(*report.findings, null_keys(VIEW, "online", nameless))) if nameless else report


def _arrow(given: Any, side: str) -> pa.Table:
    if isinstance(given, pa.Table):
        return given
    try:
        if isinstance(given, Mapping):
            return pa.table(dict(given))
        for method in ("toArrow", "to_arrow"):  # Spark 4, polars
            if hasattr(given, method):
                return getattr(given, method)()
        return pa.Table.from_pandas(given, preserve_index=False)
    except (TypeError, AttributeError, ValueError, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"the {side} table, a {type(given).__name__}, cannot be read as an Arrow table",
            hint=" ".join(str(error).split())[:200],
        ) from error


def _shared(left: pa.Table, right: pa.Table, keys: list[str]) -> list[str]:
    """Name the features: the columns of both tables that are neither keys nor timestamps of rows."""
    if not keys:
        raise InputError("no keys were given", hint="name the columns that identify an entity, for example ['id']")
    twice = next((name for name in keys if keys.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"key {twice!r} is given twice", hint="name each key once")
    for side, table in (("offline", left), ("online", right)):
        for name in keys:
            if name not in table.column_names:
                raise InputError(
                    f"the {side} table has no key column {name!r}", hint="it has " + ", ".join(table.column_names)
                )
        repeated = {name for name in table.column_names if table.column_names.count(name) > 1}
        if repeated:
            raise InputError(f"the {side} table has column {min(repeated)!r} twice", hint="rename one of them")
    special = {*keys, EVENT_TIMESTAMP, CREATED_TIMESTAMP}
    shared = [name for name in left.column_names if name in right.column_names and name not in special]
    if not shared:
        raise InputError("the tables share no feature", hint="a feature is a column of the same name in both")
    return shared


def _meeting(
    left: pa.Table, right: pa.Table, keys: list[str], features: list[str]
) -> tuple[pa.Table, pa.Table, dict[str, DeclaredType]]:
    """Give both tables with the columns brought near each other, and the types that hold them."""
    types = {}
    for name in (*keys, *features):
        try:
            types[name], one, other = meet(left.column(name), right.column(name))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(
                f"column {name!r} is {left.column(name).type} offline and {right.column(name).type} online, which have "
                "no type in common",
                hint=" ".join(str(error).split())[:200],
            ) from error
        if name in keys:
            for side, column in (("offline", left.column(name)), ("online", right.column(name))):
                if pa.types.is_nested(column.type) and types[name].kind is not Kind.NESTED:
                    raise InputError(_KEYS_DO_NOT_FIT.format(side), hint=f"{name!r} holds {column.type}")
            if types[name].kind is Kind.TIMESTAMP:  # two times that differ are two entities
                types[name] = exact_timestamp(one, other)
        left = left.set_column(left.column_names.index(name), name, one)
        right = right.set_column(right.column_names.index(name), name, other)
    return left, right, types


def _view(keys: list[str], types: dict[str, DeclaredType], settings: Settings) -> ViewPlan:
    join_keys = [JoinKey(name, types[name]) for name in sorted(keys)]
    features = []
    for name, declared in types.items():
        if name in keys:
            continue
        asked = settings.feature(VIEW, name, {}, {})
        tolerance = (
            Tolerance(asked.tolerance.rtol, asked.tolerance.atol) if asked.tolerance else default_tolerance(declared)
        )
        features.append(
            FeaturePlan(VIEW, name, declared, tolerance, Limits.asked(asked), asked.owner or "", asked.runbook or "")
        )
    return ViewPlan(VIEW, KeySet(tuple(join_keys)), tuple(features))


def _check_targets(settings: Settings, view: ViewPlan) -> None:
    known = {"views": [view.name], "features": [feature.ref for feature in view.features]}
    for origin, section, name in settings.named_targets():
        if name not in known[section]:
            raise UnknownName(f"{origin}: {section}: no {name!r} here", hint=suggestion(name, known[section]))


def _cast(table: pa.Table, keys: KeySet, side: str) -> pa.Table:
    try:
        cast, complete = cast_keys(table, keys)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(_KEYS_DO_NOT_FIT.format(side), hint=" ".join(str(error).split())[:200]) from error
    return cast.filter(pa.array(complete))


def _entities(left: pa.Table, right: pa.Table, keys: KeySet) -> pa.Table:
    distinct = DistinctEntities(keys)
    distinct.add(_cast(left, keys, "offline"))
    distinct.add(_cast(right, keys, "online"))
    return distinct.table().combine_chunks()


def _check_repeats(table: pa.Table, keys: KeySet, side: str, timed: bool) -> None:
    if timed:
        return
    cast = _cast(table, keys, side)
    counted = cast.group_by(cast.column_names).aggregate([([], "count_all")])
    counts = np.asarray(counted.column("count_all"))
    if len(counts) and counts.max() > 1:
        times = int((counts > 1).sum())
        hint = (
            "give one row per entity"
            if side == "online"
            else "give one row per entity, or event_timestamp columns on both sides"
        )
        raise InputError(f"{times:,} keys of the {side} table are there more than once", hint=hint)


def _last_moment(left: pa.Table, right: pa.Table) -> datetime:
    last = 0
    for side, table in (("offline", left), ("online", right)):
        try:
            instants, known = to_instants(table.column(EVENT_TIMESTAMP), f"the {side} table: {EVENT_TIMESTAMP}")
        except SourceUnreadable as error:
            raise InputError(error.message, hint=error.hint) from error
        if known.any():
            last = max(last, int(instants[known].max()))
    return datetime.fromtimestamp(last // 10**9 + 1, tz=timezone.utc)
