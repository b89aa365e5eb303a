"""The runs of the history: written whole, listed, followed over time, and read back."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, desc, insert, select

from feast_skew.errors import UnknownName
from feast_skew.history.database import Database
from feast_skew.history.forms import from_micros, name_of, to_micros
from feast_skew.history.profiles import StoredProfiles, damaged
from feast_skew.history.schema import SENT, details, messages, responses, results, runs, series, told
from feast_skew.history.stored_report import report_of
from feast_skew.report import FeatureResult, Past, SkewReport, Verdict, rank
from feast_skew.statistics.profile import Profile

KEPT_PAIRS = 500
"""Pairs of a feature that a run keeps: those with the smallest hashes, so that they are a random sample."""

UNDECIDED = (Verdict.ERROR, Verdict.INCONCLUSIVE)
"""Verdicts of runs that could not tell: an incident goes on behind them."""

_VERDICTS = {one.value: one for one in Verdict}
_OF_PAST = tuple(results.c[name] for name in ("series", "verdict", "value", "low", "high", "psi", "cause"))


@dataclass(frozen=True)
class StoredRun:
    """One run of a list: when it was, what came out, and of how many features how many fail."""

    run_id: str
    created_at: str
    verdict: Verdict
    entities: int
    features: int
    failing: int


@dataclass(frozen=True)
class StoredResult:
    """A feature in a run: `past` is what the run found, `since` when its verdict became what it is, as ISO 8601 in UTC."""

    view: str
    feature: str
    owner: str
    entities: int
    since: str
    past: Past


class Runs:
    """The runs of one project in a database."""

    def __init__(self, database: Database, project: str) -> None:
        self.database = database
        self.project = project

    def record(self, report: SkewReport) -> None:
        """Keep a run: its report, and of each feature its states.

        Raises
        ------
        ConfigError
            When the history cannot be written; then nothing of the run is in it.
        """
        with self.database.writing() as connection:
            self.record_with(connection, report)

    def record_with(self, connection: Connection, report: SkewReport) -> None:
        """Do the same as `record` in a transaction that is open."""
        created = to_micros(report.created_at)
        numbers, compared_before = self._series(connection, report.features)
        before = self._latest(connection, created, compared_before)
        content = report.to_dict()
        bodies = content.pop("features")
        run = connection.execute(
            insert(runs).values(
                run_id=report.run_id,
                project=name_of(self.project),
                created=created,
                as_of=report.as_of,
                engine=report.engine,
                seed=report.seed,
                verdict=report.verdict.value,
                entities=int(report.sample.get("entities", 0)),
                features=len(report.features),
                failing=sum(feature.verdict is Verdict.FAIL for feature in report.features),
                body=_packed(content),
            )
        ).inserted_primary_key
        assert run is not None  # noqa: S101  for the type checker
        rows, beside = [], []
        for feature, body in zip(report.features, bodies, strict=True):
            place = {"series": numbers[feature.view, feature.feature], "run": run[0]}
            rows.append({**place, **_result_row(feature, created, before)})
            kept = None if feature.profile is None else feature.profile.thinned(KEPT_PAIRS).to_bytes()
            beside.append({**place, "body": _packed(body), "profile": kept})
        if rows:
            connection.execute(insert(results), rows)
            connection.execute(insert(details), beside)

    def latest(self, most: int, before: str | None = None) -> list[StoredRun]:
        """List runs, the newest first; `before` continues a list behind the run with that moment."""
        asked = select(runs).where(runs.c.project == name_of(self.project))
        if before is not None:
            asked = asked.where(runs.c.created < to_micros(before))
        with self.database.reading() as connection:
            found = (
                [] if connection is None else connection.execute(asked.order_by(desc(runs.c.created)).limit(most)).all()
            )
        return [
            StoredRun(r.run_id, from_micros(r.created), Verdict(r.verdict), r.entities, r.features, r.failing)
            for r in found
        ]

    def of_run(self, run_id: str) -> list[StoredResult]:
        """Give what a run found of its features, the worst first.

        Raises
        ------
        UnknownName
            When there is no such run.
        """
        with self.database.reading() as connection:
            run = None if connection is None else self._run(connection, run_id)
            if run is None or connection is None:
                raise self._unknown(run_id)
            asked = _joined().where(results.c.run == run.id)
            found = [_stored(row) for row in connection.execute(asked)]
        return sorted(found, key=lambda one: (rank(one.past.verdict), -(one.past.value or 0.0), one.view, one.feature))

    def of_feature(self, view: str, feature: str, most: int) -> list[StoredResult]:
        """Follow one feature over its latest runs, oldest first; empty when it never was in one."""
        asked = (
            _joined()
            .where(
                series.c.project == name_of(self.project),
                series.c.view == name_of(view),
                series.c.feature == name_of(feature),
            )
            .order_by(desc(runs.c.created))
            .limit(most)
        )
        with self.database.reading() as connection:
            found = [] if connection is None else [_stored(row) for row in connection.execute(asked)]
        return found[::-1]

    def past(self, report: SkewReport, most: int) -> SkewReport:
        """Give a report whose features know what up to `most` earlier runs found of them."""
        created = to_micros(report.created_at)
        with self.database.reading() as connection:
            if connection is None:
                return report
            chosen = (
                select(runs.c.id, runs.c.run_id, runs.c.created)
                .where(runs.c.project == name_of(self.project), runs.c.created < created)
                .order_by(desc(runs.c.created))
                .limit(most)
            )
            names = select(series.c.id, series.c.view, series.c.feature).where(
                series.c.project == name_of(self.project)
            )
            found: dict[int, list[Past]] = {}
            # Run by run: joined, a row of 60,000 takes as long as ten of these.
            for number, run_id, at in connection.execute(chosen).all()[::-1]:
                when = from_micros(at)
                for of, verdict, *rest in connection.execute(select(*_OF_PAST).where(results.c.run == number)).all():
                    found.setdefault(of, []).append(Past(run_id, when, _VERDICTS[verdict], *rest))
            past = {(view, feature): tuple(found.get(of, ())) for of, view, feature in connection.execute(names)}
        features = tuple(
            replace(one, past=past.get((name_of(one.view), name_of(one.feature)), ())) for one in report.features
        )
        return replace(report, features=features)

    def report(self, run_id: str) -> SkewReport:
        """Read a run back with the states of its features.

        Raises
        ------
        UnknownName
            When there is no such run.
        ConfigError
            When it is damaged, or of another schema version.
        """
        with self.database.reading() as connection:
            run = None if connection is None else self._run(connection, run_id)
            if run is None or connection is None:
                raise self._unknown(run_id)
            rows = connection.execute(select(details).where(details.c.run == run.id)).all()
        try:
            content = {**_unpacked(run.body), "features": [_unpacked(row.body) for row in rows]}
            report = report_of(content, f"run {run_id}")
            kept = [None if row.profile is None else Profile.from_bytes(row.profile) for row in rows]
        except (zlib.error, ValueError) as error:
            raise damaged(self.database, run_id) from error
        features = [replace(one, profile=own) for one, own in zip(report.features, kept, strict=True)]
        return replace(report, features=tuple(sorted(features, key=_worst_first)))

    def profiles(self, since: str, until: str) -> StoredProfiles:
        """Give the states of each feature in the runs from one moment up to before another; they are read as they are asked for."""
        return StoredProfiles(self.database, self.project, since, until)

    def failures(self, since: str, until: str) -> dict[tuple[str, str], set[str]]:
        """Give by feature the moments of the runs, from one moment up to before another, in which it failed."""
        asked = (
            select(series.c.view, series.c.feature, runs.c.created)
            .join(results, results.c.series == series.c.id)
            .join(runs, runs.c.id == results.c.run)
            .where(
                runs.c.project == name_of(self.project),
                and_(runs.c.created >= to_micros(since), runs.c.created < to_micros(until)),
                results.c.verdict == Verdict.FAIL.value,
            )
        )
        found: dict[tuple[str, str], set[str]] = {}
        with self.database.reading() as connection:
            for row in () if connection is None else connection.execute(asked):
                found.setdefault((row.view, row.feature), set()).add(from_micros(row.created))
        return found

    def prune(self, before: str) -> int:
        """Forget the runs of the project before a moment, and give how many these were.

        Features without a run or an incident go, too, and so do the messages that were sent and the responses of that time.

        Raises
        ------
        ConfigError
            When the history cannot be written.
        """
        with self.database.writing() as connection:
            return self.prune_with(connection, before)

    def prune_with(self, connection: Connection, before: str) -> int:
        """Do the same as `prune` in a transaction that is open."""
        project, moment = name_of(self.project), to_micros(before)
        asked = (runs.c.project == project, runs.c.created < moment)
        # What is old is named by a query: a database takes only so many numbers in one statement.
        for table in (details, results):
            connection.execute(delete(table).where(table.c.run.in_(select(runs.c.id).where(*asked))))
        sent = (messages.c.project == project, messages.c.created < moment, messages.c.state == SENT)
        connection.execute(delete(messages).where(*sent))
        connection.execute(delete(responses).where(responses.c.project == project, responses.c.begun < moment))
        gone = connection.execute(delete(runs).where(*asked)).rowcount
        if gone:
            left = select(results.c.series).where(results.c.series == series.c.id).exists()
            lasts = select(told.c.series).where(told.c.series == series.c.id).exists()
            connection.execute(delete(series).where(series.c.project == project, ~left, ~lasts))
        return gone

    def _series(
        self, connection: Connection, features: Collection[FeatureResult]
    ) -> tuple[dict[tuple[str, str], int], set[tuple[str, str]]]:
        """Give the number of each feature's series, making those that are missing, and the features that had one, as the tables name them."""
        asked = select(series).where(series.c.project == name_of(self.project))
        known = {(row.view, row.feature): row.id for row in connection.execute(asked)}
        wanted = dict.fromkeys((name_of(one.view), name_of(one.feature)) for one in features)
        new = [
            {"project": name_of(self.project), "view": view, "feature": feature}
            for view, feature in wanted
            if (view, feature) not in known
        ]
        had = wanted.keys() & known.keys()
        if new:
            connection.execute(insert(series), new)
            known = {(row.view, row.feature): row.id for row in connection.execute(asked)}
        return {(one.view, one.feature): known[name_of(one.view), name_of(one.feature)] for one in features}, had

    def _latest(
        self, connection: Connection, created: int, wanted: set[tuple[str, str]]
    ) -> dict[tuple[str, str], Row[Any]]:
        """Give what was found last of those features before a moment: mostly by the run before, and else by earlier ones.

        Run by run, and not the newest of each feature out of all rows: a year of them would be read for every run that is kept.
        """
        asked = select(runs.c.id).where(runs.c.project == name_of(self.project), runs.c.created < created)
        found: dict[tuple[str, str], Row[Any]] = {}
        for run in connection.execute(asked.order_by(desc(runs.c.created))).scalars().all():
            if wanted <= found.keys():
                break
            for row in connection.execute(_joined().where(results.c.run == run)):
                found.setdefault((row.view, row.feature), row)
        return found

    def _run(self, connection: Connection, run_id: str) -> Row[Any] | None:
        asked = select(runs).where(runs.c.run_id == run_id, runs.c.project == name_of(self.project))
        return connection.execute(asked).first()

    def _unknown(self, run_id: str) -> UnknownName:
        return UnknownName(
            f"history {self.database.name} has no run {run_id!r} of project {self.project}",
            hint="`feast-skew history` lists them",
        )


def _joined() -> Any:
    return (
        select(results, series.c.view, series.c.feature, runs.c.created, runs.c.run_id)
        .join(series, series.c.id == results.c.series)
        .join(runs, runs.c.id == results.c.run)
    )


def _result_row(feature: FeatureResult, created: int, before: Mapping[tuple[str, str], Row[Any]]) -> dict[str, Any]:
    rate, psi = feature.metrics.get("mismatch_rate"), feature.metrics.get("psi")
    last = before.get((name_of(feature.view), name_of(feature.feature)))
    held, held_since = (None, None) if last is None else _held(last)
    undecided = feature.verdict in UNDECIDED
    was, since = (last.verdict, last.since) if undecided and last is not None else (held, held_since)
    return {
        "verdict": feature.verdict.value,
        "since": since if was == feature.verdict.value else created,
        "held": held if undecided else None,
        "held_since": held_since if undecided else None,
        "owner": feature.owner,
        "entities": int(feature.counts.get("entities", 0)),
        "value": None if rate is None else rate.value,
        "low": None if rate is None else rate.low,
        "high": None if rate is None else rate.high,
        "psi": None if psi is None else psi.value,
        "cause": feature.causes[0].code if feature.causes else "",
    }


def _held(row: Row[Any]) -> tuple[str | None, int | None]:
    """Give the verdict that was decided last as of a result, and since when it was so."""
    return (row.held, row.held_since) if Verdict(row.verdict) in UNDECIDED else (row.verdict, row.since)


def _stored(row: Row[Any]) -> StoredResult:
    return StoredResult(row.view, row.feature, row.owner, row.entities, from_micros(row.since), _past(row))


def _past(row: Row[Any]) -> Past:
    return Past(
        row.run_id, from_micros(row.created), Verdict(row.verdict), row.value, row.low, row.high, row.psi, row.cause
    )


def _worst_first(feature: FeatureResult) -> tuple[int, float, str, str]:
    rates = [metric.value or 0.0 for name, metric in feature.metrics.items() if name.endswith("_rate")]
    return rank(feature.verdict), -max(rates, default=0.0), feature.view, feature.feature


def _packed(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":"), default=str)
    return zlib.compress(text.encode("utf-8", "surrogatepass"))


def _unpacked(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(content))
    return found
