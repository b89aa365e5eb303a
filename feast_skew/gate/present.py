"""What of a candidate's difference is the change's own: the same entities by the present definitions, beside the new ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from feast_skew.assembly import Opened
from feast_skew.gate.candidates import measured, present_plan
from feast_skew.gate.reading import Asked, Read
from feast_skew.history.baseline_file import baseline_of
from feast_skew.judging.baseline import hold_against
from feast_skew.measuring.progress import Progress
from feast_skew.report import FeatureResult, SkewReport, Verdict
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.category_sample import CategorySample
from feast_skew.statistics.states.number_sample import NumberSample

_APART = "unaligned_difference"
_BUDGET = 0.001


def held_against_present(
    asked: Asked, found: Read, report: SkewReport, progress: Progress, now: datetime
) -> SkewReport:
    """Tell what a change does from what is so by the present definitions, too.

    Views that fail, or whose rows share no timestamp with those that are served, are measured again by what is registered. What fails
    then just as much, while the new definition gives the same values as the present one, is no work of the change. Rows that share no
    timestamp cannot show what a change does to values; where it does something to them, nothing is decided.
    """
    doubtful = {one.view for one in report.features if one.verdict is Verdict.FAIL or _APART in one.metrics}
    doubtful |= {finding.view for finding in report.findings if finding.severity == "fail"}
    names = tuple(sorted(name for name in doubtful if name in found.registered))
    if not names:
        return report
    opened = Opened(found.store, present_plan(asked, found, names), found.settings.run, asked.repo)
    present, _ = measured(opened, asked.engine, progress, now, entities=asked.entities)
    if present is None:
        return report
    held = hold_against(report, baseline_of(present))
    before = {(one.view, one.feature): one for one in present.features}
    excused = {(one.view, one.feature): one for one in held.features}
    features = tuple(
        _settled(one, excused[one.view, one.feature], before.get((one.view, one.feature))) for one in report.features
    )
    return replace(held, features=features)


def _settled(raw: FeatureResult, held: FeatureResult, before: FeatureResult | None) -> FeatureResult:
    if before is None:
        return raw
    moved = values_moved(raw, before)
    stays = moved is not None and moved <= _budget(raw)
    if raw.verdict is Verdict.FAIL:
        return held if stays or (raw.profile is None and before.profile is None) else raw
    if _APART in raw.metrics and raw.verdict in (Verdict.PASS, Verdict.WARN) and not stays:
        by = (
            "cannot be held against those of the present one"
            if moved is None
            else f"are others for {moved:.1%} of them"
        )
        reason = f"rows share no timestamp with what is served, and the values of the new definition {by}"
        return replace(raw, verdict=Verdict.INCONCLUSIVE, reasons=(reason, *raw.reasons))
    return raw


def values_moved(after: FeatureResult, before: FeatureResult) -> float | None:
    """Give the share of the entities, out of those drawn by both runs, to which two definitions give other values offline.

    Returns
    -------
    float or None
        0 to 1; None where nothing tells: no entity in common, or values that are neither numbers nor categories.
    """
    now, then = _offline(after.profile), _offline(before.profile)
    if now is None or then is None:
        return None
    shared = now.keys() & then.keys()
    if not shared:
        return None
    rtol = 1e-6 if after.dtype == "Float32" else 1e-9
    return sum(not _same(now[key], then[key], rtol) for key in shared) / len(shared)


def _same(one: object, other: object, rtol: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=rtol, abs_tol=1e-12) or (math.isnan(one) and math.isnan(other))
    return one == other


def _offline(profile: Profile | None) -> Mapping[int, object] | None:
    """Give the offline value of each drawn entity, by its hash."""
    if profile is None:
        return None
    numbers = profile.states.get(NumberSample.key)
    if isinstance(numbers, NumberSample):
        return dict(zip(numbers.order.tolist(), numbers.offline.tolist(), strict=True))
    categories = profile.states.get(CategorySample.key)
    if not isinstance(categories, CategorySample) or categories.labels == ("a value",):
        return None
    labels = (*categories.labels, None)
    return {key: labels[code] for key, code in zip(categories.order.tolist(), categories.offline.tolist(), strict=True)}


def _budget(feature: FeatureResult) -> float:
    rate = feature.metrics.get("mismatch_rate")
    return float(rate.limit) if rate is not None and isinstance(rate.limit, (int, float)) else _BUDGET
