"""What a scheduler calls after a materialization: the views are validated, and skew is an exception that fails the task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feast_skew.api import validate
from feast_skew.core.moments import aware, parse_moment
from feast_skew.errors import EXIT_NOT_MEASURED, EXIT_SKEW, ConfigError, SkewError
from feast_skew.report import SkewReport, Verdict, exit_code

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_NAMED = 3


class _Judged(SkewError):
    """A report whose verdict ends a task; it travels between processes with its report."""

    def __init__(self, message: str, report: SkewReport, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.report = report

    def __str__(self) -> str:
        return self.one_line()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.message, self.report, self.hint)


class SkewFound(_Judged):
    """Skew was found; `report` is the whole report."""

    exit_code = EXIT_SKEW
    code = "skew"


class NotMeasured(_Judged):
    """Nothing could be decided, as a view could not be read or there was too little to decide; `report` says what was."""

    exit_code = EXIT_NOT_MEASURED
    code = "not_measured"


def _again(kind: type[_Judged], message: str, report: SkewReport, hint: str) -> _Judged:
    return kind(message, report, hint=hint)


def materialized(  # noqa: PLR0913  what to validate, and the options of `validate`
    *_context: object,
    repo: str | Path = ".",
    views: Sequence[str] | None = None,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    sample: int | str | None = None,
    engine: str = "local",
    entities: str | Path | pa.Table | None = None,
    detect: float | str | None = None,
    power: float | str | None = None,
    seed: int | None = None,
    max_ops: float | str | None = None,
    read_from: str | None = None,
    config: str | Path | None = None,
    settings: dict[str, Any] | None = None,
    fail_on: str | None = None,
    allow_inconclusive: bool | None = None,
    wrong_rows: str | Path | None = None,
    baseline: str | Path | None = None,
) -> SkewReport:
    """Validate views that were just materialized; raise when they are not what the offline store holds.

    Meant for a task, a hook or a line of Python after `feast materialize`, wherever that ran. What a scheduler hands its hooks by
    position, such as Airflow's context, is passed over.

    Parameters
    ----------
    repo : path
        Directory with feature_store.yaml.
    views : names, optional
        The views that were written; everything that is online when none is given.
    start, end : datetime or text, optional
        The range that was materialized; text in ISO 8601, UTC without a zone. Offline rows behind `end`, now by default, are not
        expected online. With `start`, wrong rows in the range of named views are known to have been passed over by the store.
    sample, engine, entities, detect, power, seed, max_ops, read_from, config, settings, wrong_rows, baseline : optional
        As for `validate`.
    fail_on : `warn` or `fail`, optional
        The lowest verdict that raises, `fail` unless configured.
    allow_inconclusive : bool, optional
        Whether too little to decide is let through; not unless configured.

    Returns
    -------
    SkewReport

    Raises
    ------
    SkewFound
        When the verdict fails.
    NotMeasured
        When a view could not be measured, or there is too little to decide.
    ConfigError
        When nothing could be started: no repository, unknown names, bad settings, an end before the start.
    StoreUnavailable
        When no view could be read.
    """
    first, last = _moment(start, "start"), _moment(end, "end")
    if first is not None and last is None:
        raise ConfigError(f"start {start} has no end", hint="give the end of the range that was materialized too")
    if first is not None and last is not None and first > last:
        raise ConfigError(f"end {end} is before start {start}", hint="give the earlier one as the start")
    given = {"fail_on": fail_on, "allow_inconclusive": allow_inconclusive}
    report = validate(
        repo=repo,
        views=views,
        sample=sample,
        engine=engine,
        entities=entities,
        detect=detect,
        power=power,
        seed=seed,
        max_ops=max_ops,
        read_from=read_from,
        as_of=last,
        config=config,
        settings={**(settings or {}), **{name: value for name, value in given.items() if value is not None}},
        wrong_rows=wrong_rows,
        baseline=baseline,
        written=dict.fromkeys(views or (), (first, last)) if first is not None and last is not None else None,
    )
    return _passed(report)


def _moment(given: datetime | str | None, name: str) -> datetime | None:
    return parse_moment(given, name) if isinstance(given, str) else None if given is None else aware(given)


def _passed(report: SkewReport) -> SkewReport:
    """Give a report that ends no task."""
    asked = report.settings
    code = exit_code(report, fail_on=str(asked["fail_on"]), allow_inconclusive=bool(asked["allow_inconclusive"]))
    if not code:
        return report
    kinds = (Verdict.FAIL, Verdict.WARN) if code == EXIT_SKEW else (Verdict.ERROR, Verdict.INCONCLUSIVE)
    found = [feature for kind in kinds for feature in report.features if feature.verdict is kind]
    told = [
        f"{feature.view}:{feature.feature} ({feature.causes[0].code if feature.causes else feature.verdict.value})"
        for feature in found[:_MOST_NAMED]
    ]
    if len(found) > _MOST_NAMED:
        told.append(f"and {len(found) - _MOST_NAMED} more")
    step = f"see the report, or run `feast-skew validate --as-of {report.as_of}`"
    if code == EXIT_SKEW:
        raise SkewFound(f"skew in project {report.project}: {', '.join(told) or 'see its findings'}", report, hint=step)
    raise NotMeasured(f"project {report.project} could not be decided: {', '.join(told)}", report, hint=step)
