"""The public Python functions: from a repository, or from two tables, to a report."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from feast_skew.config import EVERYONE, RunSettings, Settings, read_config_file
from feast_skew.core.alignment import to_nanoseconds
from feast_skew.core.keys import KeySet
from feast_skew.core.model import Plan, SourceVersion
from feast_skew.engines.start import STARTS
from feast_skew.errors import ConfigError, SkewError
from feast_skew.history.baseline_file import read_baseline
from feast_skew.history.state_file import DEFAULT_NAME, StateFile
from feast_skew.judging.baseline import check_project, hold_against
from feast_skew.judging.sizing import UNLIMITED, check_detectable, sizer
from feast_skew.measuring.progress import NoProgress, Progress
from feast_skew.measuring.sampling import given_sample
from feast_skew.report import Finding, SkewReport, iso
from feast_skew.service import Job, RuleRunner, run
from feast_skew.serving.steps import Serving, describe_serving
from feast_skew.stores.entity_files import match_key_sets, origin_of, read_entities
from feast_skew.stores.request_rows import request_key_sets, request_rows

if TYPE_CHECKING:
    from feast import FeatureStore


CONFIG_NAME = "feast_skew.yaml"
EXPECTATIONS = "expectations"


def validate(  # noqa: PLR0913  the options of the contract
    repo: str | Path = ".",
    services: Sequence[str] | None = None,
    views: Sequence[str] | None = None,
    sample: int | str | None = None,
    engine: str = "local",
    *,
    features: Sequence[str] | None = None,
    entities: str | Path | pa.Table | None = None,
    detect: float | str | None = None,
    power: float | str | None = None,
    seed: int | None = None,
    max_ops: float | str | None = None,
    read_from: str | None = None,
    as_of: datetime | None = None,
    config: str | Path | None = None,
    settings: dict[str, Any] | None = None,
    state: bool = True,
    scan: bool = True,
    progress: Progress | None = None,
    now: datetime | None = None,
    wrong_rows: str | Path | None = None,
    baseline: str | Path | None = None,
) -> SkewReport:
    """Compare the offline with the online store of a Feast repository and judge every feature.

    Parameters
    ----------
    repo : path
        Directory with feature_store.yaml.
    services, views, features : names, optional
        What to compare; everything that is online when none is given. Features as `view:feature`.
    sample : int or `all`, optional
        Entities per entity key set, 10,000 unless configured.
    engine : str
        `local`, in this process, or `spark`, on the executors of the active Spark session or of one that is started.
    entities : path or table, optional
        Join keys of the entities to compare instead of a sample, with the request data of on-demand views, a column each.
    detect : share or text, optional
        True share of wrong entities (0.002 or `0.2%`), above the mismatch budget, for which the sample is made large
        enough to fail; instead of `sample`.
    power : share or text, optional
        How surely that share has to fail, 0.95 unless configured; goes with `detect`.
    seed : int, optional
        Of the sample, 0 unless configured.
    max_ops : number or `off`, optional
        Most commands a second that Redis is asked for, 100,000 unless configured.
    read_from : `primary` or `replica`, optional
        Which servers of a Redis are read, the primary one unless configured.
    as_of : datetime, optional
        Offline rows behind this moment are not expected online; now by default. A moment without a zone is UTC.
    config : path, optional
        File of settings; `feast_skew.yaml` in the repository by default, if there is one.
    settings : dict, optional
        Settings laid over all others, in the form of that file.
    state : bool
        Whether to remember the definitions of the views for later runs.
    scan : bool
        Whether to look through the keys that the online store holds for entities that offline does not know.
    wrong_rows : path or name of a table, optional
        To which the engine on Spark adds every wrong row; without a slash it is a table of the catalog.
    baseline : path, optional
        An earlier JSON report: what failed there and is not surely worse becomes a warning.

    Returns
    -------
    SkewReport

    Raises
    ------
    ConfigError
        When nothing could be started: no repository, unknown names, bad settings, a baseline of another project.
    StoreUnavailable
        When no view could be read.
    """
    if engine not in STARTS:
        raise ConfigError(f"there is no engine {engine!r}", hint=f"use {' or '.join(STARTS)}")
    if wrong_rows is not None and engine != "spark":
        raise ConfigError(
            f"wrong_rows {str(wrong_rows)!r}: the {engine} engine keeps no wrong rows",
            hint="it goes with --engine spark",
        )
    from feast_skew.stores.feast_events import FeastEvents
    from feast_skew.stores.feast_offline import FeastOfflineReader
    from feast_skew.stores.feast_on_demand import FeastOnDemand
    from feast_skew.stores.feast_online import FeastOnlineReader
    from feast_skew.stores.feast_registry import feast_version
    from feast_skew.stores.feast_vectors import FeastVectors
    from feast_skew.stores.online import fastest_reader
    from feast_skew.stores.redis.reader import ReadSettings

    moment = now or datetime.now(timezone.utc)
    path = Path(repo)
    before = None if baseline is None else read_baseline(baseline)
    target = None if wrong_rows is None else str(wrong_rows)
    flags = _flags(sample, detect, power, entities, seed, max_ops=max_ops, read_from=read_from, wrong_rows=target)
    store, plan, run_settings = _prepare(
        path,
        services,
        views,
        features,
        config,
        {**(settings or {}), **flags},
    )
    if before is not None:
        check_project(before, plan.project)
    plan, chosen, given, requests = _chosen(plan, entities)
    rules = _rules(store, plan, path, run_settings)
    generic, offline = FeastOnlineReader(store), FeastOfflineReader(store)
    online = fastest_reader(generic, ReadSettings(run_settings.max_ops, run_settings.read_from == "replica"))
    with closing(online):
        online.check()
        # A relative path is one in the repository, from wherever the run was started.
        file = path / Path(run_settings.state).expanduser() if run_settings.state else path / DEFAULT_NAME
        remembered, names = StateFile(file), [view.name for view in plan.views]
        earlier, trouble = _remembered(remembered, plan.project, names) if state else ({}, None)
        progress, until = progress or NoProgress(), _aware(as_of) if as_of else moment
        given_ones = {keys: given_sample(table) for keys, table in (chosen or {}).items()}
        start = STARTS[engine]
        with start(online, offline, to_nanoseconds(until), run_settings, progress, given_ones) as started:
            report = run(
                Job(
                    plan,
                    online,
                    offline,
                    started,
                    run_settings,
                    moment,
                    until,
                    given=given_ones,
                    earlier=earlier,
                    scan=scan,
                    progress=progress,
                    versions={"feast": feast_version()},
                    rules=rules,
                    serving=Serving(
                        FeastOnDemand(store, generic, offline), FeastVectors(store, generic), requests, given
                    ),
                    events=FeastEvents(store, offline),
                )
            )
    report = report if before is None else hold_against(report, before)
    if state and trouble is None:
        seen = [(view.name, view.version) for view in plan.views if view.version is not None]
        try:
            remembered.record(plan.project, seen, iso(moment))
        except ConfigError as error:
            trouble = error
    return report if trouble is None else _with_finding(report, trouble)


_Chosen = tuple[Plan, "dict[KeySet, pa.Table] | None", "pa.Table | None", "dict[str, pa.Table]"]


def _chosen(plan: Plan, entities: str | Path | pa.Table | None) -> _Chosen:
    """Give the plan without the views that cannot be asked, the given entities by key set, as given, and as requests."""
    wanted, origin = plan.key_columns(), origin_of(entities)
    given = None if entities is None else read_entities(entities, {**request_key_sets(plan), **wanted})
    plan, requests = request_rows(plan, given, origin)
    return plan, None if given is None else match_key_sets(given, wanted, origin), given, requests


def _suite_folder(path: Path, settings: RunSettings) -> Path | None:
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
    folder = _suite_folder(path, settings)
    if folder is None:
        return None
    from feast_skew.expectations.runner import SuiteRunner
    from feast_skew.expectations.suites import read_suites
    from feast_skew.stores.feast_registry import view_columns

    suites = read_suites(folder, view_columns(store))
    return SuiteRunner(suites, plan, show_entities=settings.show_entities)


def _flags(
    sample: int | str | None,
    detect: float | str | None,
    power: float | str | None,
    entities: str | Path | pa.Table | None,
    seed: int | None,
    **reading: Any,
) -> dict[str, Any]:
    """Give the settings among the arguments; a sample or entities given by hand end a configured sizing."""
    if detect is not None and (sample is not None or entities is not None):
        other = "--sample" if sample is not None else "--entities"
        raise ConfigError(f"--detect and {other} both say how many are compared", hint=f"leave out --detect or {other}")
    given = {"sample": sample, "detect": detect, "power": power, "seed": seed, **reading}
    values: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    return values | {"detect": None} if sample is not None or entities is not None else values


def _prepare(
    path: Path,
    services: Sequence[str] | None,
    views: Sequence[str] | None,
    features: Sequence[str] | None,
    config: str | Path | None,
    flags: dict[str, Any],
) -> tuple[FeatureStore, Plan, RunSettings]:
    from feast_skew.stores.feast_registry import Selection, build_plan
    from feast_skew.stores.feast_repository import open_store, settings_block

    store = open_store(path)
    layers = Settings()
    layers.add_layer("feast_skew: in feature_store.yaml", settings_block(store))
    file = Path(config) if config is not None else path / CONFIG_NAME
    if config is not None or file.is_file():
        layers.add_layer(str(file), read_config_file(file))
    layers.add_layer("settings", flags)
    plan = build_plan(store, Selection(tuple(services or ()), tuple(views or ()), tuple(features or ())), layers)
    settings = layers.run
    if "power" in flags and settings.detect is None:
        raise ConfigError("--power says how surely a rate is detected", hint="give the rate too, as in --detect 0.2%")
    if settings.detect is not None:
        check_detectable(plan, settings.detect)
    return store, plan, settings


def dry_run(  # noqa: PLR0913  those of `validate`
    repo: str | Path = ".",
    services: Sequence[str] | None = None,
    views: Sequence[str] | None = None,
    sample: int | str | None = None,
    *,
    features: Sequence[str] | None = None,
    entities: str | Path | pa.Table | None = None,
    detect: float | str | None = None,
    power: float | str | None = None,
    seed: int | None = None,
    max_ops: float | str | None = None,
    read_from: str | None = None,
    config: str | Path | None = None,
    settings: dict[str, Any] | None = None,
) -> str:
    """Say what `validate` with the same arguments would read, from where and how much, without reading a value.

    Raises
    ------
    ConfigError
        As `validate`.
    """
    from feast_skew.stores.feast_offline import describe_source
    from feast_skew.stores.feast_registry import store_types
    from feast_skew.stores.online import check_replicas

    store, plan, run_settings = _prepare(
        Path(repo),
        services,
        views,
        features,
        config,
        {**(settings or {}), **_flags(sample, detect, power, entities, seed, max_ops=max_ops, read_from=read_from)},
    )
    online_type, offline_type = store_types(store)
    if run_settings.read_from == "replica":
        check_replicas(online_type)
    lines = [f"project {plan.project}: {len(plan.views)} views, {sum(len(v.features) for v in plan.views)} features"]
    plan, chosen, _, requests = _chosen(plan, entities)
    sizes = _sizes(store, plan, run_settings)
    if run_settings.detect is not None:
        lines += [
            f"sample by {keys}: at most {size:,} entities, to detect {run_settings.detect:.6g} with power {run_settings.power:.6g}"
            for keys, size in sizes.items()
            if keys.keys
        ]
    groups = plan.key_sets()
    for view in plan.views:
        most = chosen[view.keys].num_rows if chosen is not None else sizes[view.keys] if view.keys.keys else 1
        lines += [
            f"{view.name}: {', '.join(feature.name for feature in view.features)}",
            f"  offline ({offline_type}): {describe_source(store, view, shares_keys=len(groups[view.keys]) > 1)}",
            (
                f"  online ({online_type}): at most {most:,} entities by {view.keys}, {most * len(view.features):,} values, "
                f"wrong ones twice{_pace_of(online_type, most, run_settings)}"
            ),
        ]
    lines += describe_serving(plan, requests, min(run_settings.sample, max(sizes.values(), default=UNLIMITED)))
    lines += [f"skipped {entry.view}: {entry.reason}" for entry in plan.skipped]
    folder = _suite_folder(Path(repo), run_settings)
    if folder is not None:
        lines.append(f"rules: {len(list(folder.rglob('*.json')))} suites in {folder}")
    return "\n".join(lines) + "\n"


def _pace_of(online_type: str, most: int, settings: RunSettings) -> str:
    """Say how many commands Redis gets, and in what time at least; nothing of other stores."""
    if online_type != "redis":
        return ""
    commands = f"; {most:,} commands" + (" to replicas" if settings.read_from == "replica" else "")
    return commands if settings.max_ops is None else f"{commands} in at least {most / settings.max_ops:.1f} s"


def _sizes(store: FeatureStore, plan: Plan, settings: RunSettings) -> dict[KeySet, int]:
    """Give the most entities of each key set that are read."""
    if settings.detect is None and settings.sample != EVERYONE:
        return dict.fromkeys(plan.key_sets(), settings.sample)
    from feast_skew.stores.feast_offline import FeastOfflineReader

    offline = FeastOfflineReader(store)
    sizes = {}
    for keys, views in plan.key_sets().items():
        rows = [offline.row_count(view) for view in views]
        known = sum(count or 0 for count in rows) if None not in rows else UNLIMITED
        if settings.detect is None:
            sizes[keys] = known
            continue
        unlimited = sizer(plan, views, settings.detect, settings.power, settings.confidence)(UNLIMITED)
        sizes[keys] = min(unlimited, known)
    return sizes


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)


def _remembered(
    file: StateFile, project: str, views: Sequence[str]
) -> tuple[dict[str, tuple[SourceVersion, ...]], SkewError | None]:
    try:
        return {view: file.versions(project, view) for view in views}, None
    except ConfigError as error:
        return {}, error


def _with_finding(report: SkewReport, error: SkewError) -> SkewReport:
    from dataclasses import replace

    finding = Finding("FS206", "info", "", f"{error.message}: definitions are not remembered", error.hint)
    return replace(report, findings=(*report.findings, finding))
