"""Runs in SQLite and in PostgreSQL: what is kept is told again, whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from days_kept import OLDEST, at, feature, run
from reports import report as hostile
from sqlalchemy import event, update

from feast_skew.core.model import SourceVersion
from feast_skew.errors import ConfigError, UnknownName
from feast_skew.history import schema as tables
from feast_skew.history.memory import History
from feast_skew.history.runs import Runs
from feast_skew.render.base import load_renderers
from feast_skew.report import Verdict
from feast_skew.statistics.pairs import NumberPairs
from feast_skew.statistics.profile import Profile, cut_bins, draw_sample


@pytest.fixture
def history(url: str) -> History:
    return History(url)


def keep(history: History, day: float, *features: object, run_id: str | None = None, oldest: str = OLDEST) -> Runs:
    history.record(run(day, features, run_id), (), oldest)  # type: ignore[arg-type]
    return history.runs("shop")


def test_nothing_yet(history: History) -> None:
    runs = history.runs("shop")
    assert runs.latest(5) == []
    assert runs.of_feature("v", "x", 5) == []
    assert runs.profiles(at(0), at(9)) == {}
    assert runs.prune(at(9)) == 0
    with pytest.raises(UnknownName, match="has no run 'r'"):
        runs.of_run("r")


def test_since_when(history: History) -> None:
    """It is the first of the runs in a row that found the same, and another feature has its own."""
    for day, wrong in enumerate((0, 0, 5, 5, 90, 0, 5)):
        keep(history, day, feature("x", wrong), feature("y"))
    runs = history.runs("shop")
    followed = runs.of_feature("v", "x", 10)
    assert [one.since for one in followed] == [at(day) for day in (0, 0, 2, 2, 2, 5, 6)]
    assert [one.past.verdict for one in followed][-3:] == [Verdict.FAIL, Verdict.PASS, Verdict.FAIL]
    assert {one.since for one in runs.of_feature("v", "y", 10)} == {at(0)}
    assert [one.past.run_id for one in runs.of_feature("v", "x", 2)] == ["run-5", "run-6"]


def test_a_feature_that_was_left_out_meanwhile_goes_on(history: History) -> None:
    keep(history, 0, feature("x", 5), feature("y"))
    for day in (1, 2):
        keep(history, day, feature("y"))
    keep(history, 3, feature("x", 5), feature("y"))
    assert [one.since for one in history.runs("shop").of_feature("v", "x", 9)] == [at(0), at(0)]


def test_since_when_across_runs_that_could_not_tell(history: History) -> None:
    """They have a since of their own, and end nothing: also several of them, of both kinds."""
    fail, okay = feature("x", 5), feature("x")
    error, unclear = (replace(okay, verdict=one) for one in (Verdict.ERROR, Verdict.INCONCLUSIVE))
    for day, one in enumerate((okay, error, fail, error, error, unclear, fail, error, okay, unclear, okay)):
        keep(history, day, one)
    followed = history.runs("shop").of_feature("v", "x", 20)
    assert [one.since for one in followed] == [at(day) for day in (0, 1, 2, 3, 3, 5, 2, 7, 8, 9, 8)]


def test_pages(history: History) -> None:
    for day in range(5):
        keep(history, day, feature("x", day), feature("y", 9))
    runs = history.runs("shop")
    assert [one.run_id for one in runs.latest(2)] == ["run-4", "run-3"]
    assert [one.run_id for one in runs.latest(2, before=at(3))] == ["run-2", "run-1"]
    assert [(one.feature, one.past.cause) for one in runs.of_run("run-4")] == [("y", "window"), ("x", "window")]
    assert [one.failing for one in runs.latest(5)] == [2, 2, 2, 2, 1]
    past = runs.past(run(5, [feature("x")]), 3).features[0].past
    assert [one.value for one in past] == [0.002, 0.003, 0.004]


def test_projects_do_not_see_each_other(history: History) -> None:
    keep(history, 0, feature("x", 5))
    assert history.runs("other").latest(5) == []
    assert history.runs("other").of_feature("v", "x", 5) == []
    with pytest.raises(UnknownName):
        history.runs("other").report("run-0")


def test_retention(history: History) -> None:
    """Runs before the moment go with all that belongs to them, and so does a feature that no run is left of."""
    keep(history, 0, feature("gone"), feature("x", 5))
    for day in (1, 2, 3):
        keep(history, day, feature("x", 5))
    runs = keep(history, 4, feature("x", 5), oldest=at(2))
    assert [one.run_id for one in runs.latest(9)] == ["run-4", "run-3", "run-2"]
    assert runs.of_feature("v", "gone", 9) == []
    assert [one.since for one in runs.of_feature("v", "x", 9)] == [at(0)] * 3
    assert runs.prune(at(9)) == 3
    assert runs.latest(9) == []


def test_many_old_runs_are_forgotten_by_few_numbers(history: History) -> None:
    """A database takes only so many in one statement; here it is counted how many there are."""
    for day in range(40):
        runs = keep(history, day, feature("x"))
    numbers = []

    def count(_connection: Any, _cursor: Any, _statement: Any, parameters: Any, *_rest: Any) -> None:
        numbers.append(len(parameters))

    with history.database.writing() as connection:
        event.listen(connection, "before_cursor_execute", count)
        assert runs.prune_with(connection, at(39)) == 39
    assert max(numbers) < 10
    assert [one.run_id for one in runs.latest(9)] == ["run-39"]


def test_a_damaged_profile_is_told_in_one_line(history: History) -> None:
    runs = keep(history, 0, feature("x"))
    with history.database.writing() as connection:
        connection.execute(update(tables.details).values(profile=b"\x00\xff"))
    with pytest.raises(ConfigError, match=r"run run-0 in .* is damaged"):
        dict(runs.profiles(at(-1), at(1)))


def test_of_each_feature_the_same_runs_are_read(history: History) -> None:
    """Though runs are added and forgotten between two features, and the numbers of what was forgotten are used again."""
    order = np.arange(20).astype(np.uint64)
    pairs = NumberPairs.of(np.arange(20.0), np.arange(20.0), order, np.ones(20, dtype=bool))
    profile = Profile.of(pairs, cut_bins(draw_sample(pairs)), draw_sample(pairs))

    def kept(day: int, *names: str) -> Runs:
        return keep(history, day, *(replace(feature(name), profile=profile) for name in names))

    for day in range(3):
        runs = kept(day, "x", "y")
    stored = runs.profiles(at(-1), at(99))
    assert list(stored) == [("v", "x"), ("v", "y")]
    assert [when for when, _ in stored["v", "x"]] == [at(0), at(1), at(2)]
    kept(3, "x", "y")
    assert [when for when, _ in stored["v", "y"]] == [at(0), at(1), at(2)]
    assert runs.prune(at(99)) == 4
    kept(4, "renamed", "other")
    assert stored["v", "x"] == stored["v", "y"] == []
    with pytest.raises(KeyError):
        stored["v", "renamed"]


def test_a_run_is_read_back_as_it_was(history: History) -> None:
    """Also names, owners and values that do harm elsewhere."""
    told = hostile()
    history.record(told, (), "2000-01-01T00:00:00Z")
    again = history.runs(told.project).report(told.run_id)
    shown, before = (json.loads(load_renderers()["json"](one)) for one in (again, told))
    for one in (shown, before):
        one["features"].sort(key=lambda feature: (feature["view"], feature["feature"]))
    assert shown == before
    assert again.findings == told.findings
    assert again.verdict is told.verdict


@pytest.mark.parametrize("character", ["\x00", "\ud800", "'; DROP TABLE feast_skew_runs; --", "%(x)s ? :y"])
def test_characters_that_databases_do_not_hold(history: History, character: str) -> None:
    name = f"a{character}b"
    keep(history, 0, feature(name, 5, owner=name), feature("x"))
    keep(history, 1, feature(name, 5, owner=name), feature("x"))
    runs = history.runs("shop")
    (last,) = runs.of_feature("v", name, 1)
    assert last.since == at(0)
    assert len(runs.of_run("run-1")) == 2
    assert {one.feature for one in runs.report("run-1").features} == {name, "x"}


def test_names_longer_than_a_column(history: History) -> None:
    long = "n" * 300
    keep(history, 0, feature(f"{long}1", 5), feature(f"{long}2"))
    runs = keep(history, 1, feature(f"{long}1", 5), feature(f"{long}2"))
    assert [one.past.verdict for one in runs.of_feature("v", f"{long}1", 9)] == [Verdict.FAIL] * 2
    assert [one.past.verdict for one in runs.of_feature("v", f"{long}2", 9)] == [Verdict.PASS] * 2


def test_the_same_run_twice_is_refused_whole(history: History) -> None:
    keep(history, 0, feature("x"), run_id="same")
    version = SourceVersion("f", "label", {})
    with pytest.raises(ConfigError, match="cannot be written"):
        history.record(run(1, [feature("y")], "same"), [("v", version)], OLDEST)
    assert [one.created_at for one in history.runs("shop").latest(9)] == [at(0)]
    assert history.runs("shop").of_feature("v", "y", 9) == []
    assert history.definitions.versions("shop", "v") == ()


KILLED = """
import os, signal, sys
sys.path.append(sys.argv[2])
from days_kept import OLDEST, feature, run
from feast_skew.core.model import SourceVersion
from feast_skew.history.memory import History
def end(connection):
    os.kill(os.getpid(), signal.SIGKILL)
History(sys.argv[1]).record(run(1, [feature(f"f{i}") for i in range(500)]), [("v", SourceVersion("f", "l", {}))], OLDEST, end)
"""


@pytest.mark.parametrize("earlier", [0, 1])
def test_killed_before_the_end(history: History, url: str, earlier: int) -> None:
    """All rows of the run are written by then, in a transaction that never ends; the next run finds nothing of it."""
    for day in range(earlier):
        keep(history, day, feature("x"))
    script = [sys.executable, "-c", KILLED, url, str(Path(__file__).parent)]
    assert subprocess.run(script, timeout=120, check=False).returncode == -signal.SIGKILL
    runs = history.runs("shop")
    assert [one.run_id for one in runs.latest(9)] == ["run-0"][:earlier]
    assert history.definitions.versions("shop", "v") == ()
    keep(history, 2, feature("f1"))
    assert [one.since for one in runs.of_feature("v", "f1", 9)] == [at(2)]


WRITER = """
import sys
sys.path.append(sys.argv[2])
from days_kept import OLDEST, feature, run
from feast_skew.history.memory import History
history = History(sys.argv[1])
for i in range(8):
    history.record(run(i, [feature(f"f{j}") for j in range(50)], f"{sys.argv[3]}-{i}"), (), OLDEST)
"""


def test_runs_that_end_at_once(history: History, url: str) -> None:
    """Each finds no table, each makes the series of the same features, and all are kept."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, url, str(Path(__file__).parent), name], env={**os.environ})
        for name in "abc"
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    runs = history.runs("shop")
    assert len(runs.latest(99)) == 24
    assert all(len(runs.of_run(one.run_id)) == 50 for one in runs.latest(99))
