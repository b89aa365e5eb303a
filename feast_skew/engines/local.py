"""The engine of one process: tables in memory, offline sources in a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import pyarrow as pa

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.keys import KeySet
from feast_skew.core.model import ViewPlan
from feast_skew.engines.base import KnownSize, PopulationSize, Wrong
from feast_skew.judging.whole import whole
from feast_skew.measuring.drawing import Measured, draw_together, fair
from feast_skew.measuring.orphans import unknown_keys
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.sampling import Population, SampleSize, ViewSample, find_population
from feast_skew.measuring.sampling import draw as draw_sample
from feast_skew.measuring.tally import Tally
from feast_skew.measuring.training import Answer, Probe, ask, askable, probe, take_over
from feast_skew.measuring.view import ViewMeasurement, measure_view
from feast_skew.report import Finding, SkewReport
from feast_skew.stores.base import OfflineReader, OnlineReader, RowSource


class LocalEngine:
    """Measures in this process; `given` are entities to take instead of a sample, by key set."""

    name = "local"
    seconds: Mapping[str, float] = MappingProxyType({})

    def __init__(
        self,
        online: OnlineReader,
        offline: OfflineReader,
        as_of: int,
        seed: int,
        progress: Progress,
        *,
        given: Mapping[KeySet, ViewSample] | None = None,
    ) -> None:
        self._online = online
        self._offline = offline
        self._as_of = as_of
        self._seed = seed
        self._progress = progress
        self._given = given or {}
        self._populations: dict[KeySet, Population] = {}
        self._samples: dict[KeySet, Mapping[str, ViewSample]] = {}
        self._measured: dict[str, list[ViewMeasurement]] = {}
        self._drawn: dict[str, list[ViewMeasurement]] = {}

    def find_population(self, keys: KeySet, views: Sequence[ViewPlan]) -> PopulationSize:
        """Scan the sources for entities; see `Engine.find_population`."""
        found = find_population(keys, list(views), self._offline, self._as_of, self._progress)
        self._populations[keys] = found
        sizes = {
            name: KnownSize(known.entities.num_rows, known.rows, known.null_keys) for name, known in found.views.items()
        }
        return PopulationSize(found.size, sizes, found.errors)

    def draw(self, keys: KeySet, wanted: int, needed: Callable[[int], int] | None) -> Mapping[str, SampleSize]:
        """Take the smallest hashes; see `Engine.draw`."""
        population = self._populations[keys]
        if keys in self._given:
            samples: Mapping[str, ViewSample] = dict.fromkeys(population.views, self._given[keys])
        else:
            samples = draw_sample(population, wanted, self._seed, needed)
        self._samples[keys] = samples
        return {name: sample.size for name, sample in samples.items()}

    def unknown(self, view: ViewPlan, entities: pa.Table) -> Mask:
        """Look entities up among the known ones; see `Engine.unknown`."""
        return unknown_keys(entities, self._populations[view.keys].views[view.name])

    def measure(self, view: ViewPlan) -> list[Measured]:
        """Read and align all rows; see `Engine.measure`."""
        index = self._samples[view.keys][view.name].index()
        parts = measure_view(view, index, self._online, self._offline, self._as_of, self._progress)
        tallies = [Tally.of(part) for part in parts]
        drawn, positions = draw_together(parts, tallies)
        found = [probe(part, self._offline) for part in drawn]
        answers = [self._answer(part, one, positions) for part, one in zip(parts, found, strict=True)]
        if any(answer is not None for answer in answers):
            for part, answer in zip(parts, answers, strict=True):
                if answer is not None:
                    take_over(part, answer.taken())
            tallies = [Tally.of(part) for part in parts]
            drawn, _ = draw_together(parts, tallies)
        self._measured, self._drawn = {view.name: parts}, {view.name: drawn}
        return [
            whole(part, tally, chosen, one.training)
            for part, tally, chosen, one in zip(parts, tallies, drawn, found, strict=True)
        ]

    def _answer(self, rows: ViewMeasurement, found: Probe, drawn: Positions) -> Answer | None:
        """Give what training sets get where it is to be taken over, None where the source's rows stand."""
        if found.everywhere:
            return ask(rows, askable(rows, self._offline), self._offline)
        return None if found.ties is None else found.ties.at(drawn)

    def hazards(self, view: ViewPlan) -> Sequence[Finding]:
        """Ask the offline store; see `Engine.hazards`."""
        return self._offline.hazards([rows.compared for rows in self._measured[view.name]])

    def ruled(self, view: ViewPlan, parts: Sequence[Measured]) -> Sequence[ViewMeasurement]:
        """Give drawn rows that stand for all; see `Engine.ruled`."""
        return fair([part.tally for part in parts], self._drawn[view.name])

    def rows_of(self, view: ViewPlan) -> RowSource:
        """Give the reader of the offline store; see `Engine.rows_of`."""
        del view
        return self._offline

    def keep(self, measured: Measured, wrong: Sequence[Wrong]) -> None:
        """Keep nothing: the report is all that one process gives; see `Engine.keep`."""

    def finish(self, report: SkewReport) -> None:
        """Write nothing; see `Engine.finish`."""

    def served(self, keys: KeySet) -> tuple[Population, Mapping[str, ViewSample]]:
        """Give the tables; see `Engine.served`."""
        return self._populations[keys], self._samples[keys]
