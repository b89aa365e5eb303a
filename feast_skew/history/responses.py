"""When incidents of features begin, and the responses to that: wanted with the run, each begun by one process, and once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from feast_skew.history.database import Database
from feast_skew.history.forms import name_of, to_micros
from feast_skew.history.schema import incidents, responses, series
from feast_skew.report import Verdict

WANTED, BEGUN, DONE = "wanted", "begun", "done"
"""The states of a response; one that a killed process had begun stays so, as nobody knows how far it came."""

_PASSED = {
    Verdict.FAIL: (Verdict.INCONCLUSIVE, Verdict.ERROR),
    Verdict.WARN: (Verdict.INCONCLUSIVE, Verdict.ERROR),
    Verdict.ERROR: (Verdict.INCONCLUSIVE,),
}
"""Verdicts behind which an incident of another one goes on."""

Name = tuple[str, str]


@dataclass(frozen=True)
class Response:
    """A response that was begun: to the run, for the features (view and name) whose incident began; `over` when all of these ended since."""

    id: int
    run_id: str
    name: str
    verdict: Verdict
    features: tuple[Name, ...]
    over: bool


class Responses:
    """The incidents of a project's features, and the responses to them."""

    def __init__(self, database: Database, project: str) -> None:
        self.database = database
        self.project = project

    def begin(
        self, connection: Connection, created_at: str, verdicts: Mapping[Name, Verdict]
    ) -> set[tuple[Name, Verdict]]:
        """Note the verdicts of a run, by names as the tables hold them, and give each incident that begins with it.

        An incident ends with a verdict of another kind from a later moment than its last, in whatever order the runs are kept: of
        a run that began earlier, or by a clock that goes wrong, it neither begins again nor ends.
        """
        moment = to_micros(created_at)
        known = {((row.view, row.feature), Verdict(row.verdict)): row for row in connection.execute(self._incidents())}
        begun, seen, ended = set(), [], []
        for name, verdict in verdicts.items():
            for on, passed in _PASSED.items():
                row = known.get((name, on))
                if verdict is on and (row is None or (_over(row) and row.ended < moment)):
                    begun.add((name, on))
                if row is not None and verdict is on:
                    seen.append({"of": row.series, "on": on.value, "moment": max(row.seen, moment)})
                elif row is not None and verdict not in passed:
                    ended.append({"of": row.series, "on": on.value, "moment": max(row.ended or moment, moment)})
        fresh = begun - known.keys()
        if fresh:
            asked = select(series).where(series.c.project == name_of(self.project))
            numbers = {(row.view, row.feature): row.id for row in connection.execute(asked)}
            rows = [{"series": numbers[name], "verdict": on.value, "seen": moment} for name, on in fresh]
            connection.execute(insert(incidents), rows)
        this = (incidents.c.series == bindparam("of"), incidents.c.verdict == bindparam("on"))
        for column, rows in (("seen", seen), ("ended", ended)):
            if rows:
                connection.execute(update(incidents).where(*this).values({column: bindparam("moment")}), rows)
        return begun

    def want(
        self, connection: Connection, run_id: str, now: str, name: str, verdict: Verdict, features: Sequence[Name]
    ) -> None:
        """Put a response among those that are to be done."""
        values = {
            "project": name_of(self.project),
            "run_id": run_id,
            "name": name,
            "begun": to_micros(now),
            "outcome": "",
            "state": WANTED,
            "verdict": verdict.value,
            "features": json.dumps(features),
        }
        connection.execute(insert(responses).values(values))

    def claim(self, now: str) -> Response | None:
        """Begin the oldest response that is wanted, for this process alone; None when there is none.

        Raises
        ------
        ConfigError
            When the history cannot be written.
        """
        asked = select(responses).where(responses.c.project == name_of(self.project), responses.c.state == WANTED)
        with self.database.reading() as connection:
            if connection is None or connection.execute(asked.limit(1)).first() is None:
                return None
        with self.database.writing() as connection:
            row = connection.execute(asked.order_by(responses.c.id).limit(1).with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            begun = {"state": BEGUN, "begun": to_micros(now)}
            connection.execute(update(responses).where(responses.c.id == row.id).values(begun))
            features = tuple((view, feature) for view, feature in json.loads(row.features))
            found = connection.execute(self._incidents().where(incidents.c.verdict == row.verdict))
            over = {(one.view, one.feature) for one in found if _over(one)}
        ended = all((name_of(view), name_of(feature)) in over for view, feature in features)
        return Response(row.id, row.run_id, row.name, Verdict(row.verdict), features, ended)

    def end(self, response: Response, now: str, outcome: str) -> None:
        """Note how a response ended.

        Raises
        ------
        ConfigError
            When the history cannot be written.
        """
        with self.database.writing() as connection:
            ended = {"state": DONE, "ended": to_micros(now), "outcome": outcome}
            connection.execute(update(responses).where(responses.c.id == response.id).values(ended))

    def _incidents(self) -> Any:
        joined = select(incidents, series.c.view, series.c.feature).join(series, series.c.id == incidents.c.series)
        return joined.where(series.c.project == name_of(self.project))


def _over(row: Any) -> bool:
    return row.ended is not None and row.seen < row.ended
