"""Rows of Parquet files, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.dataset as ds

from feast_skew.errors import SourceUnreadable

_BATCH_ROWS = 262_144


def batches(dataset: ds.Dataset, columns: list[str], where: str) -> Iterator[pa.Table]:
    """Yield the columns of all rows, in tables of at most a quarter of a million rows.

    Raises
    ------
    SourceUnreadable
        When a file breaks off or is damaged.
    """
    try:
        # A row group at a time: a scan of the whole reads ahead of a slow consumer until the file lies in memory.
        for fragment in dataset.get_fragments():
            for group in fragment.split_by_row_group():
                scanner = group.scanner(schema=dataset.schema, columns=columns, batch_size=_BATCH_ROWS)
                for batch in scanner.to_batches():
                    if batch.num_rows:
                        yield pa.Table.from_batches([batch])
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceUnreadable(f"{where} cannot be read", hint=" ".join(str(error).split())[:300]) from error
