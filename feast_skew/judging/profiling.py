"""From the two columns of a feature to its profile."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Floats, Mask
from feast_skew.core.model import FeaturePlan
from feast_skew.core.pairs import PairClass
from feast_skew.core.types import Kind, floats
from feast_skew.measuring.drawing import compared_mask
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.statistics.hashing import Hashes
from feast_skew.statistics.pairs import CategoryPairs, NumberPairs, Pairs
from feast_skew.statistics.profile import Profile, cut_bins, draw_sample

_EXACT_IN_DOUBLE = 2**53
_HALF_WORD = 32


def profile_of(feature: FeaturePlan, offline: pa.Array, online: pa.Array, same: Mask, order: Hashes) -> Profile:
    """Profile one feature: bins from its hash sample, then every state in one pass.

    Parameters
    ----------
    offline, online : pyarrow.Array
        Row i of both belongs to the same entity; nulls included.
    same : array of bool
        Where the two are equal as the feature's comparison sees it.
    order : array of uint64
        A hash per entity.

    Returns
    -------
    Profile
        Of numbers for numbers and timestamps (in seconds), else of categories; types that are neither have one category, "a value".
    """
    return profile_of_pairs(feature, to_pairs(feature.declared.kind, offline, online, same, order))


def profile_of_pairs(feature: FeaturePlan, pairs: Pairs) -> Profile:
    """Profile the pairs of one feature; see `profile_of`."""
    sample = draw_sample(pairs)
    return Profile.of(pairs, cut_bins(sample, feature.tolerance.rtol, feature.tolerance.atol), sample)


def compared_pairs(rows: ViewMeasurement, feature: FeaturePlan) -> Pairs | None:
    """Give the pairs of a feature that could be compared; None without any."""
    pairs, order = rows.pairs[feature.name], rows.order
    compared = compared_mask(pairs)
    if not compared.any():
        return None
    offline, online, same = pairs.offline, pairs.online, pairs.mask(PairClass.MATCH)
    if not compared.all():
        positions = np.flatnonzero(compared)
        take = pa.array(positions)
        offline, online, same, order = offline.take(take), online.take(take), same[positions], order[positions]
    return to_pairs(feature.declared.kind, offline, online, same, order)


def has_numbers(kind: Kind) -> bool:
    """Tell whether values are profiled as numbers."""
    return kind.is_number or kind is Kind.TIMESTAMP


def has_categories(kind: Kind) -> bool:
    """Tell whether values are profiled as categories."""
    return kind in (Kind.STRING, Kind.BOOLEAN)


def to_pairs(kind: Kind, offline: pa.Array, online: pa.Array, same: Mask, order: Hashes) -> Pairs:
    """Give the two columns of a feature as pairs of numbers or of categories."""
    if has_numbers(kind):
        (off, known_off), (on, known_on) = floats(offline), floats(online)
        rests = (_rest(offline, off), _rest(online, on))
        return NumberPairs(order, same, off, on, known_off, known_on, *rests)
    if not has_categories(kind):
        known_off, known_on = (np.where(np.asarray(pc.is_valid(side)), 0, -1) for side in (offline, online))
        return CategoryPairs(order, same, known_off, known_on, ("a value",))
    both = pa.concat_arrays([offline, online.cast(offline.type)]).dictionary_encode()
    codes = np.asarray(pc.fill_null(both.indices, -1), dtype=np.int64)
    half = len(offline)
    return CategoryPairs(order, same, codes[:half], codes[half:], tuple(both.dictionary.to_pylist()))


def _rest(column: pa.Array, rounded: Floats) -> Floats | None:
    """Give what doubles leave of whole numbers beyond 2^53; None when they leave nothing."""
    if not pa.types.is_int64(column.type) or not np.any(np.abs(rounded) > _EXACT_IN_DOUBLE):
        return None
    whole = np.asarray(pc.fill_null(column, 0))
    high = (whole >> _HALF_WORD).astype(np.float64) * 2.0**_HALF_WORD
    low = (whole & (2**_HALF_WORD - 1)).astype(np.float64)
    # The high word and the rounded number are so close that their difference is exact, and what remains is small.
    rest: Floats = (high - rounded) + low
    return rest
