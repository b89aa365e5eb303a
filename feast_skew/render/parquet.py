"""The report as Parquet, one row per feature, typed, with every text as it is."""

from __future__ import annotations

from feast_skew.render.base import renderer
from feast_skew.render.table import Cell, columns, rows
from feast_skew.report import SkewReport


@renderer("parquet", binary=True)
def render(report: SkewReport) -> bytes:
    """Give the table as the bytes of a Parquet file; null where there is no value.

    Moments are UTC in microseconds, counts int64, numbers float64. Texts are not escaped, as nothing here is computed; only half
    of a surrogate pair, which UTF-8 cannot hold, is written as `?`.
    """
    import pyarrow as pa
    from pyarrow import parquet

    types = {
        "text": pa.string(),
        "moment": pa.timestamp("us", tz="UTC"),
        "count": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
    }
    head, body = columns(), rows(report)
    cells = [pa.array([_storable(row[at]) for row in body], types[column.kind]) for at, column in enumerate(head)]
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_arrays(cells, names=[column.name for column in head]), sink)
    return sink.getvalue().to_pybytes()


def _storable(cell: Cell) -> Cell:
    return cell.encode(errors="replace").decode() if isinstance(cell, str) else cell
