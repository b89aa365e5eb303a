"""Features of real flights: rolling aggregates per aircraft, origin and part of the day, at any instant and over any window."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "feature_repo" / "data"
KEYS = ("tailnum", "origin", "part")
DAY = 24 * 60
HOUR = 60
SAMPLE = 10_000
WINDOW = 30 * DAY
PART = 6 * HOUR
HISTORY = 6
"""Nightly rows that an offline table keeps per entity, at most."""
MOMENTS = (
    "2013-07-10", "2013-07-31", "2013-08-20", "2013-09-05", "2013-09-26",
    "2013-10-15", "2013-11-06", "2013-11-29", "2013-12-17", "2013-12-31",
)  # fmt: skip
"""The night of the run, by the seed: summer storms, a quiet autumn, Thanksgiving, the last day."""
AGGREGATES = ("mean", "sum", "count", "min", "max", "last", "distinct", "std")
INSTANT = pa.timestamp("us", tz="UTC")


@cache
def pipeline() -> ModuleType:
    """The code that makes the features of the demo's repository."""
    name = "feast_skew_zoo_pipeline"
    spec = importlib.util.spec_from_file_location(name, ROOT / "feature_repo" / "pipeline" / "build_features.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def minute(moment: str) -> int:
    """Give a moment of UTC in whole minutes since 1970."""
    return int(pd.Timestamp(moment, tz="UTC").timestamp()) // 60


def instants(minutes: np.ndarray) -> pa.Array:
    """Give whole minutes since 1970 as instants of UTC."""
    return pa.array(minutes.astype("datetime64[m]").astype("datetime64[us]"), pa.timestamp("us")).cast(INSTANT)


class Flights:
    """All flights that left, in the order of entity and time, with windows over them; an entity is what `by` names."""

    def __init__(self, by: tuple[str, ...]) -> None:
        flights = pq.read_table(DATA / "flights.parquet").to_pandas()
        left = flights.dropna(subset=["tailnum", "departed_at"]).reset_index(drop=True)
        at = pipeline()._minutes(left["departed_at"])
        left = left.assign(part=at % DAY // PART)
        keys, names = pd.factorize(pd.MultiIndex.from_frame(left[list(by)]), sort=True)
        order = np.lexsort((at, keys))
        self.by, self.names = by, names.set_names(list(by))
        self.frame = left.iloc[order].reset_index(drop=True)
        self.keys, self.at = keys[order].astype(np.int64), at[order]
        self.windows = pipeline().Windows(self.keys, self.at)
        self._known: dict[str, tuple[Any, np.ndarray]] = {}

    @cached_property
    def entities(self) -> pa.Table:
        """The key columns of every entity, by its number."""
        return pa.table({name: pa.array(self.names.get_level_values(level)) for level, name in enumerate(self.by)})

    @cached_property
    def nights(self) -> tuple[np.ndarray, np.ndarray]:
        """Entity and midnight of every nightly row: one per entity and day on which it left, in the order of entity and time."""
        ends = -(-self.at // DAY) * DAY
        line = np.unique((self.keys << 32) + ends)
        return line >> 32, line & 0xFFFFFFFF

    @cached_property
    def profile(self) -> pd.DataFrame:
        """What the registry of planes says of each entity's aircraft."""
        planes = pq.read_table(DATA / "planes.parquet").to_pandas().set_index("tailnum")
        return planes.reindex(self.names.get_level_values("tailnum")).reset_index(drop=True)

    @cached_property
    def events(self) -> pa.Table:
        """The flights as a team would keep them for replay: every column, and the part of the day."""
        return pa.Table.from_pandas(self.frame, preserve_index=False)

    def known(self, column: str) -> tuple[Any, np.ndarray]:
        """Give windows over the flights that have this column, and its values in their order; texts as codes."""
        if column not in self._known:
            there = self.frame[column].notna().to_numpy()
            values = self.frame[column][there]
            whole = values.to_numpy(np.int64) if values.dtype.kind in "fiu" else pd.factorize(values, sort=True)[0]
            windows = self.windows if there.all() else pipeline().Windows(self.keys[there], self.at[there])
            self._known[column] = (windows, whole)
        return self._known[column]

    def inside(
        self, keys: np.ndarray, ends: np.ndarray, window: int, windows: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give the first flight inside the window before each end, the end included, and the first one after it."""
        line = (windows or self.windows)._line
        first = np.searchsorted(line, (keys << 32) + ends - window, side="right")
        return first, np.searchsorted(line, (keys << 32) + ends, side="right")

    def aggregate(self, how: str, column: str, keys: np.ndarray, ends: np.ndarray, window: int = WINDOW) -> np.ndarray:
        """Aggregate a column over windows; NaN where no flight of them has it, or too few for a spread."""
        windows, values = self.known(column)
        first, after = self.inside(keys, ends, window, windows)
        count = after - first
        if how == "count":
            return count.astype(float)
        some, result = count > 0, np.full(len(keys), np.nan)
        if how in ("mean", "sum"):
            total = windows.total(values, first, after).astype(float)
            result[some] = (total / np.maximum(count, 1) if how == "mean" else total)[some]
        elif how in ("max", "min"):
            sign = 1 if how == "max" else -1
            result[some] = sign * windows.largest(sign * values, first[some], after[some])
        elif how == "last":
            result[some] = values[after[some] - 1]
        elif how == "std":
            more = count > 1
            total, squares = (windows.total(v, first, after).astype(float) for v in (values, values * values))
            spread = squares[more] - total[more] ** 2 / count[more]
            result[more] = np.sqrt(np.maximum(spread, 0.0) / (count[more] - 1))
        else:
            assert how == "distinct", how
            result = np.zeros(len(keys))
            for code in range(values.max() + 1):
                result += windows.total(values == code, first, after) > 0
        return result

    def without(self, how: str, column: str, keys: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Give a mean or count over 30 days to which the files of three days were missing, those before the last one."""
        windows, values = self.known(column)
        spans = (self.inside(keys, ends, WINDOW, windows), self.inside(keys, ends - DAY, 3 * DAY, windows))
        count, total = (
            np.subtract(*(windows.total(of, *span) for span in spans)).astype(float)
            for of in (np.ones_like(values), values)
        )
        if how == "count":
            return count
        assert how == "mean", how
        return np.divide(total, count, out=np.full(len(keys), np.nan), where=count > 0)

    def last(self, column: str, keys: np.ndarray, ends: np.ndarray, back: int = 0) -> np.ndarray:
        """Give a column of the last flight up to each end, or of one some flights earlier; None where there is none."""
        first, after = self.inside(keys, ends, 400 * DAY)
        place = after - 1 - back
        found = self.frame[column].to_numpy(object)[np.maximum(place, 0)]
        found[place < first] = None
        return found

    def listed(self, column: str, keys: np.ndarray, ends: np.ndarray, most: int = 5) -> list[list[Any]]:
        """Give a column of the last flights of each window as lists, the latest first."""
        first, after = self.inside(keys, ends, WINDOW)
        values = self.frame[column].tolist()
        return [
            values[max(start, stop - most) : stop][::-1]
            for start, stop in zip(first.tolist(), after.tolist(), strict=True)
        ]

    def number(self, name: str, keys: np.ndarray, ends: np.ndarray, window: int = WINDOW) -> np.ndarray:
        """Give a number of entities at instants; NaN stands for null."""
        return self.aggregate(*NUMBERS[name], keys, ends, window)

    def text(self, name: str, keys: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Give a text of entities at instants as objects; None is null."""
        if name == "manufacturer":
            return self.profile[name].to_numpy(object, na_value=None)[keys]
        if name == "last_route":
            origin, dest = (self.last(column, keys, ends) for column in ("origin", "dest"))
            return np.array([f"{a}-{b}" for a, b in zip(origin, dest, strict=True)], object)
        return self.last(name, keys, ends)

    def departed(self, keys: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Give the instant of the last departure, in seconds since 1970."""
        _, after = self.inside(keys, ends, WINDOW)
        return self.at[after - 1] * 60


@cache
def flights(by: tuple[str, ...] = KEYS) -> Flights:
    """Read the flights once a process."""
    return Flights(by)


class Snapshot:
    """What a nightly pipeline knows at a moment: 10,000 entities drawn from all, each with its latest nightly row and those before.

    `keys` and `ends` are entity and instant of the latest row of each drawn one; `population` counts the entities they were drawn from.
    """

    def __init__(self, seed: int, size: int = SAMPLE, by: tuple[str, ...] = KEYS) -> None:
        self.flights, self.seed, self.random = flights(by), seed, np.random.default_rng([2013, seed])
        self.now = minute(MOMENTS[seed % len(MOMENTS)])
        all_keys, all_ends = self.flights.nights
        so_far = all_ends <= self.now
        row_keys, row_ends = all_keys[so_far], all_ends[so_far]
        last = np.flatnonzero(np.append(row_keys[1:] != row_keys[:-1], True))
        first = np.append(0, last[:-1] + 1)
        # An entity of one or two days has no history to be stale against.
        usable = np.flatnonzero(last - first >= 2)
        self.population = len(usable)
        chosen = np.sort(self.random.permutation(usable)[:size])
        self._row_keys, self._row_ends = row_keys, row_ends
        self._first, self._last = first[chosen], last[chosen]
        self.keys, self.ends = row_keys[self._last], row_ends[self._last]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def entities(self) -> pa.Table:
        """The key columns of the drawn entities."""
        return self.flights.entities.take(pa.array(self.keys))

    def version(self, back: int) -> np.ndarray:
        """Give the instants of the nightly row some versions earlier; the first one where there are not as many."""
        return self._row_ends[np.maximum(self._last - back, self._first)]

    def depth(self) -> np.ndarray:
        """Count the rows before the latest one of each entity."""
        return self._last - self._first

    def history(self, most: int = HISTORY) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give the places, among the drawn entities, the entities and the instants of the last nightly rows, the latest included."""
        count = np.minimum(self._last - self._first + 1, most)
        places = np.repeat(np.arange(len(self)), count)
        stop = np.cumsum(count)
        inside = np.arange(stop[-1]) - np.repeat(stop - count, count)
        rows = np.repeat(self._last - count + 1, count) + inside
        return places, self._row_keys[rows], self._row_ends[rows]

    def fleet(self) -> np.ndarray:
        """Order the entities as an operator would: by carrier, then by tail number."""
        carrier = self.flights.last("carrier", self.keys, self.ends).astype(str)
        return np.lexsort((self.keys, carrier))


NUMBERS: dict[str, tuple[str, str]] = {
    "mean_delay": ("mean", "dep_delay"),
    "mean_arrival": ("mean", "arr_delay"),
    "air_time": ("mean", "air_time"),
    "total_delay": ("sum", "dep_delay"),
    "flights": ("count", "dep_delay"),
    "worst_delay": ("max", "dep_delay"),
    "spread": ("std", "dep_delay"),
}
"""What each number is: an aggregate of a column of the flights, over 30 days unless another window is asked for."""

TYPES: dict[str, pa.DataType] = {"total_delay": pa.int64(), "flights": pa.int64(), "worst_delay": pa.float32()}
"""Types of the numbers that are no Float64."""


def arrow(values: Any, kind: pa.DataType | None = None) -> pa.Array:
    """Give numbers with NaN, or objects with None, as a column; NaN becomes null."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values, pa.float64(), from_pandas=True).cast(kind or pa.float64(), safe=False)
    return pa.array(values, kind)
