"""Online rows as a frame of Spark: read by executors where there is a way from them to the store, else by the driver."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from feast_skew.core.model import ViewPlan
from feast_skew.engines.spark.columns import key_names, unpacked_keys
from feast_skew.engines.spark.frames import mapped
from feast_skew.engines.spark.plans import EXCHANGED, online_schema, sendable
from feast_skew.engines.spark.sealing import PackedRecipe, SealedRecipe, seal
from feast_skew.engines.spark.sources import Sources
from feast_skew.engines.spark.staging import Staging
from feast_skew.engines.spark.tasks import reading
from feast_skew.measuring.progress import Progress
from feast_skew.stores.base import OnlineReader
from feast_skew.stores.redis.notes import Notes
from feast_skew.stores.redis.reader import RedisBulkReader
from feast_skew.stores.redis.remote import Recipe

_HELD = 10_000
"""Entities among which the driver picks those that it holds against Feast's read; one process picks them among a chunk."""


class OnlineFrames:
    """Gives the online rows of entities, and what lets executors have a second look."""

    def __init__(
        self, session: Any, online: OnlineReader, sources: Sources, staging: Staging, progress: Progress
    ) -> None:
        self._session = session
        self._online = online
        self._sources = sources
        self._staging = staging
        self._progress = progress
        self._secrets: list[Any] = []

    def close(self) -> None:
        """Let executors forget how the store is reached."""
        for secret in self._secrets:
            with contextlib.suppress(Exception):  # of a session that is gone
                secret.destroy()

    def take_notes(self, notes: Sequence[Notes]) -> None:
        """Tell the driver's reader what those of the executors came upon; it gives the findings of all."""
        if isinstance(self._online, RedisBulkReader):
            self._online.take_notes(Notes.together(notes))

    def frame(
        self, view: ViewPlan, entities: Any, exchange: reading.Exchange
    ) -> tuple[Callable[[], Recipe] | None, Any]:
        """Give how the tasks of the exchange read more rows, None where they have no way to the store, and the rows of entities in blocks."""
        partitions = len(exchange.buckets)
        if isinstance(self._online, RedisBulkReader):
            # Those that one process holds against Feast's read: what holds for them holds for those that executors read.
            first = entities.orderBy("place").limit(_HELD).toArrow()
            if self._online.reads_in_bulk(view, unpacked_keys(first, view.keys)):
                # Entities stay in the files where they are staged. Those that read at a time share the limit; how many do is
                # known of a cluster that grows only by giving it no more tasks. A second look is had in every partition.
                asked = entities.select("key", "place", *key_names(view.keys))
                readers = min(_files(asked), partitions, self._sources.parallelism)
                recipe = self._online.recipe([view], readers)
                secret = again = self._hidden(recipe)
                if recipe.max_ops is not None:
                    asked = asked.coalesce(readers)
                    again = self._hidden(self._online.recipe([view], self._sources.at_once(partitions)))
                read = partial(reading.online_sent, view=sendable(view), secret=secret, exchange=exchange)
                return again, mapped(asked, read, EXCHANGED)
        schema = pa.schema(
            [field for field in online_schema(view) if field.name in ("key", "place", *key_names(view.keys))]
        )
        place = self._staging.path("entities", schema)
        self._staging.save(entities.select(*schema.names), place)
        tables = self._read_here(view, place)
        staged = self._staging.read(self._staging.write("online", tables, online_schema(view)))
        return None, mapped(staged, partial(reading.passed, then=exchange), EXCHANGED)

    def _read_here(self, view: ViewPlan, place: str) -> Iterator[pa.Table]:
        schema = online_schema(view)
        with self._progress.stage(f"{view.name}: online", None, "entities") as stage:
            for batch in self._staging.batches(place):
                for start in range(0, batch.num_rows, self._online.chunk):
                    table = pa.Table.from_batches([batch.slice(start, self._online.chunk)])
                    entities = unpacked_keys(table, view.keys)
                    found = self._online.read(view, view.features, entities)
                    yield pa.Table.from_batches([reading.online_batch(view, schema, table, entities, found)])
                    stage.advance(table.num_rows)

    def _hidden(self, recipe: Recipe) -> Callable[[], Recipe]:
        """Give what gives the recipe on executors: it goes by a broadcast, so that no plan and no log holds it."""
        try:
            context = self._session.sparkContext
        except Exception:  # noqa: BLE001  Spark Connect has no broadcast of its own
            return PackedRecipe(recipe)
        # pyspark writes what it broadcasts to the disks of the driver and of executors: the key goes with the task.
        sealed, key = seal(pickle.dumps(recipe))
        broadcast = context.broadcast(sealed)
        self._secrets.append(broadcast)
        return SealedRecipe(broadcast, key)


def _files(frame: Any) -> int:
    """Give how many tasks read a frame, by the files that it is in."""
    return max(1, len(frame.inputFiles()))
