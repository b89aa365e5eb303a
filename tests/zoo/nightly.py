"""Nights on which a stream and a pipeline work on the same flights: clean runs that differ a little, and incidents that are smaller than a 0.2.

The stream sends what was first reported of a flight and loses some flights; offline knows what was corrected later. How much is corrected, and lost,
depends on the day, so clean runs differ from night to night, and windows over a month pass on what one day did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from feast_skew.calibrating import calibrate_history
from feast_skew.calibration.calibrate import Calibration, Proposal
from feast_skew.calibration.incidents import Incident
from feast_skew.calibration.limits import Limit
from feast_skew.measuring.progress import NoProgress
from feast_skew.remembered import open_history
from feast_skew.report import iso
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.resampled import distances, resampled
from zoo.columns import PLANES
from zoo.flown import DAY, Flights, arrow, instants, minute
from zoo.stored import KEYS, VIEW, Repository, moment

COLUMNS = ("dep_delay", "arr_delay", "air_time")
FEATURES = {
    f"{how}_{column}_{days}d": (how, column, days)
    for how, column, days in (
        ("mean", "dep_delay", 30), ("mean", "dep_delay", 7), ("mean", "dep_delay", 1), ("mean", "arr_delay", 30),
        ("mean", "air_time", 7), ("sum", "dep_delay", 7), ("sum", "arr_delay", 1), ("count", "dep_delay", 30),
        ("count", "arr_delay", 7), ("max", "dep_delay", 7), ("min", "arr_delay", 7), ("std", "dep_delay", 30),
        ("std", "arr_delay", 7), ("last", "dep_delay", 30),
    )
}  # fmt: skip
FIRST, APART, LAST = "2013-02-05", 37, 240
"""The first night of seed 0: a month of flights lies before it. Other seeds begin so many nights later each, up to the last."""
HOLDS, REST = 3, 3
"""Nights of an incident, and the clean ones before it."""
DRAWS = 5_000
Values = np.ndarray
States = Mapping[tuple[str, str], Sequence[tuple[str, Profile]]]


@dataclass(frozen=True)
class Wrong:
    """What an incident does to online's values of a feature, once so strongly and once more."""

    name: str
    size: float


WRONGS = tuple(
    Wrong(name, size)
    for size in (1.0, 2.0)
    for name in ("window", "scale", "shift", "nulls", "subset")
)  # fmt: skip


class Streamed(Flights):
    """The flights as a stream knew them: first reports, and some never heard of."""

    def __init__(self, seed: int) -> None:
        super().__init__(PLANES)
        random = np.random.default_rng([77, seed])
        days = self.at // DAY
        first, count = int(days.min()), int(days.max() - days.min()) + 1
        corrected, lost = 0.06 * random.gamma(4.0, 0.25, count), 0.01 * random.gamma(2.0, 0.5, count)
        late = np.round(random.normal(0.0, 1.5, count))
        day = days - first
        touched = random.random(len(day)) < corrected[day]
        gone = random.random(len(day)) < lost[day]
        error = np.where(touched, np.round(random.normal(late[day], 6.0)), 0.0)
        for column in COLUMNS:
            values = self.frame[column].to_numpy(float) + error
            self.frame[column] = np.where(gone, np.nan, values)


class Nights:
    """A Feast repository over planes, with offline's table and the stream's rows of each night, validated night by night."""

    def __init__(self, seed: int, planes: int) -> None:
        self.seed = seed
        self.flights, self.streamed = Flights(PLANES), Streamed(seed)
        keys, ends = self.flights.nights
        often = np.flatnonzero(np.bincount(keys) >= 60)
        self.planes = np.sort(np.random.default_rng([78, seed]).permutation(often)[:planes])
        there = np.isin(keys, self.planes)
        self._keys, self._ends = keys[there], ends[there]
        self.first = minute(FIRST) + APART * seed % LAST * DAY
        self.repo = Repository(keys=KEYS)
        self._applied = False

    def rows(self, night: int) -> tuple[Values, Values]:
        """Give the planes and the instants of their latest nightly row, of the month before a night."""
        so_far = (self._ends <= night) & (self._ends > night - 30 * DAY)
        keys, ends = self._keys[so_far], self._ends[so_far]
        last = np.flatnonzero(np.append(keys[1:] != keys[:-1], True))
        return keys[last], ends[last]

    def run(self, number: int, wrong: Wrong | None = None) -> None:
        """Write both stores as of a night and validate; `wrong` is what the stream does to all features."""
        night = self.first + number * DAY
        keys, ends = self.rows(night)
        offline = {name: self.flights.aggregate(how, column, keys, ends, days * DAY) for name, (how, column, days) in FEATURES.items()}  # fmt: skip
        online = {name: self._streamed(name, keys, ends, wrong) for name in FEATURES}
        self.repo.write(self._table(keys, ends, offline))
        if not self._applied:
            self.repo.apply(dict.fromkeys(FEATURES, "Float64"))
            self._applied = True
        number_of = dict.fromkeys(FEATURES, _double)
        self.repo.push(self._table(keys, ends, online), number_of)
        self.repo.validate(night + 3 * 60, state=True)

    def _streamed(self, name: str, keys: Values, ends: Values, wrong: Wrong | None) -> Values:
        how, column, days = FEATURES[name]
        size = wrong.size if wrong else 0.0
        window = days * DAY
        if wrong and wrong.name == "window":
            window -= round(size * 0.03 * window)
        values = self.streamed.aggregate(how, column, keys, ends, window)
        if not wrong:
            return values
        # The same planes on every night of an incident.
        drawn = np.random.default_rng([79, self.seed, len(name), int(size)]).random(int(keys.max()) + 1)[keys]
        if wrong.name == "scale":
            return values * (1.0 + 0.03 * size)
        if wrong.name == "shift":
            return values + 0.04 * size * np.nanstd(values)
        if wrong.name == "nulls":
            return np.where(drawn < 0.02 * size, np.nan, values)
        if wrong.name == "subset":
            return np.where(drawn < 0.02 * size, values + 2.0 * np.nanstd(values), values)
        return values

    def _table(self, keys: Values, ends: Values, values: dict[str, Values]) -> pa.Table:
        entities = self.flights.entities.take(pa.array(keys))
        return pa.table(
            {
                **dict(zip(entities.column_names, entities.columns, strict=True)),
                "event_timestamp": instants(ends),
                "created_at": instants(ends + 3 * 60),
                **{name: arrow(column) for name, column in values.items()},
            }
        )

    def moment(self, number: int) -> datetime:
        """Give the moment of the run of a night."""
        return moment(self.first + number * DAY + 3 * 60)

    def calibrated(self, first: int, after: int, incidents: Sequence[Incident], rate: float) -> Calibration:
        """Calibrate on the runs of some nights, as the command does."""
        found = calibrate_history(
            self.repo.directory,
            None,
            iso(self.moment(first)),
            self.moment(after - 1),
            incidents,
            rate=rate,
            method="quantile",
            seed=self.seed,
            progress=NoProgress(),
        )
        assert found is not None
        return found

    def states(self, first: int, after: int) -> States:
        """Give the stored states of the runs of some nights."""
        opened = open_history(self.repo.directory)
        return dict(opened.history.runs(opened.project).profiles(iso(self.moment(first)), iso(self.moment(after))))


def _double(value: float) -> object:
    from feast.protos.feast.types.Value_pb2 import Value

    return Value(double_val=value)


@dataclass(frozen=True)
class Kept:
    """A limit, and the share beyond it of clean runs that it has not seen: of the nights as measured, and of runs drawn from their states."""

    feature: str
    metric: str
    limit: Limit
    lowered: bool
    nights: float
    beyond: float

    @property
    def held(self) -> bool:
        """Whether the share of drawn runs lies within the limit's printed bounds."""
        return self.limit.rate_low <= self.beyond <= self.limit.rate_high

    @property
    def held_nights(self) -> bool:
        """Whether that of the nights does; so few of them bound nothing from below."""
        return self.nights <= self.limit.rate_high


@dataclass(frozen=True)
class Told:
    """An incident of one feature: is it farther than every clean night, learned or held out, by some metric; does 0.2 on PSI catch it, do the limits, did one have to be lowered to it?"""

    feature: str
    incident: str
    above_noise: bool
    human: bool
    caught: bool
    lowered: bool


def lived(
    seed: int, planes: int, *, wrongs: Sequence[Wrong] = WRONGS, held_out: int = 30, rate: float = 0.01
) -> tuple[Calibration, States]:
    """Live through the nights of a seed: clean ones and incidents by turns, then clean ones that no limit has seen.

    Gives what `calibrate` makes of the first, and the stored states of the others.
    """
    nights = Nights(seed, planes)
    try:
        number, incidents = 0, []
        for wrong in wrongs:
            for _ in range(REST):
                nights.run(number)
                number += 1
            span = nights.moment(number), nights.moment(number + HOLDS - 1)
            incidents.append(Incident(f"{wrong.name} {wrong.size:g}", "*", *span))
            for _ in range(HOLDS):
                nights.run(number, wrong)
                number += 1
        learned = number
        for _ in range(held_out):
            nights.run(number)
            number += 1
        return nights.calibrated(0, learned, incidents, rate), nights.states(learned, number)
    finally:
        nights.repo.close()


def judged(found: Calibration, later: States, seed: int) -> tuple[list[Kept], list[Told]]:
    """Hold limits beside runs drawn from states that they have not seen, and incidents beside all clean nights, these and those they come from."""
    by_feature = defaultdict(list)
    kept: list[Kept] = []
    told: list[Told] = []
    for one in found.proposals:
        by_feature[one.feature].append(one)
    for feature, proposals in by_feature.items():
        states = [profile for _, profile in later[VIEW, feature]]
        generator = np.random.default_rng([80, seed, *feature.encode()])
        measured = [distances(profile) for profile in states]
        each = -(-DRAWS // len(states))
        drawn = [resampled(one, known, each, generator) for one, known in zip(states, measured, strict=True)]
        for one in proposals:
            if one.limit is not None:
                nights = np.array([run.get(one.metric, 0.0) for run in measured])
                runs = np.concatenate([run[one.metric] for run in drawn])
                beyond = (float(np.mean(values > one.limit.value)) for values in (nights, runs))
                kept.append(Kept(feature, one.metric, one.limit, bool(one.lowered_for), *beyond))
        told += [_told(proposals, place, found.incidents, measured) for place in range(len(found.incidents))]
    return kept, told


def _told(
    proposals: Sequence[Proposal], place: int, incidents: Sequence[Incident], later: Sequence[Mapping[str, float]]
) -> Told:
    catches = [(one, one.catches[place]) for one in proposals]
    farthest = {
        one.metric: max(
            *(seen.value for seen in one.seen if not any(other.holds(seen.at) for other in incidents)),
            *(run.get(one.metric, 0.0) for run in later),
        )
        for one in proposals
    }
    return Told(
        proposals[0].feature,
        catches[0][1].incident,
        any(catch.largest > farthest[one.metric] for one, catch in catches),
        any(catch.caught_by_human is not None for _, catch in catches),
        any(catch.caught is not None for _, catch in catches),
        any(catch.incident in one.lowered_for for one, catch in catches),
    )
