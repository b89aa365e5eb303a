"""What was defined: the sources that each view was seen with, and what each view meant when it was last applied."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from feast_skew.core.meaning import Meaning
from feast_skew.core.model import SourceVersion
from feast_skew.history.database import Database
from feast_skew.history.schema import applied, definitions, taken_over
from feast_skew.history.state_file import StateFile

_KEPT_VERSIONS = 20

# Runs of one moment are told apart by their place: clocks are coarse, and some are set.
_LATEST_LAST = (definitions.c.last_seen, definitions.c.place)


class Definitions:
    """Reads and extends what a history remembers of definitions.

    `before` is the file in which they were kept before there was a database: while the database has not taken it over, both are read.
    """

    def __init__(self, database: Database, before: Path | None = None) -> None:
        self.database = database
        self._before = None if before is None else StateFile(before)

    def versions(self, project: str, view: str) -> tuple[SourceVersion, ...]:
        """Give the versions of a view that were seen, the one seen last at the end; none for a new view.

        Raises
        ------
        ConfigError
            When the history, or the file before it, cannot be read.
        """
        with self.database.reading() as connection:
            if not self._has_taken_over(connection):
                assert self._before is not None  # noqa: S101  for the type checker
                return self._before.versions().get(project, {}).get(view, ())
            if connection is None:
                return ()
            rows = connection.execute(
                select(definitions.c.version)
                .where(definitions.c.project == project, definitions.c.view == view)
                .order_by(*_LATEST_LAST)
            ).scalars()
            return tuple(SourceVersion(**json.loads(row)) for row in rows)

    def meanings(self, project: str) -> dict[str, Meaning]:
        """Give what each view meant when it was last applied through the gate, by name.

        Raises
        ------
        ConfigError
            When the history, or the file before it, cannot be read.
        """
        with self.database.reading() as connection:
            if not self._has_taken_over(connection):
                assert self._before is not None  # noqa: S101  for the type checker
                return self._before.meanings().get(project, {})
            if connection is None:
                return {}
            rows = connection.execute(select(applied).where(applied.c.project == project)).all()
            return {row.view: Meaning(row.view, row.kind, json.loads(row.parts)) for row in rows}

    def record(
        self,
        project: str,
        seen: Iterable[tuple[str, SourceVersion]],
        moment: str,
        meanings: Sequence[Meaning] | None = None,
    ) -> None:
        """Note that these versions, by view, were seen now; earlier ones stay.

        `meanings` are those of all views of the project that are applied now, in place of those before.

        Raises
        ------
        ConfigError
            When the history cannot be written.
        """
        with self.database.writing() as connection:
            self.record_with(connection, project, seen, moment, meanings)

    def record_with(
        self,
        connection: Connection,
        project: str,
        seen: Iterable[tuple[str, SourceVersion]],
        moment: str,
        meanings: Sequence[Meaning] | None = None,
    ) -> None:
        """Do the same as `record` in a transaction that is open."""
        self._take_over(connection)
        for view, version in seen:
            _note(connection, project, view, version, moment)
        if meanings is not None:
            _apply(connection, project, meanings)

    def _has_taken_over(self, connection: Connection | None) -> bool:
        if self._before is None or not self._before.path.is_file():
            return True
        if connection is None:
            return False
        asked = select(taken_over.c.file).where(taken_over.c.file == str(self._before.path.resolve()))
        return connection.execute(asked).first() is not None

    def _take_over(self, connection: Connection) -> None:
        """Write what the file remembers into the database, once; the file stays as it is, for an older feast-skew."""
        if self._before is None or self._has_taken_over(connection):
            return
        for project, views in self._before.versions().items():
            for view, versions in views.items():
                for version in versions:
                    _note(connection, project, view, version, version.last_seen)
        for project, meanings in self._before.meanings().items():
            _apply(connection, project, list(meanings.values()))
        connection.execute(insert(taken_over).values(file=str(self._before.path.resolve())))


def _note(connection: Connection, project: str, view: str, version: SourceVersion, moment: str) -> None:
    of_view = (definitions.c.project == project, definitions.c.view == view)
    known = connection.execute(select(definitions).where(*of_view).order_by(*_LATEST_LAST)).all()
    place = 1 + max((row.place for row in known), default=0)
    same = next((row for row in known if row.fingerprint == version.fingerprint), None)
    if same is not None:
        kept = replace(SourceVersion(**json.loads(same.version)), last_seen=moment)
        connection.execute(
            update(definitions)
            .where(*of_view, definitions.c.fingerprint == version.fingerprint)
            .values(version=_text(kept), last_seen=moment, place=place)
        )
        return
    first = version.first_seen or moment
    added = replace(version, first_seen=first, last_seen=moment)
    connection.execute(
        insert(definitions).values(
            project=project,
            view=view,
            fingerprint=version.fingerprint,
            version=_text(added),
            last_seen=moment,
            place=place,
        )
    )
    for row in known[: max(0, len(known) + 1 - _KEPT_VERSIONS)]:
        connection.execute(delete(definitions).where(*of_view, definitions.c.fingerprint == row.fingerprint))


def _apply(connection: Connection, project: str, meanings: Sequence[Meaning]) -> None:
    connection.execute(delete(applied).where(applied.c.project == project))
    rows: list[dict[str, Any]] = [
        {"project": project, "view": one.name, "kind": one.kind, "parts": json.dumps(dict(one.parts))}
        for one in meanings
    ]
    if rows:
        connection.execute(insert(applied), rows)


def _text(version: SourceVersion) -> str:
    return json.dumps(asdict(version), sort_keys=True)
