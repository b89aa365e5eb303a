"""`default_fill`: one constant online where offline is null or something else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.equality import EXACT, equal
from feast_skew.core.pairs import PairClass
from feast_skew.core.plain import plain, python_value
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import FEWEST_APART, FEWEST_ROWS, FEWEST_VALUES, Case, Explanation, rule, share_text
from feast_skew.diagnosis.fingerprints import hashes
from feast_skew.diagnosis.formulas.apart import limits_apart
from feast_skew.diagnosis.formulas.clips import find_clip
from feast_skew.diagnosis.rules.constant import one_value_online, value_text
from feast_skew.report import Cause

_LEAST_SHARE = 0.02
_MOST = 0.5
_TIMES_USUAL = 3.0
_TIMES_SECOND = 3
_FEW_OTHERS = 0.1
_ALIKE = 0.33
_TRIED = 20
_COLLECTIONS = (Kind.LIST, Kind.SET)
_REMEDY = "fill the same default offline, or serve null and let the model's own imputation work on both sides"


def _covers(case: Case, cause: Cause) -> Mask:
    if "unaligned" in cause.evidence:
        return case.pairs.mask(PairClass.UNALIGNED)
    positions = np.flatnonzero(case.pairs.mask(PairClass.MISMATCH, PairClass.NULL_OFFLINE))
    online = case.pairs.online.take(pa.array(positions))
    # The cause has its value as plain JSON, so the value itself is looked for among the commonest ones.
    labels, first, counts = _labelled(online)
    common = np.argsort(-counts, kind="stable")[:_TRIED]
    filled = [int(one) for one in common if plain(python_value(online[int(first[one])])) == cause.evidence["value"]]
    return case.marked(positions[np.isin(labels, filled)])


def _labelled(values: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give each row the number of its distinct value, and of these a row that has it and how often it is there."""
    if pa.types.is_list(values.type):
        keys = hashes(values)
    else:
        keys = np.asarray(pc.fill_null(values.dictionary_encode().indices, -1))
    _, first, labels, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    return labels, first, counts


@rule("default_fill", kind="what", parameters=1, covers=_covers)
def default_fill(case: Case) -> Explanation | None:
    """Claim wrong pairs whose online value is the same one, far more often than that value is found offline.

    Not where everybody has it while offline varies, which is `constant`. It has to be most of them or stand alone: values that are unrelated have a most frequent one too, but others are
    nearly as frequent.
    """
    if case.unaligned_failed and case.feature.declared.kind not in _COLLECTIONS:
        apart = _default_fill_apart(case)
        if apart is not None:
            return apart
    positions = np.flatnonzero(case.pairs.mask(PairClass.MISMATCH, PairClass.NULL_OFFLINE))
    clip = case.once(find_clip)
    if clip is not None:  # the limit that numbers beyond it were cut to is no default
        positions = np.setdiff1d(positions, clip.explained, assume_unique=True)
    if len(positions) < FEWEST_ROWS or case.once(one_value_online) is not None:
        return None
    online = case.pairs.online.take(pa.array(positions))
    labels, first, counts = _labelled(online)
    best = int(np.argmax(counts))
    value, count = online[int(first[best])], int(counts[best])
    if count < FEWEST_ROWS or not value.is_valid:
        return None
    second = int(np.sort(counts)[-2]) if len(counts) > 1 else 0
    if count < _MOST * len(positions) and count < _TIMES_SECOND * second:
        return None
    if case.feature.declared.kind.is_number and _falls_off(count, second, len(positions)):
        return None
    offline = case.pairs.offline
    valued = np.asarray(offline.is_valid())
    alike = equal(offline, pa.repeat(value, len(offline)), EXACT) & valued
    usual = case.total(alike) / case.total(valued) if valued.any() else 0.0
    share_here = count / len(positions)
    if share_here <= max(_LEAST_SHARE, min(0.95, _TIMES_USUAL * usual)):
        return None
    hit = positions[labels == best]
    instead = case.pairs.offline.take(pa.array(hit))
    nulls = instead.null_count
    varied = len(_labelled(instead.drop_null())[1])
    if nulls < FEWEST_ROWS and varied < FEWEST_VALUES:
        return None
    entities, wrong = case.total(hit), case.total(case.wrong)
    explained = case.marked(hit)
    shown = plain(python_value(value))
    where = "null" if nulls == count else f"other values ({nulls:,} nulls)" if nulls else "other values"
    return Explanation(
        Cause(
            "default_fill",
            "what",
            entities / wrong,
            min(0.99, share_here),
            f"{share_text(entities, wrong)} of the wrong values are {value_text(shown)} online, where offline has {where}",
            {
                "value": shown,
                "entities": entities,
                "offline_null": case.total(hit[np.asarray(instead.is_null())]),
                "share_offline": usual,
            },
            _REMEDY,
            parameters=1,
        ),
        explained,
    )


def _falls_off(count: int, second: int, whole: int) -> bool:
    """Tell whether the next number takes as large a part of what the commonest leaves: so small counts fall off by themselves."""
    rest = whole - count
    return rest > _FEW_OTHERS * whole and second >= _ALIKE * rest


def _default_fill_apart(case: Case) -> Explanation | None:
    """Claim rows that never align when all but those with one value, rare offline, are within offline's own movement."""
    if case.once(one_value_online) is not None or case.movement.get("clock", {}).get("verdict") == "beyond":
        return None
    positions, before, online = case.unaligned_pairs
    tally = pc.value_counts(online.drop_null())
    if not len(tally):
        return None
    counts = np.asarray(tally.field("counts"))
    value, count = tally.field("values")[int(np.argmax(counts))], int(counts.max())
    second = int(np.sort(counts)[-2]) if len(counts) > 1 else 0
    filled = np.asarray(pc.fill_null(pc.equal(online, value), False))
    usual = np.asarray(pc.fill_null(pc.equal(before, value), False))
    if count < FEWEST_APART or usual.sum() * _TIMES_USUAL > count or count < second:
        return None
    if len(before.filter(pa.array(filled)).unique()) < FEWEST_VALUES or not _others_agree(
        case, positions, filled, before, online
    ):
        return None
    explained = case.wrong & case.rows.unaligned
    entities, wrong = case.total(positions[filled]), case.total(case.wrong)
    shown = plain(python_value(value))
    if case.apart is not None and shown in limits_apart(case.apart).values():
        return None
    return Explanation(
        Cause(
            "default_fill",
            "what",
            case.total(explained) / wrong,
            0.8,
            f"{share_text(entities, case.total(positions))} of the values are {value_text(shown)} online, where offline shortly before has "
            f"others; the rest differ by no more than offline itself moves",
            {
                "value": shown,
                "entities": entities,
                "offline_null": case.total(positions[filled & np.asarray(before.is_null())]),
                "share_offline": case.total(positions[usual]) / case.total(positions),
                "unaligned": True,
            },
            _REMEDY,
            parameters=1,
        ),
        explained,
    )


def _others_agree(case: Case, positions: Positions, filled: Mask, before: pa.Array, online: pa.Array) -> bool:
    """Tell whether the rows that are not filled differ by no more than offline moves."""
    if case.apart is not None:
        rest = case.apart.where(~np.isin(case.apart.positions, positions[filled]))
        return len(rest.positions) >= FEWEST_APART and rest.explained_by(rest.online)
    changed = case.movement.get("changed", {})
    rest = ~filled & np.asarray(before.is_valid()) & np.asarray(online.is_valid())
    if changed.get("limit") is None or np.count_nonzero(rest) < FEWEST_APART:
        return False
    take = pa.array(rest)
    same = equal(before.filter(take), online.filter(take), case.feature.tolerance, case.feature.declared.kind)
    return bool(np.mean(~same) <= changed["limit"])
