"""The use cases, as steps in order; everything they need is handed in, so the steps know no Feast and no Redis."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

import pyarrow as pa

from feast_skew.config import RunSettings
from feast_skew.core.alignment import to_nanoseconds
from feast_skew.core.keys import KeySet
from feast_skew.core.model import Plan, Skipped, SourceVersion, ViewPlan
from feast_skew.core.pairs import PairClass
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import Case
from feast_skew.diagnosis.case import case_of
from feast_skew.diagnosis.context import Context
from feast_skew.diagnosis.declared import DeclaredEvents
from feast_skew.diagnosis.earlier import EarlierValues
from feast_skew.diagnosis.explain import Explained, explain
from feast_skew.diagnosis.online_questions import OnlineQuestions
from feast_skew.diagnosis.past_rows import PastRows
from feast_skew.diagnosis.realigned import judged, realigned
from feast_skew.engines.base import Engine, Wrong
from feast_skew.errors import SkewError
from feast_skew.judging.examples import worst_examples
from feast_skew.judging.feature import Draft, draft_feature, failed_draft, settle_drafts
from feast_skew.judging.findings import findings_of
from feast_skew.judging.limits import Share
from feast_skew.judging.sizing import MANY, count_features, describe_sample, large_sample, sizer, strictest_budget
from feast_skew.judging.unaligned import Apart, Unaligned, judge_unaligned
from feast_skew.measuring.drawing import Measured
from feast_skew.measuring.orphans import count_orphans, scan_keys
from feast_skew.measuring.progress import NoProgress, Progress
from feast_skew.measuring.sampling import SampleSize
from feast_skew.measuring.sides import side_tables
from feast_skew.measuring.steps import Neighbours, find_neighbours
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.report import Finding, SkewReport, Verdict, iso
from feast_skew.serving.requests import Seen
from feast_skew.serving.steps import Serving, run_serving
from feast_skew.setting_values import EVERYONE
from feast_skew.stores.base import EventSource, KeyScan, OfflineReader, OnlineReader, RowSource


class RuleRunner(Protocol):
    """Rules that a run is held to beside its limits; what they find goes into the report."""

    def check_view(self, view: str, keys: Sequence[str], offline: pa.Table, online: pa.Table) -> None:
        """Take the sampled rows of a measured view, as both stores hold them; an error ends the run."""

    def finish(self, report: SkewReport) -> SkewReport:
        """Take the report whose verdicts are settled, and give it with what the rules found."""


@dataclass
class Job:
    """Everything that one validation needs.

    `given` are the key sets whose entities were given instead of a sample, `ambiguous` of them left out because their rows
    contradict each other; `earlier` gives the versions of a view that were seen before; `scan` looks for online rows that offline does not know; `now` is the moment of the run; `rules`
    see the rows of every measured view and the report at the end; `serving` computes on-demand views, and reads services; `events`
    reads those that features are declared to be computed from.
    """

    plan: Plan
    online: OnlineReader
    offline: OfflineReader
    engine: Engine
    settings: RunSettings
    now: datetime
    as_of: datetime
    given: Collection[KeySet] = ()
    ambiguous: int = 0
    earlier: Mapping[str, tuple[SourceVersion, ...]] = field(default_factory=dict)
    scan: bool = True
    progress: Progress = field(default_factory=NoProgress)
    versions: Mapping[str, str] = field(default_factory=dict)
    rules: RuleRunner | None = None
    serving: Serving | None = None
    events: EventSource | None = None


@dataclass
class _Run:
    """What a job has gathered so far."""

    drafts: list[Draft] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    scans: list[dict[str, object]] = field(default_factory=list)
    key_sets: list[dict[str, object]] = field(default_factory=list)
    errors: list[SkewError] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    measured_views: int = 0
    requested: int = 0
    seen: Seen = field(default_factory=Seen)


def run(job: Job) -> SkewReport:
    """Sample, read, align, compare, judge and explain; give the report.

    A view that cannot be read becomes features with the verdict `error`; when no view can be read at all, the first
    error is raised.
    """
    gathered = _Run()
    for keys, views in job.plan.key_sets().items():
        _run_key_set(job, keys, views, gathered)
    if job.serving is not None:
        _run_serving(job, job.serving, gathered)
    if gathered.errors and not gathered.measured_views:
        raise gathered.errors[0]
    results = settle_drafts(gathered.drafts, job.settings.confidence, job.now.date())
    totals = {name: sum(int(str(entry[name])) for entry in gathered.key_sets) for name in ("entities", "population")}
    report = SkewReport(
        project=job.plan.project,
        run_id=f"{job.now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        created_at=iso(job.now),
        engine=job.engine.name,
        as_of=iso(job.as_of),
        seed=job.settings.seed,
        versions={"feast_skew": own_version(), **job.versions},
        sample={
            "requested": gathered.requested or _requested(job.settings, totals["population"]),
            **totals,
            "key_sets": gathered.key_sets,
        },
        features=tuple(results),
        findings=(*gathered.findings, *job.offline.findings, *job.online.findings),
        skipped=tuple({"view": entry.view, "reason": entry.reason} for entry in (*job.plan.skipped, *gathered.skipped)),
        scans=tuple(gathered.scans),
        seconds=dict(job.engine.seconds),
        settings={
            "confidence": job.settings.confidence,
            "fail_on": job.settings.fail_on,
            "allow_inconclusive": job.settings.allow_inconclusive,
        },
    )
    report = report if job.rules is None else job.rules.finish(report)
    job.engine.finish(report)
    return report


def _requested(settings: RunSettings, population: int) -> int:
    """Give the size of the sample that was asked for; everyone is as many as there are."""
    return population if settings.sample == EVERYONE else settings.sample


def own_version() -> str:
    """Give the installed version of feast-skew."""
    try:
        return version("feast-skew")
    except PackageNotFoundError:
        return "0.0.0+source"


def _run_key_set(job: Job, keys: KeySet, views: list[ViewPlan], gathered: _Run) -> None:
    population = job.engine.find_population(keys, views)
    for view in views:
        if view.name in population.errors:
            _note_error(gathered, view, population.errors[view.name])
    needed = _needed(job, keys, views)
    budget = strictest_budget(views)
    views = [view for view in views if view.name in population.views]
    wanted = job.settings.sample if needed is None else needed(population.size)
    samples = job.engine.draw(keys, wanted, needed)
    if job.serving is not None and (job.plan.on_demand or job.plan.services):
        gathered.seen.populations[keys], gathered.seen.samples[keys] = job.engine.served(keys)
    scan = scan_keys(views[0], job.online, job.progress) if job.scan and views and keys.keys else None
    taken = max((sample.entities for sample in samples.values()), default=0)
    size = max((sample.population for sample in samples.values()), default=population.size)
    gathered.key_sets.append(
        {
            "join_keys": list(keys.names),
            "entities": taken,
            "population": size,
            "views": {
                name: {"known_offline": known.entities, "rows": known.rows, "null_keys": known.null_keys}
                for name, known in population.views.items()
            },
            **_reach(job, taken, size, budget),
            **_power(job, keys, population.size, needed, gathered),
        }
    )
    if scan is not None:
        gathered.scans.append(
            {"join_keys": list(keys.names), "scanned": scan.scanned, "complete": scan.complete, "reason": scan.reason}
        )
    for view in views:
        try:
            parts = _run_view(job, view, samples[view.name], scan, population.views[view.name].null_keys, gathered)
            gathered.measured_views += 1
        except SkewError as error:
            _note_error(gathered, view, error)
            continue
        if job.rules is not None:
            rows = job.engine.ruled(view, parts)
            with job.progress.stage(f"{view.name}: rules", None, ""):
                job.rules.check_view(view.name, view.keys.names, *side_tables(rows))


def _run_serving(job: Job, serving: Serving, gathered: _Run) -> None:
    as_of = to_nanoseconds(job.as_of)
    done = run_serving(job.plan, serving, gathered.seen, job.offline, job.settings, as_of, job.progress)
    gathered.drafts += done.drafts
    gathered.findings += done.findings
    gathered.skipped += done.skipped
    gathered.errors += done.errors
    gathered.measured_views += len(done.samples)
    known = [entry["join_keys"] for entry in gathered.key_sets]
    for plan in job.plan.on_demand:
        names, sample = list(plan.view.keys.names), done.samples.get(plan.view.name)
        if sample is not None and names not in known:
            known.append(names)
            taken, size = sample.entities.num_rows, sample.population
            entry = {"join_keys": names, "entities": taken, "population": size, "views": {}}
            gathered.key_sets.append(entry | _reach(job, taken, size, strictest_budget([plan.view])))


def _note_error(gathered: _Run, view: ViewPlan, error: SkewError) -> None:
    gathered.errors.append(error)
    gathered.drafts.extend(failed_draft(view, feature, error.one_line()) for feature in view.features)


def _needed(job: Job, keys: KeySet, views: list[ViewPlan]) -> Callable[[int], int] | None:
    """Give what sizes the sample of a key set; None when its size is given."""
    settings = job.settings
    if settings.detect is None or keys in job.given:
        return None
    return sizer(job.plan, views, settings.detect, settings.power, settings.confidence)


def _reach(job: Job, taken: int, size: int, budget: float) -> dict[str, object]:
    """Give what so large a sample can tell; with entities that nobody can check there is no telling beforehand."""
    if job.ambiguous:
        return {"budget": budget, "operating_curve": [], "decided": None}
    settings = job.settings
    return describe_sample(taken, size, budget, settings.confidence, count_features(job.plan), settings.power)


def _power(
    job: Job, keys: KeySet, population: int, needed: Callable[[int], int] | None, gathered: _Run
) -> dict[str, object]:
    if needed is None or job.settings.detect is None:
        return {}
    size = needed(population)
    gathered.requested = max(gathered.requested, size)
    if size > MANY:
        gathered.findings.append(large_sample(str(keys), size, population, job.settings.detect))
    return {"power": {"detect": job.settings.detect, "power": job.settings.power, "needed": size}}


def _run_view(
    job: Job, view: ViewPlan, sample: SampleSize, scan: KeyScan | None, null_rows: int, gathered: _Run
) -> list[Measured]:
    parts = job.engine.measure(view)
    orphans = None
    if scan is not None and scan.entities is not None:
        unknown = job.engine.unknown(view, scan.entities)
        orphans = count_orphans(view, scan, unknown, job.online, job.progress)
    gathered.findings.extend(findings_of(parts, null_rows, orphans))
    gathered.findings.extend(job.engine.hazards(view))
    # All at once: a view whose second part fails is one that failed.
    gathered.drafts.extend([draft for measured in parts for draft in _drafts(job, measured, sample, gathered)])
    return parts


def _drafts(job: Job, measured: Measured, sample: SampleSize, gathered: _Run) -> list[Draft]:
    """Count, describe and explain the features of one measurement."""
    view = measured.view
    drafts = [draft_feature(measured, feature, sample, job.settings) for feature in measured.features]
    offline = job.engine.rows_of(view)
    _judge_unaligned(job, measured, drafts, offline)
    declared = None
    if job.events is not None:
        declared = DeclaredEvents(measured.drawn, job.events, job.progress)
    context, wrong = _context(job, measured, sample, offline, declared), []
    for draft in drafts:
        if draft.not_measured:
            continue
        failed = draft.unaligned is not None and draft.unaligned.verdict is Verdict.FAIL
        movement = draft.unaligned.movement if draft.unaligned is not None else None
        case = case_of(measured, draft.feature, context, apart=draft.apart, failed=failed, movement=movement)
        explained = _by_events(job, draft, case, sample) or explain(case)
        failed = draft.unaligned is not None and draft.unaligned.verdict is Verdict.FAIL
        draft.causes = explained.causes
        draft.reasons.extend(explained.broken)
        wrong.append(Wrong(draft.feature, case.positions, explained, failed))
    job.engine.keep(measured, wrong)
    gathered.findings += declared.findings if declared is not None else []
    return drafts


def _by_events(job: Job, draft: Draft, case: Case, sample: SampleSize) -> Explained | None:
    """Judge and explain unaligned rows by the declared events of the feature; None where these give nothing that fails."""
    found = None if draft.unaligned is None else realigned(case)
    if draft.unaligned is None or found is None:
        return None
    explained = explain(case, found.case)
    checked = case.total(found.checked)
    budget = draft.feature.limits.mismatch_budget
    share = Share(case.total(found.wrong), checked, checked + sample.unread, budget)
    draft.unaligned = judged(found, explained, share, draft.unaligned, job.settings.confidence)
    return explained if draft.unaligned.verdict is Verdict.FAIL else None


def _context(
    job: Job, measured: Measured, sample: SampleSize, offline: RowSource, declared: DeclaredEvents | None
) -> Context:
    """Give what rules may ask about the drawn rows of a view."""
    changed = _earlier_sources(job, measured.view)
    past = PastRows(measured.drawn, offline, job.progress)
    asked = OnlineQuestions(measured.drawn, job.online)
    return Context(
        earlier=EarlierValues(measured.drawn, changed, offline, job.progress),
        changed=changed,
        beside=measured.drawn.pairs,
        entities=measured.drawn.entities,
        whole=sample.population + sample.unread <= measured.drawn.entities.num_rows,
        now=to_nanoseconds(job.now),
        as_of=to_nanoseconds(job.as_of),
        versions=past.versions,
        created=past.created,
        events=declared,
        elsewhere=asked.elsewhere,
        stored=asked.stored,
    )


def _judge_unaligned(job: Job, measured: Measured, drafts: Sequence[Draft], offline: RowSource) -> None:
    """Judge unaligned rows as populations: they come from another pipeline, for which the aligned ones do not speak.

    When they cannot decide and the aligned ones can, they stay a warning.
    """
    open_ones = [draft for draft in drafts if draft.counts["unaligned"] and not draft.not_measured]
    if not open_ones:
        return
    neighbours = find_neighbours(measured, [draft.feature for draft in open_ones], offline, job.progress)
    for draft in open_ones:
        confidence, seed = job.settings.confidence, job.settings.seed
        found = judge_unaligned(draft.feature, neighbours, measured.drawn.order, confidence, seed)
        if found.verdict is not Verdict.INCONCLUSIVE or not _aligned_decide(draft, job.settings.confidence):
            _take_unaligned(job, measured.drawn, draft, found, neighbours)


def _take_unaligned(
    job: Job, drawn: ViewMeasurement, draft: Draft, found: Unaligned, neighbours: Neighbours | None
) -> None:
    draft.unaligned = found
    if found.found.metrics and draft.mismatch is not None and draft.mismatch.checked < draft.counts["unaligned"]:
        draft.found = found.found
    if neighbours is None:
        return
    pairs, kind = drawn.pairs[draft.feature.name], draft.feature.declared.kind
    if found.verdict is Verdict.FAIL and (kind.is_number or kind is Kind.TIMESTAMP):
        draft.apart = Apart(draft.feature, neighbours, job.settings.confidence, job.settings.seed)
    wanted = pairs.mask(PairClass.MISMATCH)
    wanted[neighbours.positions] = True
    draft.examples = worst_examples(kind, pairs, drawn.rows, drawn.entities, job.settings.show_entities, wanted)


def _aligned_decide(draft: Draft, confidence: float) -> bool:
    """Tell whether the aligned rows decide, and are not the smaller part of the rows that both stores have."""
    share = draft.mismatch
    return share is not None and share.checked >= draft.counts["unaligned"] and share.decided(confidence)


def _earlier_sources(job: Job, view: ViewPlan) -> tuple[SourceVersion, ...]:
    """Give the versions of a view with another source than its present one, oldest first; the last of those with one."""
    known = [view.version.reads] if view.version else []
    found: list[SourceVersion] = []
    for entry in reversed(job.earlier.get(view.name, ())):
        if entry.reads not in known:
            known.append(entry.reads)
            found.append(entry)
    return tuple(reversed(found))
