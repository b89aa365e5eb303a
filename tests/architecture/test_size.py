"""Small modules with names of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "feast_skew").rglob("*.py"))
MOST_LINES = 400
MOST_LINES_OF_A_JOB = 40
NAMELESS = {"util", "utils", "helper", "helpers", "misc", "common", "shared", "tools"}


def length(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_modules_are_short() -> None:
    long = {str(path): size for path in MODULES if (size := length(path)) > MOST_LINES}
    assert not long, f"more than {MOST_LINES} lines: {long}"


def test_modules_are_named_after_what_they_hold() -> None:
    nameless = [
        path
        for path in MODULES
        if NAMELESS & {word.strip("_") for word in path.relative_to(ROOT).with_suffix("").parts}
    ]
    assert not nameless


@pytest.mark.parametrize("path", sorted((ROOT / "spark_jobs").glob("*.py")), ids=lambda path: path.name)
def test_jobs_only_pass_on(path: Path) -> None:
    """A job turns arguments into a call; what it does is tested in the package."""
    assert length(path) <= MOST_LINES_OF_A_JOB
