"""Declared events through a real repository: files and sources of the registry, and what a run says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest

from feast_skew.core.definition import Definition
from feast_skew.core.keys import KeyIndex
from feast_skew.errors import SourceUnreadable, TooMuchData

DRIVERS = 120
ROW = pd.Timestamp("2024-02-20", tz="UTC")


def trips() -> pd.DataFrame:
    random = np.random.default_rng(0)
    size = DRIVERS * 40
    return pd.DataFrame(
        {
            "who": random.integers(0, DRIVERS, size),
            "ended": ROW - pd.to_timedelta(random.integers(1, 40 * 1440, size), unit="min"),
            "fare": np.round(random.lognormal(3, 1, size), 2),
        }
    )


TRIPS = trips()


def fares(days: int) -> np.ndarray:
    inside = TRIPS[(TRIPS.ended > ROW - pd.Timedelta(days=days)) & (TRIPS.ended <= ROW)]
    return inside.groupby("who").fare.mean().reindex(range(DRIVERS)).to_numpy()


def rows(values: np.ndarray) -> pa.Table:
    stamps = pa.array([ROW.as_unit("us")] * DRIVERS, pa.timestamp("us", "UTC"))
    return pa.table(
        {"driver_id": np.arange(DRIVERS), "event_timestamp": stamps, "fare": pa.array(values, from_pandas=True)}
    )


def built(repo: Any, events: str, *extra: Any, key_type: str = "Int64", **changes: Any) -> None:
    """Serve the mean fare of 7 days and have the one of 30 days offline, declared on the field."""
    from feast import Field
    from feast.types import Float64

    meaning = {
        "events": events,
        "keys": {"driver_id": "who"},
        "timestamp": "ended",
        "value": "fare",
        "aggregate": "mean",
        "window": "30d",
        **changes,
    }
    field = Field(name="fare", dtype=Float64, tags={"skew.definition": json.dumps(meaning)})

    def table(days: int) -> pa.Table:
        found = rows(fares(days))
        return found.set_column(0, "driver_id", found.column(0).cast(pa.string())) if key_type == "String" else found

    source = repo.source("fares", table(7))
    repo.apply(repo.view("fares", source, {"driver_id": key_type}, {"fare": field}), *extra)
    repo.materialize()
    repo.write("fares", table(30))


def proven(repo: Any) -> Any:
    report = repo.validate(scan=False, state=False)
    (cause,) = [one for one in report.features[0].causes if one.code == "window"]
    assert cause.evidence["proven"]
    assert (cause.evidence["offline_window"], cause.evidence["online_window"]) == ("30d", "7d")
    assert report.features[0].causes[0] is cause
    return cause


def test_a_parquet_file_of_the_repository(repo: Any) -> None:
    TRIPS.to_parquet(repo.directory / "trips.parquet", index=False)
    built(repo, "trips.parquet")
    cause = proven(repo)
    assert cause.share == 1.0
    assert "recomputed from trips.parquet" in cause.detail
    assert repo.validate(scan=False, state=False).to_dict()["features"][0]["causes"][0]["evidence"]["entities"] > 100


def test_a_folder_of_parquet_files(repo: Any) -> None:
    (repo.directory / "trips").mkdir()
    for i, part in enumerate(np.array_split(np.arange(len(TRIPS)), 3)):
        TRIPS.iloc[part].to_parquet(repo.directory / "trips" / f"{i}.parquet", index=False)
    built(repo, "trips")
    proven(repo)


def test_a_csv_file_whose_keys_are_text(repo: Any) -> None:
    """An id that looks like a number stays as it is spelt."""
    pyarrow.csv.write_csv(pa.Table.from_pandas(TRIPS, preserve_index=False), repo.directory / "trips.csv")
    built(repo, "trips.csv", key_type="String")
    proven(repo)


@pytest.mark.parametrize("offline", ["dask", "duckdb"])
def test_a_source_of_the_registry(make_repository: Any, tmp_path: Path, offline: str) -> None:
    repo = make_repository(tmp_path, offline=offline)
    events = repo.source("trips", pa.Table.from_pandas(TRIPS, preserve_index=False), timestamp_field="ended")
    built(repo, "trips", events)
    assert "recomputed from trips" in proven(repo).detail


@pytest.mark.usefixtures("spark")
def test_a_source_of_spark(make_repository: Any, tmp_path: Path) -> None:
    """Spark gives the events of the compared entities alone."""
    repo = make_repository(tmp_path, offline="spark")
    known = TRIPS.assign(ended=TRIPS.ended.dt.as_unit("us"))  # Spark reads no nanoseconds
    events = repo.source("trips", pa.Table.from_pandas(known, preserve_index=False), timestamp_field="ended")
    built(repo, "trips", events)
    assert "recomputed from trips" in proven(repo).detail


def test_a_source_as_feast_pulls_it(repo: Any) -> None:
    """What any offline store does for a source that is no Parquet file."""
    from feast_skew.stores.rows import SourceColumns

    source = repo.source("trips", pa.Table.from_pandas(TRIPS, preserve_index=False), timestamp_field="ended")
    columns = SourceColumns({"driver_id": "who"}, {"fare": "fare"}, "ended", None)
    table = repo.offline_reader().pull(source, columns, pa.table({"driver_id": np.arange(DRIVERS)}), 10**6)
    assert table.num_rows == len(TRIPS)
    assert set(table.column_names) >= {"who", "fare", "ended"}


def test_nothing_is_read_of_clean_data(repo: Any) -> None:
    built(repo, "nowhere.parquet")
    repo.materialize(skip_dedup=True)
    report = repo.validate(scan=False, state=False)
    assert report.verdict.value == "pass"
    assert not [finding for finding in report.findings if finding.code.startswith("FS4")]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"events": "nowhere.parquet"}, "does not exist"),
        ({"events": "fares"}, "no column 'who'"),
        ({"timestamp": "fare"}, "not timestamps"),
        ({"keys": {"driver_id": "fare"}}, "ids that do not fit"),
        ({"value": "tip"}, "no column 'tip'"),
    ],
)
def test_events_that_cannot_be_read_are_a_finding(repo: Any, changes: dict[str, Any], says: str) -> None:
    TRIPS.to_parquet(repo.directory / "trips.parquet", index=False)
    built(repo, changes.pop("events", "trips.parquet"), **changes)
    report = repo.validate(scan=False, state=False)
    assert report.verdict.value == "fail"
    (finding,) = [one for one in report.findings if one.code == "FS401"]
    assert says in finding.detail
    assert finding.view == "fares"
    assert not [cause for cause in report.features[0].causes if cause.evidence.get("proven")]


def read(repo: Any, definition: Definition, values: list[str], most: int = 10**6) -> Any:
    from feast_skew.stores.feast_events import FeastEvents

    view = repo.view_plan("fares")
    index = KeyIndex(pa.table({"driver_id": pa.array([3, 5, 7], pa.int64())}))
    return FeastEvents(repo.store, repo.offline_reader(), most).read(view, definition, values, index, lambda _: None)


def test_only_the_events_of_the_asked_entities_are_kept(repo: Any) -> None:
    written = TRIPS.assign(written=TRIPS.ended + pd.Timedelta(hours=1))
    written.loc[written.index[:7], "ended"] = pd.NaT
    written.to_parquet(repo.directory / "trips.parquet", index=False)
    built(repo, "trips.parquet")
    meaning = Definition("trips.parquet", (("driver_id", "who"),), "ended", "mean", "fare", created="written")
    found = read(repo, meaning, ["fare", "unknown"])
    wanted = written[written.who.isin([3, 5, 7]) & written.ended.notna()]
    assert len(found.positions) == len(wanted)
    assert np.bincount(found.positions).tolist() == wanted.groupby("who").size().tolist()
    assert found.values.column_names == ["fare"]
    assert (found.created > found.instants).all()
    assert (found.naive, found.broken) == (False, 7)
    with pytest.raises(TooMuchData, match="more than 10 events"):
        read(repo, meaning, ["fare"], most=10)
    with pytest.raises(SourceUnreadable, match="no column 'when'"):
        read(repo, Definition("trips.parquet", (("driver_id", "who"),), "when", "mean", "fare"), ["fare"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("aggregate: mean", "name the column"),
        ("aggregate: median", "must be"),
        ("aggregate: count\n      window: 0", "greater than 0"),
        ("aggregate: count\n      start: open", "must be"),
        ("aggregate: count\n      events: 5", "string"),
    ],
)
def test_definitions_that_mean_nothing(repo: Any, text: str, says: str) -> None:
    from feast_skew.errors import ConfigError

    built(repo, "trips.parquet")
    (repo.directory / "feast_skew.yaml").write_text(
        "features:\n  fares:fare:\n    definition:\n      keys: {driver_id: who}\n      timestamp: ended\n"
        + ("" if "events" in text else "      events: trips.parquet\n")
        + f"      {text}\n"
    )
    with pytest.raises(ConfigError) as error:
        repo.validate(scan=False)
    assert says in error.value.one_line()
