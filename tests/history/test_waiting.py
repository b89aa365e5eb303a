"""A database that does not answer, or that another holds: a run waits for it for a while, and goes on."""

from __future__ import annotations

import socket

import pytest
from days_kept import OLDEST, feature, run
from sqlalchemy import create_engine

from feast_skew.errors import ConfigError
from feast_skew.history import database
from feast_skew.history.memory import History


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection and never answers; options of the URL, one of which may be a password, are not told."""
    monkeypatch.setitem(database._PATIENCE, "pg8000", {"timeout": 1})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql+pg8000://u:hunter1@127.0.0.1:{silent.getsockname()[1]}/db?password=hunter2"
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            History(address).runs("shop").latest(1)
    assert "hunter" not in caught.value.one_line()


def test_a_table_that_another_holds(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    History(url).record(run(0, [feature("x")]), (), OLDEST)
    monkeypatch.setattr(database, "_WAIT_SECONDS", 1)
    other, waiting = create_engine(url, isolation_level="AUTOCOMMIT"), History(url)
    with other.connect() as connection:
        for statement in _holding(url):
            connection.exec_driver_sql(statement)
        with pytest.raises(ConfigError, match="cannot be written"):
            waiting.record(run(1, [feature("x")]), (), OLDEST)
        connection.exec_driver_sql("ROLLBACK")
    other.dispose()
    waiting.record(run(1, [feature("x")]), (), OLDEST)
    assert len(waiting.runs("shop").latest(5)) == 2


def _holding(url: str) -> tuple[str, ...]:
    if url.startswith("postgresql"):
        return "BEGIN", "LOCK TABLE feast_skew_runs IN ACCESS EXCLUSIVE MODE"
    return ("BEGIN IMMEDIATE",)
