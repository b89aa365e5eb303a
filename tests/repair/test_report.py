"""A repair of the run that a report tells of: the same entities, and the features that failed there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from shelf import COUNT, Shelf, baskets, habits

from feast_skew.errors import ConfigError, UnknownName

WRONG = b"\x18\x07"


def written(shelf: Shelf, path: Path, **options: Any) -> Path:
    """Validate, and write the report; give its path."""
    path.write_text(json.dumps(shelf.validate(**options).to_dict(), default=str))
    return path


def test_exactly_the_wrong_rows_of_that_run(shelf: Shelf, tmp_path: Path) -> None:
    shelf.repo.write("habit", habits(shift=50))
    report = written(shelf, tmp_path / "r.json", sample=10, seed=5)
    wrong = {bytes(key) for key in _drawn(shelf, sample=10, seed=5)}
    before = shelf.snapshot()
    done = shelf.repair(report=report, as_of=None, yes=True)
    assert (done.written, done.seed, done.exit_code) == (10, 5, 0)
    assert done.of_run == json.loads(report.read_text())["run_id"]
    after = shelf.snapshot()
    assert {key for key in after if after[key] != before[key]} == wrong


def _drawn(shelf: Shelf, **options: Any) -> list[bytes]:
    """Give the keys of the entities that a run draws."""
    found = shelf.repair(**options, settings={"show_entities": True}).views
    return [shelf.key(**one["key"]) for view in found for one in view.entities]


def test_rows_of_features_that_passed_stay(shelf: Shelf, tmp_path: Path) -> None:
    shelf.repo.write("habit", habits(shift=50))
    report = written(shelf, tmp_path / "r.json")
    shelf.put("basket", "items", WRONG, shop="s0", user=1)
    done = shelf.repair(report=report, yes=True)
    assert [(view.view, view.written) for view in done.views] == [("habit", COUNT)]
    assert shelf.repair().views[0].view == "basket"


def test_a_report_narrowed_to_a_view(shelf: Shelf, tmp_path: Path) -> None:
    shelf.repo.write("habit", habits(shift=50))
    shelf.repo.write("basket", baskets(shift=50))
    report = written(shelf, tmp_path / "r.json")
    done = shelf.repair(report=report, views=["basket"], yes=True)
    assert [(view.view, view.written) for view in done.views] == [("basket", COUNT)]
    with pytest.raises(UnknownName, match="has no view 'baskte'"):
        shelf.repair(report=report, views=["baskte"])
    with pytest.raises(ConfigError, match="--service too"):
        shelf.repair(report=report, services=["any"])


def test_a_report_without_a_failure_reads_nothing(shelf: Shelf, tmp_path: Path) -> None:
    report = written(shelf, tmp_path / "r.json")
    shelf.put("habit", "visits", WRONG, user=1)
    done = shelf.repair(report=report, yes=True)
    assert (done.exit_code, done.views, done.written) == (0, (), 0)
    assert "no feature" in done.notes[0]


def test_a_run_with_given_entities_wants_them_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.repo.write("habit", habits(shift=50))
    report = written(shelf, tmp_path / "r.json", views=["habit"], entities={"user": [1, 2]})
    assert any("--entities" in note for note in shelf.repair(report=report).notes)
    done = shelf.repair(report=report, entities={"user": [1, 2]}, yes=True)
    assert (done.written, [note for note in done.notes if "--entities" in note]) == (2, [])


def test_a_sized_run_is_drawn_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.repo.write("habit", habits(shift=50))
    report = written(shelf, tmp_path / "r.json", views=["habit"], detect=0.3)
    size = json.loads(report.read_text())["sample"]["entities"]
    assert shelf.repair(report=report, yes=True).written == size


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "damaged"),
        ("{}", "no report"),
        ('{"schema_version": "9"}', "schema version"),
        ('{"schema_version": "1"}', "damaged"),
    ],
)
def test_what_is_no_report(shelf: Shelf, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(ConfigError, match=said):
        shelf.repair(report=tmp_path / "r.json")


def test_a_report_of_another_project(shelf: Shelf, tmp_path: Path) -> None:
    shelf.repo.write("habit", habits(shift=50))
    report = written(shelf, tmp_path / "r.json")
    report.write_text(report.read_text().replace(f'"{shelf.repo.project}"', '"elsewhere"'))
    with pytest.raises(ConfigError, match="of project 'elsewhere'"):
        shelf.repair(report=report)
