"""Every known way in which a comparison of the two stores goes wrong, walked into on purpose through `validate()`."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from feast_skew.errors import ConfigError, InputError
from feast_skew.report import exit_code

NOW = datetime(2024, 3, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
FIRST = datetime(2024, 2, 1, 6, tzinfo=timezone.utc)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
N = 40
FEW = 6
"""So few that Feast's file store sorts ties in the order of the file; beyond that its choice is nobody's."""

_spec = importlib.util.spec_from_file_location("zoned", Path(__file__).with_name("zoned.py"))
zoned = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(zoned)

duckdb = pytest.mark.skipif(importlib.util.find_spec("duckdb") is None, reason="duckdb is not installed")

FRESHNESS = ("stale", "ahead", "expired")


def stamps(*moments: datetime, zone: str | None = "UTC") -> pa.Array:
    ticks = [(moment - EPOCH) // timedelta(microseconds=1) for moment in moments]
    return pa.array(ticks, pa.int64()).cast(pa.timestamp("us", zone))


def rows(moment: datetime = FIRST, values: Any = None, ids: Any = None, **columns: Any) -> pa.Table:
    """Give one row per entity at one moment."""
    ids = np.arange(N) if ids is None else np.asarray(ids)
    values = np.arange(len(ids)) + 0.5 if values is None else values
    table = {"id": ids, "event_timestamp": stamps(*[moment] * len(ids)), "x": values}
    return pa.table({**table, **columns})


def created(table: pa.Table, moment: datetime) -> pa.Table:
    return table.append_column("created", stamps(*[moment] * table.num_rows))


def set_up(repo: Any, table: pa.Table, features: Any = None, keys: Any = None, **options: Any) -> None:
    """Apply one view `v` over a source `src` with that table."""
    source_options = {name: options.pop(name) for name in ("created", "field_mapping") if name in options}
    source = repo.source("src", table, **source_options)
    repo.apply(repo.view("v", source, keys or {"id": "Int64"}, features or {"x": "Float64"}, **options))


def result(report: Any, feature: str = "x", view: str = "v") -> Any:
    return next(found for found in report.features if (found.view, found.feature) == (view, feature))


def counts(found: Any) -> dict[str, int]:
    """Give the counts that are not zero; they partition the entities but for the freshness overlays."""
    given = dict(found.counts)
    entities = given.pop("entities")
    assert sum(count for name, count in given.items() if name not in FRESHNESS) == entities
    return {name: count for name, count in given.items() if count}


def codes(report: Any) -> set[str]:
    return {finding.code for finding in report.findings}


def code_of(report: Any) -> int:
    return exit_code(report, fail_on="fail", allow_inconclusive=False)


def trained(repo: Any, moment: datetime, ids: Any = None) -> dict[int, Any]:
    """Ask Feast alone what a training set holds at a moment."""
    ids = np.arange(N) if ids is None else ids
    frame = pd.DataFrame({"id": ids, "event_timestamp": [moment] * len(ids)})
    answer = repo.open().get_historical_features(entity_df=frame, features=["v:x"]).to_df()
    return dict(zip(answer["id"], answer["x"], strict=True))


def served(repo: Any, ids: Any = None) -> dict[int, Any]:
    """Ask Feast alone what serving gives."""
    ids = np.arange(N) if ids is None else ids
    answer = repo.open().get_online_features(["v:x"], [{"id": int(i)} for i in ids]).to_dict()
    return dict(zip(answer["id"], answer["x"], strict=True))


def write_online(repo: Any, moment: datetime, values: Any, ids: Any = None, **columns: Any) -> None:
    """Write rows past the offline store, as a stream does."""
    ids = np.arange(N) if ids is None else ids
    frame = pd.DataFrame({"id": ids, "event_timestamp": [moment] * len(ids), "x": values, **columns})
    repo.open().write_to_online_store("v", frame)


class TestClean:
    def test_what_was_just_materialized_passes(self, repo: Any) -> None:
        set_up(repo, rows())
        repo.materialize()
        report = repo.validate()
        assert report.verdict == "pass"
        assert code_of(report) == 0
        assert counts(result(report)) == {"match": N}
        assert not report.findings

    def test_on_sqlite_from_end_to_end(self, make_repository: Any, tmp_path: Path) -> None:
        """Clean, then stale, then repaired: SQLite keeps whole seconds, and overwrites."""
        repo = make_repository(tmp_path, online="sqlite")
        set_up(repo, rows())
        repo.materialize()
        assert repo.validate().verdict == "pass"
        repo.write("src", rows(values=np.arange(N) + 7.0))
        report = repo.validate()
        assert report.verdict == "fail"
        assert counts(result(report)) == {"mismatch": N}
        assert "offset" in {cause.code for cause in result(report).causes}
        repo.materialize()
        assert repo.validate().verdict == "pass"
        assert report.scans[0]["complete"] is False

    def test_without_entities_one_row_decides(self, repo: Any) -> None:
        table = pa.table({"event_timestamp": stamps(FIRST, FIRST + DAY), "x": [1.5, 2.5]})
        repo.apply(repo.view("v", repo.source("src", table), {}, {"x": "Float64"}))
        repo.materialize()
        report = repo.validate()
        assert counts(result(report)) == {"match": 1}
        assert report.verdict == "pass"
        rate = result(report).metrics["mismatch_rate"]
        assert (rate.low, rate.value, rate.high) == (0.0, 0.0, 0.0)
        repo.write("src", pa.table({"event_timestamp": stamps(FIRST, FIRST + DAY), "x": [1.5, 9.5]}))
        report = repo.validate()
        assert counts(result(report)) == {"mismatch": 1}
        assert report.verdict == "fail"


class TestTies:
    """Several offline rows of one entity at one instant: training's own choice decides."""

    def test_equal_rows_are_told_and_harmless(self, repo: Any) -> None:
        set_up(repo, pa.concat_tables([rows(), rows()]))
        repo.materialize()
        report = repo.validate()
        assert counts(result(report)) == {"match": N}
        assert "FS202" in codes(report)
        assert report.verdict == "pass"

    @pytest.mark.parametrize("offline", ["dask", pytest.param("duckdb", marks=duckdb)])
    @pytest.mark.parametrize("online_is", ["materialized", "first", "second"])
    def test_different_rows_are_judged_by_what_training_gets(
        self, online_is: str, offline: str, make_repository: Any, tmp_path: Path
    ) -> None:
        repo = make_repository(tmp_path, offline=offline)
        ids = np.arange(FEW)
        one, two = ids + 0.5, ids + 1000.5
        both = pa.concat_tables([rows(values=one, ids=ids), rows(values=two, ids=ids)])
        set_up(repo, both.take(pa.array(np.random.default_rng(5).permutation(2 * FEW))))
        if online_is == "materialized":
            repo.materialize()
        else:
            write_online(repo, FIRST, one if online_is == "first" else two, ids)
        report = repo.validate()
        training, serving = trained(repo, FIRST, ids), served(repo, ids)
        assert set(training) == set(ids)
        agreeing = sum(training[i] == serving[i] for i in ids)
        found = counts(result(report))
        assert found.get("match", 0) == agreeing
        assert found.get("mismatch", 0) == FEW - agreeing
        assert "FS202" in codes(report)

    @pytest.mark.parametrize("count", [FEW, N])
    @pytest.mark.parametrize("offline", ["dask", pytest.param("duckdb", marks=duckdb)])
    def test_the_created_timestamp_breaks_a_tie(
        self, offline: str, count: int, make_repository: Any, tmp_path: Path
    ) -> None:
        repo = make_repository(tmp_path, offline=offline)
        ids = np.arange(count)
        new, old = created(rows(values=ids + 9.5, ids=ids), FIRST + DAY), created(rows(ids=ids), FIRST)
        set_up(repo, pa.concat_tables([new, old]), created="created")
        repo.materialize()
        assert set(served(repo, ids).values()) == {i + 9.5 for i in range(count)}
        report = repo.validate()
        assert counts(result(report)) == {"match": count}
        assert "FS202" not in codes(report)
        assert report.verdict == "pass"
        # What training really gets is told: Feast's file store sorts by the created timestamp and then shuffles again.
        outdated = any(value != i + 9.5 for i, value in trained(repo, FIRST, ids).items())
        assert ("FS207" in codes(report)) == outdated
        assert not outdated or offline == "dask"

    def test_equal_created_timestamps_do_not(self, repo: Any) -> None:
        ids = np.arange(FEW)
        one, two = created(rows(ids=ids), FIRST), created(rows(values=ids + 9.5, ids=ids), FIRST)
        set_up(repo, pa.concat_tables([one, two]), created="created")
        repo.materialize()
        report = repo.validate()
        assert "FS202" in codes(report)
        training, serving = trained(repo, FIRST, ids), served(repo, ids)
        assert counts(result(report)).get("match", 0) == sum(training[i] == serving[i] for i in ids)


class TestTime:
    def test_rows_past_the_ttl_are_served_and_not_trained_on(self, repo: Any) -> None:
        table = pa.concat_tables([rows(FIRST, ids=np.arange(10)), rows(NOW - DAY / 2, ids=np.arange(10, N))])
        set_up(repo, table, ttl=DAY)
        repo.materialize()
        report = repo.validate()
        assert len(trained(repo, NOW)) == N - 10  # Feast's file store leaves the other rows out
        assert counts(result(report)) == {"match": N, "expired": 10}
        assert report.verdict == "warn"
        assert code_of(report) == 0

    def test_the_last_moment_of_the_ttl_is_inside(self, repo: Any) -> None:
        set_up(repo, rows(NOW - DAY), ttl=DAY)
        repo.materialize()
        assert counts(result(repo.validate())) == {"match": N}
        assert counts(result(repo.validate(as_of=NOW + timedelta(microseconds=1)))) == {"match": N, "expired": N}

    def test_late_materialization_is_stale_and_not_wrong(self, repo: Any) -> None:
        set_up(repo, pa.concat_tables([rows(FIRST), rows(FIRST + 3 * DAY, np.arange(N) + 50.0)]))
        repo.materialize(end=FIRST + DAY)
        report = repo.validate()
        assert counts(result(report)) == {"match": N, "stale": N}
        assert report.verdict == "warn"
        cause = result(report).causes[0]
        assert (cause.code, cause.kind, cause.share) == ("stale", "how", 1.0)
        assert cause.evidence["lag_seconds"]["max"] == 3 * 86400.0
        report = repo.validate(settings={"defaults": {"max_lag": "2d"}})
        assert report.verdict == "fail"
        assert result(report).metrics["late_rate"].value == 1.0
        assert repo.validate(settings={"defaults": {"max_lag": "3d"}}).verdict == "pass"

    def test_rows_behind_as_of_are_not_expected_online(self, repo: Any) -> None:
        """An entity that offline only knows later is no part of the population either."""
        later = rows(FIRST + 3 * DAY, np.arange(N + 5) + 50.0, np.arange(N + 5))
        set_up(repo, pa.concat_tables([rows(FIRST), later]))
        repo.materialize(end=FIRST + DAY)
        report = repo.validate(as_of=FIRST + 2 * DAY)
        assert counts(result(report)) == {"match": N}
        assert report.sample["population"] == N
        assert report.verdict == "pass"
        report = repo.validate(as_of=(FIRST + 2 * DAY).replace(tzinfo=None))  # without a zone it is UTC
        assert counts(result(report)) == {"match": N}

    def test_online_rows_of_the_future_are_held_against_their_own_instant(self, repo: Any) -> None:
        set_up(repo, pa.concat_tables([rows(FIRST), rows(FIRST + 3 * DAY, np.arange(N) + 50.0)]))
        repo.materialize()
        found = counts(result(repo.validate(as_of=FIRST + DAY)))
        assert found == {"match": N, "ahead": N}

    def test_a_push_ahead_of_offline_is_no_mismatch(self, repo: Any) -> None:
        set_up(repo, rows())
        repo.materialize()
        write_online(repo, FIRST + timedelta(hours=1), np.arange(N) + 77.0)
        report = repo.validate()
        assert counts(result(report)) == {"unaligned": N, "ahead": N}
        assert result(report).metrics["mismatch_rate"].value is None
        assert report.verdict == "inconclusive"

    def test_an_offline_table_that_keeps_only_its_latest_rows(self, repo: Any) -> None:
        set_up(repo, rows())
        repo.materialize()
        repo.write("src", rows(FIRST + DAY, np.arange(N) + 50.0))
        report = repo.validate()
        assert counts(result(report)) == {"unaligned": N, "stale": N}
        assert report.verdict == "inconclusive"
        assert code_of(report) == 3
        assert any("no earlier row" in reason for reason in result(report).reasons)

    def test_whole_seconds_online_align_when_asked_to(self, make_repository: Any, tmp_path: Path) -> None:
        """Feast's SQLite store cuts event timestamps to whole seconds."""
        repo = make_repository(tmp_path, online="sqlite")
        set_up(repo, rows(FIRST + timedelta(microseconds=250_000)))
        repo.materialize()
        report = repo.validate()
        assert counts(result(report)) == {"unaligned": N, "stale": N}
        assert report.verdict == "inconclusive"
        assert any("align_within: 1s" in reason for reason in result(report).reasons)
        report = repo.validate(settings={"defaults": {"align_within": "1s"}})
        assert counts(result(report)) == {"match": N}
        assert report.verdict == "pass"

    def test_features_that_align_differently_in_one_view(self, make_repository: Any, tmp_path: Path) -> None:
        """Each is counted by its own rule, restated rows and all."""
        repo = make_repository(tmp_path, online="sqlite")
        moment = FIRST + timedelta(microseconds=250_000)
        old = created(rows(moment, y=np.arange(N) + 0.25), FIRST)
        new = created(rows(moment, np.arange(N) + 10.5, y=np.arange(N) + 0.25), FIRST + DAY)
        set_up(repo, old, {"x": "Float64", "y": "Float64"}, created="created")
        repo.materialize()
        repo.write("src", pa.concat_tables([old, new]))
        report = repo.validate(settings={"features": {"v:x": {"align_within": "1s"}}})
        assert counts(result(report, "x")) == {"mismatch": N}
        assert [(c.code, c.share) for c in result(report, "x").causes if c.kind == "how"] == [("restated", 1.0)]
        assert counts(result(report, "y")) == {"unaligned": N, "stale": N}
        report = repo.validate(settings={"features": {"v:y": {"align_within": "1s"}}})
        assert counts(result(report, "x")) == {"unaligned": N, "stale": N}
        assert counts(result(report, "y")) == {"match": N}

    def test_no_time_zone_of_the_process_makes_a_difference(self, redis_server: Any, tmp_path: Path) -> None:
        script = Path(__file__).with_name("zoned.py")
        started = {}
        for zone in ("Asia/Tokyo", "America/New_York"):
            name = zone.partition("/")[2].lower()
            arguments = [str(tmp_path / f"z{name}"), redis_server.connection_string, str(tmp_path / f"{name}.json")]
            started[name] = subprocess.Popen(
                [sys.executable, str(script), *arguments],
                env={**os.environ, "TZ": zone},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        here = zoned.report(tmp_path / "zhere", redis_server.connection_string)
        assert here["verdict"] == "pass"
        assert len(here["features"]) == 9
        for found in here["features"]:
            # The row of February comes after the moment of the run, and so after its population.
            assert {name: count for name, count in found["counts"].items() if count} == {"entities": 6, "match": 6}
        here = json.loads(json.dumps(here))
        for name, process in started.items():
            output, _ = process.communicate(timeout=300)
            assert process.returncode == 0, output.decode()
            assert json.loads((tmp_path / f"{name}.json").read_text()) == here


class TestKeys:
    @pytest.mark.parametrize(
        ("dtype", "pairs"),
        [
            ("Int64", [(1, 12), (11, 2), (111, 2), (1, 112)]),
            ("String", [("a", "bc"), ("ab", "c"), ("", "abc"), ("abc", "")]),
        ],
    )
    def test_composite_keys_that_read_alike_when_put_together(self, dtype: str, pairs: list[Any], repo: Any) -> None:
        first, second = zip(*pairs, strict=True)
        table = pa.table(
            {"k2": second, "k1": first, "event_timestamp": stamps(*[FIRST] * 4), "x": [1.5, 2.5, 3.5, 4.5]}
        )
        set_up(repo, table, keys={"k2": dtype, "k1": dtype})
        repo.materialize()
        report = repo.validate()
        assert counts(result(report)) == {"match": 4}
        assert report.sample["population"] == 4
        repo.write("src", table.set_column(3, "x", pa.array([1.5, 9.5, 3.5, 4.5])))
        report = repo.validate(settings={"show_entities": True})
        assert counts(result(report)) == {"match": 3, "mismatch": 1}
        assert result(report).examples[0].key == {"k1": first[1], "k2": second[1]}

    def test_null_keys_are_counted_and_left_out(self, repo: Any) -> None:
        set_up(repo, pa.concat_tables([rows(), rows(ids=np.arange(3)).set_column(0, "id", pa.nulls(3, pa.int64()))]))
        repo.materialize(end=FIRST - DAY)  # Feast cannot materialize a row without a key
        write_online(repo, FIRST, np.arange(N) + 0.5)
        report = repo.validate()
        assert counts(result(report)) == {"match": N}
        assert "FS203" in codes(report)

    def test_rows_deleted_offline_are_found_by_the_scan(self, repo: Any) -> None:
        set_up(repo, rows())
        repo.materialize()
        repo.write("src", rows(ids=np.arange(N - 7)))
        report = repo.validate()
        assert report.sample["entities"] == report.sample["population"] == N - 7
        assert counts(result(report)) == {"match": N - 7}
        finding = next(finding for finding in report.findings if finding.code == "FS204")
        assert finding.detail.startswith("7 of 40 scanned keys")
        assert report.verdict == "pass"
        assert result(report).causes == ()
        assert "FS204" not in codes(repo.validate(scan=False))

    def test_a_deleted_row_that_was_asked_for_is_online_only(self, repo: Any) -> None:
        set_up(repo, rows())
        repo.materialize()
        repo.write("src", rows(ids=np.arange(N - 7)))
        report = repo.validate(entities=pa.table({"id": np.arange(N + 2)}))
        assert counts(result(report)) == {"match": N - 7, "online_only": 7, "absent_both": 2}
        assert report.verdict == "fail"
        (cause,) = result(report).causes
        assert (cause.code, cause.share, cause.evidence) == ("orphan", 1.0, {"entities": 7})

    def test_keys_of_a_project_whose_name_ends_alike_are_not_counted(
        self, make_repository: Any, tmp_path: Path
    ) -> None:
        for project, size in (("my_fraud", N), ("fraud", 12)):
            repo = make_repository(tmp_path / project, project=project)
            set_up(repo, rows(ids=np.arange(size)))
            repo.materialize()
        repo.write("src", rows(ids=np.arange(10)))
        report = repo.validate()
        assert report.scans[0]["scanned"] == 12
        assert [finding.detail[:23] for finding in report.findings] == ["2 of 12 scanned keys ho"]


class TestAbsence:
    def test_never_materialized_is_not_measured(self, repo: Any) -> None:
        set_up(repo, rows())
        report = repo.validate()
        assert report.verdict == "inconclusive"
        assert code_of(report) == 3
        assert "never materialized" in result(report).reasons[0]

    def test_written_without_a_materialization_is_measured(self, repo: Any) -> None:
        set_up(repo, rows())
        write_online(repo, FIRST, np.arange(N) + 0.5)
        assert repo.validate().verdict == "pass"

    def test_materialized_and_flushed_is_skew(self, repo: Any, redis_server: Any) -> None:
        """By a join key that no other project in the store has."""
        table = rows()
        set_up(repo, table.rename_columns(["flushed", *table.column_names[1:]]), keys={"flushed": "Int64"})
        repo.materialize()
        client = redis_server.client()
        for key in client.scan_iter(match=b"*" + repo.project.encode()):
            client.delete(key)
        report = repo.validate()
        assert counts(result(report)) == {"offline_only": N}
        assert report.verdict == "fail"
        assert code_of(report) == 1
        assert result(report).metrics["presence_rate"].verdict == "fail"
        assert result(report).causes[0].code == "not_materialized"

    def test_an_empty_source_has_nothing_to_decide_on(self, repo: Any) -> None:
        set_up(repo, rows())
        repo.materialize()
        repo.write("src", rows().slice(0, 0))
        report = repo.validate()
        assert report.verdict == "inconclusive"
        assert code_of(report) == 3

    def test_a_new_feature_of_a_materialized_view_is_null(self, repo: Any) -> None:
        table = rows(y=np.arange(N) + 0.25)
        set_up(repo, table)
        repo.materialize()
        set_up(repo, table, {"x": "Float64", "y": "Float64"})
        repo.materialize()  # Redis keeps the rows that it has
        report = repo.validate()
        assert counts(result(report, "x")) == {"match": N}
        assert counts(result(report, "y")) == {"null_online": N}
        assert report.verdict == "fail"
        causes = result(report, "y").causes
        assert (causes[0].code, causes[0].share) == ("null_fill", 1.0)
        repo.materialize(skip_dedup=True)
        assert repo.validate().verdict == "pass"


class TestTypes:
    def test_integers_with_nulls_that_pandas_turns_double(self, repo: Any) -> None:
        big = pa.array([None if i % 4 == 0 else 2**53 + 2 * i + 1 for i in range(N)], pa.int64())
        small = pa.array([None if i % 3 == 0 else i for i in range(N)], pa.int64())
        table = pa.table({"id": np.arange(N), "event_timestamp": stamps(*[FIRST] * N), "big": big, "small": small})
        set_up(repo, table, {"big": "Int64", "small": "Int64"})
        repo.materialize()
        report = repo.validate()
        assert counts(result(report, "small")) == {"match": N - 14, "null_both": 14}
        # Both materializing and training go through doubles and give the same rounded numbers; the source does not.
        assert counts(result(report, "big")) == {"match": N - 10, "null_both": 10}
        assert report.verdict == "pass"
        assert "FS201" in codes(report)

    def test_integers_without_nulls_are_exact(self, repo: Any) -> None:
        big = np.arange(N) * 2 + 2**53 + 1
        set_up(repo, rows().drop_columns(["x"]).append_column("x", pa.array(big)), {"x": "Int64"})
        repo.materialize()
        report = repo.validate()
        assert counts(result(report)) == {"match": N}
        assert "FS201" not in codes(report)
        write_online(repo, FIRST + DAY, big + 1)
        repo.write("src", rows(FIRST + DAY).drop_columns(["x"]).append_column("x", pa.array(big)))
        assert counts(result(repo.validate())) == {"mismatch": N}

    def test_float32_is_compared_as_what_it_is(self, repo: Any) -> None:
        values = np.linspace(0.1, 1e6, N)
        table = rows(values=values).append_column("y", pa.array(values.astype(np.float32)))
        set_up(repo, table, {"x": "Float32", "y": "Float32"})
        repo.materialize()
        report = repo.validate()
        assert counts(result(report, "x")) == {"match": N}
        assert counts(result(report, "y")) == {"match": N}

    def test_nan_is_null_on_both_sides(self, repo: Any) -> None:
        values = np.where(np.arange(N) % 2 == 0, np.nan, np.arange(N) + 0.5)
        set_up(repo, rows(values=values))
        repo.materialize()
        report = repo.validate()
        assert counts(result(report)) == {"match": N // 2, "null_both": N // 2}
        assert report.verdict == "pass"
        repo.write("src", rows(values=np.where(np.arange(N) % 4 == 0, np.nan, np.arange(N) + 0.5)))
        found = counts(result(repo.validate()))
        assert found == {"match": N // 2, "null_both": N // 4, "null_online": N // 4}

    def test_structures_differ_only_in_content(self, repo: Any) -> None:
        from feast import Field, types

        record = Field(name="record", dtype=types.Struct({"a": types.Int64, "b": types.String}))
        records = pa.array([None if i % 5 == 0 else {"a": i, "b": "x"} for i in range(N)])
        texts = pa.array([f'{{"n": {i}.0, "m": [1, 2]}}' for i in range(N)])
        table = rows().append_column("record", records).append_column("text", texts)
        set_up(repo, table, {"record": record, "text": "Json"})
        repo.materialize()
        report = repo.validate()
        assert counts(result(report, "record")) == {"match": N - 8, "null_both": 8}
        assert counts(result(report, "text")) == {"match": N}
        assert "FS201" not in codes(report)
        spaced = pa.array([f'{{"m":[1,2],"n":{i}}}' for i in range(N - 1)] + ['{"m":[1,2],"n":-1}'])
        repo.write("src", table.set_column(table.column_names.index("text"), "text", spaced))
        assert counts(result(repo.validate(), "text")) == {"match": N - 1, "mismatch": 1}


class TestRestated:
    """Offline was corrected at the same event timestamp, and Redis keeps what is not older."""

    def test_the_created_timestamp_proves_it(self, repo: Any) -> None:
        old, new = created(rows(), FIRST), created(rows(values=np.arange(N) ** 2 + 3.25), FIRST + DAY)
        set_up(repo, old, created="created")
        repo.materialize()
        repo.write("src", pa.concat_tables([old, new]))
        repo.materialize()
        report = repo.validate()
        assert counts(result(report)) == {"mismatch": N}
        cause = next(cause for cause in result(report).causes if cause.kind == "how")
        assert (cause.code, cause.share, cause.confidence) == ("restated", 1.0, 1.0)
        assert cause.evidence["equal_to_earlier_version"] == 1.0
        assert "skip_dedup" in cause.remedy
        repo.materialize(skip_dedup=True)
        assert repo.validate().verdict == "pass"

    def test_without_one_it_is_a_possibility(self, repo: Any) -> None:
        set_up(repo, rows())
        repo.materialize()
        repo.write("src", rows(values=1.7 * np.random.default_rng(0).permutation(N) + 3.25))
        repo.materialize()
        report = repo.validate()
        assert counts(result(report)) == {"mismatch": N}
        cause = next(cause for cause in result(report).causes if cause.kind == "how")
        assert cause.code == "frozen"
        assert cause.confidence <= 0.5
        assert cause.evidence["share"] == 1.0


class TestServices:
    @pytest.fixture
    def places(self, repo: Any) -> Any:
        from feast import FeatureService

        source = repo.source("src", rows(y=np.arange(N) + 0.25))
        view = repo.view("v", source, {"id": "Int64"}, {"x": "Float64", "y": "Float64"})
        other = repo.view("w", repo.source("other", rows()), {"id": "Int64"}, {"x": "Float64"})
        service = FeatureService(
            name="trips",
            features=[
                view[["x"]].with_name("origin").with_join_key_map({"id": "origin_id"}),
                view[["x"]].with_name("destination").with_join_key_map({"id": "destination_id"}),
            ],
        )
        repo.apply(view, other, service, FeatureService(name="all", features=[view, other]))
        repo.materialize()
        return repo

    def test_aliases_and_join_key_maps_are_the_view_itself(self, places: Any) -> None:
        report = places.validate(services=["trips"])
        assert [(found.view, found.feature) for found in report.features] == [("v", "x")]
        assert counts(result(report)) == {"match": N}
        assert result(report).services == ("all", "trips")

    def test_a_feature_names_the_services_that_use_it(self, places: Any) -> None:
        report = places.validate()
        services = {(found.view, found.feature): found.services for found in report.features}
        assert services == {("v", "x"): ("all", "trips"), ("v", "y"): ("all",), ("w", "x"): ("all",)}
        (places.directory / "src.parquet").unlink()
        assert result(places.validate(), "y").services == ("all",)

    @pytest.mark.parametrize(
        ("given", "entities"),
        [
            ({"origin_id": [1, 2], "destination_id": [2, 3]}, 3),
            ({"origin_id": [1, 2]}, 2),
            ({"id": [1, 2, 3, 4]}, 4),
            ({"id": [1, 2, 3, 4], "origin_id": [1, 2, 5, None]}, 3),
        ],
    )
    def test_entities_under_mapped_names(self, places: Any, given: Any, entities: int) -> None:
        """Both uses of the view ask for the same rows, so their entities are put together."""
        assert counts(result(places.validate(services=["trips"], entities=given))) == {"match": entities}

    def test_mapped_names_belong_to_the_service(self, places: Any) -> None:
        with pytest.raises(InputError, match="lacks join key 'origin_id' or 'destination_id' or 'id'"):
            places.validate(services=["trips"], entities={"ID": [1]})
        with pytest.raises(InputError, match="lacks join key 'id'"):
            places.validate(views=["v"], entities={"origin_id": [1]})

    def test_read_online_serves_each_use_under_its_name(self, places: Any) -> None:
        from feast_skew import read_online

        store = places.open()
        given = {"origin_id": [5, 1, 900], "destination_id": [2, 2, 3]}
        service = store.get_feature_service("trips")
        table = read_online(store, service, given)
        entities = [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]
        answer = store.get_online_features(service, entities, full_feature_names=True).to_dict()
        times = {f"{alias}__event_timestamp" for alias in ("origin", "destination")}
        assert set(table.column_names) == {*answer, *times}
        assert {name: table.column(name).to_pylist() for name in answer} == answer
        assert table.column("origin__event_timestamp").to_pylist() == [FIRST, FIRST, None]

    def test_read_online_takes_the_join_keys_of_the_view_too(self, places: Any) -> None:
        from feast_skew import read_online

        store = places.open()
        table = read_online(store, store.get_feature_service("trips"), {"id": [5]})
        names = ["origin__x", "origin__event_timestamp", "destination__x", "destination__event_timestamp"]
        assert table.column_names == ["id", *names]
        assert table.column("destination__x").to_pylist() == [5.5]

    def test_read_online_refuses_two_uses_of_one_name(self, places: Any) -> None:
        from feast import FeatureService

        from feast_skew import read_online

        store = places.open()
        view = store.get_feature_view("v")
        uses = [view[["x"]].with_join_key_map({"id": name}) for name in ("here", "there")]
        with pytest.raises(ConfigError, match="used twice as v"):
            read_online(store, FeatureService(name="both", features=uses), {"here": [1], "there": [2]})

    def test_projections_are_joined(self, places: Any) -> None:
        report = places.validate(services=["trips", "all"])
        assert {(found.view, found.feature) for found in report.features} == {("v", "x"), ("v", "y"), ("w", "x")}

    def test_one_feature_alone(self, places: Any) -> None:
        report = places.validate(features=["v:y"])
        assert [(found.view, found.feature) for found in report.features] == [("v", "y")]

    def test_what_cannot_be_compared_is_skipped_with_a_reason(self, repo: Any) -> None:
        from feast import Field, PushSource, RequestSource
        from feast.labeling.label_view import LabelView
        from feast.on_demand_feature_view import on_demand_feature_view
        from feast.types import Float64, Int64

        source = repo.source("src", rows(label=np.arange(N)))
        view = repo.view("v", source, {"id": "Int64"}, {"x": "Float64"})
        offline = repo.view("offline", source, {"id": "Int64"}, {"x": "Float64"}, online=False)
        disabled = repo.view("disabled", source, {"id": "Int64"}, {"x": "Float64"}, enabled=False)
        label = LabelView(
            name="labels",
            entities=[repo.entity("id", "Int64")],
            schema=[Field(name="id", dtype=Int64), Field(name="label", dtype=Int64)],
            source=PushSource(name="pushed", batch_source=source),
        )

        @on_demand_feature_view(
            sources=[view, RequestSource(name="asked", schema=[Field(name="factor", dtype=Float64)])],
            schema=[Field(name="product", dtype=Float64)],
        )
        def product(inputs: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"product": inputs["x"] * inputs["factor"]})

        repo.apply(view, offline, disabled, label, product)
        repo.materialize(["v"])
        report = repo.validate()
        reasons = {entry["view"]: entry["reason"] for entry in report.skipped}
        assert set(reasons) == {"offline", "disabled", "labels", "product"}
        assert reasons["offline"] == "not online"
        assert "disabled" in reasons["disabled"]
        assert "label views" in reasons["labels"]
        assert "request data 'factor'" in reasons["product"]
        assert counts(result(report)) == {"match": N}


class TestMoving:
    """Somebody pushes while the two stores are compared."""

    def patch(self, monkeypatch: pytest.MonkeyPatch, between: Any) -> list[int]:
        """Call `between` after the first chunk was read; give the sizes of the chunks that were asked for."""
        from feast_skew.stores.redis.reader import RedisBulkReader

        asked: list[int] = []
        read = RedisBulkReader.read

        def moving(self: Any, view: Any, features: Any, entities: Any) -> Any:
            found = read(self, view, features, entities)
            if not asked:
                between()
            asked.append(entities.num_rows)
            return found

        monkeypatch.setattr(RedisBulkReader, "read", moving)
        return asked

    def test_a_value_that_moves_is_aligned_anew(self, repo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ten rows are wrong when first read; six of them are replaced by a row of tomorrow, which offline has."""
        set_up(repo, pa.concat_tables([rows(), rows(FIRST + DAY, np.arange(N) + 50.0)]))
        write_online(repo, FIRST, np.where(np.arange(N) < 10, -1.0, np.arange(N) + 0.5))
        asked = self.patch(monkeypatch, lambda: write_online(repo, FIRST + DAY, np.arange(6) + 50.0, ids=np.arange(6)))
        report = repo.validate(scan=False)
        assert asked == [N, 10]
        assert counts(result(report)) == {"match": N - 4, "mismatch": 4, "stale": N - 6}
        finding = next(finding for finding in report.findings if finding.code == "FS205")
        assert finding.detail.startswith("6 entities")

    def test_a_row_that_arrives_is_there(self, repo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        set_up(repo, rows())
        write_online(repo, FIRST, np.arange(N - 3) + 0.5, ids=np.arange(N - 3))
        self.patch(monkeypatch, lambda: write_online(repo, FIRST, np.arange(N) + 0.5))
        report = repo.validate(scan=False)
        assert counts(result(report)) == {"match": N}
        assert report.verdict == "pass"

    def test_versions_move_with_their_rows(self, repo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """What moved is judged at its new instant, earlier versions included."""
        tomorrow = FIRST + DAY
        tables = [
            created(rows(), FIRST),
            created(rows(values=np.arange(N) + 100.5), FIRST + DAY),
            created(rows(tomorrow, np.arange(N) + 1000.25), tomorrow),
            created(rows(tomorrow, np.arange(N) ** 2 + 5000.5), tomorrow + DAY),
        ]
        set_up(repo, pa.concat_tables(tables), created="created")
        write_online(repo, FIRST, np.arange(N) + 0.5, created=FIRST)
        self.patch(
            monkeypatch,
            lambda: write_online(repo, tomorrow, np.arange(5) + 1000.25, ids=np.arange(5), created=tomorrow),
        )
        report = repo.validate(scan=False)
        assert counts(result(report)) == {"mismatch": N, "stale": N - 5}
        cause = next(cause for cause in result(report).causes if cause.kind == "how")
        assert (cause.code, cause.share, cause.confidence) == ("restated", 1.0, 1.0)

    def test_nothing_that_stays_is_read_a_third_time(self, repo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        set_up(repo, rows())
        write_online(repo, FIRST, np.arange(N) + 7.5)
        asked = self.patch(monkeypatch, lambda: None)
        report = repo.validate(scan=False)
        assert asked == [N, N]
        assert counts(result(report)) == {"mismatch": N}
        assert "FS205" not in codes(report)


@pytest.fixture(scope="module")
def crowd(make_repository: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A view of 3,000 entities, and a small one of 60 by the same key, 10 of them in no other view."""
    repo = make_repository(tmp_path_factory.mktemp("crowd"))
    big = repo.view("big", repo.source("big", rows(ids=np.arange(3000))), {"id": "Int64"}, {"x": "Float64"})
    small_ids = np.arange(2950, 3010)
    small = repo.view("small", repo.source("small", rows(ids=small_ids)), {"id": "Int64"}, {"x": "Float64"})
    repo.apply(big, small)
    repo.materialize()
    return repo


class TestSample:
    def drawn(self, repo: Any, wanted: int, seed: int) -> dict[str, set[int]]:
        from feast_skew.measuring.progress import NoProgress
        from feast_skew.measuring.sampling import draw, find_population

        views = [repo.view_plan(name) for name in ("big", "small")]
        population = find_population(views[0].keys, views, repo.offline_reader(), 2**62, NoProgress())
        samples = draw(population, wanted, seed)
        return {name: set(sample.entities.column("id").to_pylist()) for name, sample in samples.items()}

    def test_a_small_view_is_read_whole_and_decided_exactly(self, crowd: Any) -> None:
        report = crowd.validate(sample=500)
        big, small = result(report, view="big"), result(report, view="small")
        assert big.counts["entities"] == 500
        assert small.counts["entities"] == small.counts["match"] == 60
        assert report.sample["population"] == 3010  # all that offline knows of these keys
        exact, estimated = small.metrics["mismatch_rate"], big.metrics["mismatch_rate"]
        assert (exact.low, exact.value, exact.high) == (0.0, 0.0, 0.0)
        assert exact.verdict == "pass"
        assert estimated.value == 0.0
        assert 0.001 < estimated.high < 0.01
        assert estimated.verdict == "inconclusive"
        assert estimated.extra["needed"] > 500

    def test_everybody_is_everybody(self, crowd: Any) -> None:
        report = crowd.validate(sample=5000)
        assert report.verdict == "pass"
        assert result(report, view="big").counts == {
            **dict(result(report, view="big").counts),
            "entities": 3010,
            "match": 3000,
        }

    def test_the_seed_chooses(self, crowd: Any) -> None:
        one = self.drawn(crowd, 500, seed=1)
        assert one == self.drawn(crowd, 500, seed=1)
        other = self.drawn(crowd, 500, seed=2)["big"]
        assert len(one["big"]) == len(other) == 500
        assert 40 < len(one["big"] & other) < 140  # 83 are expected of two independent draws

    def test_new_entities_displace_a_few(self, make_repository: Any, tmp_path: Path) -> None:
        repo = make_repository(tmp_path)
        views = [
            repo.view(name, repo.source(name, rows(ids=np.arange(2000))), {"id": "Int64"}, {"x": "Float64"})
            for name in ("big", "small")
        ]
        repo.apply(*views)
        before = self.drawn(repo, 500, seed=3)["big"]
        repo.write("big", rows(ids=np.arange(2200)).take(pa.array(np.random.default_rng(1).permutation(2200))))
        after = self.drawn(repo, 500, seed=3)["big"]
        assert len(after) == 500
        newcomers = {i for i in after if i >= 2000}
        assert 20 < len(newcomers) < 80  # a tenth of the entities are new
        assert after - newcomers < before
        assert len(before - after) == len(newcomers)
