"""Finds Parquet file sources, to be read directly and only the columns asked for."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TypeGuard

import pyarrow as pa
import pyarrow.dataset as ds
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource

from feast_skew.errors import SourceUnreadable


def is_parquet(source: DataSource) -> TypeGuard[FileSource]:
    """Tell whether a source is Parquet on a file system that Arrow can open without extra credentials."""
    if not isinstance(source, FileSource):
        return False
    plain = source.file_format is None or isinstance(source.file_format, ParquetFormat)
    return plain and not source.resolve_credentials()


def open_parquet(source: FileSource, repo_path: Path | None) -> tuple[ds.Dataset, str]:
    """Open a Parquet source as Feast would find it; give the dataset and a name for messages.

    Raises
    ------
    SourceUnreadable
        When there is nothing to open.
    """
    uri = FileSource.get_uri_for_file_path(repo_path, source.file_options.uri)
    filesystem, path = FileSource.create_filesystem_and_path(uri, source.file_options.s3_endpoint_override)
    where = f"offline source {source.name or path}"
    shown = where if str(path) in where else f"{where} ({path})"
    try:
        if filesystem is None and "://" not in path and not Path(path).exists():
            raise SourceUnreadable(
                f"{shown} does not exist", hint="write the file, or correct the path in the repository"
            )
        dataset = ds.dataset(path, filesystem=filesystem, format="parquet", partitioning="hive")
        if not dataset.schema.names:
            raise SourceUnreadable(f"{shown} holds no Parquet file", hint="write one, or correct the path")
        return dataset, where
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceUnreadable(f"{shown} cannot be read", hint=" ".join(str(error).split())[:300]) from error


def local_file(source: FileSource, repo_path: Path | None) -> Path | None:
    """Give the path of a source that is one file on this machine; None for anything else."""
    path = Path(FileSource.get_uri_for_file_path(repo_path, source.file_options.uri))
    return path if path.is_file() else None


def stored_bytes(dataset: ds.Dataset, columns: Collection[str]) -> int:
    """Give how many bytes some columns take in the files, compressed as they are: what one pass over them reads."""
    total = 0
    for fragment in dataset.get_fragments():
        for group in fragment.row_groups:
            parts = group.metadata
            for number in range(parts.num_columns):
                column = parts.column(number)
                if column.path_in_schema.split(".")[0] in columns:
                    total += column.total_compressed_size
    return total
