"""The steps of `plan`: read the definitions, find what changes meaning, measure each candidate against what is served, judge."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from feast_skew.gate.approvals import DEFAULT_NAME, Approvals
from feast_skew.gate.candidates import candidates_of, measured
from feast_skew.gate.changes import DELETED, Change
from feast_skew.gate.judging import judge_service, judge_view
from feast_skew.gate.present import held_against_present
from feast_skew.gate.proposal import Judged, Proposal
from feast_skew.gate.reach import reach_of, reach_of_service
from feast_skew.gate.reading import Asked, Read, read
from feast_skew.measuring.progress import NoProgress, Progress
from feast_skew.report import iso


def propose(asked: Asked, *, progress: Progress | None = None, now: datetime | None = None) -> Proposal:
    """Judge what the definitions of a repository would change, without writing anything.

    Raises
    ------
    ConfigError
        When there is no repository, its definitions cannot be read, Feast does not take them, or settings are wrong.
    """
    from feast_skew.stores.feast_registry import feast_version

    moment, told = now or datetime.now(timezone.utc), progress or NoProgress()
    with read(asked, told) as found:
        judged = _judged(asked, found, told, moment)
        judged += [judge_service(one, reach_of_service(one.name, found.readers)) for one in found.service_changes]
    approvals = Approvals(asked.repo / DEFAULT_NAME)
    return Proposal(
        project=found.store.project,
        created_at=iso(moment),
        versions={"feast": feast_version()},
        views=len(found.defined),
        changes=tuple(_approved(one, approvals, found.store.project) for one in judged),
        seed=found.settings.run.seed,
        applied=found.applied,
    )


def detect(asked: Asked) -> tuple[Change, ...]:
    """Give what the definitions of a repository would change, views first, without measuring anything.

    Raises
    ------
    ConfigError
        As `propose`.
    """
    with read(asked, NoProgress()) as found:
        return (*found.changes, *found.service_changes)


def _approved(judged: Judged, approvals: Approvals, project: str) -> Judged:
    after = judged.change.after
    if not judged.refused or after is None:
        return judged
    before = judged.change.before.fingerprint if judged.change.before else ""
    return replace(judged, approval=approvals.of(project, judged.change.name, before, after.fingerprint))


def _judged(asked: Asked, found: Read, progress: Progress, now: datetime) -> list[Judged]:
    """Judge the changed views, after measuring those that the new definitions still have."""
    changes = found.changes
    candidates = [change for change in changes if change.kind != DELETED]
    readers, owners = found.readers, found.owners
    reaches = {change.name: reach_of(change.name, readers, owners) for change in changes}
    if not candidates:
        return [judge_view(change, (), reaches[change.name]) for change in changes]
    with candidates_of(asked, found, candidates) as ready:
        opened = ready.opened
        skipped = {entry.view: entry.reason for entry in opened.plan.skipped}
        report, trouble = measured(opened, asked.engine, progress, now, entities=asked.entities)
        if report is not None:
            report = held_against_present(asked, found, report, progress, now)
        selected = _selected(found)
        plans = {view.name: view for view in (*opened.plan.views, *(one.view for one in opened.plan.on_demand))}
        return [
            judge_view(
                change,
                [feature for feature in report.features if feature.view == change.name] if report else (),
                reaches[change.name],
                findings=[one for one in report.findings if one.view == change.name] if report else (),
                skipped=skipped.get(change.name, "" if report or change.kind == DELETED else trouble),
                known=ready.notes.get(change.name, ()),
                selected=selected,
                keeps_newer=change.name in plans and plans[change.name].keeps_newer,
                materialized=bool(getattr(found.registered.get(change.name), "materialization_intervals", ())),
            )
            for change in changes
        ]


def _selected(found: Read) -> frozenset[str]:
    """Give the features that services select now, as `view:feature`."""
    return frozenset(
        f"{use.name}:{feature.name}"
        for service in found.services.values()
        for use in service.feature_view_projections
        for feature in use.features
    )
