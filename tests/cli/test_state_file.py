"""What a run remembers: whole when two write at once, and never a reason to change a verdict."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rides import AS_OF, Repository, Run, command, environment

from feast_skew.core.model import SourceVersion
from feast_skew.errors import ConfigError
from feast_skew.history import state_file
from feast_skew.history.state_file import StateFile

ASKED = ("--as-of", AS_OF, "--output", "json=-")


def state_of(repo: Repository) -> Path:
    return repo.path / ".feast_skew" / "state.json"


def findings(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["code"], finding["severity"]) for finding in report["findings"]]


def test_two_runs_at_once(repo: Repository, tmp_path: Path) -> None:
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
    views = json.loads(state_of(repo).read_text())["projects"][repo.project]
    assert {view: len(versions) for view, versions in views.items()} == {"driver_stats": 1, "rider_stats": 1}
    assert {file for file in repo.files() if file.startswith(".feast_skew")} == {
        ".feast_skew/state.json",
        ".feast_skew/state.lock",
    }
    assert (tmp_path / "same.txt").read_text().startswith("PASS")


WRITER = """
import sys
from pathlib import Path
from feast_skew.core.model import SourceVersion
from feast_skew.history.state_file import StateFile
for number in range(15):
    version = SourceVersion(f"{sys.argv[2]}-{number}", "label", {})
    StateFile(Path(sys.argv[1])).record("p", [(f"view {sys.argv[2]}", version)], f"2026-01-01T00:00:{number:02d}Z")
"""


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "state" / "state.json"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file), str(number)], env=environment(), cwd=tmp_path / "cwd"
        )
        for number in range(4)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    views = json.loads(file.read_text())["projects"]["p"]
    assert {view: len(versions) for view, versions in views.items()} == {f"view {number}": 15 for number in range(4)}
    assert {entry.name for entry in file.parent.iterdir()} == {"state.json", "state.lock"}


DAMAGES = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b'{"version": 99}',
    b'{"projects": []}',
    b'{"projects": {"PROJECT": []}}',
    b'{"projects": {"PROJECT": {"driver_stats": [{"a": 1}]}}}',
    b'{"projects": {"PROJECT": {"driver_stats": 5}}}',
]


@pytest.mark.parametrize("content", DAMAGES)
def test_damaged(run: Run, repo: Repository, content: bytes) -> None:
    """The verdict stays, one info finding tells, and the file is left for its owner to look at."""
    file = state_of(repo)
    file.parent.mkdir()
    content = content.replace(b"PROJECT", repo.project.encode())
    file.write_bytes(content)
    outcome = run("validate", "--repo", repo.path, *ASKED)
    assert outcome.code == 0
    assert not outcome.err
    assert findings(outcome.report) == [("FS206", "info")]
    finding = outcome.report["findings"][0]
    assert str(file) in finding["detail"]
    assert "another path" in finding["remedy"]
    assert file.read_bytes() == content


@pytest.mark.parametrize("place", ["/proc/feast-skew/state.json", "feature_store.yaml/state.json", "data"])
def test_place_that_cannot_be_written(run: Run, repo: Repository, place: str) -> None:
    repo.configure(f"state: {place}\n")
    before = repo.files()
    outcome = run("validate", "--repo", repo.path, *ASKED)
    assert outcome.code == 0
    assert not outcome.err
    assert findings(outcome.report) == [("FS206", "info")]
    assert repo.files() - before <= {"data.lock"}


def test_another_place(run: Run, repo: Repository) -> None:
    """A relative path is one in the repository, wherever the run was started."""
    repo.configure("state: memory/skew.json\n")
    assert run("validate", "--repo", repo.path, *ASKED).code == 0
    assert (repo.path / "memory" / "skew.json").is_file()
    assert not state_of(repo).exists()


def test_held_by_a_run_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_file, "_LOCK_SECONDS", 0.2)
    with (tmp_path / "s.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another run"):
            raise_line(tmp_path / "s.json")
    assert not (tmp_path / "s.json").exists()


def raise_line(path: Path) -> None:
    try:
        StateFile(path).record("p", [("v", SourceVersion("f", "l", {}))], "2026-01-01T00:00:00Z")
    except ConfigError as error:
        raise ConfigError(error.one_line()) from error
