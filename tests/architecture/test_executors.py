"""What Spark's executors use of the package loads where they have neither Feast nor pandas."""

from __future__ import annotations

from pathlib import Path

from servers import executor

PACKAGE = Path(__file__).resolve().parents[2] / "feast_skew"

USED = (
    "feast_skew.errors",
    "feast_skew.report",
    "feast_skew.stores.base",
    "feast_skew.stores.rows",
    "feast_skew.stores.value_messages",
    "feast_skew.stores.redis.remote",
    "feast_skew.measuring.history",
    "feast_skew.measuring.view",
    "feast_skew.judging.profiling",
    "feast_skew.statistics.profile",
)
"""Beside all of the core and all tasks, which are found."""


def found(*folder: str) -> list[str]:
    """Give the modules of a folder of the package."""
    files = sorted(PACKAGE.joinpath(*folder).glob("*.py"))
    return [".".join(("feast_skew", *folder, path.stem)) for path in files if path.stem != "__init__"]


def test_what_executors_use_loads_there() -> None:
    """Each module in the order of its name, so that none finds another one loaded by chance."""
    core, tasks = found("core"), found("engines", "spark", "tasks")
    names = sorted([*core, *tasks, *USED])
    assert len(core) > 10
    assert len(tasks) > 5
    assert executor.run(names) == names
