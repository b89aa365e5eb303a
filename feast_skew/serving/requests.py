"""Requests to serving: from the entities of a sample, or from the rows that a user gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from feast_skew.core.columns import bare_rows, take_rows
from feast_skew.core.keys import KeySet, cast_keys
from feast_skew.core.model import OnDemandPlan, ServicePlan, ViewPlan
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.sampling import Population, ViewSample, draw, find_population
from feast_skew.stores.base import OfflineReader

_WRONG_IN_BUDGET = 4
"""Requests per budget's inverse: without a wrong one among them, 3 are enough for a pass at a confidence of 0.95."""


@dataclass
class Seen:
    """The populations and samples that a run has met, by key set, so that nothing is looked for twice."""

    populations: dict[KeySet, Population] = field(default_factory=dict)
    samples: dict[KeySet, Mapping[str, ViewSample]] = field(default_factory=dict)


def most_requests(plan: OnDemandPlan, sample: int) -> int:
    """Give how many requests are computed: the sample, but no more than the strictest budget takes to be decided.

    A request at a time costs milliseconds where reading costs microseconds.
    """
    budget = min((feature.limits.mismatch_budget for feature in plan.view.features), default=0.001)
    return min(sample, max(_WRONG_IN_BUDGET * 1_000, round(_WRONG_IN_BUDGET / budget) if budget > 0 else sample))


def given_requests(plan: OnDemandPlan, rows: pa.Table, most: int, seed: int) -> ViewSample:
    """Take requests out of the rows that were given, all of them or a seeded sample; they stand for the given ones."""
    if not plan.columns:
        return ViewSample(bare_rows(1), 1, 0)
    size = rows.num_rows
    if size > most:
        chosen = np.sort(np.random.default_rng(seed).permutation(size)[:most])
        rows = take_rows(rows, chosen)
    return ViewSample(rows, size, size - rows.num_rows)


def sampled_requests(
    plan: OnDemandPlan, seen: Seen, offline: OfflineReader, as_of: int, most: int, seed: int, progress: Progress
) -> ViewSample:
    """Take requests for entities that offline knows of the source views, which all have the same join keys.

    Raises
    ------
    SkewError
        When no source can be read.
    """
    (keys,) = {source.keys for source in plan.sources}
    population = _population(keys, list(plan.sources), seen, offline, as_of, progress)
    for error in population.errors.values():
        raise error
    sample = max(draw(population, most, seed).values(), key=lambda one: one.entities.num_rows)
    table = sample.entities.rename_columns([_column(plan, name) for name in sample.entities.column_names])
    return ViewSample(
        table.select(list(plan.columns)) if plan.columns else table, population.size, population.size - len(table)
    )


def _column(plan: OnDemandPlan, key: str) -> str:
    return plan.maps.get(plan.sources[0].name, {}).get(key, key)


def _population(
    keys: KeySet, views: list[ViewPlan], seen: Seen, offline: OfflineReader, as_of: int, progress: Progress
) -> Population:
    known = seen.populations.get(keys)
    if known is not None and all(view.name in known.views for view in views):
        return known
    return find_population(keys, views, offline, as_of, progress)


def service_requests(service: ServicePlan, seen: Seen, given: pa.Table | None, most: int) -> pa.Table | None:
    """Put together requests to a service: given rows, or sampled entities, of several key sets side by side.

    Two columns of one join key, such as origin and destination, get different entities. None when the run has met no
    entity of some column.
    """
    names = [column for column, _, _ in service.columns]
    if given is not None and names and set(names) <= set(given.column_names):
        rows = _cast(service, given)
        return take_rows(rows, np.arange(min(most, rows.num_rows))) if rows.num_rows else None
    sampled: list[pa.ChunkedArray] = []
    used: dict[tuple[KeySet, str], int] = {}
    for _, keys, name in service.columns:
        tables = [sample.entities for sample in seen.samples.get(keys, {}).values() if sample.entities.num_rows]
        if not tables:
            return None
        used[keys, name] = used.get((keys, name), -1) + 1
        sampled.append(_rolled(tables[0].column(name), used[keys, name]))
    if not sampled:
        return None
    size = min(most, max(map(len, sampled)))
    columns: Sequence[pa.ChunkedArray] = [column.take(pa.array(np.arange(size) % len(column))) for column in sampled]
    return pa.table(columns, names=names)


def _cast(service: ServicePlan, given: pa.Table) -> pa.Table:
    """Bring given ids into the declared types; rows with a null one are left out, as serving refuses them."""
    complete = np.ones(given.num_rows, dtype=bool)
    columns = {}
    for column, keys, name in service.columns:
        (key,) = (key for key in keys.keys if key.name == name)
        cast, whole = cast_keys(pa.table({name: given.column(column)}), KeySet((key,)))
        columns[column], complete = cast.column(name), complete & whole
    return pa.table(columns).filter(pa.array(complete))


def _rolled(column: pa.ChunkedArray, steps: int) -> pa.ChunkedArray:
    return column.take(pa.array((np.arange(len(column)) + steps) % len(column)))
