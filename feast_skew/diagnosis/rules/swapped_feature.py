"""`swapped_feature`: another feature's value of the same entity."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.equality import equal
from feast_skew.core.pairs import COMPARED, FeaturePairs
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import FEWEST_ROWS, Case, Explanation, rule, share_text
from feast_skew.diagnosis.chance import beats_chance
from feast_skew.report import Cause

_LEAST_SHARE = 0.05
_LOOKED_AT = 256
_VERIFIED = 3
_EXACT = 0.98
_SEED = 0


@rule("swapped_feature", kind="what", parameters=1)
def swapped_feature(case: Case) -> Explanation | None:
    """Claim wrong values that another feature of the view has offline for the same entity.

    The other one is found by hashes of values; that it gives what was found is then held against what it gives for entities
    whose own offline value is alike.
    """
    fingerprints = case.context.fingerprints
    name = case.feature.name
    if len(fingerprints.pairs) < 2 or name not in fingerprints.pairs:
        return None
    wrong = np.flatnonzero(case.wrong & np.asarray(case.pairs.online.is_valid()))
    if case.unaligned_failed:  # of rows that fail together, those that have their own value have nobody else's
        wrong = wrong[~_equals(case, fingerprints.pairs[name], wrong)]
    if len(wrong) < FEWEST_ROWS:
        return None
    looked_at = wrong[np.linspace(0, len(wrong) - 1, min(len(wrong), _LOOKED_AT)).astype(np.int64)]
    best: tuple[str, Mask] | None = None
    for other, _ in fingerprints.votes(name, case.positions[looked_at])[:_VERIFIED]:
        hits = _equals(case, fingerprints.pairs[other], wrong)
        if best is None or np.count_nonzero(hits) > np.count_nonzero(best[1]):
            best = other, hits
    if best is None:
        return None
    other, hits = best
    explained = case.marked(wrong[hits])
    count, total = case.total(explained), case.total(case.wrong)
    if np.count_nonzero(hits) < FEWEST_ROWS or count < _LEAST_SHARE * total:
        return None
    pairs = fingerprints.pairs[other]
    if not (_beats(case, pairs, wrong, hits) or _exchanged(case, pairs)):
        return None
    back = _gives_back(case, pairs, wrong[hits])
    ref = f"{case.view.name}:{other}"
    both = f"; online, {ref} has the values of this one" if back else ""
    return Explanation(
        Cause(
            "swapped_feature",
            "what",
            count / total,
            0.98,
            f"{share_text(count, total)} of the wrong values are those that {ref} has offline for the same entities{both}",
            {"feature": other, "both": back, "entities": count},
            f"check the order and the names of the columns where {case.feature.ref} and {ref} are written to the online store",
            parameters=1,
        ),
        explained,
    )


def _equals(case: Case, other: FeaturePairs, rows: Positions) -> Mask:
    """Tell for some rows of the case whether the online value is the other feature's offline one."""
    values = other.offline.take(pa.array(case.positions[rows]))
    online = case.pairs.online.take(pa.array(rows))
    return equal(values, online, case.feature.tolerance, case.feature.declared.kind)


def _beats(case: Case, other: FeaturePairs, rows: Positions, hits: Mask) -> bool:
    """Tell whether the hits are more than among the values of entities that are alike in this feature.

    So a category that goes with the other one, and features that are nearly equal, explain nothing by that.
    """
    order = np.lexsort((np.random.default_rng(_SEED).permutation(len(rows)), _ranks(case.pairs.offline, rows)))
    ordered = rows[order]
    values = other.offline.take(pa.array(case.positions[ordered]))
    online = case.pairs.online.take(pa.array(ordered))
    kind, tolerance = case.feature.declared.kind, case.feature.tolerance
    by_chance = [
        equal(pa.concat_arrays([values.slice(shift), values.slice(0, shift)]), online, tolerance, kind)
        for shift in (1, len(rows) - 1)
    ]
    return beats_chance(hits, np.concatenate(by_chance))


def _ranks(column: pa.Array, rows: Positions) -> np.ndarray:
    """Give numbers by which values that are alike come to stand together; nulls first."""
    values = column.take(pa.array(rows))
    if pa.types.is_list(values.type):
        values = pc.list_value_length(values)
    coded = values.dictionary_encode()
    order = np.asarray(pc.sort_indices(coded.dictionary)) if len(coded.dictionary) else np.empty(0, dtype=np.int64)
    rank = np.full(len(order) + 1, -1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    found: np.ndarray = rank[np.asarray(pc.fill_null(coded.indices, -1), dtype=np.int64)]
    return found


def _exchanged(case: Case, other: FeaturePairs) -> bool:
    """Tell whether everybody has the other feature's value online, those whom that does not make wrong as well.

    Of features with few values, wrong ones alone do not tell the other feature from any other value.
    """
    rows = np.flatnonzero((case.wrong | case.pairs.mask(*COMPARED)) & np.asarray(case.pairs.online.is_valid()))
    hits = _equals(case, other, rows)
    differ = rows[
        ~equal(
            case.pairs.offline.take(pa.array(rows)),
            other.offline.take(pa.array(case.positions[rows])),
            case.feature.tolerance,
            case.feature.declared.kind,
        )
    ]
    if np.mean(hits) < _EXACT or len(differ) < FEWEST_ROWS:
        return False
    return bool(np.mean(case.wrong[differ]) >= _EXACT) and _beats(case, other, rows, hits)


def _gives_back(case: Case, other: FeaturePairs, rows: Positions) -> bool:
    online = other.online.take(pa.array(case.positions[rows]))
    offline = case.pairs.offline.take(pa.array(rows))
    kind = case.feature.declared.kind
    if kind is Kind.NESTED and not pa.types.is_string(online.type):
        return False
    return bool(np.mean(equal(offline, online, case.feature.tolerance, kind)) >= _EXACT)
