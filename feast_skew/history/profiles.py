"""The states that runs kept of each feature, read feature by feature: those of a year of runs are more than memory holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import and_, select

from feast_skew.errors import ConfigError
from feast_skew.history.database import Database
from feast_skew.history.forms import from_micros, name_of, to_micros
from feast_skew.history.schema import details, runs, series
from feast_skew.statistics.profile import Profile

Name = tuple[str, str]
Kept = list[tuple[str, Profile]]


class StoredProfiles(Mapping[Name, Kept]):
    """By view and feature the moment and the states of each run in a span, oldest first.

    Which features and which runs there are is fixed at the start; what belongs to a feature is read when it is asked for, and kept by who asked. It is empty
    when all its runs were forgotten meanwhile.
    Between two of them the database is free for those who write.
    """

    def __init__(self, database: Database, project: str, since: str, until: str) -> None:
        self._database = database
        in_time = and_(runs.c.created >= to_micros(since), runs.c.created < to_micros(until))
        in_span = and_(runs.c.project == name_of(project), in_time)
        self._asked = and_(in_span, series.c.project == name_of(project), details.c.profile.is_not(None))
        there = (
            select(details.c.series)
            .join(runs, runs.c.id == details.c.run)
            .where(details.c.series == series.c.id, self._asked)
        )
        named = select(series).where(there.exists())
        with database.reading() as connection:
            rows = [] if connection is None else connection.execute(named).all()
            found = [] if connection is None else connection.scalars(select(runs.c.run_id).where(in_span)).all()
        self._names: dict[Name, None] = dict.fromkeys(sorted((row.view, row.feature) for row in rows))
        # Of each feature the same runs, though others are added meanwhile.
        self._runs = frozenset(found)

    def __iter__(self) -> Iterator[Name]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: Name) -> Kept:
        """Read the states of a feature.

        Raises
        ------
        KeyError
            When the feature has none.
        ConfigError
            When one of them is damaged, or the history cannot be read.
        """
        if name not in self._names:
            raise KeyError(name)
        view, feature = name
        asked = (
            select(runs.c.created, runs.c.run_id, details.c.profile)
            .join(runs, runs.c.id == details.c.run)
            .join(series, series.c.id == details.c.series)
            .where(series.c.view == view, series.c.feature == feature, self._asked)
            .order_by(runs.c.created)
        )
        found: Kept = []
        with self._database.reading() as connection:
            for row in () if connection is None else connection.execute(asked):
                if row.run_id not in self._runs:
                    continue
                try:
                    found.append((from_micros(row.created), Profile.from_bytes(row.profile)))
                except ValueError as error:
                    raise damaged(self._database, row.run_id) from error
        return found


def damaged(database: Database, run_id: str) -> ConfigError:
    """Say that a run cannot be read back."""
    return ConfigError(f"run {run_id} in {database.name} is damaged", hint="validate again")
