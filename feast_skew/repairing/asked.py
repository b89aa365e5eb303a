"""What a repair is asked for, and what it takes over from the report of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feast_skew.config import suggestion
from feast_skew.core.moments import parse_moment
from feast_skew.errors import ConfigError, UnknownName
from feast_skew.history.stored_report import read_report
from feast_skew.report import FeatureResult, SkewReport, Verdict

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Asked:
    """The options of a repair: those of `validate`, a report whose run is repaired, and which classes count as well.

    `settings` are laid over all others, in the form of the file of settings.
    """

    repo: Path
    services: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    sample: int | str | None = None
    entities: str | Path | pa.Table | None = None
    seed: int | None = None
    max_ops: float | str | None = None
    as_of: datetime | None = None
    config: str | Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    report: str | Path | None = None
    stale: bool = False
    unaligned: bool = False


@dataclass(frozen=True)
class EarlierRun:
    """What a report tells of its run: the features that it compared, those of them that failed, and how it drew its entities.

    `drawn` are settings that draw the same entities again; `entities` gives by join keys how many there were.
    """

    path: Path
    run_id: str
    project: str
    as_of: datetime
    compared: tuple[str, ...]
    failed: frozenset[str]
    drawn: Mapping[str, Any]
    entities: Mapping[tuple[str, ...], int]
    fingerprints: Mapping[str, str]


def read_run(path: str | Path) -> EarlierRun:
    """Read what a repair needs of a report that `--output json=PATH` wrote.

    Raises
    ------
    ConfigError
        When the file is missing, is no whole report of feast-skew, or is one of another schema version.
    """
    report = read_report(path)
    try:
        key_sets = {tuple(one["join_keys"]): one for one in report.sample["key_sets"]}
        sized = [one["power"] for one in key_sets.values() if "power" in one]
        drawn: dict[str, Any] = {"seed": int(report.seed)}
        if sized:
            drawn |= {"detect": sized[0]["detect"], "power": sized[0]["power"]}
        elif int(report.sample["requested"]) > 0:
            drawn["sample"] = int(report.sample["requested"])
        return EarlierRun(
            Path(path),
            report.run_id,
            report.project,
            parse_moment(report.as_of, f"as_of of report {path}"),
            tuple(f"{one.view}:{one.feature}" for one in report.features),
            _failed(report),
            drawn,
            {names: int(one["entities"]) for names, one in key_sets.items()},
            dict(report.fingerprints),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"report {path} is damaged: it does not tell how its entities were drawn",
            hint="make it again with `feast-skew validate --output json=PATH`",
        ) from error


def _failed(report: SkewReport) -> frozenset[str]:
    """Give the features that failed by what was measured, also where a baseline had accepted that."""

    def measured(feature: FeatureResult) -> Verdict:
        return feature.verdict if feature.known is None else Verdict(feature.known.verdict)

    return frozenset(f"{one.view}:{one.feature}" for one in report.features if measured(one) is Verdict.FAIL)


def narrowed(run: EarlierRun, asked: Asked) -> frozenset[str]:
    """Give those failed features of a run that the options leave.

    Raises
    ------
    ConfigError
        For a service; and for a view or feature that the run did not compare, with the nearest names.
    """
    if asked.services:
        raise ConfigError("--report says which features were compared, and --service too", hint="leave one of both out")
    views = {ref.partition(":")[0] for ref in run.compared}
    for name, known, what in (
        *((name, views, "view") for name in asked.views),
        *((ref, set(run.compared), "feature") for ref in asked.features),
    ):
        if name not in known:
            raise UnknownName(f"report {run.path} has no {what} {name!r}", hint=suggestion(name, known))
    if not (asked.views or asked.features):
        return run.failed
    return frozenset(ref for ref in run.failed if ref in asked.features or ref.partition(":")[0] in asked.views)
