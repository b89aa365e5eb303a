"""The engine of many processes: tables stay on Spark, and the driver sees counts, drawn rows and profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask
from feast_skew.core.keys import KeySet
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.engines.base import PopulationSize, Wrong
from feast_skew.engines.spark import wrong_rows
from feast_skew.engines.spark.jobs import Jobs
from feast_skew.engines.spark.measured_rows import is_tied, measurements_of, taught_table
from feast_skew.engines.spark.online import OnlineFrames
from feast_skew.engines.spark.plans import (
    DIGEST,
    OLDER,
    PAIR,
    WRONG_ROWS,
    measured_schema,
    online_schema,
    parts_of,
    sendable,
)
from feast_skew.engines.spark.population import Populations
from feast_skew.engines.spark.retrieval import Retrieval
from feast_skew.engines.spark.rows import KeyedRows
from feast_skew.engines.spark.sources import Sources
from feast_skew.engines.spark.staging import Staging
from feast_skew.engines.spark.tasks import folding, measuring
from feast_skew.engines.spark.tasks.digest import Digest
from feast_skew.judging.profiling import to_pairs
from feast_skew.measuring.drawing import Measured, compared_mask, fair
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.sampling import Population, SampleSize, ViewSample
from feast_skew.measuring.tally import Tally
from feast_skew.measuring.training import Probe, probe
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.report import Finding, SkewReport
from feast_skew.statistics.pairs import Pairs
from feast_skew.statistics.profile import Profile, cut_bins, draw_sample
from feast_skew.stores.base import OnlineReader, RowSource
from feast_skew.stores.feast_offline import FeastOfflineReader

ENTITIES_A_TASK = 200_000
_MERGED_BY = 8


@dataclass(frozen=True)
class SparkSettings:
    """How the engine works: where it stages rows, in how many partitions it measures (None: by the number of entities).

    `wrong_rows` is the path or the name of the table that wrong rows are added to, None for none.
    """

    staging: str | None = None
    partitions: int | None = None
    wrong_rows: str | None = None
    wrong_rows_format: str = "parquet"


class SparkEngine:
    """Measures on executors; `given` are entities to take instead of a sample, by key set."""

    name = "spark"

    def __init__(
        self,
        session: Any,
        online: OnlineReader,
        offline: FeastOfflineReader,
        as_of: int,
        seed: int,
        progress: Progress,
        *,
        settings: SparkSettings,
        given: Mapping[KeySet, ViewSample] | None = None,
    ) -> None:
        self._session = session
        self._offline = offline
        self._as_of = as_of
        self._settings = settings
        self._jobs = Jobs(session, progress)
        self._staging = Staging(session, settings.staging)
        self._sources = Sources(session, offline, self._staging, progress)
        self._online = OnlineFrames(session, online, self._sources, self._staging, progress)
        self._retrieval = Retrieval(offline, self._sources, self._staging)
        self._populations = Populations(self._sources, self._staging, self._jobs, as_of, seed, given or {})
        self._measured: dict[str, str] = {}
        self._drawn: dict[str, list[ViewMeasurement]] = {}
        self._drawn_places = np.empty(0, dtype=np.int64)
        self._wrong: list[str] = []

    def close(self) -> None:
        """Remove what was staged."""
        self._online.close()
        self._staging.remove()

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds by what they went into: those of the driver's clock, and within `measure` those of all tasks together."""
        return self._jobs.seconds

    def find_population(self, keys: KeySet, views: Sequence[ViewPlan]) -> PopulationSize:
        """Find the entities of all sources in one job; see `Engine.find_population`."""
        return self._populations.find(keys, views)

    def draw(self, keys: KeySet, wanted: int, needed: Callable[[int], int] | None) -> Mapping[str, SampleSize]:
        """Take the smallest hashes; see `Engine.draw`."""
        return self._populations.draw(keys, wanted, needed)

    def unknown(self, view: ViewPlan, entities: pa.Table) -> Mask:
        """Look entities up on Spark; see `Engine.unknown`."""
        return self._populations.unknown(view, entities)

    def measure(self, view: ViewPlan) -> list[Measured]:
        """Read, align and fold on the executors; see `Engine.measure`."""
        place = self._staging.path("measured", measured_schema(view))
        self._jobs.run(f"{view.name}: measuring", partial(self._write_measured, view, place), "measure")
        digest = self._digest(view, place)
        self._online.take_notes(digest.notes)
        for name, spent in digest.seconds.items():
            self._jobs.seconds[f"measure: {name}"] = self._jobs.seconds.get(f"measure: {name}", 0.0) + spent
        drawn = self._drawn_rows(view, place, digest)
        found = [probe(part, self._offline) for part in drawn]
        answers = self._taught(view, place, drawn, found)
        if answers is not None:
            place = self._retake(view, place, answers, found)
            digest = self._digest(view, place).like(digest)
            drawn = self._drawn_rows(view, place, digest)
        self._measured, self._drawn = {view.name: place}, {view.name: drawn}
        profiles = self._profiles(view, place, drawn)
        return [
            Measured(
                view,
                part.features,
                tally,
                part,
                {name: profiles[name] for name in (f.name for f in part.features) if name in profiles},
                one.training,
            )
            for part, tally, one in zip(drawn, digest.tallies, found, strict=True)
        ]

    def _drawn_rows(self, view: ViewPlan, place: str, digest: Digest) -> list[ViewMeasurement]:
        rows = self._populations.rows_of(view)
        collected = self._collect_drawn(view, place, digest.tallies, digest.older)
        return [
            replace(part, source_rows=rows, ties=tally.ties, differing_ties=tally.differing_ties, moved=tally.moved)
            for part, tally in zip(collected, digest.tallies, strict=True)
        ]

    def _taught(
        self, view: ViewPlan, place: str, drawn: Sequence[ViewMeasurement], found: Sequence[Probe]
    ) -> Any | None:
        """Give what training sets get where it is to be taken over, as measured rows; None where the source's rows stand."""
        schema, frames = measured_schema(view), []
        for number, (part, one) in enumerate(zip(drawn, found, strict=True)):
            if one.everywhere:
                asked = self._staging.read(place).where(f"kind = {PAIR} and aligned{number} is not null")
                if self._offline.gives_all_ties:
                    asked = asked.where(f"not {is_tied(number)}")
                frames.append(self._retrieval.frame(view, part.features, asked, number))
            elif one.ties is not None:
                places = self._drawn_places[one.ties.positions]
                table = taught_table(view, part.features, places, one.ties.columns)
                frames.append(self._staging.read(self._staging.write("ties", [table], schema)))
        return reduce(lambda one, other: one.unionByName(other), frames) if frames else None

    def _retake(self, view: ViewPlan, place: str, answers: Any, found: Sequence[Probe]) -> str:
        """Measure again with training's values in the place of the source's."""
        taken = self._staging.path("retaken", measured_schema(view))
        parts = [number for number, one in enumerate(found) if one.everywhere or one.ties is not None]
        rows = self._staging.read(place).where(f"kind <> {DIGEST}").unionByName(answers)
        partitions = self._partitions(self._populations.sample(view)[1].entities)
        task = partial(measuring.retaken, view=sendable(view), parts=parts)
        frame = self._sources.mapped(rows.repartition(partitions, "place"), task, measured_schema(view))
        self._jobs.run(f"{view.name}: training's values", lambda: frame.write.parquet(taken), "offline")
        return taken

    def _write_measured(self, view: ViewPlan, place: str) -> None:
        sent = sendable(view)
        entities, size = self._populations.sample(view)
        partitions = self._partitions(size.entities)
        secret, online = self._online.frame(view, sent, entities, partitions)
        offline = self._sources.frame(view, view.features)
        if size.entities < self._populations.size(view.keys):
            offline = offline.join(self._small(entities, size), "key", "left_semi")
        columns = list(dict.fromkeys([*online_schema(view).names, *self._sources.schema(view, view.features).names]))
        both = online.unionByName(offline, allowMissingColumns=True).select(*columns)
        measured = partial(
            measuring.measured, view=sent, as_of=self._as_of, secret=secret, gives_all_ties=self._offline.gives_all_ties
        )
        frame = both.repartition(partitions, "key").sortWithinPartitions("seq")
        self._sources.mapped(frame, measured, measured_schema(view)).write.parquet(place)

    def _small(self, entities: Any, size: SampleSize) -> Any:
        from pyspark.sql import functions as F  # noqa: N812  as everywhere

        keys = entities.select("key")
        return F.broadcast(keys) if size.entities <= ENTITIES_A_TASK else keys

    def _partitions(self, entities: int) -> int:
        if self._settings.partitions is not None:
            return self._settings.partitions
        return max(self._sources.parallelism, -(-entities // ENTITIES_A_TASK))

    def _digest(self, view: ViewPlan, place: str) -> Digest:
        frame = self._staging.read(place).where(f"kind = {DIGEST}").select("digest")
        found = self._jobs.run(f"{view.name}: counts", frame.toArrow, "fold")
        nothing = Digest([Tally.zero(features) for features in parts_of(view)])
        return reduce(lambda one, raw: one + Digest.from_bytes(raw), found.column(0).to_pylist(), nothing)

    def _collect_drawn(self, view: ViewPlan, place: str, tallies: Sequence[Tally], older: int) -> list[ViewMeasurement]:
        sent, schema = sendable(view), measured_schema(view)
        frame = self._staging.read(place)
        draw = partial(folding.drawn, view=sent, tallies=tallies)
        chosen = self._sources.mapped(frame.where(f"kind = {PAIR}"), draw, schema)
        rows = self._jobs.run(f"{view.name}: drawn rows", chosen.toArrow, "fold").cast(schema)
        rows = rows.take(pa.array(np.argsort(np.asarray(rows.column("place")), kind="stable"))).combine_chunks()
        self._drawn_places = np.asarray(rows.column("place"))
        versions = None
        if older:
            places = self._session.createDataFrame(rows.select(["place"]))
            wanted = frame.where(f"kind = {OLDER}").join(places, "place", "left_semi").select(*schema.names)
            versions = self._jobs.run(f"{view.name}: earlier versions", wanted.toArrow, "fold").cast(schema)
        return measurements_of(rows, view, versions)

    def _profiles(self, view: ViewPlan, place: str, drawn: Sequence[ViewMeasurement]) -> dict[str, Profile]:
        """Cut bins from the drawn pairs and fold all pairs into them, in one job whatever the number of features."""
        pairs = {f.name: found for part in drawn for f in part.features if (found := _compared(part, f)) is not None}
        tolerances = {feature.name: feature.tolerance for feature in view.features}
        bins = {
            name: cut_bins(draw_sample(both), tolerances[name].rtol, tolerances[name].atol)
            for name, both in pairs.items()
        }
        if not bins:
            return {}
        frame = self._staging.read(place).where(f"kind = {PAIR}")
        fold = partial(folding.profiled, view=sendable(view), bins=bins)
        schema = pa.schema([pa.field("profiles", pa.binary())])
        folded = self._sources.mapped(frame, fold, schema)
        if self._partitions(self._populations.sample(view)[1].entities) > _MERGED_BY:
            folded = self._sources.mapped(folded.repartition(_MERGED_BY), folding.merged, schema)
        table = self._jobs.run(f"{view.name}: profiles", folded.toArrow, "fold")
        total: dict[str, Profile] = {}
        for raw in table.column(0).to_pylist():
            total = folding.added(total, raw)
        return {name: profile.sampled(pairs[name]) for name, profile in total.items()}

    def hazards(self, view: ViewPlan) -> Sequence[Finding]:
        """Ask the offline store about the drawn rows; see `Engine.hazards`."""
        return self._offline.hazards([rows.compared for rows in self._drawn[view.name]])

    def ruled(self, view: ViewPlan, parts: Sequence[Measured]) -> Sequence[ViewMeasurement]:
        """Give drawn rows that stand for all; see `Engine.ruled`."""
        return fair([part.tally for part in parts], self._drawn[view.name])

    def rows_of(self, view: ViewPlan) -> RowSource:
        """Give what reads the rows of the drawn entities; see `Engine.rows_of`."""
        entities = self._drawn[view.name][0].entities
        return KeyedRows(self._session, self._sources, self._offline, self._jobs, view.keys, entities)

    def keep(self, measured: Measured, wrong: Sequence[Wrong]) -> None:
        """Stage the wrong rows with their causes; see `Engine.keep`."""
        if self._settings.wrong_rows is None:
            return
        view, names = measured.view, [one.feature.name for one in wrong]
        causes = wrong_rows.causes_of(wrong, self._drawn_places)
        task = partial(
            folding.wrong,
            view=sendable(view),
            names=names,
            unaligned=[one.feature.name for one in wrong if one.unaligned],
        )
        frame = self._staging.read(self._measured[view.name]).where(f"kind = {PAIR}")
        rows = self._sources.mapped(frame, task, WRONG_ROWS)
        known = self._staging.read(self._staging.write("causes", [causes], wrong_rows.CAUSES))
        place = self._staging.path("wrong", wrong_rows.STAGED)
        with_causes = rows.join(known, ["place", "feature"], "left")
        self._jobs.run(f"{view.name}: wrong rows", lambda: with_causes.write.parquet(place), "wrong rows")
        self._wrong.append(place)

    def finish(self, report: SkewReport) -> None:
        """Add the wrong rows of all views to the table at once; see `Engine.finish`."""
        if not self._wrong or self._settings.wrong_rows is None:
            return
        frames = [self._staging.read(place) for place in self._wrong]
        rows = wrong_rows.table_of(reduce(lambda one, other: one.unionByName(other), frames), report)
        write = partial(wrong_rows.add, rows, self._settings.wrong_rows, self._settings.wrong_rows_format)
        self._jobs.run("wrong rows", write, "wrong rows")

    def served(self, keys: KeySet) -> tuple[Population, Mapping[str, ViewSample]]:
        """Give the first of them as tables; see `Engine.served`."""
        return self._populations.tables(keys)


def _compared(rows: ViewMeasurement, feature: FeaturePlan) -> Pairs | None:
    """Give the drawn pairs of a feature that could be compared; None without any."""
    pairs = rows.pairs[feature.name]
    positions = np.flatnonzero(compared_mask(pairs))
    if not len(positions):
        return None
    take = pa.array(positions)
    same = pairs.classes[positions] == 0
    return to_pairs(
        feature.declared.kind, pairs.offline.take(take), pairs.online.take(take), same, rows.order[positions]
    )
