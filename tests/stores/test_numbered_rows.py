"""Rows of a Parquet source whose entities are remembered from one pass to the next."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feast_skew.core.keys import KeyIndex
from tests.stores.conftest import Repository

NOON = datetime(2024, 2, 1, 12, tzinfo=timezone.utc)
ROWS = 500


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo", {"type": "sqlite", "path": str(tmp_path / "online.db")})


def rows_of(seed: int = 0) -> dict[str, Any]:
    """Make rows of composite keys of which some are null, in an order of their own."""
    random = np.random.default_rng(seed)
    ids = random.integers(0, 60, ROWS)
    missing = random.random(ROWS) < 0.05
    return {
        "id": pa.array(ids, mask=missing),
        "name": [f"n{i % 7}" for i in random.permutation(ROWS)],
        "event_timestamp": [NOON - timedelta(hours=int(i)) for i in random.integers(0, 99, ROWS)],
        "x": random.normal(size=ROWS),
    }


def apply_view(repo: Repository) -> Any:
    repo.apply(repo.view("v", repo.source("src", rows_of()), {"id": "Int64", "name": "String"}, {"x": "Float64"}))
    return repo.view_plan("v")


def scanned(reader: Any, view: Any, index: KeyIndex, features: Any) -> tuple[list[tuple[Any, ...]], int]:
    """Give place, key, instant and value of every row in order, and how many rows were left out."""
    found, null_keys = [], 0
    for batch in reader.scan(view, features):
        keys = zip(*(batch.keys.column(name).to_pylist() for name in view.keys.names), strict=True)
        values = batch.values.column("x").to_pylist() if features else [None] * len(batch.instants)
        found.extend(zip(batch.positions(index).tolist(), keys, batch.instants.tolist(), values, strict=True))
        null_keys += batch.null_keys
    return found, null_keys


def entities() -> KeyIndex:
    keys = pa.table({"id": pa.array(np.arange(5, 40)), "name": [f"n{i % 7}" for i in range(35)]})
    return KeyIndex(keys)


def test_every_pass_gives_the_rows_of_a_reader_that_remembers_nothing(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, index = apply_view(repo), entities()
    monkeypatch.setattr("feast_skew.stores.numbered_rows._BATCH_ROWS", 128)
    reader = repo.offline_reader()
    found = [scanned(reader, view, index, features) for features in ((), view.features, (), view.features)]
    assert any(batch.located for batch in reader.scan(view, view.features))
    monkeypatch.setattr("feast_skew.stores.numbered_rows.MOST_ROWS", ROWS - 1)
    plain = repo.offline_reader()
    assert not any(batch.located for batch in plain.scan(view, ()))
    assert found == 2 * [scanned(plain, view, index, features) for features in ((), view.features)]
    assert len({place for place, *_ in found[0][0]}) > 5


def test_a_file_that_was_written_anew_is_read_anew(repo: Repository) -> None:
    view, index = apply_view(repo), entities()
    reader = repo.offline_reader()
    before = scanned(reader, view, index, ())
    path = repo.write("src", rows_of(seed=1))
    os.utime(path, (1, 1))
    after = scanned(reader, view, index, ())
    assert before != after == scanned(repo.offline_reader(), view, index, ())
    assert scanned(reader, view, index, view.features) == scanned(repo.offline_reader(), view, index, view.features)


def test_the_oldest_views_are_forgotten_where_there_are_too_many_rows(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three views fit; all of them are read right in any order."""
    monkeypatch.setattr("feast_skew.stores.numbered_rows.MOST_ROWS", 2 * ROWS)
    made = [
        repo.view(f"v{i}", repo.source(f"src{i}", rows_of(seed=i)), {"id": "Int64", "name": "String"}, {"x": "Float64"})
        for i in range(3)
    ]
    repo.apply(*made)
    views, index, reader = [repo.view_plan(f"v{i}") for i in range(3)], entities(), repo.offline_reader()
    for view in [*views, *views[::-1]]:
        for features in ((), view.features):
            wanted = scanned(repo.offline_reader(), view, index, features)
            assert scanned(reader, view, index, features) == wanted
    assert len(reader._numbered._held) == 2


def test_rows_that_moved_between_two_passes_lose_their_places(repo: Repository) -> None:
    """Even where nothing tells that the file is another one: size and time are forged."""
    view, index = apply_view(repo), entities()
    path = repo.path("src")
    reader = repo.offline_reader()
    scanned(reader, view, index, ())
    state = path.stat()
    table = pq.read_table(path)
    pq.write_table(table.take(pa.array(np.arange(ROWS)[::-1])), path)
    size = path.stat().st_size
    held = reader._numbered._held["v"]
    stamp = ((held[1].stamp[0][0], size, state.st_mtime_ns),)
    object.__setattr__(held[1], "stamp", stamp)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    wanted = scanned(repo.offline_reader(), view, index, view.features)
    assert scanned(reader, view, index, view.features) == wanted
