"""Rows of requests to on-demand views, out of the entities that a user gives: join keys and request data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.keys import JoinKey, KeySet
from feast_skew.core.model import OnDemandPlan, Plan, Skipped
from feast_skew.core.types import Kind, to_declared
from feast_skew.errors import ConfigError, InputError

_CAST = (Kind.INTEGER, Kind.FLOAT32, Kind.FLOAT64, Kind.STRING, Kind.BOOLEAN, Kind.BYTES, Kind.TIMESTAMP)


def request_key_sets(plan: Plan) -> dict[KeySet, tuple[tuple[str, ...], ...]]:
    """Give the columns of the requests as key sets, so that a CSV file is read with their texts as texts."""
    columns = (KeySet((*one.view.keys.keys, *one.request)) for one in plan.on_demand)
    return {keys: (keys.names,) for keys in columns if keys.keys}


def request_rows(
    plan: Plan, given: pa.Table | None, origin: str, *, may_be_empty: bool = False
) -> tuple[Plan, dict[str, pa.Table]]:
    """Take the distinct requests to each on-demand view out of the given rows; views that lack columns are skipped.

    Without given rows only views that need no request data, and whose sources have the same join keys, are kept: their
    entities are sampled.

    Raises
    ------
    InputError
        When values do not fit the declared types.
    ConfigError
        When nothing is left to compare, unless the plan may be empty.
    """
    kept: list[OnDemandPlan] = []
    skipped = list(plan.skipped)
    rows: dict[str, pa.Table] = {}
    for one in plan.on_demand:
        reason = _cannot_ask(one, given, origin)
        if not reason and given is not None:
            rows[one.view.name] = _distinct(one, given, origin)
            if not rows[one.view.name].num_rows:
                reason = f"{origin} has no row with all of {one.view.keys}"
        if reason:
            skipped.append(Skipped(one.view.name, reason))
        else:
            kept.append(one)
    if plan.on_demand and not kept and not plan.views and not may_be_empty:
        reasons = "; ".join(f"{entry.view}: {entry.reason}" for entry in skipped[:5])
        raise ConfigError("nothing that was asked for can be compared", hint=reasons)
    return replace(plan, on_demand=tuple(kept), skipped=tuple(skipped)), rows


def _cannot_ask(plan: OnDemandPlan, given: pa.Table | None, origin: str) -> str:
    if given is not None:
        missing = [name for name in plan.columns if name not in given.column_names]
        return f"{origin} lacks {_quoted(missing)}; add what a request has to bring by --entities" if missing else ""
    if plan.request:
        needed = _quoted([column.name for column in plan.request])
        return f"needs request data {needed}: give a file with the join keys and these columns by --entities"
    if len({source.keys for source in plan.sources}) != 1:
        needed = _quoted(list(plan.view.keys.names))
        return f"its sources have different join keys: give a file with {needed} by --entities"
    return ""


def _quoted(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _distinct(plan: OnDemandPlan, given: pa.Table, origin: str) -> pa.Table:
    complete = np.ones(given.num_rows, dtype=bool)
    columns = {}
    for column in (*plan.view.keys.keys, *plan.request):
        columns[column.name] = _cast(given.column(column.name), column, origin)
    for key in plan.view.keys.keys:
        complete &= np.asarray(pc.is_valid(columns[key.name]))
    table = pa.table(columns).filter(pa.array(complete)) if columns else given.select([])
    try:
        # In the order of the file, so that a sample of it does not depend on how Arrow groups.
        first = table.append_column("__row", pa.array(np.arange(table.num_rows)))
        groups = first.group_by(table.column_names).aggregate([("__row", "min")])
        return table.take(pa.array(np.sort(np.asarray(groups.column("__row_min")))))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return table  # lists and maps cannot be grouped


def _cast(column: pa.ChunkedArray, wanted: JoinKey, origin: str) -> pa.Array | pa.ChunkedArray:
    if wanted.declared.kind not in _CAST:
        return column
    try:
        return to_declared(column, wanted.declared)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"{origin}: {wanted.name} holds {column.type}, declared {wanted.declared.name}", hint="correct the column"
        ) from error
