"""The steps of a repair: measure as `validate` does, find the wrong rows, by wish write them again, and measure these once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feast_skew.assembly import Opened, measure
from feast_skew.core.alignment import to_nanoseconds
from feast_skew.core.model import Plan, ViewPlan
from feast_skew.core.moments import aware
from feast_skew.errors import StoreUnavailable
from feast_skew.measuring.progress import NoProgress, Progress
from feast_skew.render.wording import leading
from feast_skew.repairing.asked import Asked, EarlierRun, narrowed, read_run
from feast_skew.repairing.opening import open_for
from feast_skew.repairing.result import Repair, RepairInterrupted
from feast_skew.repairing.rewriting import Rewriting, Tools
from feast_skew.repairing.wrong import Collected, Wanted
from feast_skew.report import SkewReport, Verdict, iso
from feast_skew.service import own_version

if TYPE_CHECKING:
    import pyarrow as pa

    from feast_skew.config import Settings

_DIFFERS = "FS213"
_ORPHANS = "FS204"


def repair(  # noqa: PLR0913  those of `validate`
    repo: str | Path = ".",
    services: Sequence[str] | None = None,
    views: Sequence[str] | None = None,
    sample: int | str | None = None,
    *,
    features: Sequence[str] | None = None,
    entities: str | Path | pa.Table | None = None,
    seed: int | None = None,
    max_ops: float | str | None = None,
    as_of: datetime | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    report: str | Path | None = None,
    stale: bool = False,
    unaligned: bool = False,
    yes: bool = False,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> Repair:
    """Find the wrong rows of a Redis online store, and with `yes` write exactly these again from the offline rows.

    A row is written as a whole, with its event timestamp, and only if it still is what was measured. It lands although Feast's Redis
    store keeps what is not newer; rows of other views in the same hash stay as they are.

    Parameters
    ----------
    repo : path
        Directory with feature_store.yaml.
    services, views, features : names, optional
        What is compared, as for `validate`.
    sample, entities, seed, max_ops, config, settings : optional
        As for `validate`: the same ones give the same entities.
    as_of : datetime, optional
        Offline rows behind this moment are not written; now by default, or that of the report.
    report : path, optional
        A JSON report of `validate`: its entities are drawn again, and rows that are wrong in the features that failed there are repaired.
    stale, unaligned : bool
        Whether rows count as well that are right for their own time but not the latest, and rows that share no instant with offline.
    yes : bool
        Whether rows are written; else they are only told.

    Returns
    -------
    Repair
        Its `exit_code` is 0 when nothing is to be repaired, or all is.

    Raises
    ------
    ConfigError
        When nothing could be started: no repository, unknown names, bad settings, an online store other than Redis.
    StoreUnavailable
        When no view could be read, or the store does not let us write.
    RepairInterrupted
        When it was ended while rows were written; it tells which were.
    """
    asked = Asked(
        Path(repo),
        tuple(services or ()),
        tuple(views or ()),
        tuple(features or ()),
        sample,
        entities,
        seed,
        max_ops,
        as_of,
        config,
        settings or {},
        report,
        stale,
        unaligned,
    )
    return run_repair(asked, yes=yes, progress=progress, now=now)


def run_repair(asked: Asked, *, yes: bool, progress: Progress | None = None, now: datetime | None = None) -> Repair:
    """Repair what was asked for; see `repair`."""
    moment, told = now or datetime.now(timezone.utc), progress or NoProgress()
    run = None if asked.report is None else read_run(asked.report)
    counted = None if run is None else narrowed(run, asked)
    opened, layers = open_for(asked, run)
    until = aware(asked.as_of) if asked.as_of else moment if run is None else run.as_of
    if run is not None and not counted:
        return _nothing_failed(opened, run, moment, until, yes=yes)
    collected = Collected(Wanted(moment.date(), counted, asked.stale, asked.unaligned))
    report = measure(
        opened,
        engine="local",
        entities=asked.entities,
        now=moment,
        until=until,
        progress=told,
        scan=True,
        remembers=True,
        start=collected.start,
    )
    found, skipped = _found(opened.plan, report, collected)
    made = Repair(
        project=report.project,
        run_id=report.run_id,
        created_at=report.created_at,
        as_of=report.as_of,
        seed=report.seed,
        versions=report.versions,
        yes=yes,
        skipped=(*report.skipped, *skipped),
        unread=_unread(report),
        notes=tuple(_notes(opened, report, run, collected)),
        of_run=run.run_id if run is not None else "",
    )
    with closing(_Stores(opened, told, to_nanoseconds(until))) as stores:
        # All sources are read before the first row is written: one that cannot be read leaves everything as it is.
        whole = {view.name: view for view in _whole(opened, layers, found)}
        rewritings = [
            Rewriting(
                collected.views[view.name],
                whole[view.name],
                stores.tools,
                _first_cause(report, view, collected.wanted),
                _population(report, view),
            )
            for view in found
        ]
        if not yes:
            for one in rewritings:
                one.prepare()
            return replace(made, views=tuple(one.result(yes=False) for one in rewritings))
        _write_and_verify(rewritings, made)
        return replace(made, views=tuple(one.result(yes=True) for one in rewritings))


def _write_and_verify(rewritings: Sequence[Rewriting], made: Repair) -> None:
    """Write the rows of all views, and measure them again; who ends it, or what does, is told how far it came."""

    def so_far() -> Repair:
        return replace(made, views=tuple(one.result(yes=True) for one in rewritings), interrupted=True)

    try:
        for one in rewritings:
            one.write()
        for one in rewritings:
            one.verify()
    except KeyboardInterrupt as error:
        raise RepairInterrupted(so_far()) from error
    except StoreUnavailable as error:
        written = so_far().written
        if not written:
            raise
        raise StoreUnavailable(
            f"{error.message}; {written:,} rows were written before that",
            hint=f"{error.hint}; a further run writes the rest",
        ) from error


class _Stores:
    """The stores of a repair, opened for it: both readers, and the writer."""

    def __init__(self, opened: Opened, progress: Progress, as_of: int) -> None:
        from feast_skew.stores.feast_encoding import stored_rows
        from feast_skew.stores.feast_offline import FeastOfflineReader
        from feast_skew.stores.feast_online import FeastOnlineReader
        from feast_skew.stores.online import fastest_reader
        from feast_skew.stores.redis.reader import ReadSettings
        from feast_skew.stores.redis.writer import RedisRowWriter

        store, settings = opened.store, opened.settings
        self.tools = Tools(
            online=fastest_reader(FeastOnlineReader(store), ReadSettings(settings.max_ops)),
            offline=FeastOfflineReader(store),
            writer=RedisRowWriter(FeastOnlineReader(store), settings.max_ops),
            encode=stored_rows,
            as_of=as_of,
            progress=progress,
            show=settings.show_entities,
        )

    def close(self) -> None:
        """Close their connections."""
        self.tools.writer.close()
        self.tools.online.close()


def _whole(opened: Opened, layers: Settings, views: Sequence[ViewPlan]) -> tuple[ViewPlan, ...]:
    """Give views with all of their features, whichever were compared: a row is written whole."""
    if not views:
        return ()
    from feast_skew.stores.feast_registry import Selection, build_plan

    return build_plan(opened.store, Selection(views=tuple(view.name for view in views)), layers).views


def _found(plan: Plan, report: SkewReport, collected: Collected) -> tuple[list[ViewPlan], list[dict[str, str]]]:
    """Give the views whose wrong rows can be repaired, and the others with the reason."""
    differs = {one.view for one in report.findings if one.code == _DIFFERS}
    found, skipped = [], []
    for view in plan.views:
        wrong = collected.views.get(view.name)
        if wrong is None:
            continue
        if view.name in differs:
            reason = "feast-skew and Feast's own read give different rows, so its layout is not known"
            skipped.append({"view": view.name, "reason": reason})
        elif not view.materialized and not wrong.served:
            reason = "it was never materialized and holds no row online; run `feast materialize` first"
            skipped.append({"view": view.name, "reason": reason})
        elif wrong.count:
            found.append(view)
    return found, skipped


def _unread(report: SkewReport) -> tuple[dict[str, str], ...]:
    failed = {one.view: "; ".join(one.reasons) for one in report.features if one.verdict is Verdict.ERROR}
    return tuple({"view": view, "reason": reason} for view, reason in failed.items())


def _notes(opened: Opened, report: SkewReport, run: EarlierRun | None, collected: Collected) -> list[str]:
    """Say what a user should know beside the rows of views."""
    notes = []
    now = {tuple(one["join_keys"]): int(one["entities"]) for one in report.sample["key_sets"]}
    for names, count in (run.entities if run is not None else {}).items():
        if names in now and now[names] != count:
            keys = ", ".join(names) or "no entity"
            notes.append(
                f"the report compared {count:,} entities by {keys}, this run {now[names]:,}: if it had --entities, give the same file"
            )
    for view, fingerprint in (run.fingerprints if run is not None else {}).items():
        if report.fingerprints.get(view, fingerprint) != fingerprint:
            notes.append(f"{view} means another thing than in the report")
    notes += [f"{one.view}: {one.detail}; repair deletes none" for one in report.findings if one.code == _ORPHANS]
    notes += [
        f"{name}: {wrong.online_only:,} of the compared entities have an online row and none offline; repair deletes none"
        for name, wrong in collected.views.items()
        if wrong.online_only
    ]
    for service in opened.plan.services:
        notes.append(
            f"service {service.name} has vectors computed beforehand, which stay as they are: compute them again after a repair"
        )
    return notes


def _first_cause(report: SkewReport, view: ViewPlan, wanted: Wanted) -> str:
    """Say why rows of a view are wrong, by the feature that is wrong most often."""
    counted = {feature.name for feature in view.features if wanted.counts(feature)}
    found = [one for one in report.features if one.view == view.name and one.feature in counted and one.causes]
    if not found:
        return ""
    most = max(found, key=lambda one: sum(one.counts.get(kind.key, 0) for kind in wanted.classes))
    first = leading(most.causes)[0]
    return f"{first.code}: {first.detail}"


def _population(report: SkewReport, view: ViewPlan) -> int:
    """Give how many entities offline knows of the view's key set."""
    known = (one for one in report.sample["key_sets"] if list(one["join_keys"]) == list(view.keys.names))
    return next((int(one["population"]) for one in known), 0)


def _nothing_failed(opened: Opened, run: EarlierRun, now: datetime, until: datetime, *, yes: bool) -> Repair:
    """Give the repair of a run in which no feature failed, of those that are asked for: nothing is read for it."""
    return Repair(
        project=opened.plan.project,
        run_id=run.run_id,
        created_at=iso(now),
        as_of=iso(until),
        seed=opened.settings.seed,
        versions={"feast_skew": own_version()},
        yes=yes,
        notes=(f"no feature that is asked for failed in run {run.run_id}",),
        of_run=run.run_id,
    )
