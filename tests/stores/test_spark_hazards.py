"""What Feast's Spark store gets wrong, shown in Feast alone, and what a run makes of it: right numbers, and a finding."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

pytest.importorskip("pyspark", reason="pyspark is not installed: requirements-spark.lock has it")

NOON = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
BIG = 2**53 + 1
"""The first whole number that no double holds."""

# (1, 12) and (11, 2) read the same, and so do (1, 112), (11, 12) and (111, 2); (7, 7) and (2, 12) stand alone.
PAIRS = ((1, 12), (11, 2), (7, 7), (1, 112), (11, 12), (111, 2), (2, 12))


def stamps(*moments: datetime) -> pa.Array:
    return pa.array(list(moments), pa.timestamp("us", "UTC"))


def table(keys: dict[str, Any], **columns: Any) -> pa.Table:
    size = len(next(iter(keys.values())))
    return pa.table({**keys, "event_timestamp": stamps(*[NOON] * size), **columns})


@pytest.fixture(scope="module")
def repo(spark: Any, make_repository: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One repository on Spark with a view for every hazard, and one with none; online is what offline is."""
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    made = make_repository(tmp_path_factory.mktemp("spark"), offline="spark")
    pair_keys = {"a": [key[0] for key in PAIRS], "b": [key[1] for key in PAIRS]}
    ids = np.arange(6)
    tied_ids = np.array([0, 0, 1, 1, 2, 3, 3, 4])
    later = [NOON, NOON, NOON, NOON, NOON, NOON + HOUR, NOON, NOON]
    tied = {
        # 0 and 1 have two different rows, 3 a newer one, 4 rows of which the first is online.
        "tied": table(
            {"id": tied_ids}, x=[1.5, 2.5, 3.5, 2.0, 4.5, 5.5, 5.0, 6.5], y=["b", "a", "c", "d", "e", "f", "g", "h"]
        ),
        "created": table({"id": tied_ids}, x=np.arange(8) + 0.5, created=stamps(*later)),
    }
    tied["created"] = tied["created"].take(pa.array([0, 2, 4, 5, 6, 7]))
    pair_source = made.spark_source("pairs", table(pair_keys, x=np.arange(len(PAIRS)) + 0.5))
    views = [
        made.view("pairs", pair_source, {"a": "Int64", "b": "Int64"}, {"x": "Float64"}),
        made.view(
            "apart",
            made.spark_source("apart", table({"a": [1, 2], "b": [12, 3]}, x=[1.5, 2.5])),
            {"a": "Int64", "b": "Int64"},
            {"x": "Float64"},
        ),
        made.view("tied", made.spark_source("tied", tied["tied"]), {"id": "Int64"}, {"x": "Float64", "y": "String"}),
        made.view(
            "created",
            made.spark_source("created", tied["created"], created="created"),
            {"id": "Int64"},
            {"x": "Float64"},
        ),
        made.view(
            "large",
            made.spark_source(
                "large", table({"id": ids}, n=pa.array([BIG, None, 7, 2**60, 2**60 + 1, -BIG]), u=stamps(*[NOON] * 6))
            ),
            {"id": "Int64"},
            {"n": "Int64", "u": "UnixTimestamp"},
        ),
        made.view(
            "whole",
            made.spark_source("whole", table({"id": ids}, n=pa.array([BIG, 0, 7, 2**60, 2**60 + 1, -BIG]))),
            {"id": "Int64"},
            {"n": "Int64"},
        ),
    ]
    made.apply(*views)
    store = made.open()
    for name in ("pairs", "apart", "large", "whole"):
        rows = pa.parquet.read_table(made.path(name)).to_pandas(integer_object_nulls=True)
        # One batch with a null would round the whole numbers online: Feast makes doubles of them there too.
        complete = rows.notna().all(axis=1)
        for part in (rows[complete], rows[~complete]):
            if len(part):
                store.write_to_online_store(name, part)
    # Online of the tied ones: 0 has its first row, 1 none of both, the others what they have.
    online = {"id": [0, 1, 2, 3, 4], "event_timestamp": [NOON] * 5}
    store.write_to_online_store(
        "tied", pd.DataFrame({**online, "x": [1.5, 9.5, 4.5, 5.5, 6.5], "y": ["b", "z", "e", "f", "h"]})
    )
    store.write_to_online_store(
        "created", pd.DataFrame({**online, "created": [NOON] * 5, "x": [0.5, 2.5, 4.5, 5.5, 7.5]})
    )
    return made


def trained(repo: Any, frame: pd.DataFrame, *features: str) -> pd.DataFrame:
    """Ask Feast alone."""
    return repo.open().get_historical_features(entity_df=frame.copy(), features=list(features)).to_df()


def frame_of(keys: dict[str, Any], moment: datetime = NOON) -> pd.DataFrame:
    return pd.DataFrame({**keys, "event_timestamp": pd.Timestamp(moment)})


def counts(report: Any, name: str) -> dict[str, int]:
    found = next(feature for feature in report.features if feature.feature == name)
    return {key: count for key, count in found.counts.items() if count and key != "entities"}


def finding(report: Any, code: str) -> Any:
    """Give the one finding of a code; None when there is none."""
    found = [entry for entry in report.findings if entry.code == code]
    assert len(found) <= 1, found
    return found[0] if found else None


class TestCollisions:
    """Keys put together without a separator."""

    def test_feast_gives_each_the_others_values(self, repo: Any) -> None:
        found = trained(repo, frame_of({"a": [1, 11, 7], "b": [12, 2, 7]}), "pairs:x")
        assert sorted(zip(found["a"], found["x"], strict=True)) == [(1, 0.5), (1, 1.5), (7, 2.5), (11, 0.5), (11, 1.5)]

    def test_feast_gives_an_entity_without_a_row_anothers_value(self, repo: Any) -> None:
        found = trained(repo, frame_of({"a": [2, 21], "b": [12, 2]}), "pairs:x")
        assert sorted(zip(found["a"], found["x"], strict=True)) == [(2, 6.5), (21, 6.5)]

    def test_a_run_compares_right_and_says_so(self, repo: Any) -> None:
        report = repo.validate(views=["pairs"])
        assert counts(report, "x") == {"match": len(PAIRS)}
        assert report.verdict == "pass"
        told = finding(report, "FS230")
        assert told.severity == "warn"
        assert told.view == "pairs"
        assert "5 compared entities" in told.detail
        assert "5 have it at" in told.detail
        assert finding(report, "FS201") is None

    def test_what_is_wrong_is_still_found(self, repo: Any) -> None:
        """Not even a wrong value that is the one of the entity with the same row id passes for right."""
        view = repo.view_plan("pairs")
        reader = repo.offline_reader()
        entities = pa.table({"a": [key[0] for key in PAIRS], "b": [key[1] for key in PAIRS]})
        instants = np.full(len(PAIRS), int(NOON.timestamp()) * 10**9)
        answer = reader.training_values(view, view.features, entities, instants)
        assert answer["x"].to_pylist() == [i + 0.5 for i in range(len(PAIRS))]

    def test_other_keys_are_no_hazard(self, repo: Any) -> None:
        report = repo.validate(views=["apart"])
        assert counts(report, "x") == {"match": 2}
        assert not report.findings

    def test_the_texts_are_sparks(self, spark: Any) -> None:
        from feast_skew.stores.spark_row_ids import key_texts

        moments = [
            datetime(2024, 1, 1, 12, tzinfo=timezone.utc),
            datetime(1969, 12, 31, 23, 59, 58, tzinfo=timezone.utc),
        ]
        fine = [NOON + timedelta(microseconds=120_000), NOON]
        keys = pa.table(
            {
                "i": pa.array([-5, 2**31 - 1], pa.int32()),
                "l": [2**63 - 1, -(2**63)],
                "s": ["1.0", " é"],
                "t": pa.array(moments, pa.timestamp("s", "UTC")),
                "u": pa.array(fine, pa.timestamp("us", "UTC")),
                "o": [True, False],
                "y": [b"\xff\x00", b"a"],
            }
        )
        texts = ", ".join(f"CAST({name} AS STRING)" for name in keys.column_names)
        wider = keys.set_column(3, "t", keys.column("t").cast(pa.timestamp("us", "UTC")))
        wider = wider.set_column(6, "y", keys.column("y").cast(pa.binary()))
        spark.createDataFrame(wider).createOrReplaceTempView("keys_of_all_types")
        found = spark.sql(f"SELECT CAST(CONCAT({texts}) AS BINARY) AS id FROM keys_of_all_types").toArrow()
        assert key_texts(keys).to_pylist() == found.column("id").to_pylist()


class TestTies:
    """Several newest rows of one instant."""

    def test_feast_gives_all_of_them(self, repo: Any) -> None:
        found = trained(repo, frame_of({"id": [0, 2]}), "tied:x")
        assert sorted(zip(found["id"], found["x"], strict=True)) == [(0, 1.5), (0, 2.5), (2, 4.5)]

    @pytest.mark.parametrize("order", [0, 1])
    def test_any_of_them_is_right_in_whatever_order_they_come(self, repo: Any, order: int) -> None:
        rows = pa.parquet.read_table(repo.path("tied"))
        repo.write("tied", rows.take(pa.array(np.random.default_rng(order).permutation(rows.num_rows))))
        report = repo.validate(views=["tied"], settings={"show_entities": True})
        repo.write("tied", rows)
        assert counts(report, "x") == {"match": 4, "mismatch": 1}
        assert counts(report, "y") == {"match": 4, "mismatch": 1}
        wrong = next(feature for feature in report.features if feature.feature == "x").examples[0]
        assert (wrong.key, wrong.offline, wrong.online) == ({"id": 1}, 2.0, 9.5)
        told = finding(report, "FS231")
        assert told.severity == "warn"
        assert "for 3 compared entities" in told.detail
        assert "for 3 of them the rows differ" in told.detail
        assert "3 entities have several offline rows" in finding(report, "FS202").detail

    def test_a_created_timestamp_ends_them(self, repo: Any) -> None:
        report = repo.validate(views=["created"])
        assert counts(report, "x") == {"match": 5}
        assert not report.findings


class TestNumbers:
    """Whole numbers in a column with nulls."""

    def test_feast_rounds_them(self, repo: Any) -> None:
        found = trained(repo, frame_of({"id": [0, 1]}), "large:n", "large:u")
        assert found["n"].tolist()[0] == BIG - 1
        assert found["n"].dtype == np.float64
        assert found["u"].dt.tz is None

    def test_a_run_compares_the_exact_ones_and_says_so(self, repo: Any) -> None:
        report = repo.validate(views=["large"])
        assert counts(report, "n") == {"match": 5, "null_both": 1}
        assert counts(report, "u") == {"match": 6}
        told = finding(report, "FS233")
        assert told.severity == "warn"
        assert told.detail.startswith("3 whole numbers")
        assert finding(report, "FS201") is None

    def test_without_a_null_nothing_is_rounded(self, repo: Any) -> None:
        assert trained(repo, frame_of({"id": [0, 1]}), "whole:n")["n"].tolist() == [BIG, 0]
        report = repo.validate(views=["whole"])
        assert counts(report, "n") == {"match": 6}
        assert not report.findings


class TestSession:
    """What Feast leaves behind in a session, and what a run does."""

    def test_feast_makes_patterns_of_names_in_backticks(self, repo: Any, spark: Any) -> None:
        trained(repo, frame_of({"id": [2]}), "tied:x")
        assert spark.sql("SELECT `x.*` FROM (SELECT 1 AS x1, 2 AS x2, 3 AS y)").columns == ["x1", "x2"]

    def test_retrievals_planned_together_keep_their_own_rows(self, repo: Any) -> None:
        """The temporary views have the same names each time; what was planned is not touched by the next retrieval."""
        store = repo.open()
        one = store.get_historical_features(entity_df=frame_of({"id": [2]}), features=["tied:x"])
        other = store.get_historical_features(entity_df=frame_of({"id": [4]}), features=["tied:x"])
        planned, next_one = one.to_spark_df(), other.to_spark_df()
        assert [row.id for row in planned.collect()] == [2]
        assert [row.id for row in next_one.collect()] == [4]

    def test_a_session_in_another_zone_is_told_read_right_and_put_back(
        self, repo: Any, spark: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        zone = "spark.sql.session.timeZone"
        monkeypatch.setenv("TZ", "UTC")
        spark.conf.set(zone, "Asia/Tokyo")
        try:
            found = trained(repo, frame_of({"a": [1], "b": [12]}), "apart:x")
            report = repo.validate(views=["apart"])
            assert spark.conf.get(zone) == "Asia/Tokyo"
            assert os.environ["TZ"] == "UTC"
        finally:
            spark.conf.set(zone, "UTC")
        assert found["x"].isna().all()
        assert counts(report, "x") == {"match": 2}
        told = finding(report, "FS232")
        assert told.severity == "warn"
        assert "the Spark session has the time zone Asia/Tokyo" in told.detail
        assert finding(report, "FS201") is None

    def test_a_store_configured_for_another_zone_is_told_from_its_settings(self, repo: Any, tmp_path: Path) -> None:
        """A session that is there already keeps Feast from using the settings, which production does."""
        content = yaml.safe_load((repo.directory / "feature_store.yaml").read_text())
        other = repo.at(tmp_path, content["online_store"])
        content["offline_store"]["spark_conf"] = {"spark.sql.session.timeZone": "America/New_York"}
        (tmp_path / "feature_store.yaml").write_text(yaml.safe_dump(content))
        report = other.validate(views=["apart"])
        assert counts(report, "x") == {"match": 2}
        [told] = report.findings
        assert (told.code, told.severity) == ("FS232", "warn")
        assert "offline_store.spark_conf sets spark.sql.session.timeZone to America/New_York" in told.detail


def test_aggregations_over_two_windows_take_the_first(spark: Any) -> None:
    """What `lint` calls FS112: sums over 7 and over 30 days are the same in every row."""
    from feast.aggregation import Aggregation
    from feast.infra.compute_engines.spark.nodes import SparkAggregationNode

    week, month = (
        Aggregation(column="visits", function="sum", time_window=timedelta(days=days), name=f"s{days}")
        for days in (7, 30)
    )
    node = SparkAggregationNode("sums", [week, month], ["id"], "event_timestamp", spark)
    at = [NOON - timedelta(days=days) for days in (0, 3, 20)]
    frame = spark.createDataFrame(pd.DataFrame({"id": [1] * 3, "event_timestamp": at, "visits": [1, 10, 100]}))
    rows = node._execute_standard_aggregation(frame).data.collect()
    assert rows
    assert all(row["s7"] == row["s30"] for row in rows)
    assert max(row["s30"] for row in rows) < 111
