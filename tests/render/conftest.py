"""What the folders of tests share is found here: test files are collected by path and are no package."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import pytest
from reports import report

from feast_skew.history.baseline_file import read_baseline
from feast_skew.judging.baseline import hold_against
from feast_skew.render.json import render as render_json
from feast_skew.report import SkewReport


@pytest.fixture
def held(tmp_path: Path) -> SkewReport:
    """The report held against itself: its failure is known, all else as before."""
    file = tmp_path / "baseline.json"
    file.write_text(render_json(report()), encoding="utf-8")
    return hold_against(report(), read_baseline(file))
