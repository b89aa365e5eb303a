"""The program of docs/replay.md prints what stands below it, and its tables name what there is."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from feast_skew.replay.candidates import FARTHEST, WINDOWS, ZONES
from feast_skew.replay.recipe import DAY, HOUR
from feast_skew.replay.search import SCREENED
from feast_skew.stores.event_files import MOST_EVENTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "replay.md").read_text()


def test_the_program_prints_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[-1]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "docs/replay.md", "exec"), {"__name__": "page"})
    assert printed.getvalue() == re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[-1]


def test_the_numbers_of_the_page() -> None:
    assert f"at most\n{MOST_EVENTS:,} of them" in PAGE
    assert f"on {SCREENED} of the wrong rows" in PAGE
    assert f"up to {FARTHEST // HOUR} hours from UTC" in PAGE
    assert ZONES[8:] == ()
    minute = HOUR // 60
    minutes = [window // minute for window in WINDOWS if window < HOUR]
    hours = [window // HOUR for window in WINDOWS if window >= HOUR and window % DAY]
    days = [window // DAY for window in WINDOWS if window % DAY == 0]
    assert (
        f"| window | {', '.join(map(str, minutes))} minutes, every number of hours to {hours[-2]}, {hours[-1]} hours, "
        in PAGE
    )
    assert f" hours, every number of days to {days[-2]}, {days[-1]} days," in PAGE
    assert (hours[:-1], days[:-1]) == (list(range(1, hours[-2] + 1)), list(range(1, days[-2] + 1)))
