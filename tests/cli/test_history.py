"""What runs leave behind: whole when two write at once, taken over from the state file, and never a reason to change a verdict."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rides import AS_OF, Repository, Run, command, environment

ASKED = ("--as-of", AS_OF, "--output", "json=-")


def database_of(repo: Repository) -> Path:
    return repo.path / ".feast_skew" / "history.db"


def findings(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["code"], finding["severity"]) for finding in report["findings"] if finding["code"] != "FS217"]


def rows(file: Path, query: str) -> list[Any]:
    with sqlite3.connect(file) as connection:
        return connection.execute(query).fetchall()


def listed(run: Run, repo: Repository, *options: str) -> Any:
    outcome = run("history", "--repo", repo.path, *options, "--output", "json=-")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_two_runs_at_once(run: Run, repo: Repository, tmp_path: Path) -> None:
    """Both find no database, and both are in it afterwards."""
    runs = [
        subprocess.Popen(
            command("validate", "--repo", repo.path, *ASKED, "--output", f"text={tmp_path}/same.txt"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path / "cwd",
            env=environment(),
        )
        for _ in range(2)
    ]
    ends = [process.communicate(timeout=120) for process in runs]
    assert [process.returncode for process in runs] == [0, 0]
    for out, err in ends:
        assert not err
        assert json.loads(out)["verdict"] == "pass"
        assert findings(json.loads(out)) == []
    found = listed(run, repo)["runs"]
    assert {entry["run_id"] for entry in found} == {json.loads(out)["run_id"] for out, _ in ends}
    assert [entry["verdict"] for entry in found] == ["pass", "pass"]
    views = rows(database_of(repo), "SELECT view FROM feast_skew_definitions ORDER BY view")
    assert views == [("driver_stats",), ("rider_stats",)]
    assert {file for file in repo.files() if file.startswith(".feast_skew")} == {".feast_skew/history.db"}
    assert (tmp_path / "same.txt").read_text().startswith("PASS")


WRITER = """
import sys
from pathlib import Path
from feast_skew.core.model import SourceVersion
from feast_skew.history.memory import History, address
history = History(address(sys.argv[1], Path()))
for number in range(15):
    version = SourceVersion(f"{sys.argv[2]}-{number}", "label", {})
    history.definitions.record("p", [(f"view {sys.argv[2]}", version)], f"2026-01-01T00:00:{number:02d}Z")
"""


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "er" / "history.db"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file), str(number)], env=environment(), cwd=tmp_path / "cwd"
        )
        for number in range(4)
    ]
    assert [writer.wait(120) for writer in writers] == [0] * 4
    counted = rows(file, "SELECT view, count(*) FROM feast_skew_definitions GROUP BY view ORDER BY view")
    assert counted == [(f"view {number}", 15) for number in range(4)]


DAMAGES = [b"{} and more", b"\xff\xfe", b"SQLite format 3\x00 and then nothing of the kind" * 40]


@pytest.mark.parametrize("content", DAMAGES)
def test_damaged(run: Run, repo: Repository, content: bytes) -> None:
    """The verdict stays, one info finding tells, and the file is left for its owner to look at."""
    file = database_of(repo)
    file.parent.mkdir()
    file.write_bytes(content)
    outcome = run("validate", "--repo", repo.path, *ASKED)
    assert outcome.code == 0
    assert not outcome.err
    assert findings(outcome.report) == [("FS206", "info")]
    finding = next(one for one in outcome.report["findings"] if one["code"] == "FS206")
    assert str(file) in finding["detail"]
    assert "set `history`" in finding["remedy"]
    assert file.read_bytes() == content
    run("history", "--repo", repo.path).refused(2, "history", str(file))


def test_written_by_a_newer_version(run: Run, repo: Repository) -> None:
    assert run("validate", "--repo", repo.path, *ASKED).code == 0
    with sqlite3.connect(database_of(repo)) as connection:
        connection.execute("UPDATE feast_skew_version SET version_num = '9999'")
    before = database_of(repo).read_bytes()
    outcome = run("validate", "--repo", repo.path, *ASKED)
    assert outcome.code == 0
    assert findings(outcome.report) == [("FS206", "info")]
    assert "newer feast-skew" in json.dumps(outcome.report["findings"])
    assert database_of(repo).read_bytes() == before
    run("history", "--repo", repo.path).refused(2, "newer feast-skew", "update")


@pytest.mark.parametrize("place", ["/proc/feast-skew/history.db", "feature_store.yaml/history.db", "data"])
def test_place_that_cannot_be_written(run: Run, repo: Repository, place: str) -> None:
    repo.configure(f"history: {place}\n")
    before = repo.files()
    outcome = run("validate", "--repo", repo.path, *ASKED)
    assert outcome.code == 0
    assert not outcome.err
    assert findings(outcome.report) == [("FS206", "info")]
    assert repo.files() == before


def test_another_place(run: Run, repo: Repository) -> None:
    """A relative path is one in the repository, wherever the run was started."""
    repo.configure("history: memory/skew.db\n")
    assert run("validate", "--repo", repo.path, *ASKED).code == 0
    assert (repo.path / "memory" / "skew.db").is_file()
    assert not database_of(repo).exists()


def test_no_history(run: Run, repo: Repository) -> None:
    repo.configure("history: false\n")
    assert run("validate", "--repo", repo.path, *ASKED).code == 0
    assert not database_of(repo).exists()
    run("history", "--repo", repo.path).refused(2, "history: false")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql+nodriver://me:hunter2secret@localhost/x", "no kind of database"),
        ("nosuch://me:hunter2secret@localhost/x", "no kind of database"),
        ("postgresql+pg8000://me:hunter2secret@127.0.0.1:1/x", "cannot be read"),
    ],
)
def test_address_of_no_database(
    run: Run, repo: Repository, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    """The password of an address is shown nowhere."""
    monkeypatch.setenv("FEAST_SKEW_HISTORY", url)
    outcome = run("history", "--repo", repo.path)
    assert "hunter2secret" not in outcome.refused(2, words)


def test_the_state_file_is_taken_over(run: Run, repo: Repository) -> None:
    state = repo.path / ".feast_skew" / "state.json"
    state.parent.mkdir()
    seen = {"fingerprint": "f1", "source_name": "old", "source": {"path": "old.parquet"}}
    seen |= {"first_seen": "2025-01-01T00:00:00Z", "last_seen": "2025-02-01T00:00:00Z"}
    applied = {repo.project: {"driver_stats": {"kind": "FeatureView", "parts": {"ttl": "1d"}}}}
    content = {"version": 1, "projects": {repo.project: {"driver_stats": [seen]}}, "applied": applied}
    state.write_text(json.dumps(content))
    for _ in range(2):  # once, and not again
        outcome = run("validate", "--repo", repo.path, *ASKED)
        assert ("FS216", "warn") in findings(outcome.report)
    asked = "SELECT fingerprint FROM feast_skew_definitions WHERE view = 'driver_stats' ORDER BY last_seen"
    fingerprints = [one for (one,) in rows(database_of(repo), asked)]
    assert fingerprints[0] == "f1"
    assert len(fingerprints) == 2
    assert json.loads(state.read_text()) == content


def test_a_damaged_state_file_is_told(run: Run, repo: Repository) -> None:
    state = repo.path / ".feast_skew" / "state.json"
    state.parent.mkdir()
    state.write_text('{"projects": []}')
    outcome = run("validate", "--repo", repo.path, *ASKED)
    assert outcome.code == 0
    assert findings(outcome.report) == [("FS206", "info")]
    assert str(state) in json.dumps(outcome.report["findings"])


def test_since_when_and_rendered_again(run: Run, repo: Repository) -> None:
    first = run("validate", "--repo", repo.path, *ASKED).report
    second = run("validate", "--repo", repo.path, *ASKED).report
    followed = listed(run, repo, "--feature", "driver_stats:rate")["runs"]
    assert [entry["run_id"] for entry in followed] == [first["run_id"], second["run_id"]]
    assert {entry["since"] for entry in followed} == {first["created_at"]}
    again = run("report", first["run_id"], "--repo", repo.path, "--output", "json=-")
    assert again.code == 0
    assert json.loads(again.out) == first
    latest = run("report", "--repo", repo.path, "--output", "json=-")
    assert json.loads(latest.out)["run_id"] == second["run_id"]
    run("report", "nosuch", "--repo", repo.path).refused(2, "no run 'nosuch'")
    merged = listed(run, repo, "--merge", "1d")["features"]
    assert all(entry["runs"] == 2 for entry in merged)
    assert run("history", "--repo", repo.path, "--prune", "1d").out.startswith("0 runs")
    assert run("history", "--repo", repo.path, "--prune", "0").out.startswith("2 runs")
    assert listed(run, repo)["runs"] == []


def test_a_report_for_each_owner(run: Run, repo: Repository, tmp_path: Path) -> None:
    repo.configure("views: {rider_stats: {owner: a/b team}}\n")
    repo.apply(view_owner="")
    outcome = run(
        "validate", "--repo", repo.path, "--as-of", AS_OF, "--quiet", "--output", f"json={tmp_path}/{{owner}}.json"
    )
    assert outcome.code == 0, outcome.err
    owned = {file.name: json.loads(file.read_text()) for file in sorted(tmp_path.glob("*.json"))}
    assert len(owned) == 2
    of_team = next(report for name, report in owned.items() if name.startswith("a_b_team-"))
    assert {feature["view"] for feature in of_team["features"]} == {"rider_stats"}
    unowned = owned["unowned.json"]
    assert {feature["view"] for feature in unowned["features"]} == {"driver_stats"}
    assert [finding["code"] for finding in unowned["findings"]] == ["FS217"]


@pytest.mark.parametrize("runs", [0, 1])
def test_a_disk_that_is_full(run: Run, repo: Repository, runs: int) -> None:
    """Files can grow no more: the verdict is told all the same, no half of the run is kept, and the history goes on later."""
    for _ in range(runs):
        assert run("validate", "--repo", repo.path, *ASKED).code == 0
    most = database_of(repo).stat().st_size if runs else 48 * 1024
    before = listed(run, repo)["runs"] if runs else []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        full = [run("validate", "--repo", repo.path, *ASKED) for _ in range(3)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(one.code, one.err) for one in full] == [(0, "")] * 3
    kept = [one for one in full if not findings(one.report)]
    assert findings(full[-1].report) == [("FS206", "info")]
    after = run("validate", "--repo", repo.path, *ASKED)
    assert findings(after.report) == []
    found = [entry["run_id"] for entry in listed(run, repo)["runs"]]
    assert found == [one.report["run_id"] for one in (after, *kept[::-1])] + [entry["run_id"] for entry in before]
