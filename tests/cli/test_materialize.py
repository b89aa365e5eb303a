"""`feast-skew materialize` on a real Redis: what Feast writes is validated, and what Redis skipped is found."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rides import AS_OF, DRIVERS, RIDERS, Repository, Run, make_repository, objects
from servers.proxy import Proxy

from feast_skew.embedded.redis_server import EmbeddedRedis

START = "2026-02-01"
END = datetime.fromisoformat(f"{AS_OF}T00:00:00+00:00")


@pytest.fixture
def new_repo(tmp_path: Path, redis: EmbeddedRedis) -> Repository:
    """A repository that was applied and never materialized."""
    return make_repository(tmp_path / "repo", redis.connection_string, materialize=False)


def change_rates(repo: Repository, source: str = "drivers.parquet") -> None:
    """Recompute the rates at the same event timestamps, by no formula that a rule would know."""
    frame = pd.read_parquet(repo.path / "data" / "drivers.parquet")
    frame["rate"] = [float((7919 * number) % 1009) for number in range(len(frame))]
    frame.to_parquet(repo.path / "data" / source)


def intervals(repo: Repository, view: str) -> list[tuple[datetime, datetime]]:
    found = repo.store().get_feature_view(view).materialization_intervals
    return [(start.astimezone(timezone.utc), end.astimezone(timezone.utc)) for start, end in found]


def keys(repo: Repository, redis: EmbeddedRedis) -> int:
    with redis.client() as client:
        return sum(repo.project.encode() in key for key in client.scan_iter(count=10_000))


def codes(feature: dict[str, Any]) -> dict[str, float]:
    return {cause["code"]: cause["share"] for cause in feature["causes"]}


def test_clean(run: Run, new_repo: Repository, redis: EmbeddedRedis) -> None:
    outcome = run("materialize", START, AS_OF, "--repo", new_repo.path, "--output", "json=-")
    assert outcome.code == 0
    assert outcome.report["as_of"] == f"{AS_OF}T00:00:00Z"
    assert {feature["view"] for feature in outcome.report["features"]} == {"driver_stats", "rider_stats"}
    assert outcome.feature("driver_stats:rate")["counts"]["match"] == DRIVERS
    assert "driver_stats" in outcome.err  # what Feast prints
    assert keys(new_repo, redis) == DRIVERS + RIDERS
    assert intervals(new_repo, "driver_stats") == [(datetime(2026, 2, 1, tzinfo=timezone.utc), END)]


def test_the_terminal_shows_the_report_and_nothing_of_feast(run: Run, new_repo: Repository) -> None:
    outcome = run("materialize", START, AS_OF, "--repo", new_repo.path)
    assert outcome.code == 0
    assert outcome.out.startswith("PASS")
    assert "Materializing" not in outcome.out
    assert "%|" not in outcome.err  # bars are for terminals
    assert outcome.err.startswith("Materializing 2 feature views")
    assert "\x1b" not in outcome.err


def test_quiet(run: Run, new_repo: Repository) -> None:
    outcome = run("materialize", START, AS_OF, "--repo", new_repo.path, "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


def test_a_view_by_any_of_feasts_spellings(run: Run, new_repo: Repository) -> None:
    for spelling in ("--view", "--views", "-v"):
        outcome = run(
            "materialize", START, AS_OF, "--repo", new_repo.path, spelling, "rider_stats", "--output", "json=-"
        )
        assert outcome.code == 0
        assert {feature["view"] for feature in outcome.report["features"]} == {"rider_stats"}
    assert not intervals(new_repo, "driver_stats")


def test_every_row(run: Run, new_repo: Repository, redis: EmbeddedRedis) -> None:
    outcome = run("materialize", "--disable-event-timestamp", "--repo", new_repo.path)
    assert outcome.code == 0
    assert keys(new_repo, redis) == DRIVERS + RIDERS


def test_values_that_changed_at_the_same_timestamps_did_not_land(run: Run, own_repo: Repository) -> None:
    change_rates(own_repo)
    outcome = run("materialize", START, AS_OF, "--repo", own_repo.path, "--output", "json=-")
    assert outcome.code == 1
    rate = outcome.feature("driver_stats:rate")
    assert rate["counts"]["mismatch"] == DRIVERS
    assert (rate["causes"][0]["code"], codes(rate)["frozen"]) == ("frozen", 1)
    assert rate["causes"][0]["confidence"] >= 0.9
    assert "skip_dedup: true" in rate["causes"][0]["remedy"]
    assert outcome.feature("driver_stats:trips")["verdict"] == "pass"


def test_the_remedy_helps(run: Run, own_repo: Repository) -> None:
    change_rates(own_repo)
    asked = ["materialize", START, AS_OF, "--repo", own_repo.path]
    assert run(*asked).code == 1
    own_repo.edit("  type: redis\n", "  type: redis\n  skip_dedup: true\n")
    assert run(*asked).code == 0
    own_repo.edit("  skip_dedup: true\n", "")
    assert run(*asked).code == 0


def test_some_rows_of_many_did_not_land(run: Run, own_repo: Repository) -> None:
    """Beside a formula that fits, and rows outside the range, which nobody offered to the store."""
    frame = pd.read_parquet(own_repo.path / "data" / "drivers.parquet")
    frame.loc[:49, "rate"] *= 1.5
    frame.to_parquet(own_repo.path / "data" / "drivers.parquet")
    for start, proven in (("2026-02-01", True), ("2026-03-02", False)):
        outcome = run("materialize", start, AS_OF, "--repo", own_repo.path, "-v", "driver_stats", "--output", "json=-")
        assert outcome.code == 1
        rate = outcome.feature("driver_stats:rate")
        assert rate["counts"]["mismatch"] == 50
        assert codes(rate)["scale"] == 1
        assert ("frozen" in codes(rate)) is proven


def test_a_definition_that_changed_did_not_land(run: Run, own_repo: Repository) -> None:
    assert run("materialize", START, AS_OF, "--repo", own_repo.path).code == 0  # which notes the definition
    change_rates(own_repo, "recomputed.parquet")
    changed = objects()
    changed[2].batch_source.file_options.uri = "data/recomputed.parquet"
    own_repo.store().apply(changed)
    outcome = run("materialize", START, AS_OF, "--repo", own_repo.path, "--output", "json=-")
    assert outcome.code == 1
    assert codes(outcome.feature("driver_stats:rate"))["definition_not_landed"] == 1


def test_newer_rows_land(run: Run, own_repo: Repository) -> None:
    frame = pd.read_parquet(own_repo.path / "data" / "drivers.parquet")
    frame["event_timestamp"] += timedelta(days=1)
    frame["rate"] += 5
    frame.to_parquet(own_repo.path / "data" / "drivers.parquet")
    assert run("materialize", START, AS_OF, "--repo", own_repo.path).code == 0


def test_an_increment_begins_where_the_last_one_ended(run: Run, new_repo: Repository) -> None:
    assert run("materialize", START, AS_OF, "--repo", new_repo.path, "-v", "driver_stats").code == 0
    asked = ["materialize", "--incremental", "2026-03-12", "--repo", new_repo.path]
    shown = run(*asked, "--dry-run")
    assert shown.code == 0
    assert f"would write driver_stats from {AS_OF}T00:00:00Z to 2026-03-12T00:00:00Z" in shown.out
    line = next(line for line in shown.out.splitlines() if line.startswith("would write rider_stats"))
    year = datetime.fromisoformat(line.split()[4].replace("Z", "+00:00"))  # rider_stats keeps its rows for ever
    assert timedelta(0) <= datetime.now(timezone.utc) - timedelta(weeks=52) - year < timedelta(minutes=5)
    assert len(intervals(new_repo, "driver_stats")) == 1
    assert run(*asked, "-v", "driver_stats").code == 0
    assert intervals(new_repo, "driver_stats")[-1] == (END, datetime(2026, 3, 12, tzinfo=timezone.utc))


def test_an_increment_to_before_the_last_end_reads_nothing(run: Run, own_repo: Repository) -> None:
    outcome = run(
        "materialize", "--incremental", "2026-03-05", "--repo", own_repo.path, "-v", "driver_stats", "--dry-run"
    )
    assert outcome.code == 0
    assert "driver_stats was materialized up to 2026-03-31T00:00:00Z already" in outcome.err


def test_dry_run_writes_nothing(run: Run, new_repo: Repository, redis: EmbeddedRedis) -> None:
    registry = (new_repo.path / "data" / "registry.db").read_bytes()
    outcome = run("materialize", START, AS_OF, "--repo", new_repo.path, "--dry-run")
    assert outcome.code == 0
    assert outcome.out.startswith(f"would write driver_stats from {START}T00:00:00Z to {AS_OF}T00:00:00Z\n")
    assert f"would then validate as of {AS_OF}T00:00:00Z:\n" in outcome.out
    assert f"data/drivers.parquet, {DRIVERS} rows" in outcome.out
    assert (new_repo.path / "data" / "registry.db").read_bytes() == registry
    assert keys(new_repo, redis) == 0


def test_an_end_in_the_future_is_warned_of(run: Run, new_repo: Repository) -> None:
    outcome = run("materialize", START, "2999-01-01", "--repo", new_repo.path, "--dry-run")
    assert outcome.code == 0
    assert "END 2999-01-01T00:00:00Z is in the future" in outcome.err
    assert "later increments" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([START, AS_OF, "-v", "driver_stat"], ["'driver_stat'", "driver_stats"]),
        ([AS_OF, START], [f"END {START} is before START {AS_OF}"]),
        (["yesterday", AS_OF], ["START 'yesterday' is no time"]),
        ([START, "2026-02-30"], ["END '2026-02-30' is no time"]),
        (["--incremental", "soon"], ["--incremental 'soon' is no time"]),
        ([START], [f"START {START} has no END"]),
        ([], ["no range was given", "START and END"]),
        ([START, AS_OF, "--incremental", AS_OF], ["more than one range"]),
        ([START, AS_OF, "--disable-event-timestamp"], ["more than one range"]),
        ([START, AS_OF, "--version", "v1"], ["--version v1", "exactly one feature view"]),
        ([START, AS_OF, "-v", "driver_stats", "--version", "v1"], ["--version v1", "enable_online_feature_view"]),
        ([START, AS_OF, "--sample", "0"], ["--sample"]),
        ([START, AS_OF, "--config", "none.yaml"], ["none.yaml"]),
        ([START, AS_OF, "--output", "jsn=x"], ["jsn", "json"]),
        ([START, AS_OF, "--dry-run", "--output", "json=-"], ["--dry-run"]),
        ([START, AS_OF, "--entities", "none.csv"], ["none.csv"]),
        ([START, AS_OF, "--baseline", "none.json"], ["none.json"]),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else None,
)
def test_bad_input_writes_nothing(
    run: Run, new_repo: Repository, redis: EmbeddedRedis, arguments: list[str], parts: list[str]
) -> None:
    run("materialize", *arguments, "--repo", new_repo.path).refused(2, *parts)
    assert keys(new_repo, redis) == 0
    assert not intervals(new_repo, "driver_stats")


def test_only_the_version_that_is_served_can_be_compared(run: Run, new_repo: Repository, redis: EmbeddedRedis) -> None:
    new_repo.edit(
        "registry: data/registry.db\n",
        "registry:\n  path: data/registry.db\n  enable_online_feature_view_versioning: true\n",
    )
    asked = ["materialize", START, AS_OF, "--repo", new_repo.path, "-v", "driver_stats"]
    store = new_repo.store()
    first = store.get_feature_view("driver_stats").current_version_number or 0
    changed = objects()
    changed[2].features = changed[2].features[:-1]
    store.apply(changed)
    served = new_repo.store().get_feature_view("driver_stats").current_version_number
    assert served == first + 1
    run(*asked, "--version", f"v{first}").refused(2, f"--version v{first}", f"version {served}", "feast materialize")
    run(*asked, "--version", "newest").refused(2, "--version newest")
    assert keys(new_repo, redis) == 0
    assert run(*asked, "--version", f"v{served}", "--output", "json=-").code == 0
    assert keys(new_repo, redis) == DRIVERS


def test_a_view_that_is_offline_only(run: Run, new_repo: Repository, redis: EmbeddedRedis) -> None:
    changed = objects()
    changed[3].online = False
    new_repo.store().apply(changed)
    asked = ["materialize", START, AS_OF, "--repo", new_repo.path]
    run(*asked, "-v", "rider_stats").refused(2, "rider_stats", "online")
    run(*asked, "-v", "driver_stats", "-v", "rider_stats").refused(2, "rider_stats", "online")
    assert keys(new_repo, redis) == 0
    outcome = run(*asked, "--output", "json=-")
    assert outcome.code == 0
    assert {feature["view"] for feature in outcome.report["features"]} == {"driver_stats"}


def test_source_that_is_missing(run: Run, new_repo: Repository) -> None:
    (new_repo.path / "data" / "riders.parquet").unlink()
    run("materialize", START, AS_OF, "--repo", new_repo.path).refused(3, "riders.parquet")
    assert not intervals(new_repo, "driver_stats")


def test_redis_that_is_down(run: Run, new_repo: Repository, redis: EmbeddedRedis) -> None:
    with closing(Proxy(redis.port)) as gone:
        port = gone.port
    new_repo.edit(redis.connection_string, f"127.0.0.1:{port}")
    report = new_repo.path / "report.json"
    outcome = run("materialize", START, AS_OF, "--repo", new_repo.path, "--output", f"json={report}", "--quiet")
    outcome.refused(3, "feast materialize failed and nothing was validated", str(port))
    assert not report.exists()
    assert not (new_repo.path / ".feast_skew").exists()
    assert not intervals(new_repo, "driver_stats")


def test_redis_that_is_lost_during_the_write(run: Run, tmp_path: Path, redis: EmbeddedRedis) -> None:
    repo = make_repository(tmp_path / "repo", redis.connection_string, drivers=5_000, materialize=False)
    report = tmp_path / "report.json"
    with closing(Proxy(redis.port, after=60_000)) as proxy:
        repo.edit(redis.connection_string, f"127.0.0.1:{proxy.port}")
        outcome = run("materialize", START, AS_OF, "--repo", repo.path, "--output", f"json={report}", "--quiet")
        assert proxy.breaks == 1
    outcome.refused(3, "feast materialize failed and nothing was validated", "Connection")
    assert 0 < keys(repo, redis) <= 5_000
    assert not report.exists()
    assert not (repo.path / ".feast_skew").exists()


def test_what_a_baseline_knows(run: Run, own_repo: Repository) -> None:
    change_rates(own_repo)
    before = own_repo.path / "before.json"
    asked = ["materialize", START, AS_OF, "--repo", own_repo.path]
    assert run(*asked, "--output", f"json={before}").code == 1
    assert run(*asked, "--baseline", before).code == 0


def test_outputs_of_validate(run: Run, new_repo: Repository) -> None:
    """Both forms of one run: the file and standard output say the same."""
    report = new_repo.path / "report.json"
    outcome = run(
        "materialize", START, AS_OF, "--repo", new_repo.path, "--output", f"json={report}", "--output", "text=-"
    )
    assert outcome.code == 0
    assert json.loads(report.read_text())["verdict"] == "pass"
    assert outcome.out.startswith("PASS")
