"""What owners were told, and the messages to them: written with the run, each sent by one process, kept while its channel is down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from feast_skew.history.database import Database
from feast_skew.history.forms import from_micros, name_of, to_micros
from feast_skew.history.schema import PENDING, SENDING, SENT, messages, results, runs, series, told
from feast_skew.report import Verdict

_LEASE = 15 * 60 * 1_000_000
"""Microseconds after which a message that a process took and never ended is taken to be unsent."""


@dataclass(frozen=True)
class Told:
    """What an owner was told of a feature: its verdict, since when, the share that was wrong with its upper bound, the first cause.

    `channel` is the one by which they were told; `unread` says that they were told, too, that the feature could not be read.
    """

    verdict: Verdict
    since: str
    value: float | None
    high: float | None
    cause: str
    owner: str = ""
    channel: str = ""
    unread: bool = False


@dataclass(frozen=True)
class Message:
    """One message to one owner; `error` says why it is not sent yet."""

    id: int
    run_id: str
    owner: str
    channel: str
    title: str
    body: str
    created_at: str
    state: str
    attempts: int
    error: str


class Incidents:
    """What the owners of a project were told, and their messages."""

    def __init__(self, database: Database, project: str) -> None:
        self.database = database
        self.project = project

    def told(self, connection: Connection) -> dict[tuple[str, str], Told]:
        """Give what was told last of each feature that is bad as far as its owner knows; by names as the tables hold them."""
        asked = select(told, series.c.view, series.c.feature).join(series, series.c.id == told.c.series)
        rows = connection.execute(asked.where(series.c.project == name_of(self.project)))
        return {(row.view, row.feature): _told(row) for row in rows}

    def note(self, connection: Connection, wanted: Mapping[tuple[str, str], Told | None]) -> None:
        """Note what owners are told of now, by names as the tables hold them; None where an incident ended."""
        if not wanted:
            return
        rows = connection.execute(select(series).where(series.c.project == name_of(self.project)))
        numbers = {(row.view, row.feature): row.id for row in rows}
        for name, one in wanted.items():
            connection.execute(delete(told).where(told.c.series == numbers[name]))
            if one is not None:
                values = {**asdict(one), "verdict": one.verdict.value, "since": to_micros(one.since)}
                connection.execute(insert(told).values(series=numbers[name], **values))

    def sinces(self, connection: Connection, run_id: str) -> dict[tuple[str, str], str]:
        """Give since when each feature of a run is as it is."""
        return {name: from_micros(row.since) for name, row in _results_of(connection, run_id).items()}

    def enqueue(
        self, connection: Connection, run_id: str, created_at: str, wanted: Sequence[Mapping[str, str]]
    ) -> None:
        """Put messages, each with `owner`, `channel`, `title` and `body`, among those that wait to be sent."""
        common = {"project": name_of(self.project), "run_id": run_id, "created": to_micros(created_at)}
        for one in wanted:
            values: dict[str, Any] = {**common, **one, "state": PENDING, "attempts": 0, "error": ""}
            connection.execute(insert(messages).values(values))

    def claim(self, now: str, *, passed: Sequence[int] = (), down: Sequence[str] = ()) -> Message | None:
        """Take the message that waits and was tried least, the oldest of these, for this process alone; None when there is none.

        The messages `passed` are left out, and those to the channels `down`.

        Raises
        ------
        ConfigError
            When the history cannot be written.
        """
        moment = to_micros(now)
        asked = (
            select(messages)
            .where(
                messages.c.project == name_of(self.project),
                _waits(moment),
                messages.c.id.not_in(passed),
                messages.c.channel.not_in(down),
            )
            .order_by(messages.c.attempts, messages.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self.database.writing() as connection:
            row = connection.execute(asked).first()
            if row is None:
                return None
            taken = {"state": SENDING, "claimed": moment, "attempts": row.attempts + 1}
            connection.execute(update(messages).where(messages.c.id == row.id).values(taken))
            return _message(row)

    def settle(self, message: Message, error: str) -> None:
        """Note that a message was sent, or why it was not: then it waits again.

        Raises
        ------
        ConfigError
            When the history cannot be written.
        """
        state = PENDING if error else SENT
        with self.database.writing() as connection:
            connection.execute(update(messages).where(messages.c.id == message.id).values(state=state, error=error))

    def give_up(self, now: str, before: str) -> list[Message]:
        """Forget the messages from before a moment that still wait, and give them; none that a process is just sending.

        Raises
        ------
        ConfigError
            When the history cannot be written.
        """
        old = and_(
            messages.c.project == name_of(self.project),
            messages.c.created < to_micros(before),
            _waits(to_micros(now)),
        )
        with self.database.reading() as connection:
            if connection is None or connection.execute(select(messages.c.id).where(old).limit(1)).first() is None:
                return []
        with self.database.writing() as connection:
            found = connection.execute(select(messages).where(old).order_by(messages.c.id).with_for_update()).all()
            connection.execute(delete(messages).where(old))
        return [_message(row) for row in found]

    def waiting(self) -> list[Message]:
        """List the messages that are not sent yet, oldest first."""
        asked = select(messages).where(messages.c.project == name_of(self.project), messages.c.state != SENT)
        with self.database.reading() as connection:
            found = [] if connection is None else connection.execute(asked.order_by(messages.c.id)).all()
        return [_message(row) for row in found]


def _waits(moment: int) -> ColumnElement[bool]:
    """Tell of a message whether it waits at a moment, also for a process that did not end what it began."""
    return or_(messages.c.state == PENDING, and_(messages.c.state == SENDING, messages.c.claimed < moment - _LEASE))


def _results_of(connection: Connection, run_id: str) -> dict[tuple[str, str], Any]:
    """Give the series of each feature of a run, and since when it is as it is."""
    asked = (
        select(results.c.series, results.c.since, series.c.view, series.c.feature)
        .join(runs, runs.c.id == results.c.run)
        .join(series, series.c.id == results.c.series)
        .where(runs.c.run_id == run_id)
    )
    return {(row.view, row.feature): row for row in connection.execute(asked)}


def _told(row: Any) -> Told:
    return Told(
        Verdict(row.verdict),
        from_micros(row.since),
        row.value,
        row.high,
        row.cause,
        row.owner,
        row.channel,
        row.unread,
    )


def _message(row: Any) -> Message:
    return Message(
        row.id,
        row.run_id,
        row.owner,
        row.channel,
        row.title,
        row.body,
        from_micros(row.created),
        row.state,
        row.attempts,
        row.error,
    )
