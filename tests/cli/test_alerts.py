"""What `validate` does when it has a verdict: owners are told, what was asked for happens, and the verdict stays what it is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rides import AS_OF, Outcome, Repository, Run
from servers.receivers import Hook

ASKED = ("--as-of", AS_OF, "--output", "json=-")


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    yield server
    server.stop()


def skew(repo: Repository, entities: int) -> None:
    """Give offline other rates for so many drivers than the ones that are online."""
    file = repo.path / "data" / "drivers.parquet"
    rates = [0.5 + number / 7 + (3 if number < entities else 0) for number in range(300)]
    pd.read_parquet(file).assign(rate=rates).to_parquet(file)


def follow_up(repo: Repository, hook: Hook, extra: str = "") -> None:
    repo.configure(f"alerts:\n  channels: {{default: '{hook.url}'}}\n{extra}")


def told(outcome: Outcome, code: str) -> list[dict[str, Any]]:
    return [one for one in outcome.report["findings"] if one["code"] == code]


def test_an_incident_from_beginning_to_end(run: Run, repo: Repository, hook: Hook) -> None:
    """New, nothing while it lasts, worse, resolved; one message each."""
    follow_up(repo, hook)
    codes = []
    for entities in (0, 20, 20, 250, 250, 0, 0):
        skew(repo, entities)
        outcome = run("validate", "--repo", repo.path, *ASKED)
        codes.append(outcome.code)
        assert not outcome.err
        assert not told(outcome, "FS218")
    assert codes == [0, 1, 1, 1, 1, 0, 0]
    titles = [post["title"] for post in hook.posts]
    assert titles == [f"feast-skew, {repo.project}: 1 {what}" for what in ("new", "worse", "resolved")]
    new, worse, resolved = (post["message"] for post in hook.posts)
    assert "NEW driver_stats:rate: fail since" in new
    assert "20 of 300 entities differ (6.67%)" in new
    assert "250 of 300 entities differ (83.33%)" in worse
    assert "driver_stats:rate" in resolved
    assert "trips" not in new


def test_a_channel_that_is_down_and_comes_back(run: Run, repo: Repository, hook: Hook) -> None:
    """Verdict and exit code are the validation's, nothing is lost, nothing is sent twice, no token is shown."""
    follow_up(repo, hook)
    skew(repo, 20)
    hook.stop()
    down = run("validate", "--repo", repo.path, *ASKED)
    assert (down.code, down.err) == (1, "")
    assert [one["severity"] for one in told(down, "FS218")] == ["warn"]
    assert "hunter2secret" not in down.out
    waiting = run("alerts", "--repo", repo.path)
    assert "drivers@example.com" in waiting.out
    assert "hunter2secret" not in waiting.out + waiting.err
    again = Hook(hook.port)
    try:
        for _ in range(2):
            assert run("validate", "--repo", repo.path, *ASKED).code == 1
        assert [post["title"] for post in again.posts] == [f"feast-skew, {repo.project}: 1 new"]
    finally:
        again.stop()


def test_a_response_happens_once_for_an_incident(run: Run, repo: Repository, hook: Hook, tmp_path: Path) -> None:
    script = tmp_path / "respond.sh"
    script.write_text(f'#!/bin/sh\ncat >> {tmp_path}/input\necho "$FEAST_SKEW_FEATURES" >> {tmp_path}/features\n')
    script.chmod(0o755)
    follow_up(repo, hook, f"responses:\n  - {{on: fail, command: ['{script}']}}\n")
    for entities in (0, 20, 20, 250):
        skew(repo, entities)
        outcome = run("validate", "--repo", repo.path, *ASKED)
        assert len(told(outcome, "FS225")) == (entities == 20 and not (tmp_path / "seen").exists())
        if entities:
            (tmp_path / "seen").touch()
    assert (tmp_path / "features").read_text() == "driver_stats:rate\n"
    assert json.loads((tmp_path / "input").read_text())["verdict"] == "fail"


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ("command: [/no/such/program]", "No such file or directory"),
        ("command: [sh, -c, 'exit 9']", "exit code 9"),
        ("command: [sleep, '60'], timeout: 1s", "took longer than 1 s"),
        ("url: 'http://me:hunter2secret@127.0.0.1:1/x'", "ConnectionError"),
    ],
)
def test_a_response_that_fails_changes_nothing(run: Run, repo: Repository, hook: Hook, response: str, why: str) -> None:
    follow_up(repo, hook, f"responses:\n  - {{on: fail, {response}}}\n")
    skew(repo, 20)
    outcome = run("validate", "--repo", repo.path, *ASKED)
    assert (outcome.code, outcome.err) == (1, "")
    (finding,) = told(outcome, "FS225")
    assert finding["severity"] == "warn"
    assert why in finding["detail"]
    assert "hunter2secret" not in outcome.out


@pytest.mark.parametrize(
    ("harm", "code", "words"),
    [
        ("CREATE TRIGGER t BEFORE UPDATE ON feast_skew_messages BEGIN SELECT RAISE(ABORT, 'no'); END", "FS218", "wait"),
        ("DROP TABLE feast_skew_told", "FS219", "nobody was told"),
    ],
)
def test_a_history_that_takes_no_more(
    run: Run, repo: Repository, hook: Hook, tmp_path: Path, harm: str, code: str, words: str
) -> None:
    """What is kept is answered, though it cannot be sent; of what is not kept it is said that nobody knows."""
    follow_up(repo, hook, f"responses:\n  - {{on: fail, command: [touch, '{tmp_path}/done']}}\n")
    assert run("validate", "--repo", repo.path, *ASKED).code == 0
    with closing(sqlite3.connect(repo.path / ".feast_skew" / "history.db")) as database:
        database.execute(harm)
    skew(repo, 20)
    outcome = run("validate", "--repo", repo.path, *ASKED)
    assert (outcome.code, outcome.err) == (1, "")
    (finding,) = told(outcome, code)
    assert finding["severity"] == "warn"
    assert words in finding["detail"]
    kept = code != "FS219"
    assert (tmp_path / "done").exists() == kept
    assert bool(told(outcome, "FS206")) != kept


def test_owners_that_are_no_addresses(run: Run, repo: Repository, hook: Hook) -> None:
    """They are told by the channel all the same, in which they are only text."""
    follow_up(repo, hook)
    repo.apply(view_owner="<script>alert(1)</script>\r\nBcc: everybody@example.com")
    skew(repo, 20)
    outcome = run("validate", "--repo", repo.path, *ASKED)
    assert (outcome.code, outcome.err) == (1, "")
    assert len(hook.posts) == 1


def test_without_a_history_nobody_is_told_and_that_is_said(run: Run, repo: Repository, hook: Hook) -> None:
    repo.configure(f"history: false\nalerts:\n  channels: {{default: '{hook.url}'}}\n")
    skew(repo, 20)
    outcome = run("validate", "--repo", repo.path, *ASKED)
    assert outcome.code == 1
    (finding,) = (one for one in outcome.report["findings"] if "nobody was told" in one["detail"])
    assert finding["severity"] == "warn"
    assert hook.posts == []
