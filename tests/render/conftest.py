"""What the folders of tests share is found here: test files are collected by path and are no package."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from collections.abc import Iterator

import pytest
from browser import MISSING, Browser, chromium
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


@pytest.fixture(scope="session")
def chromium_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One headless Chromium for all tests of a process."""
    program = chromium()
    if program is None:
        pytest.skip(MISSING)
    browser = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()
