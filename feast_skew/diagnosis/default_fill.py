"""`default_fill`: one constant online where offline is null or something else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask
from feast_skew.core.equality import EXACT, equal
from feast_skew.core.pairs import PairClass
from feast_skew.core.plain import plain, python_value
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import FEWEST_ROWS, FEWEST_VALUES, Case, Explanation, rule, share_text
from feast_skew.diagnosis.constant import one_value_online
from feast_skew.diagnosis.formulas.clips import find_clip
from feast_skew.report import Cause

_LEAST_SHARE = 0.02
_MOST = 0.5
_TIMES_USUAL = 3.0
_TIMES_SECOND = 3


def _covers(case: Case, cause: Cause) -> Mask:
    positions = np.flatnonzero(case.pairs.mask(PairClass.MISMATCH, PairClass.NULL_OFFLINE))
    # The cause has its value as plain JSON.
    values = case.pairs.online.take(pa.array(positions)).dictionary_encode()
    filled = [plain(python_value(value)) == cause.evidence["value"] for value in values.dictionary]
    hit = pc.fill_null(pa.array(filled, pa.bool_()).take(values.indices), False)
    covered = np.zeros(len(case.wrong), dtype=bool)
    covered[positions[np.asarray(hit)]] = True
    return covered


@rule("default_fill", kind="what", parameters=1, covers=_covers)
def default_fill(case: Case) -> Explanation | None:
    """Claim wrong pairs whose online value is the same one, far more often than that value is found offline.

    Not where everybody has it while offline varies, which is `constant`. It has to be most of them or stand alone: values that are unrelated have a most frequent one too, but others are
    nearly as frequent.
    """
    if case.feature.declared.kind in (Kind.LIST, Kind.SET, Kind.NESTED):
        return None
    positions = np.flatnonzero(case.pairs.mask(PairClass.MISMATCH, PairClass.NULL_OFFLINE))
    clip = find_clip(case)
    if clip is not None:  # the limit that numbers beyond it were cut to is no default
        positions = np.setdiff1d(positions, clip.explained, assume_unique=True)
    if len(positions) < FEWEST_ROWS or one_value_online(case) is not None:
        return None
    online = case.pairs.online.take(pa.array(positions))
    tally = pc.value_counts(online)
    counts = np.asarray(tally.field("counts"))
    best = int(np.argmax(counts))
    value, count = tally.field("values")[best], int(counts[best])
    if count < FEWEST_ROWS or not value.is_valid:
        return None
    second = int(np.sort(counts)[-2]) if len(counts) > 1 else 0
    if count < _MOST * len(positions) and count < _TIMES_SECOND * second:
        return None
    offline = case.pairs.offline
    valued = np.asarray(offline.is_valid())
    alike = equal(offline, pa.repeat(value, len(offline)), EXACT) & valued
    usual = case.total(alike) / case.total(valued) if valued.any() else 0.0
    share_here = count / len(positions)
    if share_here <= max(_LEAST_SHARE, min(0.95, _TIMES_USUAL * usual)):
        return None
    hit = positions[np.asarray(pc.fill_null(pc.equal(online, value), False))]
    instead = case.pairs.offline.take(pa.array(hit))
    nulls = instead.null_count
    varied = len(instead.drop_null().unique())
    if nulls < FEWEST_ROWS and varied < FEWEST_VALUES:
        return None
    entities, wrong = case.total(hit), case.total(case.wrong)
    explained = np.zeros(len(case.wrong), dtype=bool)
    explained[hit] = True
    shown = plain(python_value(value))
    where = "null" if nulls == count else f"other values ({nulls:,} nulls)" if nulls else "other values"
    return Explanation(
        Cause(
            "default_fill",
            "what",
            entities / wrong,
            min(0.99, share_here),
            f"{share_text(entities, wrong)} of the wrong values are {shown!r} online, where offline has {where}",
            {
                "value": shown,
                "entities": entities,
                "offline_null": case.total(hit[np.asarray(instead.is_null())]),
                "share_offline": usual,
            },
            "fill the same default offline, or serve null and let the model's own imputation work on both sides",
            parameters=1,
        ),
        explained,
    )
