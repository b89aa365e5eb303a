"""Unaligned rows of declared features: held against what their events give at the online instants."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.pairs import FeaturePairs, PairClass, classify
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import FEWEST_APART, Case, share_text
from feast_skew.diagnosis.explain import Explained
from feast_skew.judging.limits import Share
from feast_skew.judging.unaligned import Unaligned
from feast_skew.replay.search import agreeing, matches
from feast_skew.report import Verdict

_REPRODUCED = 0.99
"""The share of offline's own values that the declared definition has to give before it speaks for other instants."""

_MOSTLY = 0.5


@dataclass(frozen=True)
class Realigned:
    """A case with what offline would hold at the instants of the unaligned online rows in place of its row before.

    `checked` are the entities of which this is known, `reproduced` tells how much of offline's own values the events give.
    """

    case: Case
    checked: Mask
    reproduced: str
    events: str

    @property
    def wrong(self) -> Mask:
        """Entities whose online value is not what the definition gives at the online row's own instant."""
        return self.checked & self.case.wrong


def realigned(case: Case) -> Realigned | None:
    """Give a case with its unaligned rows aligned by their declared events.

    None without such rows or events, or where the declared definition does not give offline's own values: at least 30 of them, and
    99 %.
    """
    rows, pairs = case.rows, case.pairs
    if case.feature.declared.kind is Kind.DECIMAL:
        return None  # replay computes in floating point
    unaligned = rows.unaligned & ~pairs.mask(PairClass.CORRUPT)
    own = np.flatnonzero(unaligned & (rows.held != NO_INSTANT))
    declared = case.context.declared(case.feature) if len(own) >= FEWEST_APART else None
    if declared is None:
        return None
    before = declared.target(pairs.offline.take(pa.array(own)), case.positions[own], rows.held[own])
    given = matches(declared.events, declared.recipe, before)
    if given.mean() < _REPRODUCED:
        return None
    places = np.flatnonzero(unaligned)
    online = pairs.online.take(pa.array(places))
    target = declared.target(online, case.positions[places], rows.online[places])
    with np.errstate(invalid="ignore", over="ignore"):
        numbers, known = declared.events.aggregate(declared.recipe, target.entity, target.instants)
    same = agreeing(declared.events, declared.recipe, target, numbers, known)
    due = declared.values.to_feature(numbers, known, case.feature.declared)
    # What equals within the rounding of a recomputation is equal.
    due = pc.if_else(pa.array(same), online, due)
    offline = _placed(pairs.offline, due, places)
    aligned = rows.aligned.copy()
    aligned[places] = rows.online[places]
    now = replace(rows, aligned=aligned)
    every = np.zeros(len(aligned), dtype=bool)
    every[places] = same
    classes = pairs.classes.copy()
    nulls = np.asarray(offline.is_null()), np.asarray(pairs.online.is_null())
    classes[places] = classify(now, every, *nulls, np.zeros(len(every), dtype=bool))[places]
    checked = np.zeros(len(every), dtype=bool)
    checked[places] = True
    return Realigned(
        replace(
            case,
            pairs=FeaturePairs(offline, pairs.online, classes),
            rows=now,
            apart=None,
            unaligned_failed=False,
            movement={},
        ),
        checked,
        share_text(int(given.sum()), len(given)),
        declared.name,
    )


def _placed(column: pa.Array, values: pa.Array, places: Positions) -> pa.Array:
    """Give a column with other values at some places."""
    order = np.arange(len(column))
    order[places] = len(column) + np.arange(len(places))
    return pa.concat_arrays([column, values.cast(column.type)]).take(pa.array(order))


def judged(found: Realigned, explained: Explained, share: Share, unaligned: Unaligned, confidence: float) -> Unaligned:
    """Give the verdict on unaligned rows, which fail by their events where these differ beyond the budget for known reasons.

    Without a cause nothing fails: events that came late, or are missing, make such differences as well.
    """
    wrong = found.wrong
    count, checked = found.case.total(wrong), found.case.total(found.checked)
    known = wrong & (explained.codes != "unknown")
    said = f"the events ({found.events}) give {found.reproduced} of offline's values, and at their own instants "
    said += f"{share_text(checked - count, checked)} of the unaligned online values"
    surely = share.p_value <= 1.0 - confidence and known.sum() >= _MOSTLY * wrong.sum()
    if unaligned.verdict is Verdict.FAIL or not (count and surely):
        return replace(unaligned, reason=f"{unaligned.reason}; {said}")
    metric = replace(unaligned.metric, verdict=Verdict.FAIL)
    return replace(unaligned, verdict=Verdict.FAIL, metric=metric, reason=f"unaligned rows differ: {said}")
