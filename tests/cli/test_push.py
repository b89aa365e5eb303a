"""`--push-metrics` and its setting: a gateway hears of the run, and whatever it does, the run ends as it would have."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from prometheus_client.parser import text_string_to_metric_families
from rides import AS_OF, Repository, Run, command, environment
from servers.gateway import Gateway
from test_terminal import on_a_terminal

ASKED = ("--as-of", AS_OF)
NOBODY = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, no credentials of whoever runs the tests."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("FEAST_SKEW_PUSH_USER", "FEAST_SKEW_PUSH_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def make_skew(repo: Repository) -> None:
    file = repo.path / "data" / "drivers.parquet"
    pd.read_parquet(file).assign(rate=1.0).to_parquet(file)


def test_what_is_pushed_is_what_the_textfile_says(run: Run, repo: Repository, tmp_path: Path) -> None:
    make_skew(repo)
    file = tmp_path / "skew.prom"
    with Gateway() as gateway:
        asked = ("--push-metrics", gateway.url, "--output", f"prometheus={file}")
        outcome = run("validate", "--repo", repo.path, *ASKED, *asked)
    assert (outcome.code, outcome.err) == (1, "")
    ((method, path, _, body),) = gateway.seen
    assert (method, path) == ("PUT", f"/metrics/job/feast_skew/project/{repo.project}")
    assert body == file.read_bytes()
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    verdicts = {s.labels["feature"]: s.value for s in families["feast_skew_feature_verdict"].samples}
    assert verdicts == {"rate": 4, "trips": 0, "city": 0, "score": 0}
    owners = {s.labels["owner"] for s in families["feast_skew_feature_info"].samples}
    assert owners == {"drivers@example.com", "riders@example.com"}


@pytest.mark.parametrize("skewed", [False, True])
def test_a_gateway_changes_nothing(run: Run, repo: Repository, skewed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody there, and one that lets nobody in: one line, and the exit code and the report of the validation."""
    if skewed:
        make_skew(repo)
    monkeypatch.setenv("FEAST_SKEW_PUSH_USER", "nightly")
    monkeypatch.setenv("FEAST_SKEW_PUSH_PASSWORD", "s3cret")
    with Gateway(status=401) as strict:
        for address, told in ((NOBODY, "cannot be reached"), (strict.url, "answered 401: set FEAST_SKEW_PUSH_USER")):
            outcome = run(
                "validate", "--repo", repo.path, *ASKED, "--quiet", "--output", "json=-", "--push-metrics", address
            )
            assert outcome.code == int(skewed)
            assert outcome.line.startswith("the metrics were not pushed: ")
            assert told in outcome.line
            assert "s3cret" not in outcome.err + outcome.out
            assert outcome.report["verdict"] == ("fail" if skewed else "pass")
    assert len(strict.seen) == 1


def test_an_output_that_cannot_be_written_is_pushed_all_the_same(run: Run, repo: Repository) -> None:
    with Gateway() as gateway:
        outcome = run(
            "validate", "--repo", repo.path, *ASKED, "--output", "csv=/dev/full", "--push-metrics", gateway.url
        )
    assert outcome.code == 3
    assert "/dev/full" in outcome.line
    assert len(gateway.seen) == 1


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("gateway:9091", ("'gateway:9091'", "http://gateway:9091")),
        ("", ("--push-metrics", "http://gateway:9091")),
        ("http://nightly:s3cret@gateway:9091", ("'http://***@gateway:9091'", "FEAST_SKEW_PUSH_PASSWORD")),
    ],
)
@pytest.mark.parametrize(
    "command", [("validate",), ("materialize", "2026-01-01", "2026-04-01")], ids=lambda words: words[0]
)
def test_no_address(run: Run, command: tuple[str, ...], address: str, parts: tuple[str, ...]) -> None:
    """There is not even a repository: the address is looked at first."""
    line = run(*command, "--repo", "nowhere", "--push-metrics", address).refused(2, "--push-metrics", *parts)
    assert "s3cret" not in line


def test_half_of_the_credentials(run: Run, repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEAST_SKEW_PUSH_PASSWORD", "s3cret")
    run("validate", "--repo", "nowhere", "--push-metrics", NOBODY).refused(2, "FEAST_SKEW_PUSH_USER is not")
    repo.configure(f"push_metrics: {NOBODY}\n")
    for asked in (("validate",), ("materialize", "2026-01-01", "2026-04-01")):
        line = run(*asked, "--repo", repo.path).refused(2, "FEAST_SKEW_PUSH_USER is not")
        assert "s3cret" not in line
    assert run("validate", "--repo", repo.path, *ASKED, "--push-metrics", "off").code == 0


def test_the_setting(run: Run, repo: Repository) -> None:
    with Gateway() as gateway, Gateway() as other:
        repo.configure(f"push_metrics: {gateway.url}/\n")
        assert run("validate", "--repo", repo.path, *ASKED).code == 0
        assert run("validate", "--repo", repo.path, *ASKED, "--push-metrics", other.url).code == 0
        assert run("validate", "--repo", repo.path, *ASKED, "--push-metrics", "off").code == 0
        assert run("validate", "--repo", repo.path, "--dry-run").code == 0
    assert (len(gateway.seen), len(other.seen)) == (1, 1)


@pytest.mark.parametrize(
    "text",
    ["push_metrics: gateway:9091", "push_metrics: 5", "push_metrics: true", 'push_metrics: ["http://a:s3cret@gateway"]',
     "push_metrics: http://nightly:s3cret@gateway", "push_metrics: nightly:s3cret@gateway"],
)  # fmt: skip
def test_bad_setting(run: Run, repo: Repository, text: str) -> None:
    repo.configure(text + "\n")
    line = run("validate", "--repo", repo.path, *ASKED).refused(2, "feast_skew.yaml: push_metrics: ")
    assert "s3cret" not in line


def test_a_dry_run_pushes_nothing(run: Run, repo: Repository) -> None:
    run("validate", "--repo", repo.path, "--dry-run", "--push-metrics", NOBODY).refused(
        2, "--dry-run", "--push-metrics"
    )


def test_after_a_materialization(run: Run, own_repo: Repository) -> None:
    with Gateway() as gateway:
        own_repo.configure(f"push_metrics: {gateway.url}\n")
        assert run("materialize", "2026-02-01", "2026-04-01", "--repo", own_repo.path, "--quiet").code == 0
    assert len(gateway.seen) == 1


def test_csv_and_parquet_of_a_run(run: Run, repo: Repository, tmp_path: Path) -> None:
    make_skew(repo)
    files = {form: tmp_path / f"skew.{form}" for form in ("json", "csv", "parquet")}
    files["parquet"].write_bytes(b"an earlier one")
    outputs = [word for form, file in files.items() for word in ("--output", f"{form}={file}")]
    assert run("validate", "--repo", repo.path, *ASKED, *outputs).code == 1
    features = json.loads(files["json"].read_text())["features"]
    typed = pq.read_table(files["parquet"]).to_pylist()
    with files["csv"].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    for feature, row, text in zip(features, typed, rows, strict=True):
        for name in ("view", "feature", "dtype", "owner", "verdict"):
            assert feature[name] == row[name] == text[name]
        for name, count in feature["counts"].items():
            assert count == row[name] == int(text[name])
        for name, metric in feature["metrics"].items():
            assert metric["value"] == row[name]
            assert metric["value"] == (float(text[name]) if text[name] else None)
    assert {entry.name for entry in tmp_path.iterdir()} == {"repo", "cwd", *(file.name for file in files.values())}


def test_parquet_to_a_pipe_and_to_no_terminal(repo: Repository, tmp_path: Path) -> None:
    asked = ("validate", "--repo", repo.path, *ASKED, "--output", "parquet=-")
    done = subprocess.run(
        command(*asked), capture_output=True, check=False, cwd=tmp_path / "cwd", env=environment(NO_PROXY="127.0.0.1")
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert pq.read_table(io.BytesIO(done.stdout)).num_rows == 4
    code, sent = on_a_terminal(*asked, cwd=tmp_path / "cwd")
    assert code == 2
    assert "parquet is no text for a terminal" in sent
    assert "PAR1" not in sent


def test_bytes_that_cannot_be_written(run: Run, repo: Repository, tmp_path: Path) -> None:
    file = tmp_path / "skew.parquet"
    run("validate", "--repo", repo.path, "--view", "nope", "--output", f"parquet={file}").refused(2, "nope")
    assert not file.exists()
    outcome = run(
        "validate", "--repo", repo.path, *ASKED, "--output", "parquet=/dev/full", "--output", f"parquet={file}"
    )
    assert outcome.code == 3
    assert "No space left" in outcome.line
    assert pq.read_table(file).num_rows == 4
