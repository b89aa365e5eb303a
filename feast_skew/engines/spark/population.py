"""Who is compared: the entities that offline knows, one row each on Spark, and the seeded sample of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask
from feast_skew.core.columns import bare_rows
from feast_skew.core.keys import KeySet, value_bytes
from feast_skew.core.model import ViewPlan
from feast_skew.engines.base import KnownSize, PopulationSize
from feast_skew.engines.spark.columns import batch_of, key_fields, key_names, packed_keys, unpacked_keys
from feast_skew.engines.spark.exchange import buckets_of
from feast_skew.engines.spark.frames import OfflineRows, mapped
from feast_skew.engines.spark.jobs import Jobs
from feast_skew.engines.spark.plans import EXCHANGED, counted_schema
from feast_skew.engines.spark.sources import Sources
from feast_skew.engines.spark.staging import Staging
from feast_skew.engines.spark.tasks.entities import Counting, gathered
from feast_skew.errors import SkewError
from feast_skew.measuring.sampling import Known, Population, SampleSize, ViewSample

SERVED = 20_000
"""Entities of a key set of which serving may be asked, request by request."""

MOST_BUCKETS = 1_000
"""Into so many parts at most the entities of some rows are dealt out: more would be of a few rows each."""

_TOP = 48
"""Bits below those by which places are counted to find the smallest ones."""


@dataclass
class _Found:
    place: str
    views: dict[str, int]
    size: PopulationSize


class Populations:
    """The entities of each key set, staged once, and the sample of each view as a condition on them."""

    def __init__(
        self,
        sources: Sources,
        staging: Staging,
        jobs: Jobs,
        as_of: int,
        seed: int,
        given: Mapping[KeySet, ViewSample],
    ) -> None:
        self._sources = sources
        self._staging = staging
        self._jobs = jobs
        self._as_of = as_of
        self._seed = seed
        self._given = given
        self._found: dict[KeySet, _Found] = {}
        self._samples: dict[str, tuple[Any, SampleSize]] = {}
        self._looked_up: tuple[pa.Table, pa.Table] | None = None

    def find(self, keys: KeySet, views: Sequence[ViewPlan]) -> PopulationSize:
        """Find the entities of a key set in one job; when it fails, view by view, to name those that cannot be read."""
        errors: dict[str, SkewError] = {}
        sources: dict[str, OfflineRows] = {}
        for view in views:
            try:
                sources[view.name] = self._sources.rows(view, ())
            except SkewError as error:
                errors[view.name] = error
        try:
            found = self._stage(keys, sources)
        except SkewError as error:
            if len(sources) == 1:
                errors[next(iter(sources))] = error
                sources = {}
            for name in list(sources):
                try:
                    self._stage(keys, {name: sources[name]})
                except SkewError as own:
                    errors[name] = own
                    del sources[name]
            found = self._stage(keys, sources)
        sizes = self._sizes(found, keys, list(sources))
        size = PopulationSize(*sizes, errors)
        self._found[keys] = _Found(found, {name: i for i, name in enumerate(sources)}, size)
        return size

    def _stage(self, keys: KeySet, sources: Mapping[str, OfflineRows]) -> str:
        schema = _schema(keys, len(sources))
        if not sources:
            return self._staging.write("population", [], schema)
        buckets = buckets_of(min(MOST_BUCKETS, self._sources.shuffled_by))
        counted = [
            source.passed(Counting(keys, i, self._as_of, buckets), EXCHANGED)
            for i, source in enumerate(sources.values())
        ]
        # By the column alone, so that Spark puts small partitions together.
        sent = reduce(lambda one, other: one.unionByName(other), counted).repartition("bucket")
        place = self._staging.path("population", schema)
        whole = mapped(sent, partial(gathered, keys=keys, views=len(sources), seed=self._seed), schema)
        self._jobs.run(f"entities by {keys}", partial(self._staging.save, whole, place), "sampling")
        return place

    def _sizes(self, place: str, keys: KeySet, views: list[str]) -> tuple[int, dict[str, KnownSize]]:
        from pyspark.sql import functions as F  # noqa: N812  as everywhere

        if not views:
            return 0, {}
        frame = self._staging.read(place)
        real, any_known = F.col("key").isNotNull(), _any_known(len(views))
        sums = [F.sum(F.when(real & any_known, 1).otherwise(0)).alias("size")]
        for i in range(len(views)):
            sums += [
                F.sum(F.when(real, F.col(f"known{i}")).otherwise(0)).alias(f"known{i}"),
                F.sum(F.when(real, F.col(f"rows{i}")).otherwise(0)).alias(f"rows{i}"),
                F.sum(F.when(~real, F.col(f"rows{i}")).otherwise(0)).alias(f"null{i}"),
            ]
        row = self._jobs.run(f"entities by {keys}: counting", lambda: frame.agg(*sums).first(), "sampling")
        known = {
            name: KnownSize(*(int(row[f"{what}{i}"] or 0) for what in ("known", "rows", "null")))
            for i, name in enumerate(views)
        }
        # A view without entities has one row for everybody, which is there or not.
        return (1 if not keys.keys else int(row["size"] or 0)), known

    def size(self, keys: KeySet) -> int:
        """Give the number of entities of a key set."""
        return self._found[keys].size.size

    def rows_of(self, view: ViewPlan) -> int:
        """Give the number of rows of the source of a view."""
        return self._found[view.keys].size.views[view.name].rows

    def sample(self, view: ViewPlan) -> tuple[Any, SampleSize]:
        """Give the entities of the sample of a view, with their places, and what they stand for."""
        return self._samples[view.name]

    def draw(self, keys: KeySet, wanted: int, needed: Callable[[int], int] | None) -> Mapping[str, SampleSize]:
        """Draw by the rules of `measuring.sampling.draw`, on counts."""
        found = self._found[keys]
        if keys in self._given:
            sample = self._given[keys]
            frame = self._frame_of(keys, sample.entities)
            self._samples.update(dict.fromkeys(found.views, (frame, sample.size)))
            return dict.fromkeys(found.views, sample.size)
        whole = found.size.size
        frame = self._staging.read(found.place).where("key is not null")
        known = frame.where(_any_known(len(found.views))) if found.views else frame
        if whole <= wanted:
            size = SampleSize(whole, whole, 0)
            everyone = known if keys.keys else self._frame_of(keys, bare_rows(1))
            self._samples.update(dict.fromkeys(found.views, (everyone, size)))
            return dict.fromkeys(found.views, size)
        base = known.where(_below(self._threshold(known, wanted)))
        inside = self._inside(base, len(found.views))
        sizes = {}
        for name, i in found.views.items():
            mine = found.size.views[name].entities
            enough, most = (wanted // 2, wanted) if needed is None else (needed(mine), needed(mine))
            if inside[i] < mine <= wanted or inside[i] < enough:
                taken = mine if mine <= wanted else min(most, mine)
                own = frame.where(f"known{i} = 1")
                if taken < mine:
                    own = own.where(_below(self._threshold(own, taken)))
                self._samples[name] = own, SampleSize(taken, mine, mine - taken)
            else:
                self._samples[name] = base, SampleSize(wanted, whole, mine - inside[i])
            sizes[name] = self._samples[name][1]
        return sizes

    def _threshold(self, frame: Any, wanted: int) -> int:
        """Give the `wanted`-th smallest place, from counts of the leading bits and the few places with the same ones."""
        from pyspark.sql import functions as F  # noqa: N812  as everywhere

        top = F.shiftright(F.col("place"), _TOP).alias("top")
        counts = self._jobs.run("sample", frame.groupBy(top).count().toArrow, "sampling").sort_by("top")
        before = np.cumsum(np.asarray(counts.column("count")))
        at = int(np.searchsorted(before, wanted))
        bucket = counts.column("top")[at].as_py()
        rest = wanted - (int(before[at - 1]) if at else 0)
        places = self._jobs.run("sample", frame.where(top == bucket).select("place").toArrow, "sampling")
        return int(np.sort(np.asarray(places.column(0)))[rest - 1])

    def _inside(self, base: Any, views: int) -> list[int]:
        from pyspark.sql import functions as F  # noqa: N812  as everywhere

        sums = [F.sum(f"known{i}").alias(f"known{i}") for i in range(views)]
        row = self._jobs.run("sample", lambda: base.agg(*sums).first(), "sampling")
        return [int(row[f"known{i}"] or 0) for i in range(views)]

    def _frame_of(self, keys: KeySet, entities: pa.Table) -> Any:
        """Stage entities of the driver in their order; one row for everybody where a key set has no keys."""
        fields = [pa.field("key", pa.binary()), *key_fields(keys), pa.field("place", pa.int64())]
        schema = pa.schema(fields)
        rows = entities.num_rows
        columns: dict[str, Any] = {
            "key": value_bytes(entities, keys),
            "place": np.arange(rows),
            **packed_keys(entities, keys),
        }
        table = pa.Table.from_batches([batch_of(columns, schema, rows)])
        share = max(1, -(-rows // self._sources.parallelism))
        parts = (table.slice(start, share) for start in range(0, rows, share))
        return self._staging.read(self._staging.write("entities", parts, schema, share))

    def unknown(self, view: ViewPlan, entities: pa.Table) -> Mask:
        """Tell which of some entities the source of a view does not know."""
        found = self._found[view.keys]
        i = found.views[view.name]
        if self._looked_up is None or self._looked_up[0] is not entities:
            # All views of a key set ask about the same entities, one after another.
            self._looked_up = entities, self._look_up(view.keys, found, entities)
        there = self._looked_up[1]
        known = np.asarray(there.column(f"known{i}")) + np.asarray(there.column(f"later{i}")) > 0
        unknown: Mask = np.ones(entities.num_rows, dtype=bool)
        unknown[np.asarray(there.column("place"))[known]] = False
        return unknown

    def _look_up(self, keys: KeySet, found: _Found, entities: pa.Table) -> pa.Table:
        """Give which views know which of some entities: their positions, as places, and the marks of the views."""
        marks = [f"{what}{i}" for what in ("known", "later") for i in found.views.values()]
        asked = self._frame_of(keys, entities).select("key", "place")
        known = self._staging.read(found.place).select("key", *marks)
        both = asked.join(known, "key").select("place", *marks)
        return self._jobs.run(f"keys online ({keys})", both.toArrow, "sampling")

    def tables(self, keys: KeySet) -> tuple[Population, Mapping[str, ViewSample]]:
        """Give the first entities of a key set as tables: as many as serving may be asked for.

        The sizes are those of all entities.
        """
        found = self._found[keys]
        views, samples = {}, {}
        tables: dict[int, pa.Table] = {}
        for name in found.views:
            frame, size = self._samples[name]
            if id(frame) not in tables:
                first = frame.orderBy("place").limit(SERVED).select(*key_names(keys), "place")
                tables[id(frame)] = unpacked_keys(self._jobs.run("requests", first.toArrow, "sampling"), keys)
            table = tables[id(frame)]
            known = found.size.views[name]
            views[name] = Known(table, known.rows, known.null_keys)
            samples[name] = ViewSample(table, size.population, size.unread, size.ambiguous)
        largest = max(tables.values(), key=lambda table: table.num_rows, default=keys.schema.empty_table())
        return Population(keys, largest, views, dict(found.size.errors), whole=found.size.size), samples


def _schema(keys: KeySet, views: int) -> pa.Schema:
    return pa.schema([*counted_schema(keys, views), pa.field("place", pa.int64())])


def _any_known(views: int) -> Any:
    from pyspark.sql import functions as F  # noqa: N812  as everywhere

    known = F.col("known0") == 1
    for i in range(1, views):
        known |= F.col(f"known{i}") == 1
    return known


def _below(threshold: int) -> str:
    return f"place <= {threshold}"
