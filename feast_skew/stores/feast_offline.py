"""Reads any offline store through Feast's own interface, and Parquet file sources by the short way."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from feast import FeatureStore
from feast.data_source import DataSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from google.protobuf import json_format

from feast_skew.core.alignment import microseconds
from feast_skew.core.model import FeaturePlan, SourceVersion, ViewPlan
from feast_skew.core.types import Kind
from feast_skew.errors import SkewError, SourceUnreadable, StoreUnavailable
from feast_skew.report import Finding
from feast_skew.stores.base import Compared, OfflineBatch
from feast_skew.stores.excerpt import excerpted
from feast_skew.stores.feast_spark import (
    SparkSide,
    frames_without_collisions,
    is_spark,
    key_order,
    only_entities,
    own_names,
    to_arrow,
)
from feast_skew.stores.numbered_rows import NumberedRows, RememberedViews
from feast_skew.stores.parquet_batches import batches
from feast_skew.stores.parquet_files import is_parquet, open_parquet, stored_bytes
from feast_skew.stores.rows import SourceColumns, declared_values, offline_batch
from feast_skew.stores.spark_zones import TimeZones

_START = datetime(1970, 1, 1, tzinfo=timezone.utc)
_END = datetime(2200, 1, 1, tzinfo=timezone.utc)
_REST_OF_MICROSECOND = 999
ROW_ID = "__feast_skew_row"


class FeastOfflineReader:
    """Reads rows of a view's source and, where it matters, the values that `get_historical_features` gives.

    `direct` lets Parquet file sources be read without going through Feast's own pull, which loads a whole table at once;
    the contract tests hold both ways against each other.
    """

    def __init__(self, store: FeatureStore, *, direct: bool = True) -> None:
        self._store = store
        self._direct = direct
        self._pulled: tuple[Any, pa.Table] | None = None
        self._numbered = RememberedViews()
        self._finer: set[str] = set()
        settings = store.config.offline_store
        self._spark = SparkSide(settings) if is_spark(settings) else None
        self.name = str(getattr(store.config.offline_store, "type", "offline store"))

    @property
    def gives_all_ties(self) -> bool:
        """Tell whether training gets all rows of one instant; see `OfflineReader.gives_all_ties`."""
        return self._spark is not None

    @property
    def findings(self) -> Sequence[Finding]:
        """Give what the configuration of the store does to training sets; see `OfflineReader.findings`."""
        return self._spark.findings if self._spark is not None else ()

    @property
    def spark_conf(self) -> Mapping[str, str]:
        """The settings of Spark in feature_store.yaml, which Feast itself heeds only where it starts the session."""
        return (self._spark.settings.spark_conf or {}) if self._spark is not None else {}

    def found_in(self, zones: TimeZones) -> None:
        """Take the time zones in which a session of somebody else's was found, before it was put in UTC."""
        if self._spark is not None:
            self._spark.zones = zones

    def hazards(self, parts: Sequence[Compared], collisions: tuple[int, int] | None = None) -> Sequence[Finding]:
        """Give what training sets of the compared entities get wrong; see `OfflineReader.hazards`."""
        return self._spark.hazards(parts, collisions) if self._spark is not None else ()

    def reading(self) -> AbstractContextManager[None]:
        """Make everything ready in which Feast reads the store rightly, and put it back."""
        return self._spark.reading() if self._spark is not None else contextlib.nullcontext()

    def _arrow(self, job: Any) -> pa.Table:
        return to_arrow(job) if self._spark is not None else job.to_arrow()

    def scan(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> Iterator[OfflineBatch]:
        """Yield all rows of the view's source; see `OfflineReader.scan`."""
        numbered = self._numbered_rows(view) if view.keys.keys else None
        if numbered is None:
            yield from self._batches(view, features)
        elif features:
            yield from numbered.locate(self._batches(view, features))
        else:
            yield from numbered.batches()

    def _numbered_rows(self, view: ViewPlan) -> NumberedRows | None:
        """Give where the rows of a Parquet source belong, from memory while its files stay what they are."""
        source = _source(view)
        if not (self._direct and is_parquet(source)):
            return None
        dataset, _ = open_parquet(source, self._store.repo_path)
        return self._numbered.rows(view, dataset, self._batches(view, ()))

    def _batches(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> Iterator[OfflineBatch]:
        columns = source_columns(view, [feature.name for feature in features])
        for table, where in self._tables(view, columns):
            batch = offline_batch(table, columns, view.keys, where)
            if (batch.instants != microseconds(batch.instants)).any():
                self._finer.add(view.name)
            yield batch

    def _tables(self, view: ViewPlan, columns: SourceColumns) -> Iterator[tuple[pa.Table, str]]:
        """Yield the source's own columns, with a name of the source for messages."""
        source = _source(view)
        if self._direct and is_parquet(source):
            dataset, where = open_parquet(source, self._store.repo_path)
            columns.check(dataset.schema.names, where)
            for table in batches(dataset, columns.needed(), where):
                yield table, where
            return
        table = self._pull(view)
        where = f"offline source {source.name}"
        columns.check(table.column_names, where)
        yield table.select(columns.needed()), where

    def _pull(self, view: ViewPlan) -> pa.Table:
        """Pull all rows of a view once with all that may be asked of it, and keep the last pull."""
        if self._pulled is not None and self._pulled[0] is view.handle:
            return self._pulled[1]
        self._pulled = None
        columns = source_columns(view, [feature.name for feature in view.features])
        table = self._asked(_source(view), columns, self._arrow)
        if self._spark is not None:
            table = table.rename_columns(own_names(table.column_names, _source(view)))
        self._pulled = (view.handle, table)
        return table

    def _asked(self, source: DataSource, columns: SourceColumns, take: Callable[[Any], Any]) -> Any:
        """Let Feast pull all rows of a source, and take them out of its job."""
        provider: Any = self._store._get_provider()
        try:
            with quiet(), self.reading():
                return take(
                    provider.offline_store.pull_all_from_table_or_query(
                        config=self._store.config,
                        data_source=source,
                        join_key_columns=list(columns.keys.values()),
                        feature_name_columns=list(columns.features.values()),
                        timestamp_field=columns.timestamp,
                        created_timestamp_column=columns.created,
                        start_date=_START,
                        end_date=_END,
                    )
                )
        except SkewError:
            raise
        except Exception as error:
            said = str(error).strip()
            if self._spark is not None:
                # The plan that Spark prints below has numbers of its own in every run.
                said = said.partition("\n")[0]
            raise SourceUnreadable(
                f"offline source {source.name} cannot be read: {type(error).__name__}",
                hint=" ".join(said.split())[:300],
            ) from error

    def spark_frame(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> tuple[Any, SourceColumns, str] | None:
        """Give the source's rows as a frame of Spark, not read yet, how it names them, and what to call it in messages.

        None where Feast reads the source without Spark.

        Raises
        ------
        SourceUnreadable
            When the source is missing or lacks a column.
        """
        if self._spark is None:
            return None
        columns = source_columns(view, [feature.name for feature in features])
        source = _source(view)
        frame = self._asked(source, columns, lambda job: job.to_spark_df() if hasattr(job, "to_spark_df") else None)
        if frame is None:
            return None
        where = f"offline source {source.name}"
        frame = frame.toDF(*own_names(frame.columns, source))
        columns.check(frame.columns, where)
        return frame, columns, where

    def pull(self, source: DataSource, columns: SourceColumns, entities: pa.Table, most: int) -> pa.Table:
        """Give the rows of any source as Feast pulls them; those of some entities alone, and not many more than `most`, by Spark.

        Raises
        ------
        SourceUnreadable
            When the source is missing or lacks a column.
        """

        def take(job: Any) -> pa.Table:
            if self._spark is None or not hasattr(job, "to_spark_df"):
                table = self._arrow(job)
                return table.rename_columns(own_names(table.column_names, source)) if self._spark is not None else table
            frame = job.to_spark_df()
            frame = frame.toDF(*own_names(frame.columns, source))
            return only_entities(frame, columns.keys, entities).limit(most + 1).toArrow()

        return self._asked(source, columns, take)

    def row_count(self, view: ViewPlan) -> int | None:
        """Give the number of rows from the files' own metadata; see `OfflineReader.row_count`."""
        source = _source(view)
        if not (self._direct and is_parquet(source)):
            return None
        return int(open_parquet(source, self._store.repo_path)[0].count_rows())

    def declare(self, feature: FeaturePlan, values: pa.ChunkedArray) -> pa.Array:
        """Bring values of the source into the declared type; see `OfflineReader.declare`."""
        return declared_values(feature, values)

    def training_values(
        self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table, instants: np.ndarray
    ) -> dict[str, pa.Array] | None:
        """Ask `get_historical_features` for these entities at these instants; None when Feast cannot answer.

        Rows come back in any order and number (ties fan out, rows past the ttl vanish), so each carries an id of ours
        and is put back by it; of several answers to one question the last is taken, as training would keep one. Entities
        that a Spark store takes for one another are asked for in different frames.
        """
        frame = entities.to_pandas() if entities.num_columns else pd.DataFrame(index=range(len(instants)))
        for key in view.keys.keys:
            if key.declared.kind is Kind.TIMESTAMP:
                frame[key.name] = frame[key.name].dt.tz_localize(None)
        # Rows finer than a microsecond are asked for at its end; only then, as not every store takes nanoseconds.
        finer = _REST_OF_MICROSECOND if view.name in self._finer else 0
        frame["event_timestamp"] = pd.to_datetime(microseconds(instants) + finer, utc=True)
        frame[ROW_ID] = np.arange(len(instants))
        refs = [feature.ref for feature in features]
        whole = np.arange(len(instants))
        parts = [whole] if self._spark is None else frames_without_collisions(view, entities, instants)
        tables: list[pa.Table] = []
        try:
            with quiet(), self.reading(), self._store_for(view, entities) as store:
                for part in parts:
                    asked = frame if part is whole else frame.iloc[part].reset_index(drop=True)
                    job = store.get_historical_features(entity_df=asked, features=refs, full_feature_names=True)
                    tables.append(self._arrow(job))
                table = tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")
        except Exception:  # noqa: BLE001  a retrieval that Feast cannot do leaves the pulled rows as they are
            return None
        position = np.full(len(instants), -1, dtype=np.int64)
        ids = np.asarray(table.column(ROW_ID).cast(pa.int64()))
        position[ids] = np.arange(len(ids))
        take = pa.array(position, mask=position < 0)
        return {f.name: self.declare(f, table.column(full_name(f)).take(take)) for f in features}

    def _store_for(self, view: ViewPlan, entities: pa.Table) -> AbstractContextManager[FeatureStore]:
        source = _source(view)
        if self._direct and self.name == "dask" and is_parquet(source):
            return excerpted(self._store, source, source_columns(view, []), view.keys, entities)
        return contextlib.nullcontext(self._store)

    def key_order(self, view: ViewPlan) -> list[str]:
        """Give the join keys in the order in which the store puts their texts together."""
        return key_order(view)

    def spark_training(self, view: ViewPlan, features: Sequence[FeaturePlan], frame: Any, moment: str) -> Any:
        """Give what a training set gets for a frame of Spark with the join keys and a moment, as another one.

        None where Feast makes training sets without Spark. Other columns of the frame are carried along.
        """
        if self._spark is None:
            return None
        references = [feature.ref for feature in features]
        with quiet(), self.reading():
            asked = frame.withColumnRenamed(moment, "event_timestamp")
            job = self._store.get_historical_features(entity_df=asked, features=references, full_feature_names=True)
            return job.to_spark_df() if hasattr(job, "to_spark_df") else None

    def earlier(self, view: ViewPlan, version: SourceVersion) -> ViewPlan | None:
        """Give the view over the source that it had at an earlier time; None when that cannot be restored."""
        import copy
        from dataclasses import replace

        try:
            source = DataSource.from_proto(json_format.ParseDict(version.source, DataSourceProto()))
            handle = copy.copy(view.handle)
            handle.batch_source = source
            earlier = replace(view, handle=handle)
            if is_parquet(source):
                dataset, where = open_parquet(source, self._store.repo_path)
                names = set(dataset.schema.names)
                kept = tuple(f for f in view.features if source_columns(earlier, [f.name]).features[f.name] in names)
                earlier = replace(earlier, features=kept)
                source_columns(earlier, []).check(sorted(names), where)
            return earlier
        except Exception:  # noqa: BLE001  an earlier source may be gone in as many ways as there are stores
            return None


def full_name(feature: FeaturePlan) -> str:
    """Give the name of a feature's column in a training set that has full names."""
    return f"{feature.view}__{feature.name}"


def describe_source(store: FeatureStore, view: ViewPlan, *, shares_keys: bool = False) -> str:
    """Say what a run reads of a view's source, from metadata alone; `shares_keys` with other views of the run.

    Raises
    ------
    SourceUnreadable
        When a Parquet source is missing or lacks a column.
    """
    source = _source(view)
    columns = source_columns(view, [feature.name for feature in view.features])
    if not is_parquet(source):
        times = "twice (once as the population, once for its values)" if shares_keys else "once"
        return f"{source.name}, Feast pulls all rows of {len(columns.needed())} columns {times}"
    dataset, where = open_parquet(source, store.repo_path)
    columns.check(dataset.schema.names, where)
    needed = columns.needed()
    size = megabytes(stored_bytes(dataset, needed))
    return f"{source.path}, {dataset.count_rows():,} rows, {len(needed)} columns of {size} in all, keys and timestamps once more"


def megabytes(size: int) -> str:
    """Give a size for people, such as `0.3 MB` or `1,200 MB`."""
    return f"{size / 1e6:,.1f} MB" if size < 10**7 else f"{size / 1e6:,.0f} MB"


def _source(view: ViewPlan) -> DataSource:
    source = view.handle.batch_source
    if source is None:
        raise StoreUnavailable(f"view {view.name} has no batch source", hint="give it one, or leave the view out")
    result: DataSource = source
    return result


def source_columns(view: ViewPlan, features: Sequence[str]) -> SourceColumns:
    """Name the source's columns for a view, with Feast's field mapping run backwards (as utils._get_column_names)."""
    source = _source(view)
    mapped = {new: old for old, new in (source.field_mapping or {}).items()}
    created = source.created_timestamp_column
    return SourceColumns(
        keys={name: mapped.get(name, name) for name in view.keys.names},
        features={name: mapped.get(name, name) for name in features},
        timestamp=mapped.get(source.timestamp_field, source.timestamp_field),
        created=mapped.get(created, created) if created else None,
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what Feast and its libraries print or warn during a retrieval away from the user's terminal."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
