"""What the service asks of an engine, and the numbers that it gets; rows stay with the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.keys import KeySet
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.diagnosis.explain import Explained
from feast_skew.errors import SkewError
from feast_skew.measuring.drawing import Measured
from feast_skew.measuring.sampling import Population, SampleSize, ViewSample
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.report import Finding, SkewReport
from feast_skew.stores.base import RowSource


@dataclass(frozen=True)
class KnownSize:
    """How many entities the offline source of a view knows, of how many rows, and how many rows have no whole key."""

    entities: int
    rows: int
    null_keys: int


@dataclass(frozen=True)
class PopulationSize:
    """How many entities a key set has, and each of its views; views whose source cannot be read are in `errors`."""

    size: int
    views: Mapping[str, KnownSize]
    errors: Mapping[str, SkewError] = field(default_factory=dict)


@dataclass(frozen=True)
class Wrong:
    """What was found out about one feature of a measurement: the causes of its drawn rows, at `positions` among those of the view.

    `unaligned` tells that the feature failed by its unaligned rows, so that these are wrong ones too.
    """

    feature: FeaturePlan
    positions: Positions
    explained: Explained
    unaligned: bool


class Engine(Protocol):
    """Does the parts of a run whose cost grows with the number of entities, one key set after another."""

    @property
    def name(self) -> str:
        """The engine as reports name it."""

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds by what they went into; none where the engine does not tell."""

    def find_population(self, keys: KeySet, views: Sequence[ViewPlan]) -> PopulationSize:
        """Find the entities that offline knows of a key set."""

    def draw(self, keys: KeySet, wanted: int, needed: Callable[[int], int] | None) -> Mapping[str, SampleSize]:
        """Draw the sample of each view of a key set whose population was found, by the rules of `measuring.sampling.draw`."""

    def unknown(self, view: ViewPlan, entities: pa.Table) -> Mask:
        """Tell which of some entities the offline source of a view does not know."""

    def measure(self, view: ViewPlan) -> list[Measured]:
        """Measure a view on its sample; features that align alike share a part.

        Raises
        ------
        SkewError
            When a store cannot be read.
        """

    def hazards(self, view: ViewPlan) -> Sequence[Finding]:
        """Give what users should know of training sets with the entities of the view that was measured last."""

    def ruled(self, view: ViewPlan, parts: Sequence[Measured]) -> Sequence[ViewMeasurement]:
        """Give the rows of a measured view that expectations are held against."""

    def rows_of(self, view: ViewPlan) -> RowSource:
        """Give what reads the offline rows of the drawn entities of a view."""

    def keep(self, measured: Measured, wrong: Sequence[Wrong]) -> None:
        """Keep the wrong rows of the view that was measured last, with their causes, where they are wanted."""

    def finish(self, report: SkewReport) -> None:
        """Write what was kept, whole, once all is judged."""

    def served(self, keys: KeySet) -> tuple[Population, Mapping[str, ViewSample]]:
        """Give the population and the samples of a key set as tables, for what is asked of serving request by request."""
