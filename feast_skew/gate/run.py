"""The steps of `plan`: read the definitions, find what changes meaning, measure each candidate against what is served, judge."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from feast_skew.assembly import Opened, layered, measure, state_file
from feast_skew.config import Settings
from feast_skew.core.meaning import Meaning
from feast_skew.core.model import Plan, SourceVersion, ViewPlan
from feast_skew.errors import EXIT_USAGE, ConfigError, SkewError
from feast_skew.gate.approvals import DEFAULT_NAME, Approvals
from feast_skew.gate.changes import DELETED, Change, changes_between
from feast_skew.gate.judging import judge_service, judge_view
from feast_skew.gate.memory import as_applied, comparable
from feast_skew.gate.proposal import Applied, Judged, Proposal
from feast_skew.gate.reach import Reader, reach_of, reach_of_service
from feast_skew.history.state_file import StateFile
from feast_skew.measuring.progress import NoProgress, Progress
from feast_skew.report import SkewReport, iso


@dataclass(frozen=True)
class Asked:
    """What was asked of a plan: the repository, settings laid over its own, and what Feast is not to check.

    `imported` tells that this process has imported the definitions already and goes on with them.
    """

    repo: Path
    config: str | Path | None = None
    settings: Mapping[str, Any] | None = None
    engine: str = "local"
    skip_source_validation: bool = False
    skip_view_validation: bool = False
    imported: bool = False


def propose(asked: Asked, *, progress: Progress | None = None, now: datetime | None = None) -> Proposal:
    """Judge what the definitions of a repository would change, without writing anything.

    Raises
    ------
    ConfigError
        When there is no repository, its definitions cannot be read, Feast does not take them, or settings are wrong.
    """
    from feast_skew.stores.feast_candidate import (
        check_definitions,
        defined_views,
        registered_services,
        registered_views,
    )
    from feast_skew.stores.feast_definitions import parse_definitions
    from feast_skew.stores.feast_meaning import meaning_of
    from feast_skew.stores.feast_registry import feast_version
    from feast_skew.stores.feast_repository import open_private

    moment = now or datetime.now(timezone.utc)
    told = progress or NoProgress()
    with tempfile.TemporaryDirectory(prefix="feast-skew-") as folder:
        with told.stage("reading the registry", None, ""):
            store = open_private(asked.repo, Path(folder) / "registered.db")
        with told.stage("reading the definitions", None, ""):
            contents = parse_definitions(store, asked.repo, imported=asked.imported).contents
            check_definitions(
                store,
                contents,
                sources=not asked.skip_source_validation,
                views=not asked.skip_view_validation,
            )
        found = _Read(
            store,
            contents,
            registered_views(store),
            defined_views(contents),
            registered_services(store),
            {one.name: one for one in contents.feature_services},
        )
        layers = layered(store, asked.repo, asked.config, asked.settings or {})
        state = state_file(layers.run, asked.repo)
        before = {name: meaning_of(view) for name, view in found.registered.items()}
        after = {name: meaning_of(view, defined=True) for name, view in found.defined.items()}
        applied = Applied(state, _seen(found), tuple(after.values()))
        remembered = _remembered(state, store.project)
        views = changes_between(
            {name: as_applied(one, remembered.get(name)) for name, one in before.items()},
            {name: comparable(before.get(name), one, remembered.get(name)) for name, one in after.items()},
        )
        used = changes_between(_meanings(found.services, meaning_of), _meanings(found.defined_services, meaning_of))
        judged = _judged(asked, found, layers, views, told, moment)
        judged += [judge_service(change, reach_of_service(change.name, found.readers)) for change in used]
    approvals = Approvals(asked.repo / DEFAULT_NAME)
    return Proposal(
        project=store.project,
        created_at=iso(moment),
        versions={"feast": feast_version()},
        views=len(found.defined),
        changes=tuple(_approved(one, approvals, store.project) for one in judged),
        seed=layers.run.seed,
        applied=applied,
    )


def _remembered(state: StateFile, project: str) -> dict[str, Meaning]:
    """Give what was applied last; a state file that cannot be read tells nothing."""
    try:
        return state.meanings(project)
    except ConfigError:
        return {}


def _seen(found: _Read) -> tuple[tuple[str, SourceVersion], ...]:
    """Give every definition with a source that is registered, then every one that is defined."""
    from feast_skew.stores.feast_registry import source_version

    views = [(name, view) for views in (found.registered, found.defined) for name, view in views.items()]
    return tuple(
        (name, source_version(view)) for name, view in views if getattr(view, "batch_source", None) is not None
    )


@dataclass(frozen=True)
class _Read:
    """What was read of a repository: its store, its definitions, and the views and services of both by name."""

    store: Any
    contents: Any
    registered: Mapping[str, Any]
    defined: Mapping[str, Any]
    services: Mapping[str, Any]
    defined_services: Mapping[str, Any]

    @property
    def readers(self) -> list[Reader]:
        """Everything that reads views, as it is defined now, or else as it was."""
        views, services = {**self.registered, **self.defined}, {**self.services, **self.defined_services}
        return [*map(_reader, services.values()), *map(_reader, views.values())]

    @property
    def owners(self) -> dict[str, list[str]]:
        """The owner of each view that has one."""
        views = {**self.registered, **self.defined}
        return {name: [view.owner] for name, view in views.items() if getattr(view, "owner", "")}


def _meanings(objects: Mapping[str, Any], meaning_of: Any) -> dict[str, Meaning]:
    return {name: meaning_of(one) for name, one in objects.items()}


def _approved(judged: Judged, approvals: Approvals, project: str) -> Judged:
    after = judged.change.after
    if not judged.refused or after is None:
        return judged
    return replace(judged, approval=approvals.of(project, judged.change.name, after.fingerprint))


def _judged(
    asked: Asked, found: _Read, layers: Settings, changes: Sequence[Change], progress: Progress, now: datetime
) -> list[Judged]:
    """Judge the changed views, after measuring those that the new definitions still have."""
    candidates = [change for change in changes if change.kind != DELETED]
    readers, owners = found.readers, found.owners
    reaches = {change.name: reach_of(change.name, readers, owners) for change in changes}
    if not candidates:
        return [judge_view(change, (), reaches[change.name]) for change in changes]
    with _candidates(asked, found, layers, candidates) as opened:
        skipped = {entry.view: entry.reason for entry in opened.plan.skipped}
        report, trouble = _measured(opened, asked.engine, progress, now)
        plans = {view.name: view for view in (*opened.plan.views, *(one.view for one in opened.plan.on_demand))}
        return [
            judge_view(
                change,
                [feature for feature in report.features if feature.view == change.name] if report else (),
                reaches[change.name],
                skipped=skipped.get(change.name, "" if report or change.kind == DELETED else trouble),
                keeps_newer=change.name in plans and plans[change.name].keeps_newer,
                materialized=bool(getattr(found.registered.get(change.name), "materialization_intervals", ())),
            )
            for change in changes
        ]


def _measured(opened: Opened, engine: str, progress: Progress, now: datetime) -> tuple[SkewReport | None, str]:
    """Measure the candidates; None with the reason when no store could be read."""
    if not opened.plan.views and not opened.plan.on_demand:
        return None, "nothing of it can be compared"
    try:
        report = measure(
            opened,
            engine=engine,
            entities=None,
            now=now,
            until=now,
            progress=progress,
            scan=True,
            remembers=False,
        )
    except SkewError as error:
        if error.exit_code == EXIT_USAGE:
            raise
        return None, error.one_line()
    return report, ""


@contextlib.contextmanager
def _candidates(asked: Asked, found: _Read, layers: Settings, candidates: Sequence[Change]) -> Iterator[Opened]:
    """Open a store as it would be, with a plan of the features that are both served now and defined."""
    from feast_skew.stores.feast_candidate import candidate_store, serve_as_now
    from feast_skew.stores.feast_registry import Selection, build_plan

    with candidate_store(found.store, found.contents) as shadow:
        names = tuple(change.name for change in candidates)
        plan = build_plan(shadow, Selection(views=names), layers, may_be_empty=True)
        served = {change.name: set(change.before.parts.get("features", {})) for change in candidates if change.before}
        plan = _only(plan, served)
        serve_as_now([view.handle for view in plan.views], found.registered)
        yield Opened(shadow, plan, layers.run, asked.repo, served=found.store)


def _only(plan: Plan, served: Mapping[str, set[str]]) -> Plan:
    """Leave out features that the view does not have yet: online cannot hold anything of them."""

    def of(view: ViewPlan) -> ViewPlan:
        if view.name not in served:
            return view
        kept = tuple(feature for feature in view.features if feature.name in served[view.name])
        uses = tuple(
            replace(use, features=tuple(name for name in use.features if name in served[view.name]))
            for use in view.projections
        )
        return replace(view, features=kept, projections=uses)

    on_demand = tuple(replace(one, view=of(one.view)) for one in plan.on_demand)
    return replace(
        plan,
        views=tuple(view for view in map(of, plan.views) if view.features),
        on_demand=tuple(one for one in on_demand if one.view.features),
    )


def _reader(one: Any) -> Reader:
    """Describe a service or a view by what it reads."""
    tags = getattr(one, "tags", None) or {}
    if hasattr(one, "feature_view_projections"):
        named = [name.strip() for tag in ("model", "models") for name in str(tags.get(tag, "")).split(",")]
        reads = frozenset(use.name for use in one.feature_view_projections)
        return Reader(one.name, reads, True, one.owner or "", tuple(name for name in named if name))
    used = getattr(one, "source_feature_view_projections", None) or {}
    derived = getattr(one, "source_views", None) or ()
    return Reader(one.name, frozenset([use.name for use in used.values()] + [view.name for view in derived]), False)
