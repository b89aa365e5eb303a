"""How differences came about in a real store: rows past a ttl, keys that expired, rows recomputed in place, a day's lag."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

NOW = datetime(2024, 3, 1, tzinfo=timezone.utc)
FIRST = datetime(2024, 2, 1, 6, tzinfo=timezone.utc)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
N = 60


def stamps(moments: Any) -> pa.Array:
    ticks = [(moment - EPOCH) // timedelta(microseconds=1) for moment in moments]
    return pa.array(ticks, pa.int64()).cast(pa.timestamp("us", "UTC"))


def rows(moment: datetime, values: Any, ids: Any = None, created: datetime | None = None) -> pa.Table:
    ids = np.arange(len(values)) if ids is None else np.asarray(ids)
    columns = {"id": ids, "event_timestamp": stamps([moment] * len(ids)), "x": values}
    return pa.table(columns if created is None else {**columns, "created": stamps([created] * len(ids))})


def set_up(repo: Any, table: pa.Table, created: str = "", **options: Any) -> None:
    repo.apply(repo.view("v", repo.source("src", table, created=created), {"id": "Int64"}, {"x": "Float64"}, **options))


def causes(report: Any, kind: str = "how") -> dict[str, Any]:
    return {cause.code: cause for cause in report.features[0].causes if cause.kind == kind}


def forget(repo: Any, server: Any, ids: Any) -> None:
    """Let Redis forget some entities, as it does with keys that expire."""
    plan, reader = repo.view_plan("v"), repo.online_reader()
    keys = reader._layout.keys(pa.table({"id": pa.array(ids, pa.int64())}), plan.keys)
    assert server.client().delete(*keys.to_pylist()) == len(ids)


def write_online(repo: Any, moment: datetime, values: Any, ids: Any) -> None:
    store = repo.open()
    if hasattr(store.config.online_store, "skip_dedup"):
        store.config.online_store.skip_dedup = True
    moments = [moment] * len(ids)
    frame = pd.DataFrame({"id": ids, "event_timestamp": moments, "created": moments, "x": values})
    store.write_to_online_store("v", frame)


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).normal(50, 10, N)


def unrelated(values: Any) -> Any:
    """Give values that no function, no other row and no other entity has."""
    return np.random.default_rng(7).lognormal(3, 1, len(values))


class TestPastTheTtl:
    def test_serving_gives_what_training_does_not_see(self, repo: Any, values: Any) -> None:
        table = pa.concat_tables([rows(FIRST, values[:10]), rows(NOW - DAY / 2, values[10:], np.arange(10, N))])
        set_up(repo, table, ttl=DAY)
        repo.materialize()
        report = repo.validate()
        assert report.verdict == "warn"
        cause = causes(report)["expired"]
        assert (cause.share, cause.confidence, cause.evidence["entities"]) == (1.0, 1.0, 10)
        assert (cause.evidence["of"], cause.evidence["ttl"]) == ("view", 86400.0)
        assert cause.evidence["age"]["p50"] == (NOW - FIRST).total_seconds()
        assert "training sees null" in cause.detail

    def test_a_late_row_is_stale_and_not_expired(self, repo: Any, values: Any) -> None:
        """Training sees the row that came later, within the ttl."""
        set_up(repo, pa.concat_tables([rows(FIRST, values), rows(NOW - DAY / 2, values + 1)]), ttl=DAY)
        repo.materialize(end=FIRST + DAY)
        assert set(causes(repo.validate())) == {"stale"}

    def test_beside_wrong_values(self, repo: Any, values: Any) -> None:
        set_up(repo, rows(FIRST, values), ttl=DAY)
        repo.materialize()
        write_online(repo, FIRST, values[:20] * 1000, np.arange(20))
        report = repo.validate()
        assert causes(report, "what")["scale"].share == 1.0
        cause = causes(report)["expired"]
        assert (cause.evidence["entities"], cause.share) == (N - 20, pytest.approx((N - 20) / N))

    def test_silent_within_the_ttl_and_without_one(self, repo: Any, values: Any) -> None:
        set_up(repo, rows(FIRST, values), ttl=60 * DAY)
        repo.materialize()
        assert repo.validate().features[0].causes == ()


class TestExpiredKeys:
    """Old rows were written on the second of February, young ones on the last of it."""

    @pytest.fixture
    def forgetful(self, make_repository: Any, tmp_path: Path, values: Any) -> Any:
        repo = make_repository(tmp_path, online_settings={"key_ttl_seconds": 7 * 86400})
        young = rows(NOW - 2 * DAY, values[40:], np.arange(40, N))
        set_up(repo, pa.concat_tables([rows(FIRST, values[:40]), young]))
        repo.materialize(start=FIRST - DAY, end=FIRST + DAY)
        repo.materialize(start=FIRST + DAY, end=NOW - DAY)
        return repo

    def test_the_old_ones_are_gone(self, forgetful: Any, redis_server: Any) -> None:
        forget(forgetful, redis_server, np.arange(40))
        found = causes(forgetful.validate())
        assert set(found) == {"expired"}
        cause = found["expired"]
        assert (cause.share, cause.confidence, cause.evidence["entities"]) == (1.0, 0.95, 40)
        assert (cause.evidence["of"], cause.evidence["ttl"]) == ("key", 7 * 86400.0)
        assert cause.evidence["age"]["p50"] == (NOW - FIRST - DAY).total_seconds()
        assert "key_ttl_seconds" in cause.remedy

    def test_young_ones_beside_were_never_written(self, forgetful: Any, redis_server: Any) -> None:
        forget(forgetful, redis_server, np.arange(45))
        found = causes(forgetful.validate())
        assert {code: cause.evidence["entities"] for code, cause in found.items()} == {
            "expired": 40,
            "not_materialized": 5,
        }
        assert found["expired"].share == pytest.approx(40 / 45)

    def test_rows_as_old_are_there(self, forgetful: Any, redis_server: Any) -> None:
        """Then it is not their age."""
        forget(forgetful, redis_server, np.arange(20))
        assert set(causes(forgetful.validate())) == {"not_materialized"}

    def test_the_young_ones_are_gone(self, forgetful: Any, redis_server: Any) -> None:
        forget(forgetful, redis_server, np.arange(40, N))
        assert set(causes(forgetful.validate())) == {"not_materialized"}

    def test_keys_that_live_for_ever(self, repo: Any, redis_server: Any, values: Any) -> None:
        set_up(repo, pa.concat_tables([rows(FIRST, values[:40]), rows(NOW - DAY, values[40:], np.arange(40, N))]))
        repo.materialize(end=NOW)
        forget(repo, redis_server, np.arange(40))
        assert set(causes(repo.validate())) == {"not_materialized"}

    def test_by_the_server_itself(self, make_repository: Any, tmp_path: Path, values: Any) -> None:
        """Keys of one second: a second materialization skips the rows, and prolongs nothing."""
        repo = make_repository(tmp_path, online_settings={"key_ttl_seconds": 1})
        begun = datetime.now(timezone.utc)
        set_up(repo, rows(begun - timedelta(minutes=9), values))
        repo.materialize(end=begun)
        assert repo.validate(now=begun).features[0].counts["match"] == N
        time.sleep(1.2)
        report = repo.validate(now=datetime.now(timezone.utc))
        assert report.features[0].counts["offline_only"] == N
        assert set(causes(report)) == {"expired"}

    def test_never_materialized(self, make_repository: Any, tmp_path: Path, values: Any) -> None:
        """Only pushed, and only some of them: what is not there need not have been."""
        repo = make_repository(tmp_path, online_settings={"key_ttl_seconds": 86400})
        set_up(repo, rows(FIRST, values))
        write_online(repo, FIRST, values[:30], np.arange(30))
        assert set(causes(repo.validate())) == {"not_materialized"}


class TestFrozen:
    def test_created_after_the_materialization(self, repo: Any, values: Any) -> None:
        """A nightly table without its earlier rows: those of 20 entities were computed anew two weeks later."""
        set_up(repo, rows(FIRST, values, created=FIRST), created="created")
        repo.materialize(end=FIRST + DAY)
        late = FIRST + 14 * DAY
        again = rows(FIRST, values[:20] ** 2, created=late)
        repo.write("src", pa.concat_tables([again, rows(FIRST, values[20:], np.arange(20, N), created=FIRST)]))
        repo.materialize(end=FIRST + DAY)  # Redis skips what is not newer
        found = causes(repo.validate())
        assert set(found) == {"frozen"}
        cause = found["frozen"]
        assert (cause.share, cause.confidence, cause.evidence["entities"]) == (1.0, 0.95, 20)
        assert cause.evidence["created_after_seconds"] == 13 * 86400.0
        assert "skip_dedup" in cause.remedy

    def test_of_all_rows(self, repo: Any, values: Any) -> None:
        set_up(repo, rows(FIRST, values, created=FIRST), created="created")
        repo.materialize(end=FIRST + DAY)
        repo.write("src", rows(FIRST, unrelated(values), created=FIRST + 2 * DAY))
        report = repo.validate()
        assert [(c.code, c.confidence) for c in report.features[0].causes] == [("frozen", 0.9)]

    def test_what_the_difference_is_stands_beside(self, repo: Any, values: Any) -> None:
        set_up(repo, rows(FIRST, values / 1000, created=FIRST), created="created")
        repo.materialize(end=FIRST + DAY)
        repo.write("src", rows(FIRST, values, created=FIRST + 2 * DAY))
        report = repo.validate()
        assert causes(report, "what")["scale"].share == 1.0
        assert causes(report)["frozen"].confidence == 0.9

    def test_jobs_that_write_late_prove_nothing(self, repo: Any, values: Any) -> None:
        """All rows are created after the end of the range, right ones too."""
        set_up(repo, rows(FIRST, values, created=FIRST + 2 * DAY), created="created")
        repo.materialize(end=FIRST + DAY)
        write_online(repo, FIRST, unrelated(values)[:20], np.arange(20))
        cause = causes(repo.validate())["frozen"]
        assert cause.confidence <= 0.5

    def test_materialized_again_since(self, repo: Any, values: Any) -> None:
        set_up(repo, rows(FIRST, values, created=FIRST), created="created")
        repo.materialize(end=FIRST + DAY)
        repo.write("src", rows(FIRST, unrelated(values), created=FIRST + 2 * DAY))
        repo.materialize(end=FIRST + 3 * DAY)
        assert causes(repo.validate())["frozen"].confidence <= 0.5

    def test_a_possibility_leaves_everything_to_what_is_known(self, repo: Any, values: Any) -> None:
        set_up(repo, rows(FIRST, values))
        repo.materialize()
        write_online(repo, FIRST, values * 60, np.arange(N))
        report = repo.validate()
        assert [cause.code for cause in report.features[0].causes] == ["scale"]

    def test_a_store_that_overwrites(self, make_repository: Any, tmp_path: Path, values: Any) -> None:
        repo = make_repository(tmp_path, online="sqlite")
        set_up(repo, rows(FIRST, values, created=FIRST), created="created")
        repo.materialize(end=FIRST + DAY)
        repo.write("src", rows(FIRST, unrelated(values), created=FIRST + 2 * DAY))
        cause = causes(repo.validate())["frozen"]
        assert (cause.confidence, "skip_dedup" in cause.remedy) == (0.9, False)


@pytest.mark.parametrize("offline", ["dask", "duckdb"])
def test_a_nightly_lag(offline: str, make_repository: Any, tmp_path: Path) -> None:
    """Last night's values, written under this night's timestamp."""
    if offline == "duckdb":
        pytest.importorskip("duckdb")
    repo = make_repository(tmp_path, offline=offline)
    nights = np.random.default_rng(0).lognormal(3, 1, (5, N))
    set_up(repo, pa.concat_tables([rows(FIRST + n * DAY, night) for n, night in enumerate(nights)]))
    repo.materialize()
    write_online(repo, FIRST + 4 * DAY, nights[3], np.arange(N))
    report = repo.validate()
    assert report.features[0].counts["mismatch"] == N
    found = causes(report)
    assert set(found) == {"lagged_version"}
    assert (found["lagged_version"].evidence["k"], found["lagged_version"].share) == (1, 1.0)
