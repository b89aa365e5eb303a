"""Every way to read the offline store gives the same rows: keys cast, instants in UTC nanoseconds, nulls left out."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feast_skew.errors import SourceUnreadable

NOON = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
LATER = NOON + timedelta(hours=1, microseconds=250)
WHOLE = NOON + timedelta(hours=1)
"""No finer than a millisecond, for columns that cannot hold more."""

duckdb = pytest.mark.skipif(importlib.util.find_spec("duckdb") is None, reason="duckdb is not installed")


def ns(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) / timedelta(microseconds=1)) * 1000


def stamps(*moments: datetime | None, unit: str = "us", zone: str | None = "UTC") -> pa.Array:
    factor = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    ticks = pa.array([None if m is None else ns(m) // factor for m in moments], pa.int64())
    return ticks.cast(pa.timestamp(unit, zone))


@dataclass
class Case:
    """A source and the rows that must come out of it, as (keys, instant, created, values).

    `refused` names the offline stores of Feast that may not be able to read such a source: then they must say so.
    """

    table: dict[str, Any]
    rows: list[tuple[Any, ...]]
    keys: dict[str, str] = field(default_factory=lambda: {"id": "Int64"})
    features: dict[str, str] = field(default_factory=lambda: {"x": "Float64"})
    options: dict[str, Any] = field(default_factory=dict)
    null_keys: int = 0
    refused: tuple[str, ...] = ()
    partitions: str = ""


def simple(column: pa.Array, moments: tuple[datetime, datetime] = (NOON, LATER), **options: Any) -> Case:
    """Two entities with one row each, whose timestamps stand in the given column."""
    table = {"id": pa.array([1, 2]), "event_timestamp": column, "x": [1.5, 2.5]}
    return Case(table, [((1,), ns(moments[0]), None, (1.5,)), ((2,), ns(moments[1]), None, (2.5,))], **options)


def keyed(column: Any, keys: dict[str, str], wanted: tuple[Any, Any], **options: Any) -> Case:
    """Two rows whose key stands in the given column."""
    table = {"id": column, "event_timestamp": stamps(NOON, LATER), "x": [1.5, 2.5]}
    return Case(
        table, [((wanted[0],), ns(NOON), None, (1.5,)), ((wanted[1],), ns(LATER), None, (2.5,))], keys, **options
    )


def valued(column: Any, dtype: str, wanted: tuple[Any, Any], **options: Any) -> Case:
    """Two rows whose feature stands in the given column."""
    table = {"id": [1, 2], "event_timestamp": stamps(NOON, LATER), "x": column}
    rows = [((1,), ns(NOON), None, (wanted[0],)), ((2,), ns(LATER), None, (wanted[1],))]
    return Case(table, rows, features={"x": dtype}, **options)


CASES = {
    "history": Case(
        {
            "id": [2, 1, 1],
            "event_timestamp": stamps(NOON, LATER, NOON),
            "x": [3.5, 2.5, 1.5],
            "n": pa.array([None, 2, 1], pa.int64()),
            "unused": ["a", "b", "c"],
        },
        [
            ((1,), ns(NOON), None, (1.5, 1)),
            ((1,), ns(LATER), None, (2.5, 2)),
            ((2,), ns(NOON), None, (3.5, None)),
        ],
        features={"x": "Float64", "n": "Int64"},
    ),
    "milliseconds": simple(stamps(NOON, WHOLE, unit="ms"), (NOON, WHOLE)),
    "nanoseconds": simple(
        stamps(NOON, LATER, unit="ns"),
        refused=("duckdb", "spark"),  # duckdb 2.0 cannot cast such a column as Feast asks it to, Spark cannot read one
    ),
    "naive": simple(stamps(NOON, LATER, zone=None)),
    "naive_milliseconds": simple(stamps(NOON, WHOLE, unit="ms", zone=None), (NOON, WHOLE)),
    "naive_nanoseconds": simple(stamps(NOON, LATER, unit="ns", zone=None), refused=("spark",)),
    "tokyo": simple(stamps(NOON, LATER, zone="Asia/Tokyo")),
    "new_york": simple(stamps(NOON, LATER, zone="America/New_York")),
    "offset": simple(stamps(NOON, LATER, zone="+05:30")),
    "dates": simple(
        pa.array([date(2024, 1, 1), date(2024, 1, 2)]),
        (datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2024, 1, 2, tzinfo=timezone.utc)),
        refused=("dask",),  # Feast asks every value for its time zone, and a date has none
    ),
    "null_timestamps": Case(
        {"id": [1, 1, 2], "event_timestamp": stamps(NOON, None, LATER), "x": [1.5, 9.0, 2.5]},
        [((1,), ns(NOON), None, (1.5,)), ((2,), ns(LATER), None, (2.5,))],
    ),
    "null_keys": Case(
        {
            "id": pa.array([1, None, 2, None]),
            "event_timestamp": stamps(NOON, NOON, LATER, LATER),
            "x": [1.5, 9.0, 2.5, 8.0],
        },
        [((1,), ns(NOON), None, (1.5,)), ((2,), ns(LATER), None, (2.5,))],
        null_keys=2,
    ),
    "null_keys_composite": Case(
        {
            "a": pa.array([1, None, 2]),
            "b": pa.array(["x", "y", None]),
            "event_timestamp": stamps(NOON, NOON, NOON),
            "x": [1.5, 2.5, 3.5],
        },
        [((1, "x"), ns(NOON), None, (1.5,))],
        keys={"a": "Int64", "b": "String"},
        null_keys=2,
    ),
    "created": Case(
        {
            "id": [1, 1, 2],
            "event_timestamp": stamps(NOON, NOON, LATER),
            "created": stamps(LATER, NOON, LATER, zone=None),
            "x": [2.5, 1.5, 3.5],
        },
        [
            ((1,), ns(NOON), ns(NOON), (1.5,)),
            ((1,), ns(NOON), ns(LATER), (2.5,)),
            ((2,), ns(LATER), ns(LATER), (3.5,)),
        ],
        options={"created": "created"},
    ),
    "mapped": Case(
        {
            "raw_id": [1, 2],
            "raw_ts": stamps(NOON, LATER),
            "raw_created": stamps(LATER, LATER),
            "raw_x": [1.5, 2.5],
        },
        [((1,), ns(NOON), ns(LATER), (1.5,)), ((2,), ns(LATER), ns(LATER), (2.5,))],
        options={
            "timestamp_field": "event_timestamp",
            "created": "created",
            "field_mapping": {
                "raw_id": "id",
                "raw_ts": "event_timestamp",
                "raw_created": "created",
                "raw_x": "x",
            },
        },
    ),
    "no_entity": Case(
        {"event_timestamp": stamps(NOON, LATER), "x": [1.5, 2.5]},
        [((), ns(NOON), None, (1.5,)), ((), ns(LATER), None, (2.5,))],
        keys={},
    ),
    "composite": Case(
        {
            "b": pa.array([12, 2], pa.int32()),
            "a": [1, 11],
            "event_timestamp": stamps(NOON, NOON),
            "x": [1.5, 2.5],
        },
        [((1, 12), ns(NOON), None, (1.5,)), ((11, 2), ns(NOON), None, (2.5,))],
        keys={"b": "Int64", "a": "Int64"},
    ),
    "text_ids_over_numbers": keyed(pa.array([7, 12]), {"id": "String"}, ("7", "12")),
    "numbers_that_turned_double": keyed(pa.array([7.0, 12.0]), {"id": "Int64"}, (7, 12)),
    "doubles_with_a_null": Case(
        {"id": pa.array([7.0, None]), "event_timestamp": stamps(NOON, LATER), "x": [1.5, 2.5]},
        [((7,), ns(NOON), None, (1.5,))],
        null_keys=1,
    ),
    "narrow_ids": keyed(pa.array([7, 12], pa.int16()), {"id": "Int32"}, (7, 12)),
    "dictionary_ids": keyed(pa.array(["b", "a"]).dictionary_encode(), {"id": "String"}, ("b", "a")),
    "large_string_ids": keyed(pa.array(["b", "a"], pa.large_string()), {"id": "String"}, ("b", "a")),
    "bytes_ids": keyed(pa.array([b"\xff\x00", b"a"]), {"id": "Bytes"}, (b"\xff\x00", b"a")),
    "dictionary_values": valued(pa.array(["b", None]).dictionary_encode(), "String", ("b", None)),
    "large_string_values": valued(pa.array(["b", "a"], pa.large_string()), "String", ("b", "a")),
    "float32_values": valued(pa.array([0.1, None], pa.float32()), "Float32", (float(np.float32(0.1)), None)),
    "doubles_declared_float32": valued(pa.array([0.1, 0.5]), "Float32", (float(np.float32(0.1)), 0.5)),
    "nan": valued(pa.array([float("nan"), 0.5]), "Float64", (None, 0.5)),
    "integers_with_nulls": valued(pa.array([None, 5], pa.int64()), "Int64", (None, 5)),
    "fractions_declared_integer": valued(pa.array([1.5, 2.0]), "Int64", (1.5, 2.0)),
    "timestamps": valued(stamps(NOON + timedelta(milliseconds=900), None), "UnixTimestamp", (NOON, None)),
    "lists": valued(pa.array([["b", "a"], None]), "Array(String)", (["b", "a"], None)),
    "lists_with_nan": valued(pa.array([[1.5, float("nan")], []]), "Array(Float64)", ([1.5, None], [])),
    "partitioned": Case(
        {
            "id": [1, 2],
            "event_timestamp": stamps(NOON, LATER),
            "x": [1.5, 2.5],
            "day": ["2024-01-01", "2024-01-02"],
        },
        [((1,), ns(NOON), None, (1.5, "2024-01-01")), ((2,), ns(LATER), None, (2.5, "2024-01-02"))],
        features={"x": "Float64", "day": "String"},
        partitions="day",
        refused=("duckdb",),  # Feast hands duckdb the directory as if it were one file
    ),
}


@pytest.fixture(
    scope="module",
    params=["dask", pytest.param("duckdb", marks=duckdb), pytest.param("spark", marks=pytest.mark.slow)],
)
def store(request: pytest.FixtureRequest, make_repository: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One repository per offline store of Feast, with a view for every case."""
    if request.param == "spark":
        request.getfixturevalue("spark")
    repo = make_repository(tmp_path_factory.mktemp(request.param), offline=request.param)
    views = []
    for name, case in CASES.items():
        table = pa.table(case.table)
        if case.partitions:
            pq.write_to_dataset(table, repo.directory / name, partition_cols=[case.partitions])
            source = repo.source(name, path=str(repo.directory / name), **case.options)
        else:
            source = repo.source(name, table, **case.options)
        views.append(repo.view(name, source, case.keys, case.features))
    repo.apply(*views)
    return repo


@pytest.fixture(params=["direct", "pull"])
def reader(request: pytest.FixtureRequest, store: Any) -> Any:
    """The short way to Parquet files, and Feast's own way to any store."""
    made = store.offline_reader(direct=request.param == "direct")
    made.is_direct = request.param == "direct"
    return made


def read_rows(reader: Any, view: Any) -> tuple[list[tuple[Any, ...]], int]:
    found, null_keys = [], 0
    for batch in reader.scan(view, view.features):
        keys = [batch.keys.column(name).to_pylist() for name in view.keys.names]
        values = [reader.declare(f, batch.values.column(f.name)).to_pylist() for f in view.features]
        size = len(batch.instants)
        assert batch.instants.dtype == np.int64
        assert batch.values.num_rows == size or not view.features
        assert batch.keys.schema == view.keys.schema or not view.keys.keys
        created = [None] * size if batch.created is None else batch.created.tolist()
        for i in range(size):
            key, row = tuple(column[i] for column in keys), tuple(column[i] for column in values)
            found.append((key, int(batch.instants[i]), created[i], row))
        null_keys += batch.null_keys
    return sorted(found, key=repr), null_keys


@pytest.mark.parametrize("name", CASES)
def test_the_same_rows_come_out(name: str, store: Any, reader: Any) -> None:
    case = CASES[name]
    view = store.view_plan(name)
    try:
        found, null_keys = read_rows(reader, view)
    except SourceUnreadable:
        assert not reader.is_direct or reader.name == "spark"  # which has no short way
        assert reader.name in case.refused
        return
    assert found == sorted(case.rows, key=repr)
    assert null_keys == case.null_keys


@pytest.fixture(params=["dask", pytest.param("duckdb", marks=duckdb)])
def repo(request: pytest.FixtureRequest, make_repository: Any, tmp_path: Any) -> Any:
    return make_repository(tmp_path, offline=request.param)


def test_seconds_are_read_where_a_store_hands_them_out() -> None:
    """Parquet has no seconds, but a query may."""
    from feast_skew.stores.rows import to_instants

    column = pa.chunked_array(
        [stamps(NOON, None, unit="s"), stamps(unit="s", zone=None).cast(pa.timestamp("s", "UTC"))]
    )
    found, known = to_instants(column, "a source")
    assert found[0] == ns(NOON)
    assert known.tolist() == [True, False]


def test_moments_out_of_range_are_held_at_its_ends() -> None:
    from feast_skew.stores.rows import to_instants

    far = pa.chunked_array([pa.array([10**15, -(10**15)], pa.int64()).cast(pa.timestamp("s", "UTC"))])
    found, _ = to_instants(far, "a source")
    assert found[0] > ns(datetime(2260, 1, 1, tzinfo=timezone.utc))
    assert found[1] < ns(datetime(1680, 1, 1, tzinfo=timezone.utc))


PLAIN = {"id": [1, 2], "event_timestamp": stamps(NOON, LATER), "x": [1.5, 2.5]}


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "pull"])
class TestUnreadable:
    """A source that cannot be read is one clear line, whatever stands behind it."""

    def scan(self, repo: Any, direct: bool) -> SourceUnreadable:
        view = repo.view_plan("v")
        with pytest.raises(SourceUnreadable) as caught:
            read_rows(repo.offline_reader(direct=direct), view)
        assert caught.value.exit_code == 3
        assert "\n" not in caught.value.one_line()
        assert "src" in caught.value.one_line()
        return caught.value

    def prepare(self, repo: Any, table: Any = PLAIN, keys: Any = None, **options: Any) -> None:
        source = repo.source("src", table, **options)
        repo.apply(repo.view("v", source, keys or {"id": "Int64"}, {"x": "Float64"}))

    def test_a_missing_file(self, repo: Any, direct: bool) -> None:
        self.prepare(repo)
        repo.path("src").unlink()
        error = self.scan(repo, direct)
        if direct:
            assert "does not exist" in error.message
            assert str(repo.path("src")) in error.message

    def test_an_empty_directory(self, repo: Any, direct: bool) -> None:
        self.prepare(repo)
        repo.path("src").unlink()
        repo.path("src").mkdir()
        self.scan(repo, direct)

    @pytest.mark.parametrize("missing", ["x", "id", "event_timestamp", "created"])
    def test_a_missing_column_is_named(self, repo: Any, direct: bool, missing: str) -> None:
        whole = {**PLAIN, "created": stamps(NOON, LATER)}
        self.prepare(repo, whole, created="created")
        repo.write("src", {name: column for name, column in whole.items() if name != missing})
        assert missing in self.scan(repo, direct).one_line()

    def test_bytes_that_are_no_parquet(self, repo: Any, direct: bool) -> None:
        self.prepare(repo)
        repo.path("src").write_bytes(b"PAR1 but nothing more")
        self.scan(repo, direct)

    def test_a_file_that_breaks_off_inside_its_data(self, repo: Any, direct: bool) -> None:
        self.prepare(repo)
        content = repo.path("src").read_bytes()
        broken = content[:4] + bytes(len(content) // 2) + content[4 + len(content) // 2 :]
        repo.path("src").write_bytes(broken)
        self.scan(repo, direct)

    def test_ids_that_do_not_fit(self, repo: Any, direct: bool) -> None:
        self.prepare(repo)
        repo.write("src", {**PLAIN, "id": ["one", "two"]})
        assert "id Int64" in self.scan(repo, direct).message

    def test_ids_with_fractions(self, repo: Any, direct: bool) -> None:
        self.prepare(repo)
        repo.write("src", {**PLAIN, "id": [1.5, 2.0]})
        assert "id Int64" in self.scan(repo, direct).message

    def test_ids_too_large_for_their_type(self, repo: Any, direct: bool) -> None:
        self.prepare(repo, keys={"id": "Int32"})
        repo.write("src", {**PLAIN, "id": [1, 2**40]})
        assert "id Int32" in self.scan(repo, direct).message

    def test_timestamps_that_are_none(self, repo: Any, direct: bool) -> None:
        self.prepare(repo)
        repo.write("src", {**PLAIN, "event_timestamp": [1.5, 2.5]})
        self.scan(repo, direct)

    def test_values_that_have_no_meaning_in_the_declared_type(self, repo: Any, direct: bool) -> None:
        self.prepare(repo)
        repo.write("src", {**PLAIN, "x": ["much", "little"]})
        view = repo.view_plan("v")
        with pytest.raises(SourceUnreadable, match="v:x"):
            read_rows(repo.offline_reader(direct=direct), view)


class TestTrainingValues:
    """What a training set would get, put back in the order of the questions."""

    @pytest.fixture(autouse=True, params=["the whole source", "an excerpt"])
    def fewest_rows(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answer from the rows of the asked entities alone, where a large source would be."""
        if request.param == "an excerpt":
            monkeypatch.setattr("feast_skew.stores.excerpt.FEWEST_ROWS", 0)

    def ask(self, repo: Any, view: Any, keys: dict[str, Any], moments: list[datetime]) -> dict[str, list[Any]]:
        table = pa.table(keys).cast(view.keys.schema) if keys else pa.table({"_": pa.nulls(len(moments))}).select([])
        answer = repo.offline_reader().training_values(
            view, view.features, table, np.array([ns(moment) for moment in moments])
        )
        assert answer is not None
        return {name: column.to_pylist() for name, column in answer.items()}

    def test_each_question_has_its_own_answer(self, repo: Any) -> None:
        table = {
            "id": [1, 1, 2],
            "event_timestamp": stamps(NOON, LATER, LATER),
            "x": [1.5, 2.5, 3.5],
            "n": [1, 2, None],
        }
        repo.apply(repo.view("v", repo.source("src", table), {"id": "Int64"}, {"x": "Float64", "n": "Int64"}))
        view = repo.view_plan("v")
        found = self.ask(repo, view, {"id": [2, 1, 1, 3]}, [LATER, NOON, LATER, NOON])
        assert found == {"x": [3.5, 1.5, 2.5, None], "n": [None, 1, 2, None]}

    def test_rows_past_the_ttl_are_null_and_shift_nothing(self, repo: Any) -> None:
        table = {"id": [1, 2], "event_timestamp": stamps(NOON - timedelta(days=9), NOON), "x": [1.5, 2.5]}
        source = repo.source("src", table)
        repo.apply(repo.view("v", source, {"id": "Int64"}, {"x": "Float64"}, ttl=timedelta(days=1)))
        assert self.ask(repo, repo.view_plan("v"), {"id": [1, 2]}, [NOON, NOON]) == {"x": [None, 2.5]}

    def test_composite_keys_do_not_run_into_each_other(self, repo: Any) -> None:
        table = {"b": [12, 2], "a": [1, 11], "event_timestamp": stamps(NOON, NOON), "x": [1.5, 2.5]}
        repo.apply(repo.view("v", repo.source("src", table), {"b": "Int64", "a": "Int64"}, {"x": "Float64"}))
        view = repo.view_plan("v")
        assert self.ask(repo, view, {"a": [11, 1], "b": [2, 12]}, [NOON, NOON]) == {"x": [2.5, 1.5]}

    def test_a_view_without_entities(self, repo: Any) -> None:
        table = {"event_timestamp": stamps(NOON, LATER), "x": [1.5, 2.5]}
        repo.apply(repo.view("v", repo.source("src", table), {}, {"x": "Float64"}))
        assert self.ask(repo, repo.view_plan("v"), {}, [NOON]) == {"x": [1.5]}

    def test_field_mapping(self, repo: Any) -> None:
        case = CASES["mapped"]
        repo.apply(repo.view("v", repo.source("src", case.table, **case.options), case.keys, case.features))
        assert self.ask(repo, repo.view_plan("v"), {"id": [2, 1]}, [LATER, NOON]) == {"x": [2.5, 1.5]}

    def test_the_newest_of_tied_rows(self, repo: Any) -> None:
        case = CASES["created"]
        repo.apply(repo.view("v", repo.source("src", case.table, **case.options), case.keys, case.features))
        assert self.ask(repo, repo.view_plan("v"), {"id": [1]}, [NOON]) == {"x": [2.5]}

    def test_rows_finer_than_a_microsecond_are_found_at_their_microsecond(self, repo: Any) -> None:
        """Python's datetimes end at the microsecond, and so do the instants that are asked for."""
        ticks = pa.array([ns(NOON) - 10**9, ns(NOON) + 789], pa.int64()).cast(pa.timestamp("ns", "UTC"))
        table = {"id": [1, 1], "event_timestamp": ticks, "x": [1.5, 2.5]}
        repo.apply(repo.view("v", repo.source("src", table), {"id": "Int64"}, {"x": "Float64"}))
        view = repo.view_plan("v")
        reader = repo.offline_reader()
        assert len(list(reader.scan(view, ()))) == 1
        answer = reader.training_values(view, view.features, pa.table({"id": [1]}), np.array([ns(NOON)]))
        assert answer is None or answer["x"].to_pylist() == [2.5]  # duckdb takes no such instants

    def test_what_feast_cannot_answer_is_none(self, repo: Any) -> None:
        repo.apply(repo.view("v", repo.source("src", PLAIN), {"id": "Int64"}, {"x": "Float64"}))
        view = repo.view_plan("v")
        repo.path("src").unlink()
        reader = repo.offline_reader()
        assert reader.training_values(view, view.features, pa.table({"id": [1]}), np.array([ns(NOON)])) is None
