"""One view repaired: which offline row belongs into each wrong online row, a few rows at a time, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Instants, Mask, Positions
from feast_skew.core.columns import take_rows
from feast_skew.core.equality import EXACT, equal_or_null
from feast_skew.core.keys import KeyIndex, render_key
from feast_skew.core.model import ViewPlan
from feast_skew.core.pairs import PairClass
from feast_skew.core.plain import plain
from feast_skew.measuring.progress import Progress, Stage
from feast_skew.measuring.training import ask, askable, take_over
from feast_skew.measuring.view import measure_view
from feast_skew.repairing.result import (
    CHANGED,
    CONTRADICTING,
    NO_HASH,
    NO_ROW,
    NOT_TRAINED,
    PAST_TTL,
    UNWRITABLE,
    ViewRepair,
)
from feast_skew.repairing.source_rows import SourceRows, find_rows
from feast_skew.repairing.wrong import WrongRows
from feast_skew.stores.base import OfflineReader, OnlineReader
from feast_skew.stores.row_writer import RowWriter, Stored

_CHUNK = 1_024
"""Rows that are serialized, looked at and written together."""

_WRITE, _WRITTEN = "to_write", "written"


class Encode(Protocol):
    """Serializes rows of a source as Feast does; see `stores.feast_encoding.stored_rows`."""

    def __call__(
        self, view: ViewPlan, values: pa.Table, instants: Instants, *, doubles: bool = False
    ) -> list[Stored | None]:
        """Give them as they are stored, None for one that Feast cannot write."""


@dataclass
class Tools:
    """What a repair works with; `show` tells that keys may be told."""

    online: OnlineReader
    offline: OfflineReader
    writer: RowWriter
    encode: Encode
    as_of: int
    progress: Progress
    show: bool = False


class Rewriting:
    """The wrong rows of one view on their way: what is to be written, what was, and what was left alone for which reason.

    `whole` is the plan of the view with all of its features, as a row is written whole.
    """

    def __init__(self, wrong: WrongRows, whole: ViewPlan, tools: Tools, cause: str = "", population: int = 0) -> None:
        self._wrong = wrong
        self._whole = whole
        self._tools = tools
        self._cause = cause
        self._population = population
        self.outcomes = np.full(wrong.count, _WRITE, dtype=object)
        self._targets = self._find_targets()
        self._rows = self._find_rows()
        self._still_wrong: int | None = None

    def _find_targets(self) -> Instants:
        """Give the instant of the offline row that is to be written: the latest one, and never one before that which is online.

        A row is left alone that is missing online and would be null in training too, as it is past the ttl.
        """
        rows, ttl = self._wrong.parts[0].rows, self._wrong.view.ttl
        targets = np.maximum(self._wrong.aligned, rows.latest)
        if ttl is not None:
            self.outcomes[~rows.has_online & (targets < self._tools.as_of - ttl)] = PAST_TTL
        self.outcomes[targets == NO_INSTANT] = NO_ROW
        return targets

    def _find_rows(self) -> SourceRows:
        offline, wanted = self._tools.offline, np.where(self._to_write, self._targets, NO_INSTANT)
        name = f"{self._whole.name}: rows to write"
        with self._tools.progress.stage(name, offline.row_count(self._whole), "rows") as stage:
            return find_rows(self._whole, KeyIndex(self._wrong.entities), wanted, offline, stage.advance)

    @property
    def _to_write(self) -> Mask:
        found: Mask = self.outcomes == _WRITE
        return found

    def prepare(self) -> None:
        """Find out what is to be written and what cannot be, without looking at the online store."""
        for start in range(0, self._wrong.count, _CHUNK):
            self._prepared(start)

    def write(self) -> None:
        """Write row by row what is still online as it was measured; what was changed meanwhile is left alone.

        Raises
        ------
        StoreUnavailable
            When the store does not answer, or does not let us write.
        """
        name = f"{self._whole.name}: writing"
        with self._tools.progress.stage(name, int(self._to_write.sum()), "rows") as stage:
            for start in range(0, self._wrong.count, _CHUNK):
                positions, after = self._prepared(start)
                if len(positions):
                    self._write(positions, after, stage)

    def verify(self) -> None:
        """Measure the rows again, both stores, and count those that are still wrong; but for those that are right to be absent."""
        positions = np.flatnonzero(self.outcomes != PAST_TTL)
        self._still_wrong = 0
        if not len(positions):
            return
        index = KeyIndex(take_rows(self._wrong.entities, positions))
        tools, wanted = self._tools, self._wrong.wanted
        parts = measure_view(self._whole, index, tools.online, tools.offline, tools.as_of, tools.progress)
        for part in parts:
            # As in a run, what training gets counts where the source's rows say something else.
            doubtful = np.intersect1d(np.flatnonzero(wanted.mask(part)), askable(part, tools.offline))
            answer = ask(part, doubtful, tools.offline)
            if answer is not None:
                take_over(part, answer)
        self._still_wrong = int(np.count_nonzero(np.logical_or.reduce([wanted.mask(one) for one in parts])))

    def result(self, *, yes: bool) -> ViewRepair:
        """Give what became of the rows so far."""
        done = self.outcomes == _WRITTEN
        rows = self._to_write | done | (self.outcomes == CHANGED)
        online = self._wrong.parts[0].rows.online
        new, kept = online == NO_INSTANT, online == self._targets
        reasons, counts = np.unique(self.outcomes[~self._to_write & ~done].astype(str), return_counts=True)
        return ViewRepair(
            view=self._whole.name,
            features=len(self._whole.features),
            compared=self._wrong.compared,
            population=self._population,
            wrong=self._wrong.count,
            classes={name: int(np.count_nonzero(mask)) for name, mask in self._wrong.classes().items()},
            cause=self._cause,
            rows=int(np.count_nonzero(rows)),
            kept=int(np.count_nonzero(rows & kept & ~new)),
            moved=int(np.count_nonzero(rows & ~kept & ~new)),
            new=int(np.count_nonzero(rows & new)),
            left=dict(zip(reasons.tolist(), map(int, counts), strict=True)),
            online_only=self._wrong.online_only,
            written=int(np.count_nonzero(done)) if yes else None,
            still_wrong=self._still_wrong,
            entities=tuple(self._shown()) if self._tools.show else (),
        )

    def _shown(self) -> list[dict[str, Any]]:
        classes = self._wrong.classes()
        return [
            {
                "key": {name: plain(value) for name, value in render_key(self._wrong.entities, i).items()},
                "class": next((name for name, mask in classes.items() if mask[i]), ""),
                "outcome": str(self.outcomes[i]),
            }
            for i in range(self._wrong.count)
        ]

    def _prepared(self, start: int) -> tuple[Positions, list[Stored]]:
        """Serialize the rows of a chunk; give the positions that can be written, and what is to be written there."""
        after = self._serialized(start, doubles=False)
        trained = self._as_trained(after)
        if not all(trained.values()):
            # What is written has to be what training gets; where whole numbers are missing that has come through doubles.
            by_doubles = self._serialized(start, doubles=True)
            others = {i: by_doubles[i] for i, sound in trained.items() if not sound and i in by_doubles}
            for i, sound in self._as_trained(others).items():
                if sound:
                    after[i] = others[i]
                else:
                    self.outcomes[i] = NOT_TRAINED
                    del after[i]
        return np.array(list(after), dtype=np.int64), list(after.values())

    def _serialized(self, start: int, *, doubles: bool) -> dict[int, Stored]:
        """Give what is to be written at which position; why a row cannot be is noted."""
        stop = min(start + _CHUNK, self._wrong.count)
        places, values = self._rows.of(start, stop)
        encoded = self._tools.encode(self._whole, values, self._targets[places], doubles=doubles)
        stored: dict[int, Stored | None] = {}
        contradicting = set()
        for place, row in zip(places.tolist(), encoded, strict=True):
            if stored.setdefault(place, row) != row:
                contradicting.add(place)
        after: dict[int, Stored] = {}
        for i in (start + np.flatnonzero(self._to_write[start:stop])).tolist():
            row = stored.get(i)
            if row is not None and i not in contradicting:
                after[i] = row
            else:
                self.outcomes[i] = NO_ROW if i not in stored else UNWRITABLE if row is None else CONTRADICTING
        return after

    def _as_trained(self, after: Mapping[int, Stored]) -> dict[int, bool]:
        """Tell which rows would have the values that were measured offline, where the measured row is the one to be written."""
        positions = np.array(list(after), dtype=np.int64)
        found = self._tools.writer.decoded(self._whole, list(after.values()))
        sound = np.ones(len(positions), dtype=bool)
        take = pa.array(positions)
        for part in self._wrong.parts:
            same = part.rows.held[positions] == self._targets[positions]
            for feature in part.features:
                offline = part.pairs[feature.name].offline.take(take)
                equal = equal_or_null(offline, found.columns[feature.name], feature.tolerance, feature.declared.kind)
                sound &= ~same | (equal & ~found.corrupt[feature.name])
        return dict(zip(positions.tolist(), sound.tolist(), strict=True))

    def _write(self, positions: Positions, after: list[Stored], stage: Stage) -> None:
        writer, entities = self._tools.writer, take_rows(self._wrong.entities, positions)
        looked = writer.look(self._whole, entities)
        as_measured = self._as_measured(positions, looked)
        before: list[Stored] = []
        chosen = []
        for number, row in enumerate(looked):
            if row is None or not as_measured[number]:
                self.outcomes[positions[number]] = NO_HASH if row is None else CHANGED
            else:
                chosen.append(number)
                before.append(row)
        rows = take_rows(entities, np.array(chosen, dtype=np.int64))
        for number, written in writer.replace(self._whole, rows, before, [after[i] for i in chosen]):
            self.outcomes[positions[chosen[number]]] = _WRITTEN if written else CHANGED
            stage.advance()

    def _as_measured(self, positions: Positions, looked: Sequence[Stored | None]) -> Mask:
        """Tell which rows are stored with the instant and the values that were measured."""
        found = self._tools.writer.decoded(self._whole, looked)
        same = np.ones(len(positions), dtype=bool)
        take = pa.array(positions)
        for part in self._wrong.parts:
            # Feast's own read, by which a row may have been measured, gives microseconds.
            same &= found.instants // 1000 == part.rows.online[positions] // 1000
            for feature in part.features:
                pairs = part.pairs[feature.name]
                equal = equal_or_null(
                    pairs.online.take(take), found.columns[feature.name], EXACT, feature.declared.kind
                )
                corrupt = pairs.mask(PairClass.CORRUPT)[positions]
                same &= (equal & ~corrupt) | (corrupt & found.corrupt[feature.name])
        return same
