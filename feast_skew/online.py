"""The public read of online rows, without a comparison."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from feast_skew.config import Settings
from feast_skew.core.alignment import NO_INSTANT
from feast_skew.errors import ConfigError
from feast_skew.measuring.progress import NoProgress
from feast_skew.measuring.view import read_online as read_rows
from feast_skew.setting_values import MAX_OPS, commands_a_second
from feast_skew.stores.entity_files import match_rows, read_entities

if TYPE_CHECKING:
    from feast import FeatureStore

    from feast_skew.core.model import Plan
    from feast_skew.stores.base import OnlineReader


def read_online(store: FeatureStore, features: Any, entities: Any, *, max_ops: float | None = MAX_OPS) -> pa.Table:
    """Read online rows for entities into one Arrow table, from Redis in bulk.

    Parameters
    ----------
    store : feast.FeatureStore
    features : FeatureService, or sequence of `view:feature` references or view names
    entities : pyarrow.Table, pandas.DataFrame or mapping of lists
        The join keys, or the names that a feature service maps them to; ids are cast to the types that the registry
        declares.
    max_ops : float, optional
        Most commands a second that Redis is asked for, 100,000 by default; None (or `off`) reads as fast as it answers.

    Returns
    -------
    pyarrow.Table
        The join keys, a column `view__feature` per feature in its declared type, and `view__event_timestamp` (UTC, ns)
        per view: null where the store holds nothing for that entity and view. A view that a feature service uses under
        another name stands under that one, as in serving. Rows are in the order of `entities`.

    Raises
    ------
    InputError
        When join keys are missing or do not fit their types.
    ConfigError
        When a feature service uses a view twice under one name, an on-demand view is named (it has no rows), or `max_ops`
        is no number of 1 or more.
    StoreUnavailable
        When the store does not answer.
    """
    from feast_skew.stores.feast_online import FeastOnlineReader
    from feast_skew.stores.feast_registry import build_plan, selection_of
    from feast_skew.stores.online import fastest_reader
    from feast_skew.stores.redis.reader import ReadSettings

    limit = commands_a_second(max_ops)
    plan = build_plan(store, selection_of(features), Settings())
    if plan.on_demand and not hasattr(features, "feature_view_projections"):
        raise ConfigError(
            f"{plan.on_demand[0].view.name} is an on-demand view: it is computed at request time and has no rows to read",
            hint="name its source views, or use get_online_features",
        )
    given = read_entities(entities, plan.key_columns())
    reader = fastest_reader(FeastOnlineReader(store), ReadSettings(limit))
    with closing(reader):
        reader.check()
        return _table(plan, given, reader)


def _table(plan: Plan, given: pa.Table, reader: OnlineReader) -> pa.Table:
    keys: dict[str, pa.ChunkedArray] = {}
    values: dict[str, pa.Array] = {}
    for view in plan.views:
        for use in view.projections:
            if f"{use.alias}__event_timestamp" in values:
                raise ConfigError(
                    f"view {view.name} is used twice as {use.alias}, with other join keys",
                    hint="name the uses apart with with_name() in the feature service",
                )
            held, table = match_rows(given, view.keys, use.columns)
            keys.update(zip(held, table.columns, strict=True))
            features = [feature for feature in view.features if feature.name in use.features]
            rows = read_rows(view, features, table, reader, NoProgress(), use.alias)
            values.update({f"{use.alias}__{feature.name}": rows.columns[feature.name] for feature in features})
            values[f"{use.alias}__event_timestamp"] = pa.array(rows.instants, mask=rows.instants == NO_INSTANT).cast(
                pa.timestamp("ns", tz="UTC")
            )
    return pa.table({**keys, **values})
