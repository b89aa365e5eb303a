"""Measures the candidates of a plan: what the new definitions give offline, against what is served online now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from feast_skew.assembly import Opened, measure
from feast_skew.core.model import Plan, ViewPlan
from feast_skew.errors import EXIT_USAGE, SkewError
from feast_skew.gate.changes import Change
from feast_skew.gate.reading import Asked, Read
from feast_skew.history.baseline_file import baseline_of
from feast_skew.judging.baseline import hold_against
from feast_skew.measuring.progress import Progress
from feast_skew.report import SkewReport, Verdict


@contextlib.contextmanager
def candidates_of(asked: Asked, found: Read, candidates: Sequence[Change]) -> Iterator[Opened]:
    """Open a store as it would be, with a plan of the features that are both served now and defined."""
    from feast_skew.stores.feast_candidate import candidate_store, serve_as_now
    from feast_skew.stores.feast_registry import Selection, build_plan

    with candidate_store(found.store, found.contents) as shadow:
        names = tuple(change.name for change in candidates)
        plan = build_plan(shadow, Selection(views=names), found.settings, may_be_empty=True)
        served = {change.name: set(change.before.parts.get("features", {})) for change in candidates if change.before}
        plan = _only(plan, served)
        serve_as_now([view.handle for view in plan.views], found.registered)
        yield Opened(shadow, plan, found.settings.run, asked.repo, served=found.store)


def measured(opened: Opened, engine: str, progress: Progress, now: datetime) -> tuple[SkewReport | None, str]:
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


def held_against_present(
    asked: Asked, found: Read, report: SkewReport, progress: Progress, now: datetime
) -> SkewReport:
    """Take from a report what fails by the present definitions just as much: that is no work of the change.

    Only views that fail and were registered are measured again, by what is registered.
    """
    from feast_skew.stores.feast_registry import Selection, build_plan

    failing = {feature.view for feature in report.features if feature.verdict is Verdict.FAIL}
    failing |= {finding.view for finding in report.findings if finding.severity == "fail"}
    names = tuple(sorted(name for name in failing if name in found.registered))
    if not names:
        return report
    plan = build_plan(found.store, Selection(views=names), found.settings, may_be_empty=True)
    present, _ = measured(Opened(found.store, plan, found.settings.run, asked.repo), asked.engine, progress, now)
    return report if present is None else hold_against(report, baseline_of(present))


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
