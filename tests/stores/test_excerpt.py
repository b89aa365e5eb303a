"""Retrieval over the rows of the asked entities alone gives what it gives over the whole file."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stores.conftest import Repository

NOON = datetime(2024, 2, 1, 12, tzinfo=timezone.utc)
ROWS = 600
LARGE = 2**53 + 1


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo", {"type": "sqlite", "path": str(tmp_path / "online.db")})


def apply_view(repo: Repository, **changed: Any) -> Any:
    table = {
        "id": np.arange(ROWS) % 300,
        "event_timestamp": [NOON - timedelta(days=1 - i // 300) for i in range(ROWS)],
        "x": np.random.default_rng(0).normal(size=ROWS),
        "n": pa.array([LARGE + 2 * i for i in range(ROWS - 1)] + [None]),
        **changed,
    }
    types = {"x": "Float64", "n": "Int64"}
    repo.apply(repo.view("v", repo.source("src", table), {"id": "Int64"}, types))
    return repo.view_plan("v")


def ask(repo: Repository, view: Any) -> tuple[dict[str, list[Any]], list[int]]:
    """Ask for three entities; give the answer, and how many rows Feast read for it."""
    reader = repo.offline_reader()
    entities = pa.table({"id": pa.array([7, 200, 31])})
    instants = np.full(3, int(NOON.timestamp()) * 10**9)
    read = []
    with reader._store_for(view, entities) as store:
        shown = store._get_provider()
        path = getattr(shown, "_path", repo.path("src"))
        read.append(pq.read_metadata(path).num_rows)
    answer = reader.training_values(view, view.features, entities, instants)
    assert answer is not None
    return {name: column.to_pylist() for name, column in answer.items()}, read


def test_the_answer_is_that_over_the_whole_file(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """A null elsewhere in the column makes pandas round large integers, in the excerpt as in the file."""
    view = apply_view(repo)
    whole, rows = ask(repo, view)
    assert rows == [ROWS]
    monkeypatch.setattr("feast_skew.stores.excerpt.FEWEST_ROWS", ROWS)
    found, rows = ask(repo, view)
    assert rows == [7]  # two of each entity, and the one with a null
    assert found == whole
    assert found["n"][0] != LARGE + 2 * 307


def test_rows_at_one_instant_are_left_to_the_whole_file(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of them training takes depends on how the file is read."""
    monkeypatch.setattr("feast_skew.stores.excerpt.FEWEST_ROWS", ROWS)
    view = apply_view(repo, event_timestamp=[NOON] * ROWS)
    assert ask(repo, view)[1] == [ROWS]


def test_a_small_source_is_read_whole(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feast_skew.stores.excerpt.FEWEST_ROWS", ROWS + 1)
    assert ask(repo, apply_view(repo))[1] == [ROWS]


def test_a_folder_of_files_is_read_whole(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feast_skew.stores.excerpt.FEWEST_ROWS", 0)
    view = apply_view(repo)
    rows = repo.path("src").read_bytes()
    repo.path("src").unlink()
    repo.path("src").mkdir()
    (repo.path("src") / "part.parquet").write_bytes(rows)
    reader = repo.offline_reader()
    with reader._store_for(view, pa.table({"id": pa.array([7])})) as store:
        assert store is reader._store
