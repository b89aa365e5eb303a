"""An apply that ends on the way to its refusal has written nothing: killed or interrupted, at any step, in registries of all kinds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.postgres import Postgres, start_postgres
from shop import ROOT, Shop, make_shop

from feast_skew.embedded.redis_server import EmbeddedRedis

# What is made once for all of them takes longer than they do.
pytestmark = pytest.mark.xdist_group("killed")

WEEK = ("sources.py", "orders_30d.parquet", "orders_7d.parquet")
STEPS = 10


@pytest.fixture(scope="module")
def redis() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with start_postgres() as server:
        yield server


def shop_at(place: Path, redis: EmbeddedRedis, registry: str) -> Shop:
    shop = make_shop(place / "shop", registry, redis.connection_string, customers=100, project=f"shop_{place.name}")
    done = shop.feast("apply")
    assert done.returncode == 0, done.stderr
    shop.materialize("spending")
    shop.edit(*WEEK)
    return shop


Content = Callable[[], Any]


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("sqlite", "postgres")]


@pytest.fixture(scope="module", params=["file", *SLOW])
def registered(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis: EmbeddedRedis
) -> tuple[Shop, Content]:
    """A shop whose definitions changed, and what gives everything that its registry holds."""
    place = tmp_path_factory.mktemp(str(request.param))
    if request.param == "file":
        shop = shop_at(place, redis, "data/registry.db")
        return shop, (shop.path / "data" / "registry.db").read_bytes
    in_file = f"sqlite:///{place}/registry.sqlite"
    url = in_file if request.param == "sqlite" else request.getfixturevalue("postgres").url
    shop = shop_at(place, redis, f"{{registry_type: sql, path: '{url}'}}")
    return shop, lambda: rows(url)


def rows(url: str) -> dict[str, list[str]]:
    """Give every row of every table."""
    from sqlalchemy import MetaData, create_engine, select

    engine = create_engine(url)
    try:
        metadata = MetaData()
        metadata.reflect(engine)
        with engine.connect() as connection:
            return {
                table.name: sorted(repr(tuple(row)) for row in connection.execute(select(table)))
                for table in metadata.sorted_tables
            }
    finally:
        engine.dispose()


def ended(shop: Shop, step: int, signal: str) -> subprocess.CompletedProcess[str]:
    """Run an apply that would be refused, and end it at a step."""
    script = str(Path(__file__).with_name("killed.py"))
    command = [sys.executable, script, str(step), signal, "apply", "--repo", str(shop.path), "--no-progress"]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


@pytest.fixture(scope="module")
def steps(registered: tuple[Shop, Content]) -> list[int]:
    """Ten steps spread over the whole way to the refusal."""
    shop, content = registered
    before = content()
    whole = ended(shop, -1, "SIGTERM")
    assert whole.returncode == 1, whole.stderr
    assert content() == before
    last = int(whole.stderr.rsplit("steps: ", 1)[1])
    assert last > 2 * STEPS
    return [1 + (last - 1) * i // (STEPS - 1) for i in range(STEPS)]


@pytest.mark.parametrize(
    "number", [step if step % 4 == 0 else pytest.param(step, marks=pytest.mark.slow) for step in range(STEPS)]
)
def test_killed_on_the_way(registered: tuple[Shop, Content], steps: list[int], number: int) -> None:
    shop, content = registered
    before, files = content(), sorted(shop.path.rglob("*"))
    assert ended(shop, steps[number], "SIGKILL").returncode == -9
    assert content() == before
    assert sorted(shop.path.rglob("*")) == files


@pytest.mark.parametrize("signal", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.slow)])
def test_interrupted_on_the_way(registered: tuple[Shop, Content], steps: list[int], signal: str) -> None:
    shop, content = registered
    before = content()
    done = ended(shop, steps[STEPS // 2], signal)
    assert done.returncode == 130
    assert "feast-skew: interrupted" in done.stderr
    assert content() == before


def test_refused_with_a_registry_in_postgres(tmp_path: Path, redis: EmbeddedRedis, postgres: Postgres) -> None:
    """Its rows are as before; the tests above have the same at every step, and are slow for databases."""
    shop = shop_at(tmp_path, redis, f"{{registry_type: sql, path: '{postgres.url}'}}")
    before = rows(postgres.url)
    assert ended(shop, -1, "SIGTERM").returncode == 1
    assert rows(postgres.url) == before
