"""One feature judged: counts, shares, distributions, examples, and at last the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from feast_skew.config import RunSettings
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.core.pairs import COMPARED, WRONG, PairClass
from feast_skew.judging.claims import settle_claims
from feast_skew.judging.distributions import Description, Shown, describe
from feast_skew.judging.examples import worst_examples
from feast_skew.judging.limits import Share, settle
from feast_skew.judging.unaligned import Apart, Unaligned
from feast_skew.measuring.drawing import Evidence, Measured, compared_mask, representative
from feast_skew.measuring.sampling import SampleSize
from feast_skew.measuring.tally import FeatureTally, Tally
from feast_skew.report import Cause, Example, FeatureResult, Metric, Verdict, worst
from feast_skew.statistics.quantiles import weighted_quantiles

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
_SECOND = 10**9
_LAGS = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
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
    lag: Mapping[str, float] = field(default_factory=dict)
    not_measured: str = ""
    error: str = ""


def failed_draft(view: ViewPlan, feature: FeaturePlan, reason: str) -> Draft:
    """Give the draft of a feature that could not be read."""
    return Draft(view, feature, dict(EMPTY_COUNTS), None, None, None, error=reason)


def draft_feature(measured: Measured, feature: FeaturePlan, sample: SampleSize, settings: RunSettings) -> Draft:
    """Give the counts of a feature and describe its aligned pairs; nothing is judged yet."""
    tally = measured.tally
    counted = tally.features[feature.name]
    evidence = measured.evidence(feature)
    counts = count_classes(tally, counted)
    size = tally.entities
    checked, wrong = counted.count(*COMPARED), counted.count(*WRONG)
    blind = sample.ambiguous
    unread = min(sample.population - size - blind, sample.unread) + blind
    late = None
    if feature.limits.max_lag is not None:
        both = tally.has_both
        late = Share(counted.late, both, both + unread, feature.limits.mismatch_budget, blind)
    rows, pairs = evidence.rows, evidence.rows.pairs[feature.name]
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
        examples=worst_examples(feature.declared.kind, pairs, rows.rows, rows.entities, settings.show_entities),
        lag=_lag_of(evidence),
    )
    if tally.near > tally.unaligned / 2:
        draft.reasons.append(
            f"{tally.near:,} unaligned rows have an offline row less than a second away, as if one side rounded its "
            f"timestamps; set align_within: 1s to compare them"
        )
    if feature.name in measured.profiles:
        draft.found = describe(
            feature,
            measured.profiles[feature.name],
            _shown(measured, feature, evidence),
            confidence=settings.confidence,
            population=checked + unread,
            seed=settings.seed,
        )
    if not measured.view.materialized and not tally.has_online and size:
        draft.not_measured = (
            f"view {measured.view.name} was never materialized and holds no row online; run `feast materialize` first"
        )
    elif not size and blind:
        draft.not_measured = f"all {blind:,} entities of {measured.view.name} have rows that contradict each other"
    elif not size:
        draft.not_measured = f"offline knows no entity of view {measured.view.name}"
    return draft


def _lag_of(evidence: Evidence) -> dict[str, float]:
    """Give quantiles of the seconds by which online rows lie behind the latest offline ones; none where no entity has both."""
    state = evidence.rows.rows
    both = state.has_offline & state.has_online
    weights = None if evidence.weights is None else evidence.weights[both]
    return weighted_quantiles(state.lag[both] / _SECOND, weights, _LAGS)


def _shown(measured: Measured, feature: FeaturePlan, evidence: Evidence) -> Shown:
    pairs = evidence.rows.pairs[feature.name]
    some = pa.array(representative(evidence, feature, measured.tally))
    differing = pa.array(compared_mask(pairs) & ~pairs.mask(PairClass.MATCH))
    return Shown(
        pairs.offline.take(some),
        pairs.online.take(some),
        pairs.offline.filter(differing),
        pairs.online.filter(differing),
    )


def count_classes(tally: Tally, feature: FeatureTally) -> dict[str, int]:
    """Give the entities of each class, and the freshness overlays."""
    counts = {"entities": tally.entities, **{kind.key: feature.count(kind) for kind in PairClass}}
    counts.update({name: getattr(tally, name) for name in ("stale", "ahead", "expired")})
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
        channel=feature.channel,
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
    limits, ignored = draft.feature.limits, ""
    if limits.ignored and limits.ignored_until is not None:
        if today <= limits.ignored_until:
            ignored = limits.ignored
            reasons.insert(0, ignored)
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
        channel=feature.channel,
        ignored=ignored,
        lag=draft.lag,
        profile=draft.found.profile,
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
