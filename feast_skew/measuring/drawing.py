"""The drawn rows: of every class of every feature all rows, or of very many those whose entities have the smallest hashes.

Whatever looks at single rows (rules, examples, probes, the bins of distributions) looks at these, so that it costs the same
for ten thousand entities and for a billion, and gives the same wherever and in however many parts they were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from feast_skew.core.arrays import Floats, Mask, Positions
from feast_skew.core.columns import take_rows
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.core.pairs import COMPARED, FeaturePairs, PairClass, RowState
from feast_skew.measuring.tally import Tally, bit_lengths, strata_of
from feast_skew.measuring.training import Training
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.statistics.profile import Profile


@dataclass(frozen=True)
class Evidence:
    """The drawn rows of one feature; each stands for `weights` rows of its stratum, None where all rows were drawn.

    `positions` are their places among the drawn rows of the view.
    """

    rows: ViewMeasurement
    positions: Positions
    weights: Floats | None


@dataclass(frozen=True)
class Measured:
    """What an engine hands on of one view, or of those of its features that align alike, however it was measured.

    `tally` counts all rows, `drawn` holds the drawn ones, `profiles` has the states of all rows of each feature of which any pair
    could be compared.
    """

    view: ViewPlan
    features: tuple[FeaturePlan, ...]
    tally: Tally
    drawn: ViewMeasurement
    profiles: Mapping[str, Profile]
    training: Training = field(default_factory=Training)

    def evidence(self, feature: FeaturePlan) -> Evidence:
        """Give the drawn rows of one feature."""
        return evidence_of(self.drawn, feature, self.tally)

    def unaligned(self) -> Positions:
        """Give the places, among the drawn rows, of unaligned entities that are a random part of all such entities."""
        kinds = (2 * PairClass.UNALIGNED, 2 * PairClass.UNALIGNED + 1)
        bits = min(
            (int(tally.drawn_bits[kind]) for tally in self.tally.features.values() for kind in kinds), default=64
        )
        return np.flatnonzero(self.drawn.rows.unaligned & (bit_lengths(self.drawn.order) <= bits))


def compared_mask(pairs: FeaturePairs) -> Mask:
    """Entities of which both values could be read and belong to the same instant."""
    return pairs.mask(*COMPARED) & ~pairs.mask(PairClass.CORRUPT)


def drawn_mask(measured: ViewMeasurement, tally: Tally) -> Mask:
    """Tell which rows are drawn: those of any feature's evidence."""
    lengths = bit_lengths(measured.order)
    found = np.zeros(measured.entities.num_rows, dtype=bool)
    for feature in measured.features:
        found |= _in_evidence(measured, feature, tally, lengths)
    return found


def draw_together(
    parts: Sequence[ViewMeasurement], tallies: Sequence[Tally]
) -> tuple[list[ViewMeasurement], Positions]:
    """Draw rows of a view: the same entities of all of its parts. Gives the parts, and the positions of the entities."""
    drawn = np.zeros(parts[0].entities.num_rows, dtype=bool)
    for part, tally in zip(parts, tallies, strict=True):
        drawn |= drawn_mask(part, tally)
    return _some(parts, drawn), np.flatnonzero(drawn)


def fair(tallies: Sequence[Tally], drawn: Sequence[ViewMeasurement]) -> list[ViewMeasurement]:
    """Give those of the drawn rows of a view that are a random part of all its rows; all where all were drawn.

    The others are there because their class is rare, and would count for too much among rows without weights.
    """
    bits = min((int(found.drawn_bits.min()) for tally in tallies for found in tally.features.values()), default=64)
    return _some(drawn, bit_lengths(drawn[0].order) <= bits)


def _some(parts: Sequence[ViewMeasurement], wanted: Mask) -> list[ViewMeasurement]:
    return list(parts) if wanted.all() else [taken(part, np.flatnonzero(wanted)) for part in parts]


def evidence_of(drawn: ViewMeasurement, feature: FeaturePlan, tally: Tally) -> Evidence:
    """Give the drawn rows of one feature, out of those of its view."""
    mine = _in_evidence(drawn, feature, tally, bit_lengths(drawn.order))
    if not mine.all():  # the columns of other features are not wanted
        name = feature.name
        older = {name: drawn.older[name]} if name in drawn.older else {}
        drawn = replace(drawn, features=(feature,), pairs={name: drawn.pairs[name]}, older=older)
    positions = np.flatnonzero(mine)
    totals = tally.features[feature.name].totals
    if len(positions) == int(totals.sum()):
        return Evidence(drawn if mine.all() else taken(drawn, positions), positions, None)
    rows = taken(drawn, positions)
    strata = strata_of(rows.pairs[feature.name], rows.rows)
    held = np.bincount(strata, minlength=len(totals))
    return Evidence(rows, positions, totals[strata] / held[strata])


def representative(evidence: Evidence, feature: FeaturePlan, tally: Tally) -> Positions:
    """Give the places in a feature's evidence of compared pairs that are a random part of all such pairs."""
    bits = tally.features[feature.name].drawn_bits
    least = min(int(bits[2 * kind + stale]) for kind in COMPARED if kind is not PairClass.CORRUPT for stale in (0, 1))
    rows = evidence.rows
    return np.flatnonzero(compared_mask(rows.pairs[feature.name]) & (bit_lengths(rows.order) <= least))


def taken(measured: ViewMeasurement, positions: Positions) -> ViewMeasurement:
    """Give some entities of a measurement, in the order of their positions."""
    take = pa.array(positions)
    place = np.full(measured.entities.num_rows, -1, dtype=np.int64)
    place[positions] = np.arange(len(positions))
    versions = place[measured.older_positions]
    kept = pa.array(versions >= 0)
    return replace(
        measured,
        entities=take_rows(measured.entities, positions),
        rows=RowState(**{one.name: getattr(measured.rows, one.name)[positions] for one in fields(RowState)}),
        pairs={
            name: FeaturePairs(pairs.offline.take(take), pairs.online.take(take), pairs.classes[positions])
            for name, pairs in measured.pairs.items()
        },
        older_positions=versions[versions >= 0],
        older={name: column.filter(kept) for name, column in measured.older.items()},
        tied=measured.tied[positions],
    )


def _in_evidence(measured: ViewMeasurement, feature: FeaturePlan, tally: Tally, lengths: NDArray[np.int64]) -> Mask:
    bits = tally.features[feature.name].drawn_bits
    found: Mask = lengths <= bits[strata_of(measured.pairs[feature.name], measured.rows)]
    return found
