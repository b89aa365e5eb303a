"""`compare()`: two tables and their keys to a report, without Feast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa

from feast_skew.config import Settings, read_config_file, suggestion
from feast_skew.core.alignment import to_nanoseconds
from feast_skew.core.definition import Definition
from feast_skew.core.equality import Tolerance, default_tolerance
from feast_skew.core.keys import JoinKey, KeySet
from feast_skew.core.meeting import exact_timestamp, meet
from feast_skew.core.model import FeaturePlan, Limits, Plan, ViewPlan
from feast_skew.core.types import DeclaredType, Kind
from feast_skew.engines.local import LocalEngine
from feast_skew.errors import InputError, UnknownName
from feast_skew.judging.findings import contradicting_rows, null_keys, repeated_rows, undated_rows, unshared_columns
from feast_skew.measuring.progress import NoProgress
from feast_skew.measuring.sampling import given_sample
from feast_skew.report import FeatureResult, Finding, SkewReport
from feast_skew.service import Job, run
from feast_skew.stores.event_files import EventFiles
from feast_skew.stores.table_rows import CREATED_TIMESTAMP, EVENT_TIMESTAMP, KEYS_DO_NOT_FIT, TableRows, read_rows
from feast_skew.stores.tables import Joined, join_tables

VIEW = "table"
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
        aligned by it and the freshness classes are on; offline may then hold several rows per entity.
    keys : names
        The join keys, in both tables. Rows whose key is null, in any part, are left out, and counted in a finding.
    config : mapping or path, optional
        Settings as in the configuration file; features are named `table:feature`, and events of a `definition` by a path.
    population : int, optional
        How many entities the tables are a random sample of; by default they are the whole population, and shares exact.

    Returns
    -------
    SkewReport
        With `table` as the view of every feature. Tables without rows are compared too: when both are empty the verdict is
        `inconclusive`, when one is, or when no key is in both, it is `fail`, for every entity is in one table only.

    Notes
    -----
    Rows of one key (offline: of one key and event timestamp, where both tables have them) that are the same in every
    feature are one row, and a finding counts them. Rows that contradict each other make the entity ambiguous: none of
    them is picked, the entity is left out and stays in the population, and since nobody can tell whether it is right, the
    upper bound of a share takes it as wrong, the lower one as right. A finding gives the number of keys and rows.

    Raises
    ------
    InputError
        When a table cannot be read; when keys are missing, or have types that do not fit; when the tables share no
        feature.
    ConfigError
        For settings that cannot be used, or that name a view or feature other than these.
    """
    left, right = _arrow(offline, "offline"), _arrow(online, "online")
    timed = EVENT_TIMESTAMP in left.column_names and EVENT_TIMESTAMP in right.column_names
    settings = _settings(config)
    names = [keys] if isinstance(keys, str) else list(keys)
    columns = _shared(left, right, names)
    apart = [
        [name for name in one.column_names if _is_apart(name, other)] for one, other in ((left, right), (right, left))
    ]
    left, right, types = _meeting(left, right, names, columns)
    view = _view(names, types, settings)
    _check_targets(settings, view)
    sides = [
        read_rows(table, view.keys, columns, side, timed) for side, table in (("offline", left), ("online", right))
    ]
    as_of = _last_moment(sides) if timed else _DAY_IN_1970
    joined = join_tables(sides[0], sides[1], view, to_nanoseconds(as_of))
    entities = joined.entities.num_rows + joined.ambiguous
    if population is not None and population < entities:
        raise InputError(
            f"population {population:,} is smaller than the {entities:,} entities of the tables",
            hint="leave it out when the tables are whole",
        )
    progress = NoProgress()
    given = {view.keys: given_sample(joined.entities, population, joined.ambiguous)}
    moment, seed = to_nanoseconds(as_of), settings.run.seed
    report = run(
        Job(
            Plan(VIEW, (view,)),
            joined.online,
            joined.offline,
            LocalEngine(joined.online, joined.offline, moment, seed, progress, given=given),
            settings.run,
            now=datetime.now(timezone.utc),
            as_of=as_of,
            given=given,
            ambiguous=joined.ambiguous,
            scan=False,
            progress=progress,
            events=EventFiles(Path()),
        )
    )
    report = replace(report, findings=(*report.findings, *_findings(sides, joined, apart)))
    if timed:
        return report
    bare = tuple(_without_moments(one) for one in report.features)
    return replace(report, as_of=report.created_at, features=bare)


def _without_moments(feature: FeatureResult) -> FeatureResult:
    """Take out the moment that rows without one were given for the comparison."""
    examples = (replace(one, offline_timestamp=None, online_timestamp=None) for one in feature.examples)
    return replace(feature, examples=tuple(examples), lag={})


def _settings(config: Mapping[str, Any] | str | Path | None) -> Settings:
    settings = Settings()
    if isinstance(config, (str, Path)):
        settings.add_layer(str(config), read_config_file(Path(config)))
    elif config is not None:
        settings.add_layer("config", config)
    return settings


def _is_apart(name: str, other: pa.Table) -> bool:
    return name not in other.column_names and name not in (EVENT_TIMESTAMP, CREATED_TIMESTAMP)


def _findings(sides: Sequence[TableRows], joined: Joined, apart: Sequence[Sequence[str]]) -> list[Finding]:
    """Give the findings about the tables themselves; the run has told of null keys offline already."""
    offline, online = sides
    found = [null_keys(VIEW, "online", online.null_keys)] if online.null_keys else []
    resolved = (("offline", joined.offline_rows), ("online", joined.online_rows))
    for side, rows in resolved:
        if rows.contradicting:
            keys = joined.contradicted[side]
            found.append(contradicting_rows(VIEW, side, keys, rows.contradicting, joined.ambiguous))
    for side, rows in resolved:
        if rows.repeated:
            found.append(repeated_rows(VIEW, side, rows.repeated_entities, rows.repeated))
    if offline.undated:
        found.append(undated_rows(VIEW, offline.undated))
    if any(apart):
        found.append(unshared_columns(VIEW, *apart))
    return found


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
        except (ValueError, OverflowError, pa.ArrowNotImplementedError) as error:
            raise InputError(
                f"column {name!r} is {left.column(name).type} offline and {right.column(name).type} online, which have "
                "no type in common",
                hint=" ".join(str(error).split())[:200],
            ) from error
        if name in keys:
            for side, column in (("offline", left.column(name)), ("online", right.column(name))):
                if pa.types.is_nested(column.type) and types[name].kind is not Kind.NESTED:
                    raise InputError(KEYS_DO_NOT_FIT.format(side), hint=f"{name!r} holds {column.type}")
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
            FeaturePlan(
                VIEW,
                name,
                declared,
                tolerance,
                Limits.asked(asked),
                asked.owner or "",
                asked.runbook or "",
                asked.channel or "",
                definition=Definition.asked(asked),
            )
        )
    return ViewPlan(VIEW, KeySet(tuple(join_keys)), tuple(features))


def _check_targets(settings: Settings, view: ViewPlan) -> None:
    known = {"views": [view.name], "features": [feature.ref for feature in view.features]}
    for origin, section, name in settings.named_targets():
        if name not in known[section]:
            raise UnknownName(f"{origin}: {section}: no {name!r} here", hint=suggestion(name, known[section]))


def _last_moment(sides: Sequence[TableRows]) -> datetime:
    last = max((int(side.instants.max(initial=0)) for side in sides), default=0)
    return datetime.fromtimestamp(last // 10**9 + 1, tz=timezone.utc)
