"""Puts a validation together: readers of both stores, the engine, what is remembered, and the steps of the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from feast_skew.config import RunSettings, Settings
from feast_skew.core.alignment import to_nanoseconds
from feast_skew.core.keys import KeySet
from feast_skew.core.meaning import changes, in_registry
from feast_skew.core.model import Plan, SourceVersion
from feast_skew.engines.base import Engine
from feast_skew.engines.start import STARTS
from feast_skew.errors import ConfigError, SkewError
from feast_skew.history.memory import History, history_of
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.sampling import given_sample
from feast_skew.owners import without_owner
from feast_skew.report import Finding, SkewReport
from feast_skew.service import Job, RuleRunner, run
from feast_skew.serving.steps import Serving
from feast_skew.stores.entity_files import match_key_sets, origin_of, read_entities
from feast_skew.stores.request_rows import request_key_sets, request_rows

if TYPE_CHECKING:
    from feast import FeatureStore

EXPECTATIONS = "expectations"

NOT_REMEMBERED = "FS206"


@dataclass(frozen=True)
class Opened:
    """A repository that was opened, with what is to be compared in it and how.

    `path` is the repository's directory: relative names in settings are meant from there. `served` is the store by whose definitions
    serving computes, where that is another one.
    """

    store: FeatureStore
    plan: Plan
    settings: RunSettings
    path: Path
    served: FeatureStore | None = None

    @property
    def history(self) -> History | None:
        """Where runs and definitions are remembered; None where nowhere."""
        return history_of(self.settings, self.path)


def layered(
    store: FeatureStore, path: Path, config: str | Path | None, flags: Mapping[str, object], name: str = "settings"
) -> Settings:
    """Lay the settings of a repository over each other: feature_store.yaml, then the file, then flags.

    Raises
    ------
    ConfigError
        For unknown keys and bad values, and a file that was named and is not there.
    """
    from feast_skew.stores.feast_repository import settings_block

    layers = Settings.of_repository(settings_block(store), path, config)
    layers.add_layer(name, dict(flags))
    return layers


def measure(
    opened: Opened,
    *,
    engine: str,
    entities: str | Path | pa.Table | None,
    now: datetime,
    until: datetime,
    progress: Progress,
    scan: bool,
    remembers: bool,
    start: Callable[..., AbstractContextManager[Engine]] | None = None,
) -> SkewReport:
    """Run the steps of a validation over what was opened.

    Parameters
    ----------
    opened : Opened
        What is compared, and how.
    engine : str
        A name in `STARTS`.
    entities : path or table, optional
        Join keys of the entities to compare instead of a sample.
    now, until : datetime
        The moment of the run, and the one up to which offline rows are expected online; both with a zone.
    progress : Progress
        Told of every stage.
    scan : bool
        Whether to look through the keys that only the online store holds.
    remembers : bool
        Whether earlier definitions are asked for as causes, and the present ones noted for later runs.
    start : callable, optional
        What starts the engine, in place of what `STARTS` has by its name.

    Returns
    -------
    SkewReport

    Raises
    ------
    ConfigError
        For entities or suites that do not fit.
    StoreUnavailable
        When no view could be read.
    """
    from feast_skew.stores.feast_events import FeastEvents
    from feast_skew.stores.feast_offline import FeastOfflineReader
    from feast_skew.stores.feast_on_demand import FeastOnDemand
    from feast_skew.stores.feast_online import FeastOnlineReader
    from feast_skew.stores.feast_registry import feast_version
    from feast_skew.stores.feast_vectors import FeastVectors
    from feast_skew.stores.online import fastest_reader
    from feast_skew.stores.redis.reader import ReadSettings

    store, settings = opened.store, opened.settings
    plan, chosen, given, requests = choose(opened.plan, entities)
    rules = _rules(store, plan, opened.path, settings)
    generic, offline = FeastOnlineReader(store), FeastOfflineReader(store)
    online = fastest_reader(generic, ReadSettings(settings.max_ops, settings.read_from == "replica"))
    with closing(online):
        online.check()
        names = [view.name for view in plan.views]
        history = opened.history if remembers else None
        earlier, trouble = _remembered(history, plan.project, names)
        given_ones = {keys: given_sample(table) for keys, table in (chosen or {}).items()}
        begin = start or STARTS[engine]
        with begin(online, offline, to_nanoseconds(until), settings, progress, given_ones) as started:
            report = run(
                Job(
                    plan,
                    online,
                    offline,
                    started,
                    settings,
                    now,
                    until,
                    given=given_ones,
                    earlier=earlier,
                    scan=scan,
                    progress=progress,
                    versions={"feast": feast_version()},
                    rules=rules,
                    serving=Serving(
                        FeastOnDemand(store, generic, offline, opened.served),
                        FeastVectors(store, generic),
                        requests,
                        given,
                    ),
                    events=FeastEvents(store, offline),
                )
            )
    findings = (*report.findings, *without_owner(report.features))
    report = replace(report, fingerprints=_fingerprints(plan), findings=findings)
    if trouble is not None:
        return with_finding(report, trouble)
    if history is None:
        return report
    return replace(report, findings=(*report.findings, *_past_the_gate(history, plan)))


Chosen = tuple[Plan, "dict[KeySet, pa.Table] | None", "pa.Table | None", "dict[str, pa.Table]"]


def choose(plan: Plan, entities: str | Path | pa.Table | None, *, may_be_empty: bool = False) -> Chosen:
    """Give the plan without the views that cannot be asked, the given entities by key set, as given, and as requests.

    With `may_be_empty` nothing may be left of the plan.
    """
    wanted, origin = plan.key_columns(), origin_of(entities)
    given = None if entities is None else read_entities(entities, {**request_key_sets(plan), **wanted})
    plan, requests = request_rows(plan, given, origin, may_be_empty=may_be_empty)
    return plan, None if given is None else match_key_sets(given, wanted, origin), given, requests


def suite_folder(path: Path, settings: RunSettings) -> Path | None:
    """Give the folder of the suites; None when there are none, and none were asked for."""
    if settings.expectations is False:
        return None
    asked = settings.expectations
    # A relative path is one in the repository, from wherever the run was started.
    folder = path / Path(asked or EXPECTATIONS).expanduser()
    if folder.is_dir() and any(folder.rglob("*.json")):
        return folder
    if asked is None:
        return None
    missing = "holds no suite" if folder.is_dir() else "is no directory"
    raise ConfigError(f"expectations: {folder} {missing}", hint="name the folder of the suites, or false for none")


def _rules(store: FeatureStore, plan: Plan, path: Path, settings: RunSettings) -> RuleRunner | None:
    folder = suite_folder(path, settings)
    if folder is None:
        return None
    from feast_skew.expectations.runner import SuiteRunner
    from feast_skew.expectations.suites import read_suites
    from feast_skew.stores.feast_registry import view_columns

    suites = read_suites(folder, view_columns(store))
    return SuiteRunner(suites, plan, show_entities=settings.show_entities)


def _fingerprints(plan: Plan) -> dict[str, str]:
    """Give the fingerprint of what each view means: a verdict holds for that."""
    from feast_skew.stores.feast_meaning import meaning_of

    views = (*plan.views, *(one.view for one in plan.on_demand))
    return {view.name: meaning_of(view.handle).fingerprint for view in views if view.handle is not None}


def _past_the_gate(history: History, plan: Plan) -> tuple[Finding, ...]:
    """Tell of views that mean another thing than when they were last applied through the gate: somebody went around it."""
    from feast_skew.stores.feast_meaning import meaning_of

    applied = history.definitions.meanings(plan.project)
    found = []
    for view in plan.views:
        before = applied.get(view.name)
        if before is None or view.handle is None:
            continue
        differs = changes(in_registry(before), in_registry(meaning_of(view.handle)))
        if differs:
            told = "; ".join(map(str, differs[:3]))
            found.append(
                Finding(
                    "FS216",
                    "warn",
                    view.name,
                    f"changed in the registry without passing the gate: {told}",
                    "run `feast-skew apply` with the definitions that are meant",
                )
            )
    return tuple(found)


def _remembered(
    history: History | None, project: str, views: Sequence[str]
) -> tuple[dict[str, tuple[SourceVersion, ...]], SkewError | None]:
    if history is None:
        return {}, None
    try:
        return {view: history.definitions.versions(project, view) for view in views}, None
    except ConfigError as error:
        return {}, error


def with_finding(report: SkewReport, error: SkewError) -> SkewReport:
    """Give a report that says that it is not remembered, and why."""
    finding = Finding(
        NOT_REMEMBERED, "info", "", f"{error.message}: the run and its definitions are not remembered", error.hint
    )
    return replace(report, findings=(*report.findings, finding))
