"""The source's rows held against what `get_historical_features` gives for the same instants."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.columns import put, take_rows
from feast_skew.core.equality import equal_or_null
from feast_skew.core.pairs import PairClass
from feast_skew.measuring.view import ViewMeasurement, paired
from feast_skew.stores.base import OfflineReader

MOST_TIES = 5_000
"""Entities at most whose rows contradict each other that are asked of the retrieval."""

_PROBED_RIGHT = 100
_PROBED_WRONG = 200
_PROBE_ROWS = 3_000_000


@dataclass(frozen=True)
class Training:
    """How the retrieval's answers relate to the source's rows.

    `retrained` is the share of probed entities with another value (None: not asked), `outdated` the number of those for
    which it gave an earlier version of a row that was written again.
    """

    retrained: float | None = None
    outdated: int = 0


@dataclass(frozen=True)
class Answer:
    """What the retrieval gave for entities at some positions: a column per feature.

    `differs` marks the rows in which any value is another one than the source's, `outdated` those of them that are an earlier
    version of the row.
    """

    positions: Positions
    columns: dict[str, pa.Array]
    differs: Mask
    outdated: Mask

    def at(self, places: Positions) -> Answer:
        """Give the same for the rows of another measurement, in which row i of this one stands at `places[i]`."""
        return Answer(places[self.positions], self.columns, self.differs, self.outdated)

    def taken(self) -> Answer:
        """Give the rows that are taken over.

        Earlier versions of a row are not: the created timestamp decides, as Feast promises, and a store that does not heed
        it answers differently from one question to the next.
        """
        use = np.flatnonzero(self.differs & ~self.outdated)
        take = pa.array(use)
        columns = {name: column.take(take) for name, column in self.columns.items()}
        return Answer(self.positions[use], columns, self.differs[use], self.outdated[use])


@dataclass(frozen=True)
class Probe:
    """What a probe of the retrieval found.

    `everywhere` tells that rows without contradiction differ as well, so that the retrieval's values are what models learn
    from, for all rows; else only those of the `ties` are taken over.
    """

    training: Training = field(default_factory=Training)
    ties: Answer | None = None
    everywhere: bool = False


def probe(drawn: ViewMeasurement, offline: OfflineReader) -> Probe:
    """Ask the retrieval for some of the drawn rows: right ones, wrong ones, and those that contradict each other.

    Where a source has several rows at one instant and none is the newest, only the retrieval knows which one training
    takes; a store that gives training all of them has no answer for these, and is not asked. Sources of very many rows are
    asked for these alone.
    """
    aligned = np.zeros(drawn.entities.num_rows, dtype=bool)
    aligned[askable(drawn, offline)] = True
    tied = np.flatnonzero(drawn.tied & aligned)[:MOST_TIES]
    usual = np.empty(0, dtype=np.int64)
    if drawn.source_rows <= _PROBE_ROWS:
        wrong = np.zeros(len(aligned), dtype=bool)
        for pairs in drawn.pairs.values():
            wrong |= pairs.mask(PairClass.MISMATCH, PairClass.NULL_OFFLINE, PairClass.NULL_ONLINE)
        untied = aligned & ~drawn.tied
        probed = (np.flatnonzero(wrong & untied)[:_PROBED_WRONG], np.flatnonzero(~wrong & untied)[:_PROBED_RIGHT])
        usual = np.concatenate(probed)
    first = ask(drawn, np.concatenate([tied, usual]), offline)
    if first is None:
        return Probe()
    other = (first.differs & ~first.outdated)[len(tied) :]
    retrained = float(other.mean()) if len(other) else None
    training = Training(retrained, int(np.count_nonzero(first.outdated)))
    taken = first.taken()
    return Probe(training, taken if len(taken.positions) else None, bool(other.any()))


def askable(rows: ViewMeasurement, offline: OfflineReader) -> Positions:
    """Give the positions of the entities for whose value the retrieval has an answer."""
    aligned = rows.rows.aligned != NO_INSTANT
    return np.flatnonzero(aligned & ~rows.tied if offline.gives_all_ties else aligned)


def ask(rows: ViewMeasurement, positions: Positions, offline: OfflineReader) -> Answer | None:
    """Ask the retrieval for the values of aligned entities at some positions; None when it cannot be asked."""
    if not len(positions):
        return None
    entities = take_rows(rows.entities, positions)
    found = offline.training_values(rows.view, rows.features, entities, rows.rows.aligned[positions])
    return None if found is None else answered(rows, positions, found)


def answered(rows: ViewMeasurement, positions: Positions, found: dict[str, pa.Array]) -> Answer:
    """Hold the retrieval's values for entities at some positions against the source's rows."""
    place = np.full(rows.entities.num_rows, -1, dtype=np.int64)
    place[positions] = np.arange(len(positions))
    versions = place[rows.older_positions]
    asked = pa.array(versions >= 0)
    versions = versions[versions >= 0]
    differs = np.zeros(len(positions), dtype=bool)
    earlier = np.ones(len(versions), dtype=bool)
    for feature in rows.features:
        theirs, compared = found[feature.name], (feature.tolerance, feature.declared.kind)
        differs |= ~equal_or_null(rows.pairs[feature.name].offline.take(pa.array(positions)), theirs, *compared)
        earlier &= equal_or_null(rows.older[feature.name].filter(asked), theirs.take(pa.array(versions)), *compared)
    outdated = np.zeros(len(positions), dtype=bool)
    outdated[versions[earlier]] = True
    return Answer(positions, found, differs, outdated & differs)


def take_over(rows: ViewMeasurement, answer: Answer) -> None:
    """Put the values of an answer in the place of the source's, and give the pairs their classes anew."""
    for feature in rows.features:
        pairs = rows.pairs[feature.name]
        offline = put(pairs.offline, answer.positions, answer.columns[feature.name])
        corrupt = pairs.mask(PairClass.CORRUPT)
        renewed = paired(feature, rows.rows, offline, pairs.online, corrupt)
        # Of rows that are not aligned nothing was asked, and a value that cannot be read is no row.
        renewed.classes[rows.rows.aligned == NO_INSTANT] = pairs.classes[rows.rows.aligned == NO_INSTANT]
        rows.pairs[feature.name] = renewed
