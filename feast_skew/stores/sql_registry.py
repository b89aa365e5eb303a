"""Reads Feast's registry in an SQL database without opening it: Feast makes tables and rows in every one that it opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from feast.infra.registry.sql import SqlRegistryConfig, metadata
from sqlalchemy import Connection, Engine, Table, create_engine, insert, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from feast_skew.errors import ConfigError

_PROJECT = "project_id"


def copy_registry(settings: SqlRegistryConfig, project: str, file: Path) -> None:
    """Copy what a registry holds of one project into a new SQLite file that Feast can open as a registry.

    Parameters
    ----------
    settings : SqlRegistryConfig
        Where the registry is. Nothing is written there, so an account that may only read will do; `read_path` is used where it is set.
    project : str
        Rows of other projects are left out.
    file : path
        Must not exist yet. Its tables are empty where those of the registry are missing, as before the first `feast apply`.

    Raises
    ------
    ConfigError
        When the database does not answer, or does not let its tables be read.
    """
    copy = create_engine(f"sqlite:///{file}")
    try:
        metadata.create_all(copy)
        source = create_engine(settings.read_path or settings.path, **settings.sqlalchemy_config_kwargs)
        try:
            if not _is_missing(source):
                with source.connect() as reading, copy.begin() as writing:
                    for table, rows in _rows(reading, project):
                        writing.execute(insert(table), rows)
        finally:
            source.dispose()
    except (SQLAlchemyError, ImportError) as error:
        raise ConfigError("the registry cannot be read", hint=_told(error)) from error
    finally:
        copy.dispose()


def _is_missing(engine: Engine) -> bool:
    """Tell whether the database is a file that is not there yet; SQLite would make an empty one."""
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return False
    return Path(name).parent.is_dir() and not Path(name).exists()


def _rows(connection: Connection, project: str) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    """Give the rows of a project by table, tables without any left out; an older Feast may have fewer tables and columns."""
    known = inspect(connection)
    names = set(known.get_table_names())
    for table in metadata.sorted_tables:
        if table.name not in names:
            continue
        there = {column["name"] for column in known.get_columns(table.name)}
        columns = [column for column in table.columns if column.name in there]
        asked = select(*columns).where(table.c[_PROJECT] == project)
        rows = [dict(row._mapping) for row in connection.execute(asked)]
        if rows:
            yield table, rows


def _told(error: Exception) -> str:
    """Give what the database says, without the statement."""
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    return text[:300] or type(error).__name__
