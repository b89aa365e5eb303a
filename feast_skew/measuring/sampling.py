"""Who is compared: the entities that offline knows, and the seeded sample of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask
from feast_skew.core.columns import bare_rows
from feast_skew.core.distinct import DistinctEntities
from feast_skew.core.keys import KeyIndex, KeySet, key_hashes, smallest
from feast_skew.core.model import ViewPlan
from feast_skew.errors import SkewError
from feast_skew.measuring.progress import Progress
from feast_skew.stores.base import Located, OfflineBatch, RowSource


@dataclass
class Known:
    """The entities that offline knows of one view up to the instant of the run.

    `later` holds those with rows behind that instant, None when there are none; `rows` counts all rows of the source.
    """

    entities: pa.Table
    rows: int
    null_keys: int
    later: pa.Table | None = None


@dataclass
class Population:
    """The entities of one entity key set: the union over its views, and each view's own.

    `whole` is how many there are where the tables hold only those with the smallest hashes.
    """

    keys: KeySet
    entities: pa.Table
    views: dict[str, Known]
    errors: dict[str, SkewError] = field(default_factory=dict)
    whole: int | None = None

    @property
    def size(self) -> int:
        """Number of distinct entities; 1 for a key set without keys that has any row."""
        return int(self.entities.num_rows) if self.whole is None else self.whole


@dataclass(frozen=True)
class SampleSize:
    """How many `entities` one view is judged by, and what they stand for.

    `population` is the number that they stand for (equal to their number when all were taken), `unread` how many more
    of them the view's offline side knows, and `ambiguous` how many of them have rows that contradict each other: these
    are known to be in both stores, and can be compared by nobody.
    """

    entities: int
    population: int
    unread: int
    ambiguous: int = 0


@dataclass
class ViewSample:
    """The entities of which one view is judged, with the numbers of `SampleSize`.

    `origin` tells which table they were taken out of, and where.
    """

    entities: pa.Table
    population: int
    unread: int
    ambiguous: int = 0
    origin: Located | None = None

    @property
    def size(self) -> SampleSize:
        """Give the numbers alone."""
        return SampleSize(self.entities.num_rows, self.population, self.unread, self.ambiguous)

    def index(self) -> KeyIndex:
        """Give what finds the entities."""
        if self.origin is None:
            return KeyIndex(self.entities)
        return KeyIndex(self.entities, self.origin.entities, self.origin.positions)


def given_sample(entities: pa.Table, population: int | None = None, ambiguous: int = 0) -> ViewSample:
    """Take entities that somebody gave; they stand for `population` ones, or for themselves and the ambiguous ones."""
    seen = entities.num_rows + ambiguous
    size = max(seen, population or 0)
    return ViewSample(entities, size, size - seen, ambiguous)


def find_population(
    keys: KeySet, views: list[ViewPlan], offline: RowSource, as_of: int, progress: Progress
) -> Population:
    """Find the entities that offline knows of a key set; a view whose source cannot be read is noted and left out."""
    known: dict[str, Known] = {}
    errors: dict[str, SkewError] = {}
    for view in views:
        try:
            known[view.name] = _known(view, offline, as_of, progress)
        except SkewError as error:
            errors[view.name] = error
    if not keys.keys:
        rows = 1 if known else 0
        return Population(keys, bare_rows(rows), known, errors)
    if len(known) == 1:
        return Population(keys, next(iter(known.values())).entities, known, errors)
    union = DistinctEntities(keys)
    for entry in known.values():
        union.add(entry.entities)
    return Population(keys, union.table(), known, errors)


def _known(view: ViewPlan, offline: RowSource, as_of: int, progress: Progress) -> Known:
    met, later = _Met(view.keys), _Met(view.keys)
    rows = null_keys = 0
    any_row = any_later = False
    with progress.stage(f"{view.name}: entities offline", offline.row_count(view), "rows") as stage:
        for batch in offline.scan(view, ()):
            in_time = batch.instants <= as_of
            any_row = any_row or bool(in_time.any())
            if in_time.all():
                met.add(batch)
            else:
                any_later = True
                met.add(batch, in_time)
                later.add(batch, ~in_time)
            rows += len(batch.instants)
            null_keys += batch.null_keys
            stage.advance(len(batch.instants))
    entities = met.table() if view.keys.keys else bare_rows(1 if any_row else 0)
    return Known(entities, rows, null_keys, later.table() if any_later and view.keys.keys else None)


class _Met:
    """The distinct entities of batches; where a source knows a table of them they are only ticked off in it."""

    def __init__(self, keys: KeySet) -> None:
        self._distinct = DistinctEntities(keys)
        self._entities: pa.Table | None = None
        self._seen = np.empty(0, dtype=bool)

    def add(self, batch: OfflineBatch, rows: Mask | None = None) -> None:
        """Take the entities of all rows of a batch, or of some."""
        located = batch.located
        if located is None or not self._holds(located):
            self._distinct.add(batch.keys if rows is None else batch.keys.filter(pa.array(rows)))
            return
        if self._entities is None:
            self._entities = located.entities
            self._seen = np.zeros(located.entities.num_rows, dtype=bool)
        self._seen[located.positions if rows is None else located.positions[rows]] = True

    def _holds(self, located: Located) -> bool:
        """Tell whether all the rows are of entities in the one table that is ticked off."""
        known = self._entities is None or self._entities is located.entities
        return known and not (located.positions < 0).any()

    def table(self) -> pa.Table:
        """Give the entities; their order has no meaning."""
        if self._entities is not None:
            ticked = self._entities if self._seen.all() else self._entities.filter(pa.array(self._seen))
            self._distinct.add(ticked, distinct=True)
        return self._distinct.table()


def draw(
    population: Population, wanted: int, seed: int, needed: Callable[[int], int] | None = None
) -> Mapping[str, ViewSample]:
    """Draw the sample of each view: the `wanted` smallest seeded hashes of the key set's entities.

    A small view beside a large one would find few of its entities among them. A view that has no more than `wanted` is
    read whole, so that it is decided exactly; one that knows less than half of the sample gets its own smallest hashes.
    Where `needed` gives the sample that a population of some size needs, a view that knows fewer gets so many of its own.
    """
    if population.size <= wanted:
        everyone, origin = _in_hash_order(population.entities, population.keys, seed, population.size)
        return {name: ViewSample(everyone, population.size, 0, origin=origin) for name in population.views}
    base, origin = _in_hash_order(population.entities, population.keys, seed, wanted)
    index = KeyIndex(base)
    samples = {}
    for name, known in population.views.items():
        size = known.entities.num_rows
        inside = int(np.count_nonzero(index.positions(known.entities) >= 0))
        enough, most = (wanted // 2, wanted) if needed is None else (needed(size), needed(size))
        if inside < size <= wanted or inside < enough:
            own, taken = _in_hash_order(known.entities, population.keys, seed, size if size <= wanted else most)
            samples[name] = ViewSample(own, size, size - own.num_rows, origin=taken)
        else:
            samples[name] = ViewSample(base, population.size, size - inside, origin=origin)
    return samples


def _in_hash_order(entities: pa.Table, keys: KeySet, seed: int, wanted: int) -> tuple[pa.Table, Located | None]:
    if not keys.keys:
        return entities, None
    chosen = smallest(key_hashes(entities, keys, seed), wanted)
    return entities.take(pa.array(chosen)).combine_chunks(), Located(entities, chosen)
