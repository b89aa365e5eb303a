"""Compute the feature tables in data/features/ from data/flights.parquet and data/planes.parquet.

Every row stands at an instant and looks back over a trailing window: after its start, up to and
including its end. The nightly tables stand at midnight UTC, one row per plane (or route) and day
with flights. Sums are of whole minutes, so the results do not depend on the order of adding.

Feast is not imported here: the pipeline that makes features and the repository that serves them
are two systems, and that is how they come to disagree.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

DATA_DIR = Path(__file__).resolve().parent.parent / "data"
WINDOW_DAYS = 30
DAY = 24 * 60  # all times are whole minutes since 1970-01-01 UTC
NIGHTLY_RUN = 3 * 60  # the nightly job has written its rows by 03:00
PROFILES_FROM = pd.Timestamp("2013-01-01", tz="UTC")
# The nightly table behind `plane_live` ends a day before the data does: the run for the last day is
# still to come, and until then its flights are known from the stream alone.
LIVE_UNTIL = pd.Timestamp("2013-12-31", tz="UTC")

INSTANT = pa.timestamp("us", tz="UTC")


class Windows:
    """Trailing windows over the events of many keys, all answered at once."""

    def __init__(self, keys: np.ndarray, minutes: np.ndarray) -> None:
        self.order = np.lexsort((minutes, keys))
        self.minutes = minutes[self.order]
        self._line = _on_a_line(keys[self.order], self.minutes)

    def bounds(self, keys: np.ndarray, ends: np.ndarray, days: int) -> tuple[np.ndarray, ...]:
        """Give, for every (key, end), the first event inside its window and the first after."""
        first = np.searchsorted(self._line, _on_a_line(keys, ends - days * DAY), side="right")
        after = np.searchsorted(self._line, _on_a_line(keys, ends), side="right")
        return first, after

    def total(self, values: np.ndarray, first: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Sum whole-numbered values (given in the callers' order of events) in each window."""
        sums = np.concatenate([[0], np.cumsum(values[self.order].astype(np.int64))])
        return sums[after] - sums[first]

    def mean(self, values: np.ndarray, first: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Give the mean of each window, NaN where it has no event."""
        total = self.total(values, first, after).astype(float)
        count = after - first
        return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)

    def largest(self, values: np.ndarray, first: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Give the largest value of each window; no window may be empty."""
        level = values[self.order]
        count = after - first
        depth = np.log2(count).astype(int)  # a window is covered by two spans of 2**depth events
        result = np.empty(len(count), level.dtype)
        for power in range(depth.max(initial=-1) + 1):
            span = 1 << power
            now = depth == power
            result[now] = np.maximum(level[first[now]], level[after[now] - span])
            level = np.maximum(level[:-span], level[span:])
        return result


def plane_rows(flights: pd.DataFrame, window_days: int = WINDOW_DAYS) -> pd.DataFrame:
    """Give the nightly rows of `plane_delays`: one per plane and day on which it departed."""
    departed = flights.dropna(subset=["tailnum", "departed_at"])
    arrived = departed.dropna(subset=["arrived_at"])
    planes, names = pd.factorize(departed["tailnum"], sort=True)
    at = _minutes(departed["departed_at"])
    rows = _distinct(planes, _next_midnight(at))
    keys, ends = rows[:, 0], rows[:, 1]

    windows = Windows(planes, at)
    first, after = windows.bounds(keys, ends, window_days)
    delays = departed["dep_delay"].to_numpy(np.int64)
    last = windows.order[after - 1]

    landings = Windows(names.get_indexer(pd.Index(arrived["tailnum"])), _minutes(arrived["arrived_at"]))
    landed = landings.bounds(keys, ends, window_days)
    return pd.DataFrame(
        {
            "tailnum": names[keys],
            "event_timestamp": _instants(ends),
            "avg_dep_delay": windows.mean(delays, first, after),
            "avg_arr_delay": landings.mean(arrived["arr_delay"].to_numpy(np.int64), *landed),
            "max_dep_delay": windows.largest(delays, first, after),
            "flights": after - first,
            "last_carrier": departed["carrier"].to_numpy()[last],
            "last_departure": _instants(at[last]),
        }
    )


def route_rows(flights: pd.DataFrame, window_days: int = WINDOW_DAYS) -> pd.DataFrame:
    """Give the nightly rows of `route_delays`: one per route and day with any flight planned."""
    routes, names = pd.factorize(pd.MultiIndex.from_frame(flights[["origin", "dest"]]), sort=True)
    outcome = _minutes(flights["departed_at"].fillna(flights["cancelled_at"]))
    rows = _distinct(routes, _next_midnight(outcome))
    keys, ends = rows[:, 0], rows[:, 1]

    planned = Windows(routes, outcome)
    inside = planned.bounds(keys, ends, window_days)
    left = flights["departed_at"].notna().to_numpy()
    departed = planned.total(left, *inside)
    delay = planned.total(flights["dep_delay"].fillna(0).to_numpy(np.int64), *inside)
    cancelled = planned.total(~left, *inside)

    landed = flights["arrived_at"].notna().to_numpy()
    landings = Windows(routes[landed], _minutes(flights["arrived_at"][landed]))
    air_time = flights["air_time"][landed].to_numpy(np.int64)
    origin, dest = (names.get_level_values(level).to_numpy() for level in (0, 1))
    return pd.DataFrame(
        {
            "origin": origin[keys],
            "dest": dest[keys],
            "event_timestamp": _instants(ends),
            "created_at": _instants(ends + NIGHTLY_RUN),
            "avg_dep_delay": np.where(departed > 0, delay / np.maximum(departed, 1), np.nan),
            "flights": departed,
            "cancelled_share": cancelled / (departed + cancelled),
            "busiest_carrier": _busiest(flights["carrier"], routes, outcome, rows, window_days),
            "avg_air_time": landings.mean(air_time, *landings.bounds(keys, ends, window_days)),
        }
    )


def _busiest(carriers: pd.Series, routes: np.ndarray, at: np.ndarray, rows: np.ndarray, window_days: int) -> np.ndarray:
    """Give the carrier with most planned flights per row, the first by name when some are equal."""
    codes, names = pd.factorize(carriers, sort=True)
    windows = Windows(routes * len(names) + codes, at)
    best = np.zeros(len(rows), np.int64)
    most = np.zeros(len(rows), np.int64)
    for code in range(len(names)):
        first, after = windows.bounds(rows[:, 0] * len(names) + code, rows[:, 1], window_days)
        more = after - first > most
        best[more] = code
        most[more] = (after - first)[more]
    return names.to_numpy()[best]


def profile_rows(planes: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of `plane_profile`: one per registered plane, known from the first day on."""
    return planes.assign(event_timestamp=PROFILES_FROM)


def live_rows(
    data_dir: str | Path,
    as_of: pd.Timestamp | str,
    window_days: int = WINDOW_DAYS,
    *,
    days: int = 1,
) -> pd.DataFrame:
    """Give what a stream would have pushed for each plane that left in the last day(s) to `as_of`.

    A row stands at the plane's own last departure and counts that departure in: an instant that no
    nightly row has. A plane that last left on the stroke of midnight is therefore passed over; the
    nightly row of that midnight says the same. `as_of` is UTC when it names no time zone.
    """
    flights = pq.read_table(
        Path(data_dir) / "flights.parquet", columns=["tailnum", "departed_at", "dep_delay"]
    ).to_pandas()
    departed = flights.dropna(subset=["tailnum", "departed_at"])
    planes, names = pd.factorize(departed["tailnum"], sort=True)
    at = _minutes(departed["departed_at"])
    until = int(_utc(as_of).timestamp()) // 60

    windows = Windows(planes, at)
    keys = np.arange(len(names))
    _, after = windows.bounds(keys, np.full(len(names), until), 0)
    first, _ = windows.bounds(keys, np.full(len(names), until), days)
    keys = keys[after > first]
    ends = windows.minutes[after[after > first] - 1]
    keys, ends = keys[ends % DAY != 0], ends[ends % DAY != 0]
    inside = windows.bounds(keys, ends, window_days)
    return pd.DataFrame(
        {
            "tailnum": names[keys].astype(object),
            "event_timestamp": _instants(ends),
            "avg_dep_delay": windows.mean(departed["dep_delay"].to_numpy(np.int64), *inside),
            "flights": inside[1] - inside[0],
        }
    )


SCHEMAS: Mapping[str, pa.Schema] = {
    "plane_delays": pa.schema(
        [
            ("tailnum", pa.string()),
            ("event_timestamp", INSTANT),
            ("avg_dep_delay", pa.float64()),
            ("avg_arr_delay", pa.float64()),
            ("max_dep_delay", pa.float32()),
            ("flights", pa.int64()),
            ("last_carrier", pa.string()),
            ("last_departure", INSTANT),
        ]
    ),
    "plane_live": pa.schema(
        [
            ("tailnum", pa.string()),
            ("event_timestamp", INSTANT),
            ("avg_dep_delay", pa.float64()),
            ("flights", pa.int64()),
        ]
    ),
    "plane_profile": pa.schema(
        [
            ("tailnum", pa.string()),
            ("event_timestamp", INSTANT),
            ("year_built", pa.int32()),
            ("manufacturer", pa.string()),
            ("seats", pa.int32()),
            ("engines", pa.int32()),
        ]
    ),
    "route_delays": pa.schema(
        [
            ("origin", pa.string()),
            ("dest", pa.string()),
            ("event_timestamp", INSTANT),
            ("created_at", INSTANT),
            ("avg_dep_delay", pa.float64()),
            ("flights", pa.int64()),
            ("cancelled_share", pa.float32()),
            ("busiest_carrier", pa.string()),
            ("avg_air_time", pa.float64()),
        ]
    ),
}


def build(
    data_dir: str | Path = DATA_DIR,
    window_days: int = WINDOW_DAYS,
    *,
    live_until: pd.Timestamp | str = LIVE_UNTIL,
) -> dict[str, Path]:
    """Write all tables and give their paths; `window_days` is the window of `plane_delays` alone.

    The other views keep 30 days. Tables of another window that are there already stay, with the
    same keys and instants: only the values differ. The nightly rows of `plane_live` end with
    `live_until`, which is UTC when it names no time zone.
    """
    if window_days < 1:
        raise ValueError(f"a window of {window_days} days is not possible; take 1 or more")
    data_dir = Path(data_dir)
    flights = pq.read_table(data_dir / "flights.parquet").to_pandas()
    planes = pq.read_table(data_dir / "planes.parquet").to_pandas()
    nightly = plane_rows(flights)
    tables = {
        f"plane_delays_{window_days}d": (nightly if window_days == WINDOW_DAYS else plane_rows(flights, window_days)),
        "plane_live": nightly[nightly["event_timestamp"] <= _utc(live_until)],
        "plane_profile": profile_rows(planes),
        "route_delays": route_rows(flights),
    }
    (data_dir / "features").mkdir(exist_ok=True)
    paths = {}
    for name, frame in tables.items():
        schema = SCHEMAS["plane_delays" if name.startswith("plane_delays") else name]
        paths[name] = _write(frame, schema, data_dir / "features" / f"{name}.parquet")
    return paths


def _write(frame: pd.DataFrame, schema: pa.Schema, path: Path) -> Path:
    """Write the table whole or not at all."""
    table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        pq.write_table(table.replace_schema_metadata(None), partial, compression="zstd")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _on_a_line(keys: np.ndarray, minutes: np.ndarray) -> np.ndarray:
    """Put (key, minute) pairs on one sorted line, the keys far apart."""
    return (keys.astype(np.int64) << 32) + minutes


def _minutes(column: pd.Series) -> np.ndarray:
    """Give instants as whole minutes since 1970 UTC; a column without a time zone is refused."""
    return column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[m]").astype(np.int64)


def _utc(moment: pd.Timestamp | str) -> pd.Timestamp:
    given = pd.Timestamp(moment)
    return given.tz_localize("UTC") if given.tzinfo is None else given.tz_convert("UTC")


def _instants(minutes: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(minutes.astype("datetime64[m]").astype("datetime64[us]"), tz="UTC")


def _next_midnight(minutes: np.ndarray) -> np.ndarray:
    """Give the midnight that ends the day; an instant at midnight belongs to the day before it."""
    return -(-minutes // DAY) * DAY


def _distinct(keys: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Give the distinct (key, end) pairs in the order of time."""
    line = np.unique((ends << 32) + keys)
    return np.stack([line & 0xFFFFFFFF, line >> 32], axis=1)


def main() -> None:
    """Build from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR)
    parser.add_argument("--window-days", type=int, default=WINDOW_DAYS, help="window of plane_delays (default 30)")
    arguments = parser.parse_args()
    for path in build(arguments.data_dir, arguments.window_days).values():
        print(f"{path}: {pq.read_metadata(path).num_rows:,} rows")


if __name__ == "__main__":
    main()
