"""The ports: what the service asks of an online and of an offline store, whatever stands behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Instants, Mask, Positions
from feast_skew.core.definition import Definition
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan, SourceVersion, ViewPlan
from feast_skew.errors import TooMuchData
from feast_skew.report import Finding

MOST_HELD = (1 << 31) - 1
"""Most bytes of strings, bytes, lists and maps that are held of the online rows of one view; an Arrow column has no more."""


@dataclass
class OnlineRows:
    """The online rows of one view for a list of entities, row i for entity i.

    `instants` are event timestamps in nanoseconds, `NO_INSTANT` where the store holds nothing for that entity and
    view; `columns` hold the values in their declared types; `corrupt` marks, by feature, values that cannot be decoded.
    """

    instants: Instants
    columns: dict[str, pa.Array]
    corrupt: dict[str, np.ndarray]

    @classmethod
    def concat(cls, parts: Sequence[OnlineRows], features: Sequence[FeaturePlan]) -> OnlineRows:
        """Put consecutive parts together, which are used up; no part gives no rows."""
        if not parts:
            return cls(
                np.empty(0, dtype=np.int64),
                {feature.name: pa.nulls(0, feature.declared.arrow) for feature in features},
                {feature.name: np.empty(0, dtype=bool) for feature in features},
            )
        return cls(
            np.concatenate([part.instants for part in parts]),
            {f.name: pa.concat_arrays([part.columns.pop(f.name) for part in parts]) for f in features},
            {f.name: np.concatenate([part.corrupt[f.name] for part in parts]) for f in features},
        )

    @property
    def held(self) -> int:
        """Bytes of the values that have no fixed size."""
        return sum(column.nbytes for column in self.columns.values() if not pa.types.is_primitive(column.type))

    @property
    def present(self) -> Mask:
        """Entities with an online row."""
        found: Mask = self.instants != NO_INSTANT
        return found


def check_held(held: int, entities: int) -> None:
    """Make sure that the values of one view still fit into memory.

    Raises
    ------
    TooMuchData
        When so many bytes, of so many entities, are too many.
    """
    if held > MOST_HELD:
        raise TooMuchData(
            f"the online values of {entities:,} entities are larger than {MOST_HELD / 2**30:.0f} GiB",
            hint="compare fewer entities with --sample, or leave out large features with --feature",
        )


@dataclass(frozen=True)
class Located:
    """Where the entities of some rows stand in one table of entities: positions, -1 for those that are not in it."""

    entities: pa.Table
    positions: Positions


@dataclass
class OfflineBatch:
    """Some rows of an offline source, keys in their declared types, without null keys or null timestamps.

    `values` holds the asked features as the source stores them; `created` is None when the source has no created
    timestamp; `null_keys` counts the rows that were left out; `located` spares the look-up of keys in one table of
    entities, where the source knows it. `given` are the keys, which may then be None.
    """

    given: pa.Table | None
    instants: np.ndarray
    created: np.ndarray | None
    values: pa.Table
    null_keys: int = 0
    located: Located | None = None

    @property
    def keys(self) -> pa.Table:
        """The keys of the rows."""
        if self.given is not None:
            return self.given
        assert self.located is not None  # noqa: S101  one of both is there
        return self.located.entities.take(pa.array(self.located.positions))

    def positions(self, index: KeyIndex) -> Positions:
        """Give for each row the position of its entity in the table of an index, or -1."""
        if self.located is not None:
            return index.through(self.located.entities, self.located.positions)
        return index.positions(self.keys)


@dataclass
class KeyScan:
    """What a look through the keys that the online store holds has found, best effort.

    `entities` are the distinct entities read; `complete` tells whether every key was seen; `scanned` counts the keys
    looked at; `reason` says why it stopped, or why it was not possible.
    """

    entities: pa.Table | None
    scanned: int = 0
    complete: bool = False
    reason: str = ""
    extra: dict[str, object] = field(default_factory=dict)


@dataclass
class EventRows:
    """Events of some entities: where each one's entity stands in an index, when it happened, and values as they are stored.

    `created` tells when each was written, where that is declared. `naive` tells that their time has no zone and was taken as UTC;
    `broken` counts events that were left out as they have no key or no time.
    """

    positions: Positions
    instants: Instants
    created: Instants | None
    values: pa.Table
    naive: bool = False
    broken: int = 0


@dataclass(frozen=True)
class Elsewhere:
    """Other keys under which the online store holds entities that it does not hold under those that serving asks for.

    `what` is in what they differ: `id type`, `key serialization`, `project`, `join key order`, `view name`, or several of these;
    `expected` is what serving asks by and `found` what is there. `instants` are the event timestamps of the rows of the asked
    entities, `NO_INSTANT` where there is none. `ambiguous` tells that several projects have them, `beside_own` that
    there are keys as serving asks for them, too, of whatever entities, and `leftover` that it is another version of the same view.
    """

    what: str
    expected: str
    found: str
    instants: Instants
    ambiguous: bool = False
    beside_own: bool = False
    leftover: bool = False

    @property
    def asked(self) -> int:
        """The number of entities that were asked for."""
        return len(self.instants)

    @property
    def held(self) -> int:
        """The number of those that have a row."""
        return int(np.count_nonzero(self.instants != NO_INSTANT))


@dataclass(frozen=True)
class StoredTypes:
    """The types, by Feast's names for them, under which values of a feature are stored, one per asked entity.

    Empty for a value that is not there, or cannot be read as one; `declared` is the name of the declared type among these.
    """

    declared: str
    names: Sequence[str]


@dataclass(frozen=True)
class Compared:
    """Some features of a view as they were compared: the offline side of every entity.

    `instants` are those of the aligned offline rows, `NO_INSTANT` for entities that have none; `ties` counts entities with
    several newest rows at one instant, `differing_ties` those whose rows are not all the same.
    """

    view: ViewPlan
    features: Sequence[FeaturePlan]
    entities: pa.Table
    instants: Instants
    columns: Mapping[str, pa.Array]
    ties: int
    differing_ties: int


class RowReader(Protocol):
    """Reads rows of the online store."""

    @property
    def at_rest(self) -> bool:
        """Tell that the rows lie in memory: they are read in one call, and need no second look."""

    @property
    def chunk(self) -> int:
        """The number of entities that are best read in one call."""

    def read(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table) -> OnlineRows:
        """Read one chunk of entities (a table of the view's join keys).

        Raises
        ------
        StoreUnavailable
            When the store does not answer.
        """


class OnlineReader(RowReader, Protocol):
    """Reads rows of the online store, and looks for others than those that it is asked for."""

    @property
    def findings(self) -> Sequence[Finding]:
        """What users should know of how the rows were read, once they are."""

    def close(self) -> None:
        """Close what was opened to read; a further read opens it anew."""

    def scan_keys(self, view: ViewPlan, limit: int, seconds: float) -> KeyScan:
        """Look through the keys that the store really holds for the view's entity keys."""

    def find_elsewhere(self, view: ViewPlan, entities: pa.Table) -> Sequence[Elsewhere]:
        """Look under other keys for a few entities that have no row under their own; those that hold most come first.

        Raises
        ------
        StoreUnavailable
            When the store does not answer.
        """

    def stored_values(self, view: ViewPlan, feature: FeaturePlan, entities: pa.Table) -> StoredTypes | None:
        """Tell under which types the values of a few entities are stored; None where the store has no types of its own.

        Raises
        ------
        StoreUnavailable
            When the store does not answer.
        """


class RowSource(Protocol):
    """Gives rows of offline sources."""

    @property
    def gives_all_ties(self) -> bool:
        """Tell that a training set gets all newest rows of one instant, so that none of them is its value."""

    def scan(self, view: ViewPlan, features: Sequence[FeaturePlan]) -> Iterator[OfflineBatch]:
        """Yield all rows of the view's source with the values of some features (none: keys and timestamps only).

        Raises
        ------
        SourceUnreadable
            When the source is missing, lacks a column, or holds ids or timestamps of another type.
        """

    def row_count(self, view: ViewPlan) -> int | None:
        """Give the number of rows of the view's source where it costs nothing to know, for progress; else None."""

    def declare(self, feature: FeaturePlan, values: pa.ChunkedArray) -> pa.Array:
        """Bring values as the source stores them into the feature's declared type."""

    def earlier(self, view: ViewPlan, version: SourceVersion) -> ViewPlan | None:
        """Give the view as it was defined earlier, readable through `scan`; None when that source is gone."""


class OfflineReader(RowSource, Protocol):
    """Reads rows of the offline store."""

    @property
    def findings(self) -> Sequence[Finding]:
        """What users should know of how training sets are made, whatever the view."""

    def hazards(self, parts: Sequence[Compared], collisions: tuple[int, int] | None = None) -> Sequence[Finding]:
        """Give what users should know of training sets with the compared entities of one view.

        `collisions` counts those whose keys the store takes for another's, and those of them at one moment, where the parts hold
        only some of the entities.
        """

    def training_values(
        self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table, instants: np.ndarray
    ) -> dict[str, pa.Array] | None:
        """Give what a training set would get for these entities at these instants; None when it cannot be asked."""


class EventSource(Protocol):
    """Reads the events that features are declared to be computed from."""

    def read(
        self,
        view: ViewPlan,
        definition: Definition,
        values: Sequence[str],
        index: KeyIndex,
        advance: Callable[[int], None],
    ) -> EventRows:
        """Give the events of the entities of an index, with those of the value columns that there are.

        Raises
        ------
        SourceUnreadable
            When the events are missing, lack a column, or hold ids or times of another type.
        TooMuchData
            When the entities have more events than fit into memory.
        """
