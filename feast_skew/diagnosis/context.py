"""What rules may ask beyond the pairs of one feature, each question when a rule needs its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Instants, Mask, Positions
from feast_skew.core.model import FeaturePlan, SourceVersion
from feast_skew.core.pairs import FeaturePairs
from feast_skew.diagnosis.declared import Declared
from feast_skew.diagnosis.entity_maps import EntityMaps
from feast_skew.diagnosis.fingerprints import Fingerprints
from feast_skew.stores.base import Elsewhere


@dataclass(frozen=True)
class Earlier:
    """An earlier definition of the view, with the values that it gives at the aligned instants, one per entity."""

    version: SourceVersion
    values: pa.Array

    def at(self, positions: Positions) -> Earlier:
        """Give the values of some of the entities."""
        return (
            self if len(positions) == len(self.values) else Earlier(self.version, self.values.take(pa.array(positions)))
        )


@dataclass(frozen=True)
class Version:
    """The values of a feature of so many versions before the aligned row; `known` tells which entities have such a row."""

    values: pa.Array
    known: Mask


@dataclass(frozen=True)
class Found:
    """Other keys under which the online store has entities that it lacks; `same` of the asked ones have their latest row there."""

    where: Elsewhere
    same: int


@dataclass(frozen=True)
class Stored:
    """Under which types values of a feature are stored, by Feast's names, for those of the drawn entities that were `asked` for.

    `declared` is the name of the declared type among these; empty are values that are not there or cannot be read at all.
    """

    declared: str
    names: np.ndarray
    asked: Mask


@dataclass(frozen=True)
class Context:
    """What is known of the run around one view; arrays that answers hold have one element per drawn entity of the view.

    `earlier` gives what earlier definitions say of a feature, and `changed` are these definitions. `beside` are the pairs of all
    features of the view that align alike, by name; `entities` are the join keys, and `whole` tells that the view has no others.
    `now` is the moment of the run and `as_of` that up to which offline rows count, in nanoseconds, `NO_INSTANT` where there is none, as
    for tables. `versions` gives the values of a feature of 1, 2, ... versions before the aligned row, for entities with a wrong value,
    and `created` when aligned rows were created, `NO_INSTANT` where nobody knows. `events` gives the events that a feature is declared
    to be computed from. `elsewhere` tells under which other keys the online store has entities that it lacks, and `stored` under which
    types values stand.
    """

    earlier: Callable[[FeaturePlan], list[Earlier]] | None = None
    changed: tuple[SourceVersion, ...] = ()
    beside: Mapping[str, FeaturePairs] | None = None
    entities: pa.Table | None = None
    whole: bool = True
    now: int = NO_INSTANT
    as_of: int = NO_INSTANT
    versions: Callable[[FeaturePlan], list[Version]] | None = None
    created: Callable[[], Instants] | None = None
    events: Callable[[FeaturePlan], Declared | None] | None = None
    elsewhere: Callable[[], Sequence[Found]] | None = None
    stored: Callable[[FeaturePlan], Stored | None] | None = None

    def declared(self, feature: FeaturePlan) -> Declared | None:
        """Give the declared events of a feature; None where there are none, or none can be used."""
        return None if self.events is None or feature.definition is None else self.events(feature)

    def earlier_at(self, feature: FeaturePlan, positions: Positions) -> list[Earlier]:
        """Give what earlier definitions say of a feature for some of the drawn entities; nothing where nobody knows any."""
        return [] if self.earlier is None else [one.at(positions) for one in self.earlier(feature)]

    def versions_at(self, feature: FeaturePlan, positions: Positions) -> list[Version]:
        """Give the values of earlier rows for some of the drawn entities; nothing where nobody knows any."""
        if self.versions is None:
            return []
        take = pa.array(positions)
        return [Version(one.values.take(take), one.known[positions]) for one in self.versions(feature)]

    def created_at(self, positions: Positions) -> Instants:
        """Give when the aligned rows of some of the drawn entities were created."""
        if self.created is None:
            return np.full(len(positions), NO_INSTANT, dtype=np.int64)
        return self.created()[positions]

    @cached_property
    def fingerprints(self) -> Fingerprints:
        """The hashes of the values of all features, made once for all rules that ask for them."""
        return Fingerprints(self.beside or {})

    @cached_property
    def entity_maps(self) -> EntityMaps | None:
        """The ways in which one entity leads to another by its keys; None without keys."""
        known = self.entities is not None and self.entities.num_columns > 0
        return EntityMaps(self.entities) if known else None
