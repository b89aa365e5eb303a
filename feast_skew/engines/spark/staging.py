"""The folder of one run, which the driver and all executors see: what one job writes, the next one reads."""

from __future__ import annotations

import contextlib
import posixpath
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from feast_skew.errors import ConfigError

_FILE = "file://"
# A task that reads holds a whole group of rows in the JVM, as it is when it is not compressed; and blocks are so few that Parquet
# would not look how large they are.
_SMALL_GROUPS = {
    "compression": "uncompressed",
    "parquet.block.size": str(16 << 20),
    "parquet.block.size.row.check.min": "1",
    "parquet.page.size.row.check.min": "1",
}


class Staging:
    """A folder, removed at the end; without a given place one of the driver's, for Spark in local mode."""

    def __init__(self, session: Any, place: str | None) -> None:
        self._session = session
        if place is None:
            if not str(session.conf.get("spark.master", "")).startswith("local"):
                raise ConfigError(
                    "spark_staging: a cluster needs a folder that the driver and all executors see",
                    hint="for example spark_staging: hdfs:///tmp/feast-skew",
                )
            self.root = f"{_FILE}{tempfile.mkdtemp(prefix='feast-skew-')}"
        else:
            whole = place if "://" in place else f"{_FILE}{Path(place).resolve()}"
            self.root = posixpath.join(whole, f"feast-skew-{uuid.uuid4().hex}")
            try:
                _opened(self.root)
            except (pa.ArrowException, OSError) as error:
                raise ConfigError(
                    f"spark_staging: the driver cannot open {place}: {' '.join(str(error).split())[:200]}",
                    hint="name a mounted path, or a scheme that pyarrow.fs opens here: hdfs, s3, s3a, gs, abfss",
                ) from error
        self._schemas: dict[str, pa.Schema] = {}

    def path(self, name: str, schema: pa.Schema) -> str:
        """Give a place for rows of a schema that was not given before."""
        place = posixpath.join(self.root, f"{len(self._schemas) + 1:03d}-{name}")
        self._schemas[place] = schema
        return place

    def write(self, name: str, tables: Iterable[pa.Table], schema: pa.Schema, rows_a_file: int = 1 << 20) -> str:
        """Write tables from the driver, a file for at least so many rows; give their place."""
        place = self.path(name, schema)
        system, folder = _opened(place)
        system.create_dir(folder, recursive=True)
        writer: pq.ParquetWriter | None = None
        number = rows = 0
        try:
            for table in tables:
                if writer is None:
                    writer = pq.ParquetWriter(f"{folder}/part-{number:05d}.parquet", schema, filesystem=system)
                    number, rows = number + 1, 0
                writer.write_table(table)
                rows += table.num_rows
                if rows >= rows_a_file:
                    writer.close()
                    writer = None
            if not number:
                pq.write_table(schema.empty_table(), f"{folder}/part-00000.parquet", filesystem=system)
        finally:
            if writer is not None:
                writer.close()
        return place

    def save(self, frame: Any, place: str) -> None:
        """Let Spark write the rows of a frame to a place."""
        frame.write.options(**_SMALL_GROUPS).parquet(place)

    def read(self, place: str) -> Any:
        """Give the rows at a place as a frame of Spark."""
        from pyspark.sql.pandas.types import from_arrow_schema

        # Spark would run a job to look into the files for what is known.
        return self._session.read.schema(from_arrow_schema(self._schemas[place])).parquet(place)

    def batches(self, place: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows at a place to the driver, batch by batch."""
        system, folder = _opened(place)
        yield from ds.dataset(folder, format="parquet", filesystem=system).to_batches()

    def remove(self) -> None:
        """Remove all that was written; what cannot be removed stays, as the run itself is over."""
        with contextlib.suppress(pa.ArrowException, OSError):
            system, folder = _opened(self.root)
            system.delete_dir(folder)


def _opened(place: str) -> tuple[pafs.FileSystem, str]:
    """Give the file system of a place, and the path in it, where Spark and Arrow name places differently."""
    if place.startswith(_FILE):  # Hadoop takes a path as it stands, and Arrow would decode it
        return pafs.LocalFileSystem(), place.removeprefix(_FILE)
    for hadoop in ("s3a://", "s3n://"):
        if place.startswith(hadoop):
            place = f"s3://{place.removeprefix(hadoop)}"
    system, folder = pafs.FileSystem.from_uri(place)
    return system, folder
