"""The public Python functions: from a repository, or from two tables, to a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from feast_skew.aftermath import follow_up
from feast_skew.assembly import Opened, choose, layered, measure, suite_folder
from feast_skew.config import RunSettings
from feast_skew.core.alignment import to_nanoseconds
from feast_skew.core.keys import KeySet
from feast_skew.core.model import Plan
from feast_skew.core.moments import aware
from feast_skew.engines.start import STARTS
from feast_skew.errors import ConfigError
from feast_skew.history.baseline_file import read_baseline
from feast_skew.judging.baseline import check_project, hold_against
from feast_skew.judging.sizing import UNLIMITED, check_detectable, sizer
from feast_skew.measuring.progress import NoProgress, Progress
from feast_skew.report import SkewReport
from feast_skew.serving.steps import describe_serving
from feast_skew.setting_values import EVERYONE

if TYPE_CHECKING:
    from feast import FeatureStore


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
    written: Mapping[str, tuple[datetime, datetime]] | None = None,
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
        Whether to keep the run and the definitions of the views in the history.
    scan : bool
        Whether to look through the keys that the online store holds for entities that offline does not know.
    wrong_rows : path or name of a table, optional
        To which the engine on Spark adds every wrong row; without a slash it is a table of the catalog.
    baseline : path, optional
        An earlier JSON report: what failed there and is not surely worse becomes a warning.
    written : mapping, optional
        By view the range of event timestamps that was materialized right before: rows in it that are wrong nevertheless are known
        to have been passed over by a store that keeps what is not newer.

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
    moment = now or datetime.now(timezone.utc)
    before = None if baseline is None else read_baseline(baseline)
    target = None if wrong_rows is None else str(wrong_rows)
    flags = _flags(sample, detect, power, entities, seed, max_ops=max_ops, read_from=read_from, wrong_rows=target)
    opened = _prepare(Path(repo), services, views, features, config, {**(settings or {}), **flags})
    if before is not None:
        check_project(before, opened.plan.project)
    if written:
        opened = replace(opened, plan=_after_writing(opened.plan, written))
    report = measure(
        opened,
        engine=engine,
        entities=entities,
        now=moment,
        until=aware(as_of) if as_of else moment,
        progress=progress or NoProgress(),
        scan=scan,
        remembers=state,
    )
    report = report if before is None else hold_against(report, before)
    return follow_up(opened, report) if state else report


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
) -> Opened:
    from feast_skew.stores.feast_registry import Selection, build_plan
    from feast_skew.stores.feast_repository import open_store

    store = open_store(path)
    layers = layered(store, path, config, flags)
    plan = build_plan(store, Selection(tuple(services or ()), tuple(views or ()), tuple(features or ())), layers)
    settings = layers.run
    if "power" in flags and settings.detect is None:
        raise ConfigError("--power says how surely a rate is detected", hint="give the rate too, as in --detect 0.2%")
    if settings.detect is not None:
        check_detectable(plan, settings.detect)
    return Opened(store, plan, settings, path)


def run_settings(
    repo: str | Path = ".", config: str | Path | None = None, settings: dict[str, Any] | None = None
) -> RunSettings:
    """Give the settings of a run on a repository, all layers taken together; `settings` is laid over the files.

    Raises
    ------
    ConfigError
        When the repository or its settings cannot be read.
    """
    from feast_skew.stores.feast_repository import open_store

    return layered(open_store(Path(repo)), Path(repo), config, settings or {}).run


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

    opened = _prepare(
        Path(repo),
        services,
        views,
        features,
        config,
        {**(settings or {}), **_flags(sample, detect, power, entities, seed, max_ops=max_ops, read_from=read_from)},
    )
    store, run_settings = opened.store, opened.settings
    online_type, offline_type = store_types(store)
    if run_settings.read_from == "replica":
        check_replicas(online_type)
    found = opened.plan
    lines = [f"project {found.project}: {len(found.views)} views, {sum(len(v.features) for v in found.views)} features"]
    plan, chosen, _, requests = choose(found, entities)
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
    folder = suite_folder(Path(repo), run_settings)
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


def _after_writing(plan: Plan, written: Mapping[str, tuple[datetime, datetime]]) -> Plan:
    ranges = {
        view: (to_nanoseconds(aware(start)), to_nanoseconds(aware(end))) for view, (start, end) in written.items()
    }
    return replace(plan, views=tuple(replace(view, written=ranges.get(view.name)) for view in plan.views))
