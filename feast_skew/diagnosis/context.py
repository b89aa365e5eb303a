"""What rules may ask beyond the pairs of one feature, each question when a rule needs its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Positions
from feast_skew.core.model import FeaturePlan, SourceVersion
from feast_skew.core.pairs import FeaturePairs
from feast_skew.diagnosis.entity_maps import EntityMaps
from feast_skew.diagnosis.fingerprints import Fingerprints


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
class Context:
    """What is known of the run around one view; arrays that answers hold have one element per drawn entity of the view.

    `earlier` gives what earlier definitions say of a feature, and `changed` are these definitions. `beside` are the pairs of all
    features of the view that align alike, by name; `entities` are the join keys, and `whole` tells that the view has no others.
    `now` is the moment of the run and `as_of` that up to which offline rows count, in
    nanoseconds, `NO_INSTANT` where there is none, as for tables.
    """

    earlier: Callable[[FeaturePlan], list[Earlier]] | None = None
    changed: tuple[SourceVersion, ...] = ()
    beside: Mapping[str, FeaturePairs] | None = None
    entities: pa.Table | None = None
    whole: bool = True
    now: int = NO_INSTANT
    as_of: int = NO_INSTANT

    def earlier_at(self, feature: FeaturePlan, positions: Positions) -> list[Earlier]:
        """Give what earlier definitions say of a feature for some of the drawn entities; nothing where nobody knows any."""
        return [] if self.earlier is None else [one.at(positions) for one in self.earlier(feature)]

    @cached_property
    def fingerprints(self) -> Fingerprints:
        """The hashes of the values of all features, made once for all rules that ask for them."""
        return Fingerprints(self.beside or {})

    @cached_property
    def entity_maps(self) -> EntityMaps | None:
        """The ways in which one entity leads to another by its keys; None without keys."""
        known = self.entities is not None and self.entities.num_columns > 0
        return EntityMaps(self.entities) if known else None
