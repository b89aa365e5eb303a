"""One feature judged: counts, shares, distributions, examples, and at last the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa

from feast_skew.config import RunSettings
from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Mask
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.core.pairs import COMPARED, FeaturePairs, PairClass, RowState
from feast_skew.judging.claims import settle_claims
from feast_skew.judging.distributions import Description, describe
from feast_skew.judging.examples import worst_examples
from feast_skew.judging.limits import Share, settle
from feast_skew.judging.unaligned import Apart, Unaligned
from feast_skew.measuring.sampling import ViewSample
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.report import Cause, Example, FeatureResult, Metric, Verdict, worst

_CLASS_ORDER = (
    "match",
    "mismatch",
    "offline_only",
    "online_only",
    "null_offline",
    "null_online",
    "null_both",
    "absent_both",
    "unaligned",
    "corrupt",
)
SECOND = 10**9
EMPTY_COUNTS = dict.fromkeys(("entities", *_CLASS_ORDER, "stale", "ahead", "expired"), 0)


@dataclass
class Draft:
    """A feature on its way to a result; `settle_drafts` judges all drafts of a run together."""

    view: ViewPlan
    feature: FeaturePlan
    counts: Mapping[str, int]
    mismatch: Share | None
    presence: Share | None
    late: Share | None
    found: Description = field(default_factory=Description)
    examples: tuple[Example, ...] = ()
    causes: tuple[Cause, ...] = ()
    reasons: list[str] = field(default_factory=list)
    unaligned: Unaligned | None = None
    apart: Apart | None = None
    not_measured: str = ""
    error: str = ""


def failed_draft(view: ViewPlan, feature: FeaturePlan, reason: str) -> Draft:
    """Give the draft of a feature that could not be read."""
    return Draft(view, feature, dict(EMPTY_COUNTS), None, None, None, error=reason)


def draft_feature(measured: ViewMeasurement, feature: FeaturePlan, sample: ViewSample, settings: RunSettings) -> Draft:
    """Count the classes of a feature and describe its aligned pairs; nothing is judged yet."""
    pairs = measured.pairs[feature.name]
    rows = measured.rows
    counts = count_classes(measured, pairs)
    size = counts["entities"]
    checked = sum(pairs.count(kind) for kind in COMPARED)
    wrong = int(np.count_nonzero(pairs.wrong))
    blind = sample.ambiguous
    unread = min(sample.population - size - blind, sample.unread) + blind
    both = rows.has_offline & rows.has_online
    late = None
    if feature.limits.max_lag is not None:
        overdue = int(np.count_nonzero(rows.lag > feature.limits.max_lag))
        late = Share(overdue, int(both.sum()), int(both.sum()) + unread, feature.limits.mismatch_budget, blind)
    draft = Draft(
        measured.view,
        feature,
        counts,
        mismatch=Share(wrong, checked, checked + unread, feature.limits.mismatch_budget, blind),
        presence=Share(
            counts["offline_only"] + counts["online_only"],
            size + blind,
            sample.population,
            feature.limits.presence_budget,
        ),
        late=late,
        examples=worst_examples(feature.declared.kind, pairs, rows, measured.entities, settings.show_entities),
    )
    rounded = _nearly_aligned(rows)
    if rounded:
        draft.reasons.append(
            f"{rounded:,} unaligned rows have an offline row less than a second away, as if one side rounded its "
            f"timestamps; set align_within: 1s to compare them"
        )
    compared = pairs.mask(*COMPARED) & ~pairs.mask(PairClass.CORRUPT)
    if compared.any():
        draft.found = _described(measured, feature, compared, checked + unread, settings)
    if not measured.view.materialized and not rows.has_online.any() and size:
        draft.not_measured = (
            f"view {measured.view.name} was never materialized and holds no row online; run `feast materialize` first"
        )
    elif not size and blind:
        draft.not_measured = f"all {blind:,} entities of {measured.view.name} have rows that contradict each other"
    elif not size:
        draft.not_measured = f"offline knows no entity of view {measured.view.name}"
    return draft


def _described(
    measured: ViewMeasurement, feature: FeaturePlan, compared: Mask, population: int, settings: RunSettings
) -> Description:
    pairs, order = measured.pairs[feature.name], measured.order
    offline, online, same = pairs.offline, pairs.online, pairs.mask(PairClass.MATCH)
    if not compared.all():
        rows = np.flatnonzero(compared)
        take = pa.array(rows)
        offline, online, same, order = offline.take(take), online.take(take), same[rows], order[rows]
    confidence, seed = settings.confidence, settings.seed
    return describe(feature, offline, online, same, order, confidence=confidence, population=population, seed=seed)


def _nearly_aligned(rows: RowState) -> int:
    """Count the unaligned entities with an offline row within a second, when they are most of the unaligned ones."""
    unaligned = rows.unaligned
    if not unaligned.any():
        return 0
    online, before, after = rows.online[unaligned], rows.before[unaligned], rows.after[unaligned]
    near = (before != NO_INSTANT) & (online - np.where(before != NO_INSTANT, before, online) < SECOND)
    near |= (after != NO_INSTANT) & (np.where(after != NO_INSTANT, after, online) - online < SECOND)
    count = int(np.count_nonzero(near))
    return count if count > len(near) / 2 else 0


def count_classes(measured: ViewMeasurement, pairs: FeaturePairs) -> dict[str, int]:
    """Count the entities of each class, and the freshness overlays."""
    tally = np.bincount(pairs.classes, minlength=len(PairClass))
    counts = {"entities": len(pairs.classes)}
    counts.update({kind.key: int(tally[kind]) for kind in PairClass})
    rows = measured.rows
    counts.update({name: int(np.count_nonzero(getattr(rows, name))) for name in ("stale", "ahead", "expired")})
    return {name: counts[name] for name in EMPTY_COUNTS}


def settle_drafts(drafts: Sequence[Draft], confidence: float, today: date) -> list[FeatureResult]:
    """Judge all features of a run together and give their results, worst first."""
    measured = [draft for draft in drafts if not draft.error and not draft.not_measured]
    families = {
        "mismatch_rate": settle([draft.mismatch for draft in measured], confidence),
        "presence_rate": settle([draft.presence for draft in measured], confidence),
        "late_rate": settle([draft.late for draft in measured], confidence),
    }
    distributions = _settle_distributions(measured, confidence)
    results = []
    for i, draft in enumerate(measured):
        judged = {name: family[i] for name, family in families.items()}
        metrics = {name: metric for name, metric in judged.items() if metric is not None}
        results.append(_result(draft, {**metrics, **draft.found.metrics, **distributions[i]}, today))
    results.extend(_unmeasured(draft) for draft in drafts if draft.error or draft.not_measured)
    order = [Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.WARN, Verdict.PASS]
    return sorted(results, key=lambda r: (order.index(r.verdict), -_wrongness(r), r.view, r.feature))


def _settle_distributions(drafts: Sequence[Draft], confidence: float) -> list[dict[str, Metric]]:
    """Judge the limits on distributions, those on one metric together over all features; by draft, only what has a limit."""
    judged: list[dict[str, Metric]] = [{} for _ in drafts]
    for name in {name for draft in drafts for name in draft.found.claims}:
        holders = [i for i, draft in enumerate(drafts) if name in draft.found.claims]
        pairs = [(drafts[i].found.metrics[name], drafts[i].found.claims[name]) for i in holders]
        for i, metric in zip(holders, settle_claims(pairs, confidence), strict=True):
            judged[i][name] = metric
    return judged


def _wrongness(result: FeatureResult) -> float:
    values = [metric.value for name, metric in result.metrics.items() if name.endswith("_rate")]
    return max((value for value in values if value is not None), default=0.0)


def _unmeasured(draft: Draft) -> FeatureResult:
    verdict = Verdict.ERROR if draft.error else Verdict.INCONCLUSIVE
    feature = draft.feature
    return FeatureResult(
        feature.view,
        feature.name,
        feature.declared.name,
        feature.owner,
        feature.runbook,
        verdict,
        draft.counts,
        {"mismatch_rate": Metric(None, limit=feature.limits.mismatch_budget, verdict=verdict)},
        reasons=(draft.error or draft.not_measured,),
        services=feature.services,
    )


def _result(draft: Draft, metrics: dict[str, Metric], today: date) -> FeatureResult:
    reasons = list(draft.reasons)
    verdicts = [Verdict.PASS]
    for name, metric in metrics.items():
        if name == "mismatch_rate" and draft.unaligned is not None and metric.verdict is Verdict.INCONCLUSIVE:
            continue  # too few rows align: the unaligned ones decide
        if metric.value is None and metric.limit is None:
            continue  # it has no value here, and nobody asked for one
        verdicts.append(metric.verdict)
        reason = _reason(name, metric)
        if reason:
            reasons.append(reason)
    if draft.unaligned is not None:
        verdicts.append(draft.unaligned.verdict)
        reasons.append(draft.unaligned.reason)
        metrics["unaligned_difference"] = draft.unaligned.metric
    verdicts.extend(_warnings(draft, reasons))
    verdict = worst(verdicts)
    limits = draft.feature.limits
    if limits.ignored and limits.ignored_until is not None:
        if today <= limits.ignored_until:
            reasons.insert(0, limits.ignored)
            verdict = Verdict.WARN if verdict is not Verdict.PASS else Verdict.PASS
        else:
            reasons.append(f"no longer {limits.ignored}")
    feature = draft.feature
    return FeatureResult(
        feature.view,
        feature.name,
        feature.declared.name,
        feature.owner,
        feature.runbook,
        verdict,
        draft.counts,
        metrics,
        draft.causes,
        draft.examples,
        tuple(reasons),
        draft.found.quantiles,
        feature.services,
        draft.found.sides,
        draft.found.confusion,
        draft.found.paths,
    )


def _reason(name: str, metric: Metric) -> str:
    if metric.verdict is Verdict.FAIL and metric.value is not None:
        if "wrong" in metric.extra:
            what = {
                "mismatch_rate": "differ",
                "presence_rate": "are in one store only",
                "late_rate": "lag more than max_lag",
            }[name]
            return f"{metric.extra['wrong']:,} of {metric.extra['checked']:,} {what}; budget {metric.limit:.3%}"
        return f"{name} {metric.value:.4g} is beyond the limit {metric.limit}"
    if metric.verdict is Verdict.INCONCLUSIVE:
        if "wrong" not in metric.extra:
            why = metric.extra.get("reason") or "too little data"
            return f"{name} cannot be held against the limit {metric.limit}: {why}"
        if not metric.extra["checked"]:
            return "no entity could be compared" if name == "mismatch_rate" else f"{name}: nothing to check"
        needed = metric.extra["needed"]
        more = f"; {needed:,} entities would decide" if needed else ""
        if metric.extra.get("ambiguous"):
            more += f"; {metric.extra['ambiguous']:,} ambiguous entities may be wrong"
        return (
            f"{name}: {metric.extra['wrong']:,} of {metric.extra['checked']:,} leave a share up to "
            f"{metric.high:.3%} possible, budget {metric.limit:.3%}{more}"
        )
    return ""


def _warnings(draft: Draft, reasons: list[str]) -> list[Verdict]:
    counts = draft.counts
    texts = {
        "stale": "online rows are older than the latest offline row",
        "expired": "online rows are past the view's ttl, which only offline enforces",
        "ahead": "online rows are newer than the latest offline row",
        "unaligned": "rows share no timestamp with offline",
        "corrupt": "online values cannot be decoded",
    }
    found = []
    for name, text in texts.items():
        if not counts[name] or (name == "stale" and draft.feature.limits.max_lag is not None):
            continue
        if name == "unaligned" and draft.unaligned is not None:
            continue
        found.append(Verdict.WARN)
        reasons.append(f"{counts[name]:,} {text}")
    if counts["null_both"] and draft.mismatch is not None and counts["null_both"] == draft.mismatch.checked:
        # They agree, but a feature of nothing but nulls tells a model nothing, and us nothing about its values.
        found.append(Verdict.WARN)
        reasons.append(f"all {counts['null_both']:,} values that could be compared are null on both sides")
    return found
