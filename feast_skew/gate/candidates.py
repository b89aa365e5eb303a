"""Measures the candidates of a plan: what the new definitions give offline, against what is served online now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from feast_skew.assembly import Opened, choose, measure
from feast_skew.core.model import Plan, ViewPlan
from feast_skew.errors import EXIT_USAGE, SkewError
from feast_skew.gate.changes import Change
from feast_skew.gate.reading import Asked, Read
from feast_skew.measuring.progress import Progress
from feast_skew.report import SkewReport


@dataclass(frozen=True)
class Candidates:
    """What is measured of a plan, and by view what to know of how it is judged."""

    opened: Opened
    notes: Mapping[str, tuple[str, ...]]


@contextlib.contextmanager
def candidates_of(asked: Asked, found: Read, candidates: Sequence[Change]) -> Iterator[Candidates]:
    """Open a store as it would be, with a plan of the features that are both served now and defined.

    Limits of features that are registered are those that are registered: a change is not judged by limits that it brings along.
    """
    from feast_skew.stores.feast_candidate import candidate_store, serve_as_now
    from feast_skew.stores.feast_registry import Selection, build_plan

    with candidate_store(found.store, found.contents) as shadow:
        names = tuple(change.name for change in candidates)
        plan = build_plan(shadow, Selection(views=names), found.settings, may_be_empty=True)
        served = {change.name: set(change.before.parts.get("features", {})) for change in candidates if change.before}
        plan = _only(choose(plan, asked.entities, may_be_empty=True)[0], served)
        present = present_plan(asked, found, tuple(name for name in names if name in found.registered))
        plan, notes = _judged_as_now(plan, present)
        serve_as_now([view.handle for view in plan.views], found.registered)
        yield Candidates(Opened(shadow, plan, found.settings.run, asked.repo, served=found.store), notes)


def present_plan(asked: Asked, found: Read, names: Sequence[str]) -> Plan:
    """Give the plan of some views as they are registered, without what cannot be asked."""
    from feast_skew.stores.feast_registry import Selection, build_plan

    plan = build_plan(found.store, Selection(views=tuple(names)), found.settings, may_be_empty=True, check_names=False)
    return choose(plan, asked.entities, may_be_empty=True)[0]


def measured(
    opened: Opened, engine: str, progress: Progress, now: datetime, *, entities: str | Path | None = None
) -> tuple[SkewReport | None, str]:
    """Measure the candidates; None with the reason when no store could be read."""
    if not opened.plan.views and not opened.plan.on_demand:
        return None, "nothing of it can be compared"
    try:
        report = measure(
            opened,
            engine=engine,
            entities=entities,
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


def _judged_as_now(plan: Plan, present: Plan) -> tuple[Plan, dict[str, tuple[str, ...]]]:
    """Put the registered limits in the place of those that the change brings along, and say where these differ."""
    views = (*present.views, *(one.view for one in present.on_demand))
    now = {(view.name, feature.name): feature for view in views for feature in view.features}
    told: dict[str, list[str]] = {}

    def of(view: ViewPlan) -> ViewPlan:
        kept = []
        for feature in view.features:
            before = now.get((view.name, feature.name))
            if before is None or (before.limits, before.tolerance) == (feature.limits, feature.tolerance):
                kept.append(feature)
                continue
            if before.declared == feature.declared or before.limits != feature.limits:
                told.setdefault(view.name, []).append(feature.name)
            tolerance = before.tolerance if before.declared == feature.declared else feature.tolerance
            kept.append(replace(feature, limits=before.limits, tolerance=tolerance))
        return replace(view, features=tuple(kept))

    judged = replace(
        plan,
        views=tuple(map(of, plan.views)),
        on_demand=tuple(replace(one, view=of(one.view)) for one in plan.on_demand),
    )
    notes: dict[str, tuple[str, ...]] = {
        view: (f"brings other limits along for {', '.join(names)}: judged by the registered ones",)
        for view, names in told.items()
    }
    return judged, notes


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
