"""On-demand views: what serving computes held against what training computes, on the same inputs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.config import RunSettings
from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.equality import equal
from feast_skew.core.model import FeaturePlan, OnDemandPlan
from feast_skew.core.pairs import FeaturePairs, RowState, classify
from feast_skew.diagnosis.case import case_of
from feast_skew.diagnosis.explain import explain
from feast_skew.judging.feature import Draft, draft_feature, failed_draft
from feast_skew.judging.whole import whole
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.sampling import ViewSample
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.serving.batch import name_batch
from feast_skew.stores.serving import Computed, OnDemandInputs, OnDemandPaths

_CHUNK = 100
_WITHOUT_A_ROW = ("NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError")
"""What code raises however many rows it gets. Anything else may come of an empty frame alone, which a request never is."""


@dataclass
class Both:
    """What both code paths gave for the usable requests, at `positions` of all requests."""

    positions: np.ndarray
    online: Computed
    offline: Computed


def judge_on_demand(
    plan: OnDemandPlan, sample: ViewSample, paths: OnDemandPaths, settings: RunSettings, as_of: int, progress: Progress
) -> list[Draft]:
    """Compute a view on both code paths and give the drafts of its features.

    Raises
    ------
    StoreUnavailable
        When the online store does not answer.
    """
    name = plan.view.name
    with progress.stage(f"{name}: inputs", sample.entities.num_rows, "requests") as stage:
        inputs = paths.read_inputs(plan, sample.entities)
        stage.advance(sample.entities.num_rows)
    both = _compute(plan, inputs, paths, as_of, progress)
    rows = _row_state(plan, inputs, both, as_of)
    measured = ViewMeasurement(
        plan.view, sample.entities, rows, {}, np.empty(0, dtype=np.int64), {}, features=plan.view.features
    )
    drafts = []
    for feature in plan.view.features:
        error = _error(plan, both, feature)
        if error:
            drafts.append(failed_draft(plan.view, feature, error))
            continue
        if feature.name not in both.offline.columns:  # no row to compute it for
            both.offline.columns[feature.name] = _concat([], feature)
        measured.pairs[feature.name] = _pairs(feature, both, rows)
        drafts.append(_draft(plan, measured, feature, sample, settings, inputs, both))
    name_batch(plan, inputs, both.positions, both.offline, paths, measured, drafts)
    return drafts


def _compute(plan: OnDemandPlan, inputs: OnDemandInputs, paths: OnDemandPaths, as_of: int, progress: Progress) -> Both:
    positions = np.flatnonzero(inputs.usable)
    served = []
    with progress.stage(f"{plan.view.name}: serving", len(positions), "requests") as stage:
        for start in range(0, len(positions), _CHUNK):
            chunk = positions[start : start + _CHUNK]
            served.append(paths.serve(plan, inputs, chunk, together=False))
            stage.advance(len(chunk))
    online = _together(served, plan.view.features)
    with progress.stage(f"{plan.view.name}: training", None, ""):
        offline = paths.train(plan, inputs, positions, as_of)
    return Both(positions, online, offline)


def _together(parts: list[Computed], features: tuple[FeaturePlan, ...]) -> Computed:
    raised: Counter[str] = Counter()
    for part in parts:
        raised += part.raised
    none = np.empty(0, dtype=bool)
    return Computed(
        {f.name: _concat([part.columns[f.name] for part in parts], f) for f in features},
        np.concatenate([none, *(part.answered for part in parts)]),
        {f.name: np.concatenate([none, *(part.corrupt[f.name] for part in parts)]) for f in features},
        raised,
    )


def _concat(columns: list[pa.Array], feature: FeaturePlan) -> pa.Array:
    return pa.concat_arrays(columns) if columns else pa.nulls(0, feature.declared.arrow)


def _row_state(plan: OnDemandPlan, inputs: OnDemandInputs, both: Both, as_of: int) -> RowState:
    """Lay out the requests as rows: training has one where all inputs are there, serving where it gave an answer."""
    size = len(inputs.usable)
    nothing = np.full(size, NO_INSTANT, dtype=np.int64)
    online, offline, stale = nothing.copy(), nothing.copy(), np.zeros(size, dtype=bool)
    answered = both.positions[both.online.answered]
    dated = plan.stored and bool(plan.sources)
    offline[both.positions] = inputs.instants[both.positions] if dated else as_of
    online[answered] = inputs.stored_at[answered] if plan.stored else as_of
    if dated:
        stale = (online != NO_INSTANT) & (offline != NO_INSTANT) & (online < offline)
    return RowState(
        online=online,
        latest=offline,
        before=offline.copy(),
        after=nothing,
        aligned=np.where(online != NO_INSTANT, offline, NO_INSTANT),
        has_offline=offline != NO_INSTANT,
        stale=stale,
        ahead=np.zeros(size, dtype=bool),
        expired=np.zeros(size, dtype=bool),
    )


def _pairs(feature: FeaturePlan, both: Both, rows: RowState) -> FeaturePairs:
    take = np.full(len(rows.online), -1, dtype=np.int64)
    take[both.positions] = np.arange(len(both.positions))
    rank = pa.array(take, mask=take < 0)
    offline, online = both.offline.columns[feature.name].take(rank), both.online.columns[feature.name].take(rank)
    corrupt = np.zeros(len(take), dtype=bool)
    corrupt[both.positions] = both.online.corrupt[feature.name]
    same = equal(offline, online, feature.tolerance, feature.declared.kind)
    classes = classify(rows, same, np.asarray(pc.is_null(offline)), np.asarray(pc.is_null(online)), corrupt)
    return FeaturePairs(offline, online, classes)


def _error(plan: OnDemandPlan, both: Both, feature: FeaturePlan) -> str:
    """Say why a feature has no values to compare on one of both sides; empty when it has."""
    size = len(both.positions)
    if not size:
        broken = Counter({name: 1 for name in both.offline.raised if name in _WITHOUT_A_ROW})
        return f"training's code raised {_listed(broken)}, without any row to compute" if broken else ""
    hint = ""
    if getattr(plan.view.handle, "singleton", False):
        hint = "; Feast hands a singleton view's code whole columns in training, and one row's values in serving"
    if both.offline.raised:
        return f"training's code raised {_listed(both.offline.raised)} on a frame of {size:,} rows{hint}"
    if feature.name in both.offline.missing:
        return f"{both.offline.missing[feature.name]}{hint}"
    if both.online.raised.total() == size:
        return f"serving's code raised {_listed(both.online.raised)} for each of {size:,} requests{hint}"
    return ""


def _listed(raised: Counter[str]) -> str:
    return ", ".join(name for name, _ in raised.most_common(3))


def _draft(
    plan: OnDemandPlan,
    measured: ViewMeasurement,
    feature: FeaturePlan,
    sample: ViewSample,
    settings: RunSettings,
    inputs: OnDemandInputs,
    both: Both,
) -> Draft:
    rows = replace(measured, features=(feature,), pairs={feature.name: measured.pairs[feature.name]})
    counted = whole(rows)
    draft = draft_feature(counted, feature, sample.size, settings)
    pairs, size = measured.pairs[feature.name], len(inputs.usable)
    left_out = size - len(both.positions)
    if size and left_out == size:
        draft.not_measured = f"no request has a readable online row in every source view of {plan.view.name}"
        if both.offline.raised:
            draft.not_measured += f"; training's code raised {_listed(both.offline.raised)} on a frame without rows"
        return draft
    if left_out:
        draft.reasons.append(f"{left_out:,} requests without a readable online row in every source view were left out")
    if both.online.raised:
        count = both.online.raised.total()
        draft.reasons.append(
            f"serving's code raised {_listed(both.online.raised)} for {count:,} of {len(both.positions):,} requests; "
            f"training's code gave values"
        )
    if pairs.wrong.any() and both.offline.widened:
        draft.reasons.append(
            f"training hands {', '.join(both.offline.widened)} over as floating point, as integers with nulls in a frame"
        )
    explained = explain(case_of(counted, feature))
    draft.causes = explained.causes
    draft.reasons.extend(explained.broken)
    return draft
