"""A report that was stored says the same when it is read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reports import report

from feast_skew.errors import ConfigError
from feast_skew.history.stored_report import read_report
from feast_skew.render.base import load_renderers


def stored(path: Path) -> Path:
    path.write_text(load_renderers()["json"](report()), encoding="utf-8")
    return path


def test_what_is_read_back_renders_alike(tmp_path: Path) -> None:
    again = read_report(stored(tmp_path / "report.json"))
    first = json.loads((tmp_path / "report.json").read_text())
    assert json.loads(load_renderers()["json"](again)) == first
    assert again.verdict == report().verdict


@pytest.mark.parametrize("part", ["features", "sample", "run_id", "findings"])
def test_a_report_with_a_part_missing_is_damaged(tmp_path: Path, part: str) -> None:
    content = json.loads(stored(tmp_path / "report.json").read_text())
    del content[part]
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="is damaged"):
        read_report(tmp_path / "report.json")


def test_a_report_of_another_schema_says_so(tmp_path: Path) -> None:
    content = json.loads(stored(tmp_path / "report.json").read_text())
    (tmp_path / "report.json").write_text(json.dumps({**content, "schema_version": "2"}))
    with pytest.raises(ConfigError, match="has schema version '2'"):
        read_report(tmp_path / "report.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"report .*none\.json cannot be read: No such file"):
        read_report(tmp_path / "none.json")
