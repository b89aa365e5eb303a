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

    Which features have any is known from the start; what belongs to one is read when it is asked for, and kept by who asked.
    Between two of them the database is free for those who write.
    """

    def __init__(self, database: Database, project: str, since: str, until: str) -> None:
        self._database = database
        in_time = and_(runs.c.created >= to_micros(since), runs.c.created < to_micros(until))
        self._asked = and_(runs.c.project == name_of(project), in_time, details.c.profile.is_not(None))
        there = (
            select(details.c.series)
            .join(runs, runs.c.id == details.c.run)
            .where(details.c.series == series.c.id, self._asked)
        )
        named = select(series).where(series.c.project == name_of(project), there.exists())
        with database.reading() as connection:
            rows = [] if connection is None else connection.execute(named).all()
        self._numbers: dict[Name, int] = dict(sorted(((row.view, row.feature), row.id) for row in rows))

    def __iter__(self) -> Iterator[Name]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, name: Name) -> Kept:
        """Read the states of a feature.

        Raises
        ------
        KeyError
            When the feature has none.
        ConfigError
            When one of them is damaged, or the history cannot be read.
        """
        asked = (
            select(runs.c.created, runs.c.run_id, details.c.profile)
            .join(runs, runs.c.id == details.c.run)
            .where(details.c.series == self._numbers[name], self._asked)
            .order_by(runs.c.created)
        )
        found: Kept = []
        with self._database.reading() as connection:
            for row in () if connection is None else connection.execute(asked):
                try:
                    found.append((from_micros(row.created), Profile.from_bytes(row.profile)))
                except ValueError as error:
                    raise damaged(self._database, row.run_id) from error
        return found


def damaged(database: Database, run_id: str) -> ConfigError:
    """Say that a run cannot be read back."""
    return ConfigError(f"run {run_id} in {database.name} is damaged", hint="validate again")
