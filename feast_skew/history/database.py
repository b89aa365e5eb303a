"""A database by URL: opened, brought to the present version, and written in transactions that are whole or nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from feast_skew.errors import ConfigError
from feast_skew.history.schema import HEAD, versions

_WAIT_SECONDS = 10
"""For a lock; what follows a run must not hold it up."""
_SILENT_SECONDS = 30
_PATIENCE: dict[str, dict[str, Any]] = {
    "pg8000": {"timeout": _SILENT_SECONDS},
    "psycopg": {"connect_timeout": _WAIT_SECONDS},
    "psycopg2": {"connect_timeout": _WAIT_SECONDS},
}
"""What makes a driver give up on a server that takes the connection and says nothing."""
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x5FEA57  # any number will do, as long as no other program takes it as its advisory lock


class Database:
    """One database of the history. Nothing is opened, and no file made, before it is first asked for something."""

    def __init__(self, url: str | URL) -> None:
        """Take the address of a database.

        Raises
        ------
        ConfigError
            When it is no URL, or one of a database for which nothing is installed. A password in it is never shown.
        """
        self.url = _parsed(url)
        self._engine: Engine | None = None

    @property
    def name(self) -> str:
        """The address without its password, and options, which may hold one; of a SQLite file only the path."""
        if self._file is not None:
            return str(self._file)
        return self.url.set(query={}).render_as_string(hide_password=True)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """Give a connection that reads; None when nothing was ever written there.

        Raises
        ------
        ConfigError
            When the database does not answer, is damaged, or was written by a newer feast-skew.
        """
        if self._file is not None and not self._file.exists():
            yield None
            return
        with self._told("read"), self._open().connect() as connection:
            found = self._version(connection)
            if found is None:
                yield None
                return
            if found != HEAD:
                connection.rollback()
                with self.writing():
                    pass  # brings it to the present version
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection whose writes stay if the block ends well, and are taken back as a whole if it does not.

        Raises
        ------
        ConfigError
            When the database cannot be written, or was written by a newer feast-skew.
        """
        with self._told("written"):
            if self._file is not None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._open().connect().execution_options(feast_skew_writes=True) as connection, connection.begin():
                self._migrate(connection)
                yield connection

    def close(self) -> None:
        """Close all connections; it can be used again."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @property
    def _file(self) -> Path | None:
        if self.url.get_backend_name() != "sqlite" or self.url.database in (None, "", ":memory:"):
            return None
        return Path(str(self.url.database))

    def _open(self) -> Engine:
        if self._engine is None:
            try:
                self._engine = _engine(self.url)
            except ImportError as error:
                raise ConfigError(
                    f"history {self.name}: Python has no module {error.name!r}", hint="install the database's driver"
                ) from error
        return self._engine

    def _version(self, connection: Connection) -> str | None:
        """Give the version of the tables; None where there are none."""
        if not inspect(connection).has_table(versions.name):
            return None
        found: str | None = connection.execute(select(versions.c.version_num)).scalar()
        if found is not None and found > HEAD:
            raise ConfigError(
                f"history {self.name} was written by a newer feast-skew (version {found} of its tables, this one knows {HEAD})",
                hint="update feast-skew, or set `history` to another database",
            )
        return found

    def _migrate(self, connection: Connection) -> None:
        if self._version(connection) == HEAD:
            return
        if connection.dialect.name == "postgresql":
            # Two runs at once would both find no table, and both make it; SQLite's write transactions exclude each other.
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            if self._version(connection) == HEAD:
                return
        from alembic import command
        from alembic.config import Config

        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        command.upgrade(config, HEAD)

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn what goes wrong into one line, which shows no password."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            raise ConfigError(
                f"history {self.name} cannot be {what}",
                hint=f"{_short(cause, self.url)}; set `history` to a database that can be",
            ) from None  # the driver's own error may hold the password


def _parsed(url: str | URL) -> URL:
    try:
        found = make_url(url)
        found.get_dialect()
    except NoSuchModuleError:
        kind = str(url).partition(":")[0]
        raise ConfigError(f"history: there is no kind of database {kind!r}", hint="use sqlite or postgresql") from None
    except (ArgumentError, ValueError):
        raise ConfigError(
            "history is no URL of a database", hint="write it like sqlite:///.feast_skew/history.db"
        ) from None
    return found


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        patience = _PATIENCE.get(url.get_driver_name(), {})
        asked = {name: value for name, value in patience.items() if name not in url.query}
        engine = create_engine(url, pool_pre_ping=True, connect_args=asked)

        @event.listens_for(engine, "begin")
        def impatient(connection: Connection) -> None:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'")

        return engine
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": _WAIT_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        del record
        connection.isolation_level = None  # Python's driver begins late, and not before tables are made: we begin
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("feast_skew_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _short(error: BaseException, url: URL) -> str:
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    said = " ".join(said.split())[:200]
    for secret in (url.password, *(value for name, value in url.query.items() if "pass" in name.lower())):
        said = said.replace(str(secret), "***") if secret else said
    return said
