"""The engine of many processes: tables stay on Spark, and the driver sees counts, drawn rows and profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask
from feast_skew.core.keys import KeySet
from feast_skew.core.model import ViewPlan
from feast_skew.engines.base import PopulationSize, Wrong
from feast_skew.engines.spark import wrong_rows
from feast_skew.engines.spark.collected import measured_rows, together
from feast_skew.engines.spark.columns import key_names, unpacked_keys
from feast_skew.engines.spark.exchange import buckets_of
from feast_skew.engines.spark.frames import mapped
from feast_skew.engines.spark.jobs import Jobs
from feast_skew.engines.spark.measured_rows import is_tied, measurements_of, taught_table
from feast_skew.engines.spark.online import OnlineFrames
from feast_skew.engines.spark.plans import (
    BLOCKS,
    DIGEST,
    EXCHANGED,
    KEY_TEXTS,
    OFFLINE,
    OLDER,
    ONLINE,
    PAIR,
    WRONG_ROWS,
    measured_schema,
    sendable,
)
from feast_skew.engines.spark.population import Populations
from feast_skew.engines.spark.retrieval import Retrieval
from feast_skew.engines.spark.rows import KeyedRows
from feast_skew.engines.spark.settings import SparkSettings
from feast_skew.engines.spark.sources import Sources
from feast_skew.engines.spark.staging import Staging
from feast_skew.engines.spark.tasks import folding, measuring, reading
from feast_skew.engines.spark.tasks import listing as listing_tasks
from feast_skew.engines.spark.tasks.digest import Digest
from feast_skew.engines.spark.tasks.listing import Listing
from feast_skew.judging.profiling import compared_pairs
from feast_skew.judging.whole import whole
from feast_skew.measuring.drawing import Measured, fair
from feast_skew.measuring.entity_order import entity_order
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.sampling import Population, SampleSize, ViewSample
from feast_skew.measuring.tally import MOST_DRAWN, Tally
from feast_skew.measuring.training import Probe, probe
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.report import Finding, SkewReport
from feast_skew.statistics.profile import Profile, cut_bins, draw_sample
from feast_skew.stores.base import OnlineReader, RowSource
from feast_skew.stores.feast_offline import FeastOfflineReader

ENTITIES_A_TASK = 250_000
MOST_WANTED = 1_000_000
"""Entities of a sample whose hashes go to executors, which then send the rows of these alone."""

SMALL = MOST_DRAWN
"""Entities of which the driver takes all rows at once, instead of having them counted, drawn and profiled by jobs."""
_MERGED_BY = 8


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
        self._retrieval = Retrieval(offline, self._staging, self._jobs)
        self._populations = Populations(self._sources, self._staging, self._jobs, as_of, seed, given or {})
        self._measured: dict[str, str] = {}
        self._drawn: dict[str, list[ViewMeasurement]] = {}
        self._drawn_places = np.empty(0, dtype=np.int64)
        self._rows: dict[str, KeyedRows] = {}
        self._wrong: list[str] = []

    def close(self) -> None:
        """Remove what was staged."""
        try:
            self._online.close()
        finally:
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
        place = self._staging.path("measured", BLOCKS)
        self._jobs.run(f"{view.name}: measuring", partial(self._write_measured, view, place), "measure")
        digest, drawn = self._collected(view, place)
        self._online.take_notes(digest.notes)
        for name, spent in digest.seconds.items():
            self._jobs.spend(f"measure: {name}", spent)
        found = [probe(part, self._offline) for part in drawn]
        answers = self._taught(view, place, found)
        if answers is not None:
            place = self._retake(view, place, answers, found)
            again, drawn = self._collected(view, place, digest)
            digest = again.like(digest)
        self._measured, self._drawn = {view.name: place}, {view.name: drawn}
        if self._is_small(view):
            judged = zip(drawn, digest.tallies, found, strict=True)
            return [whole(part, tally, part, one.training) for part, tally, one in judged]
        profiles = self._profiles(view, place, drawn)
        return [
            Measured(
                view,
                part.features,
                tally,
                part,
                {f.name: profiles[f.name] for f in part.features if f.name in profiles},
                one.training,
            )
            for part, tally, one in zip(drawn, digest.tallies, found, strict=True)
        ]

    def _is_small(self, view: ViewPlan) -> bool:
        """Tell whether the driver may have all rows: no more than are drawn of one class of one feature."""
        return self._populations.sample(view)[1].entities <= SMALL

    def _collected(
        self, view: ViewPlan, place: str, before: Digest | None = None
    ) -> tuple[Digest, list[ViewMeasurement]]:
        """Give what the tasks counted, and the drawn rows; of a small sample all of it in one job.

        `before` is the digest of the same rows without training's values, which saw what the second one does not.
        """
        if self._is_small(view):
            found = self._jobs.run(f"{view.name}: all rows", self._staging.read(place).toArrow, "fold")
            table = measured_rows(view, found)
            kinds = {kind: table.filter(pc.equal(table.column("kind"), kind)) for kind in (PAIR, OLDER, DIGEST)}
            digest = together(view, kinds[DIGEST].column("digest"))
            parts = self._measurements(view, kinds[PAIR], kinds[OLDER])
        else:
            frame = self._staging.read(place).where(f"kind = {DIGEST}")
            counted = measured_rows(view, self._jobs.run(f"{view.name}: counts", frame.toArrow, "fold"))
            digest = together(view, counted.column("digest"))
            parts = self._collect_drawn(view, place, digest.tallies, digest.older)
        rows = self._populations.rows_of(view)
        tallies = (digest if before is None else digest.like(before)).tallies
        return digest, [
            replace(part, source_rows=rows, ties=tally.ties, differing_ties=tally.differing_ties, moved=tally.moved)
            for part, tally in zip(parts, tallies, strict=True)
        ]

    def _measurements(self, view: ViewPlan, rows: pa.Table, versions: pa.Table | None) -> list[ViewMeasurement]:
        """Give measurements of rows in the order of the sample, whose places are kept."""
        rows = rows.take(pa.array(np.argsort(np.asarray(rows.column("place")), kind="stable"))).combine_chunks()
        self._drawn_places = np.asarray(rows.column("place"))
        return measurements_of(rows, view, versions)

    def _taught(self, view: ViewPlan, place: str, found: Sequence[Probe]) -> Any | None:
        """Give what training sets get where it is to be taken over, as measured rows; None where the source's rows stand."""
        schema, frames = measured_schema(view), []
        for number, one in enumerate(found):
            if one.everywhere:
                asked = self._plain(view, place).where(f"kind = {PAIR} and aligned{number} is not null")
                if self._offline.gives_all_ties:
                    asked = asked.where(f"not {is_tied(number)}")
                frames.append(self._retrieval.frame(view, asked, number, self._key_texts(view, place)))
            elif one.ties is not None:
                places = self._drawn_places[one.ties.positions]
                table = taught_table(view, number, places, one.ties.columns)
                frames.append(self._staging.read(self._staging.write("ties", [table], schema)))
        return reduce(lambda one, other: one.unionByName(other), frames) if frames else None

    def _retake(self, view: ViewPlan, place: str, answers: Any, found: Sequence[Probe]) -> str:
        """Measure again with training's values in the place of the source's."""
        taken = self._staging.path("retaken", BLOCKS)
        parts = [number for number, one in enumerate(found) if one.everywhere or one.ties is not None]
        rows = self._plain(view, place).where(f"kind <> {DIGEST}").unionByName(answers)
        partitions = self._partitions(self._populations.sample(view)[1].entities)
        task = partial(measuring.retaken, view=sendable(view), parts=parts)
        frame = mapped(rows.repartition(partitions, "place"), task, BLOCKS)
        self._jobs.run(f"{view.name}: training's values", partial(self._staging.save, frame, taken), "offline")
        return taken

    def _write_measured(self, view: ViewPlan, place: str) -> None:
        entities, size = self._populations.sample(view)
        partitions = self._partitions(size.entities)
        buckets = buckets_of(partitions)
        secret, online = self._online.frame(view, entities, reading.Exchange(view.keys, ONLINE, buckets))
        wanted = self._wanted(view, entities, size)
        sent = reading.Exchange(view.keys, OFFLINE, buckets, wanted)
        offline = self._sources.rows(view, view.features).passed(sent, EXCHANGED)
        measured = partial(
            measuring.measured,
            view=sendable(view),
            as_of=self._as_of,
            secret=secret,
            gives_all_ties=self._offline.gives_all_ties,
        )
        both = online.unionByName(offline).repartition(partitions, "bucket")
        self._staging.save(mapped(both, measured, BLOCKS), place)

    def _wanted(self, view: ViewPlan, entities: Any, size: SampleSize) -> np.ndarray | None:
        """Give the hashes of the entities of a small sample, so that the rows of others need not be sent; else None."""
        if size.entities > MOST_WANTED or size.entities >= self._populations.size(view.keys) or not view.keys.keys:
            return None
        keys = entities.select(*key_names(view.keys)).toArrow()
        return np.sort(entity_order(unpacked_keys(keys, view.keys)))

    def _partitions(self, entities: int) -> int:
        if self._settings.partitions is not None:
            return self._settings.partitions
        # As many at a time as there are tasks at a time, so that none is left for a turn of its own.
        turns = -(-entities // (ENTITIES_A_TASK * self._sources.parallelism))
        return max(1, turns) * self._sources.parallelism

    def _plain(self, view: ViewPlan, place: str) -> Any:
        """Give measured rows as rows of Spark."""
        task = partial(folding.plain_rows, view=sendable(view))
        return mapped(self._staging.read(place), task, measured_schema(view))

    def _collect_drawn(self, view: ViewPlan, place: str, tallies: Sequence[Tally], older: int) -> list[ViewMeasurement]:
        frame, sent = self._staging.read(place), sendable(view)
        draw = partial(folding.drawn, view=sent, tallies=tallies)
        chosen = mapped(frame.where(f"kind = {PAIR}"), draw, BLOCKS)
        rows = measured_rows(view, self._jobs.run(f"{view.name}: drawn rows", chosen.toArrow, "fold"))
        versions = None
        if older:
            task = partial(folding.earlier, view=sent, places=np.asarray(rows.column("place")))
            wanted = mapped(frame.where(f"kind = {OLDER}"), task, BLOCKS)
            versions = measured_rows(view, self._jobs.run(f"{view.name}: earlier versions", wanted.toArrow, "fold"))
        return self._measurements(view, rows, versions)

    def _profiles(self, view: ViewPlan, place: str, drawn: Sequence[ViewMeasurement]) -> dict[str, Profile]:
        """Cut bins from the drawn pairs and fold all pairs into them, in one job whatever the number of features."""
        pairs = {
            f.name: found for part in drawn for f in part.features if (found := compared_pairs(part, f)) is not None
        }
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
        folded = mapped(frame, fold, schema)
        if self._partitions(self._populations.sample(view)[1].entities) > _MERGED_BY:
            folded = mapped(folded.repartition(_MERGED_BY), folding.merged, schema)
        table = self._jobs.run(f"{view.name}: profiles", folded.toArrow, "fold")
        total: dict[str, Profile] = {}
        for raw in table.column(0).to_pylist():
            total = folding.added(total, raw)
        return {name: profile.sampled(pairs[name]) for name, profile in total.items()}

    def hazards(self, view: ViewPlan) -> Sequence[Finding]:
        """Ask the offline store about the drawn rows, and count on Spark where there are more; see `Engine.hazards`."""
        drawn = self._drawn[view.name]
        everyone = drawn[0].entities.num_rows == self._populations.sample(view)[1].entities
        texts = None if everyone else self._key_texts(view, self._measured[view.name])
        counted = None if texts is None else self._collisions(view, texts)
        return self._offline.hazards([rows.compared for rows in drawn], counted)

    def _key_texts(self, view: ViewPlan, place: str) -> Any | None:
        """Give what Feast's Spark store knows measured entities by; None where no two can be taken for each other."""
        if not self._offline.gives_all_ties or len(view.keys.keys) < 2:
            return None
        frame = self._staging.read(place).where(f"kind = {PAIR}")
        task = partial(folding.texts, view=sendable(view), order=self._offline.key_order(view))
        return mapped(frame, task, KEY_TEXTS)

    def _collisions(self, view: ViewPlan, texts: Any) -> tuple[int, int]:
        """Count the entities that Feast's Spark store takes for another one, at any moment, and at that of their rows."""
        from pyspark.sql import functions as F  # noqa: N812  as everywhere

        alike = texts.groupBy("part", "text", "instant").count()
        apart = F.when(F.col("count") > 1, F.col("count")).otherwise(0)
        by_text = alike.groupBy("part", "text").agg(F.sum("count").alias("count"), F.sum(apart).alias("together"))
        totals = by_text.groupBy("part").agg(F.sum(apart).alias("always"), F.sum("together").alias("together"))
        rows = self._jobs.run(f"{view.name}: keys that read alike", totals.collect, "fold")
        return max((int(row["always"]) for row in rows), default=0), max(
            (int(row["together"]) for row in rows), default=0
        )

    def ruled(self, view: ViewPlan, parts: Sequence[Measured]) -> Sequence[ViewMeasurement]:
        """Give drawn rows that stand for all; see `Engine.ruled`."""
        return fair([part.tally for part in parts], self._drawn[view.name])

    def rows_of(self, view: ViewPlan) -> RowSource:
        """Give what reads the rows of the drawn entities; see `Engine.rows_of`."""
        entities = self._drawn[view.name][0].entities
        rows = KeyedRows(self._session, self._sources, self._offline, self._staging, self._jobs, view.keys, entities)
        self._rows = {view.name: rows}
        return rows

    def keep(self, measured: Measured, wrong: Sequence[Wrong]) -> None:
        """Stage the wrong rows with their causes; see `Engine.keep`."""
        if self._settings.wrong_rows is None:
            return
        view = measured.view
        causes = wrong_rows.causes_of(wrong, self._drawn_places)
        listing = Listing(
            sendable(view),
            tuple(one.feature.name for one in wrong),
            tuple(one.feature.name for one in wrong if one.unaligned),
            {one.feature.name: one.explained.causes for one in wrong},
        )
        rows = self._listed(view, listing)
        known = self._staging.read(self._staging.write("causes", [causes], wrong_rows.CAUSES))
        place = self._staging.path("wrong", wrong_rows.STAGED)
        with_causes = rows.join(known, ["place", "feature"], "left")
        self._jobs.run(f"{view.name}: wrong rows", partial(self._staging.save, with_causes, place), "wrong rows")
        self._wrong.append(place)

    def _listed(self, view: ViewPlan, listing: Listing) -> Any:
        """Give the wrong rows of a view; beside what an earlier definition gives where a cause names one of rows that were not drawn."""
        frame = self._staging.read(self._measured[view.name]).where(f"kind = {PAIR}")
        named = {
            version["fingerprint"]
            for causes in listing.causes.values()
            for cause in causes
            for version in cause.evidence.get("versions", ())
        }
        rows = self._rows.get(view.name)
        definitions = [one for one in (rows.definitions if rows else ()) if one[0].fingerprint in named]
        if self._is_small(view) or not definitions:
            return mapped(frame, partial(listing_tasks.wrong, listing=listing), WRONG_ROWS)
        partitions = self._partitions(self._populations.sample(view)[1].entities)
        buckets = buckets_of(partitions)
        sent = mapped(frame, partial(listing_tasks.wrong_sent, listing=listing, buckets=buckets), EXCHANGED)
        for side, (_, one) in enumerate(definitions, start=1):
            exchange = reading.Exchange(view.keys, side, buckets)
            sent = sent.unionByName(self._sources.rows(one, one.features).passed(exchange, EXCHANGED))
        beside = partial(
            listing_tasks.wrong_beside,
            listing=listing,
            definitions=[(version, sendable(one)) for version, one in definitions],
            gives_all_ties=self._offline.gives_all_ties,
        )
        return mapped(sent.repartition(partitions, "bucket"), beside, WRONG_ROWS)

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
