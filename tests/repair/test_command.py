"""The command as users run it: exit codes, one line for every error, what is printed and what is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shelf import COUNT, Shelf, habits

from tests.cli.rides import Outcome, environment, run_process

AS_OF = "2026-03-10"


@pytest.fixture
def run(shelf: Shelf, tmp_path: Path) -> Callable[..., Outcome]:
    def go(*arguments: Any) -> Outcome:
        return run_process("repair", "--repo", shelf.path, "--no-progress", *arguments, cwd=tmp_path)

    return go


def test_list_write_verify(shelf: Shelf, run: Callable[..., Outcome], tmp_path: Path) -> None:
    shelf.repo.write("habit", habits(shift=50))
    before = shelf.snapshot()
    listed = run("--as-of", AS_OF)
    assert (listed.code, listed.err) == (1, "")
    assert f"{COUNT} rows to repair" in listed.out
    assert "nothing was written; --yes writes these rows" in listed.out
    assert shelf.snapshot() == before
    record = tmp_path / "record.json"
    done = run("--as-of", AS_OF, "--yes", "--output", f"json={record}")
    assert (done.code, done.err) == (0, "")
    assert f"repaired {COUNT} of {COUNT}" in done.out
    written = json.loads(record.read_text())
    assert (written["written"], written["still_wrong"], written["views"][0]["view"]) == (COUNT, 0, "habit")
    assert "entities" not in written["views"][0]
    again = run("--as-of", AS_OF, "--output", "json=-")
    assert (again.code, json.loads(again.out)["to_repair"]) == (0, 0)


def test_an_entity_file_without_the_keys(run: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text("rider\n1\n")
    run("--view", "habit", "--entities", tmp_path / "ids.csv").refused(2, "ids.csv", "lacks join key 'user'")


def test_another_online_store(tmp_path: Path, shelf: Shelf) -> None:
    other = shelf.repo.at(tmp_path / "other", {"type": "sqlite", "path": "online.db"})
    for more in ((), ("--yes",)):
        done = run_process("repair", "--repo", other.directory, "--no-progress", *more, cwd=tmp_path)
        done.refused(2, "the online store is sqlite", "feast-skew materialize")


def test_unknown_names(run: Callable[..., Outcome]) -> None:
    run("--view", "habti").refused(2, "no feature view 'habti'", "did you mean habit")
    run("--output", "html=x.html").refused(2, "there is no format 'html'")


def test_ctrl_c_while_rows_are_written(shelf: Shelf, tmp_path: Path) -> None:
    """Exit code 130 and one line; each row is whole, and the next run writes the rest."""
    shelf.repo.write("habit", habits(shift=50))
    record = tmp_path / "record.json"
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\n"
        "import feast_skew.repairing.rewriting as rewriting\n"
        "def write(self, *given, done=rewriting.Rewriting._write):\n"
        "    done(self, *given)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "rewriting.Rewriting._write = write\n"
        "rewriting._CHUNK = 8\n"
    )
    paths = environment()["PYTHONPATH"]
    ended = run_process(
        *("repair", "--repo", shelf.path, "--as-of", AS_OF, "--yes", "--output", f"json={record}"),
        cwd=tmp_path,
        PYTHONPATH=f"{tmp_path}:{paths}",
    )
    assert (ended.code, ended.err) == (130, "feast-skew: interrupted\n")
    assert "interrupted when 8 rows had been written" in ended.out
    written = json.loads(record.read_text())
    assert (written["interrupted"], written["written"]) == (True, 8)
    done = shelf.repair(yes=True)
    assert (done.written, done.exit_code) == (COUNT - 8, 0)
