"""A plan only reads the registry, whatever that is: files and databases are afterwards as they were, or as absent as they were."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from feast import FeatureStore
from sqlalchemy import MetaData, create_engine, select, text

sys.path.append(str(Path(__file__).parents[1] / "gate"))

from rides import Run
from servers.postgres import Postgres, start_postgres
from shop import Shop, make_shop

from feast_skew.embedded.redis_server import EmbeddedRedis
from feast_skew.stores.feast_apply import feast_apply
from feast_skew.stores.feast_definitions import parse_definitions

WEEK = ("sources.py", "orders_30d.parquet", "orders_7d.parquet")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with start_postgres() as server:
        yield server


def in_sql(url: str) -> str:
    return f"{{registry_type: sql, path: '{url}'}}"


def everything(path: Path) -> dict[str, tuple[int, bytes]]:
    """Give every file and directory below a path with its time of change and its content."""
    return {
        str(entry.relative_to(path)): (entry.stat().st_mtime_ns, entry.read_bytes() if entry.is_file() else b"")
        for entry in sorted(path.rglob("*"))
    }


def rows(url: str) -> dict[str, list[str]]:
    """Give every row of every table of a database."""
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


def applied(path: Path, registry: str, redis: EmbeddedRedis) -> Shop:
    shop = make_shop(path, registry, redis.connection_string)
    apply(shop)
    return shop


def apply(shop: Shop) -> None:
    """Have Feast apply the definitions, in this process."""
    parse_definitions(
        FeatureStore(repo_path=str(shop.path)), shop.path
    )  # those of this shop, in the place of any other's
    feast_apply(shop.path, [])


def changes(run: Run, shop: Shop) -> set[tuple[str, str]]:
    plan = run("plan", "--repo", shop.path, "--no-progress", "--output", "json=-").report
    return {(change["name"], change["change"]) for change in plan["changes"]}


def test_a_plan_changes_no_file_and_no_time_of_one(run: Run, tmp_path: Path, redis: EmbeddedRedis) -> None:
    shop = applied(tmp_path / "shop", "data/registry.db", redis)
    shop.edit(*WEEK)
    before = everything(shop.path)
    assert changes(run, shop) == {("spending", "changed")}
    assert everything(shop.path) == before


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_what_was_never_applied_gets_no_registry(run: Run, tmp_path: Path, redis: EmbeddedRedis, kind: str) -> None:
    registry = "data/registry.db" if kind == "file" else in_sql(f"sqlite:///{tmp_path}/shop/data/registry.sqlite")
    shop = make_shop(tmp_path / "shop", registry, redis.connection_string)
    before = everything(shop.path)
    assert ("spending", "new") in changes(run, shop)
    assert everything(shop.path) == before


def test_what_was_never_applied_gets_no_tables(
    run: Run, tmp_path: Path, redis: EmbeddedRedis, postgres: Postgres
) -> None:
    url = new_database(postgres, "fresh")
    shop = make_shop(tmp_path / "shop", in_sql(url), redis.connection_string)
    assert ("spending", "new") in changes(run, shop)
    assert rows(url) == {}


def new_database(postgres: Postgres, name: str) -> str:
    engine = create_engine(postgres.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return postgres.url.rsplit("/", 1)[0] + f"/{name}"


def test_an_account_that_may_only_read_can_plan(
    run: Run, tmp_path: Path, redis: EmbeddedRedis, postgres: Postgres
) -> None:
    url = new_database(postgres, "readable")
    shop = applied(tmp_path / "shop", in_sql(url), redis)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE ROLE visitor LOGIN"))
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO visitor"))
    engine.dispose()
    shop.edit("feature_store.yaml", "feast@127", "visitor@127")
    shop.edit(*WEEK)
    before = rows(url)
    assert changes(run, shop) == {("spending", "changed")}
    assert rows(url) == before
    # One that may not even read is told so.
    with (engine := create_engine(url, isolation_level="AUTOCOMMIT")).connect() as connection:
        connection.execute(text("REVOKE SELECT ON feature_views FROM visitor"))
    engine.dispose()
    run("plan", "--repo", shop.path, "--no-progress").refused(2, "registry cannot be read", "permission denied")


def test_rows_of_an_older_feast_stay_as_they_are(run: Run, tmp_path: Path, redis: EmbeddedRedis) -> None:
    """It knew no projects, which Feast adds when it opens the registry, and no label views."""
    database = tmp_path / "registry.sqlite"
    shop = applied(tmp_path / "shop", in_sql(f"sqlite:///{database}"), redis)
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM projects")
        connection.execute("DROP TABLE label_views")
    before = database.read_bytes()
    assert changes(run, shop) == set()
    assert database.read_bytes() == before


def test_other_projects_in_the_same_database_are_no_part_of_it(run: Run, tmp_path: Path, redis: EmbeddedRedis) -> None:
    registry = in_sql(f"sqlite:///{tmp_path}/registry.sqlite")
    applied(tmp_path / "shop", registry, redis)
    other = make_shop(tmp_path / "other", registry, redis.connection_string, project="other")
    assert ("spending", "new") in changes(run, other)
    apply(other)
    assert changes(run, other) == set()


@pytest.mark.parametrize(
    ("break_it", "parts"),
    [
        (lambda _, file: file.write_bytes(b"no database at all" * 100), ("file is not a database",)),
        (lambda shop, file: shop.edit("feature_store.yaml", str(file), "/nowhere/r.sqlite"), ("unable to open",)),
        (
            lambda shop, file: shop.edit(
                "feature_store.yaml", f"sqlite:///{file}", "postgresql+pg8000://me:secret@127.0.0.1:1/x"
            ),
            ("127.0.0.1", "port 1"),
        ),
        (
            lambda shop, file: shop.edit("feature_store.yaml", f"sqlite:///{file}", "dbase://me:secret@127.0.0.1/x"),
            ("dbase",),
        ),
    ],
    ids=["damaged", "no such directory", "does not answer", "unknown database"],
)
def test_a_database_that_cannot_be_read(
    run: Run,
    tmp_path: Path,
    redis: EmbeddedRedis,
    break_it: Callable[[Shop, Path], Any],
    parts: tuple[str, ...],
) -> None:
    file = tmp_path / "registry.sqlite"
    shop = make_shop(tmp_path / "shop", in_sql(f"sqlite:///{file}"), redis.connection_string)
    break_it(shop, file)
    before = everything(tmp_path)
    for command in ("plan", "apply"):
        line = run(command, "--repo", shop.path, "--no-progress").refused(2, "registry cannot be read", *parts)
        assert "secret" not in line
    assert everything(tmp_path) == before


def test_a_directory_in_the_place_of_the_registry(run: Run, tmp_path: Path, redis: EmbeddedRedis) -> None:
    shop = make_shop(tmp_path / "shop", "data/registry.db", redis.connection_string)
    (shop.path / "data" / "registry.db").mkdir()
    run("plan", "--repo", shop.path, "--no-progress").refused(2, "registry", "cannot be read")
