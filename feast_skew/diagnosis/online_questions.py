"""What rules ask the online store about a few of the drawn entities, each question once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from feast_skew.core.alignment import microseconds
from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.columns import take_rows
from feast_skew.core.model import FeaturePlan
from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.context import Found, Stored
from feast_skew.errors import SkewError
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.stores.base import OnlineReader

MOST_ABSENT = 200
MOST_WRONG = 2_000
MOST_RIGHT = 200


class OnlineQuestions:
    """Asks about drawn entities of a view; a store that does not answer any more says nothing."""

    def __init__(self, measured: ViewMeasurement, online: OnlineReader) -> None:
        self._measured = measured
        self._online = online
        self._elsewhere: Sequence[Found] | None = None
        self._stored: dict[str, Stored | None] = {}

    def elsewhere(self) -> Sequence[Found]:
        """Give the other keys under which the store holds entities that it lacks, asked for up to 200 of these."""
        if self._elsewhere is None:
            rows = self._measured.rows
            chosen = self._some(rows.has_offline & ~rows.has_online, MOST_ABSENT)
            entities = take_rows(self._measured.entities, chosen)
            latest = microseconds(rows.latest[chosen])
            try:
                there = self._online.find_elsewhere(self._measured.view, entities) if len(chosen) else ()
            except SkewError:
                there = ()
            self._elsewhere = [Found(one, int(np.count_nonzero(microseconds(one.instants) == latest))) for one in there]
        return self._elsewhere

    def stored(self, feature: FeaturePlan) -> Stored | None:
        """Give the types under which values of a feature are stored, of up to 2,000 wrong and 200 right ones; None where unknown."""
        if feature.name not in self._stored:
            self._stored[feature.name] = self._ask(feature)
        return self._stored[feature.name]

    def _ask(self, feature: FeaturePlan) -> Stored | None:
        pairs = self._measured.pairs[feature.name]
        wrong = self._some(pairs.mask(PairClass.MISMATCH, PairClass.CORRUPT), MOST_WRONG)
        right = self._some(pairs.mask(PairClass.MATCH), MOST_RIGHT)
        chosen = np.concatenate([wrong, right])
        try:
            found = self._online.stored_values(self._measured.view, feature, take_rows(self._measured.entities, chosen))
        except SkewError:
            return None
        if found is None:
            return None
        names = np.full(self._measured.entities.num_rows, "", dtype=object)
        asked = np.zeros(len(names), dtype=bool)
        names[chosen] = found.names
        asked[chosen] = True
        return Stored(found.declared, names, asked)

    def _some(self, among: Mask, most: int) -> Positions:
        """Choose some entities, at random but the same ones every time."""
        places = np.flatnonzero(among)
        return places[np.argsort(self._measured.order[places], kind="stable")[:most]]
