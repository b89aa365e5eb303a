"""The use case: from the stored states of runs to limits, with the incidents that they would have caught."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import MappingProxyType

import numpy as np

from feast_skew.calibration.clusters import Floats
from feast_skew.calibration.incidents import Incident, concerning, unknown_names
from feast_skew.calibration.limits import FEW, QUANTILE, Limit, likely_runs, limit_of
from feast_skew.calibration.lowering import CleanRuns, Lowered, lowered
from feast_skew.calibration.outlying import outlying
from feast_skew.calibration.tradeoffs import Seen, Tradeoff, tradeoffs
from feast_skew.core.moments import parse_moment
from feast_skew.measuring.progress import NoProgress, Progress
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.resampled import MEAN, NULL_RATE, PSI, VARIANCE, distances, resampled

HUMAN = 0.2
"""The PSI that people set without looking: the rule of thumb that limits are held beside."""

AGREES = {VARIANCE: 1.0}
"""The distance of sides that agree, where it is not 0."""
_ALMOST = 0.9
"""Of the runs: from there on it goes without saying that they are independent."""
_DRAWS = 5_000
"""Runs that are drawn for each feature in all."""
_SILENT = NoProgress()
_METRICS = {"numeric": (PSI, MEAN, VARIANCE, NULL_RATE), "category": (PSI, NULL_RATE)}


@dataclass(frozen=True)
class Catch:
    """What a limit makes of an incident: the first run in it, the first beyond the limit (None: missed), and how many runs were in it."""

    incident: str
    runs: int
    first: datetime | None
    caught: datetime | None
    caught_by_human: datetime | None
    largest: float


@dataclass(frozen=True)
class Proposal:
    """A limit on one metric of one feature, from clean runs; `false_alarms` of them lie beyond it.

    `limit` is None when both sides agree in every clean run, or in so many that the rate needs none: then the mismatch budget says it all. `tradeoffs` hold other limits beside it, where there
    are incidents. Of the clean runs the feature failed in `failed`, and `apart` lie so far from the others that they may be incidents without a name.
    Where the limit is lower than that of the rate, `asked`, which may be none, it is `lowered_for` the incidents named there.
    """

    view: str
    feature: str
    metric: str
    limit: Limit | None
    clean: int
    false_alarms: int
    seen: tuple[Seen, ...]
    catches: tuple[Catch, ...]
    tradeoffs: tuple[Tradeoff, ...] = ()
    failed: int = 0
    apart: tuple[Seen, ...] = ()
    asked: Limit | None = None
    lowered_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class Calibration:
    """The proposals of a project; `basis` says in a sentence what they come from, `skipped` why features have none.

    `incidents` are those that runs were held beside. Where the runs are not `stored` ones, nothing bounds the rates.
    """

    project: str
    basis: str
    rate: float
    method: str
    proposals: tuple[Proposal, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    incidents: tuple[Incident, ...] = ()
    stored: bool = True

    def depends(self, one: Proposal) -> bool:
        """Tell whether the runs behind a limit are worth fewer independent ones; it can be told of stored runs only."""
        return self.stored and one.limit is not None and one.limit.worth < _ALMOST * one.clean


def calibrate(
    project: str,
    profiles: Mapping[tuple[str, str], Sequence[tuple[str, Profile]]],
    incidents: Sequence[Incident] = (),
    *,
    failed: Mapping[tuple[str, str], Collection[str]] = MappingProxyType({}),
    rate: float = 0.01,
    method: str = QUANTILE,
    seed: int = 0,
    basis: str | None = None,
    progress: Progress = _SILENT,
) -> Calibration:
    """Propose limits for features from the states of their runs.

    Parameters
    ----------
    profiles : mapping
        By view and feature, the moment and the states of each run, oldest first. Each is asked for once, and those of one feature are held at a time.
    incidents : sequence of Incident
        Runs in one that concerns the feature are not clean. A limit is lowered to one that no limit of the feature catches, where it can be told from
        all clean runs.
    failed : mapping
        By view and feature the moments of the runs in which it failed. They are clean all the same, unless they are in an incident: limits are for
        features that fail without being wrong.
    rate : float
        Of false alarms that is asked for, of one metric in one run, between 0 and 0.5.
    basis : str, optional
        What the profiles come from, where they are no stored runs.

    Notes
    -----
    With few clean runs (below 10) what moves between runs is hardly known, and the interval of the rate says so; with one, only chance is.
    """
    found: list[Proposal] = []
    left_out = unknown_names(incidents, profiles)
    moments: set[datetime] = set()
    clean: list[int] = []
    with progress.stage("limits", len(profiles), "features") as stage:
        for view, feature in sorted(profiles):
            bad, concern = failed.get((view, feature), ()), concerning(incidents, view, feature)
            one = _Feature(view, feature, _runs(profiles[view, feature], bad), concern)
            proposals = list(_proposals(one, rate, method, seed))
            found += proposals
            moments.update(run.at for run in one.runs)
            clean.append(len(one.clean))
            left_out.update(_left_out(one, proposals))
            del one  # before the next one is read
            stage.advance()
    told = basis or _basis(len(moments), min((count for count in clean if count), default=0))
    return Calibration(project, told, rate, method, tuple(found), left_out, tuple(incidents), basis is None)


@dataclass(frozen=True)
class _Run:
    at: datetime
    profile: Profile
    failed: bool
    distances: Mapping[str, float]


@dataclass(frozen=True)
class _Feature:
    """A feature with its runs, oldest first, and the incidents that concern it."""

    view: str
    feature: str
    runs: Sequence[_Run]
    incidents: Sequence[Incident]

    @property
    def ref(self) -> str:
        return f"{self.view}:{self.feature}"

    @cached_property
    def clean(self) -> list[_Run]:
        return [run for run in self.runs if not any(one.holds(run.at) for one in self.incidents)]


@dataclass(frozen=True)
class _Metric:
    """One metric of a feature: the clean runs that have it, all that do, and the limit at the rate that was asked for."""

    name: str
    clean: Sequence[_Run]
    marks: tuple[Seen, ...]
    limit: Limit | None
    runs: CleanRuns


def _runs(kept: Sequence[tuple[str, Profile]], failed: Collection[str]) -> list[_Run]:
    return [_Run(parse_moment(at, "moment"), profile, at in failed, distances(profile)) for at, profile in kept]


def _left_out(one: _Feature, proposals: Sequence[Proposal]) -> dict[str, str]:
    """Say what has no proposal and why; nothing of a feature whose runs were forgotten meanwhile."""
    if not one.clean:
        return {one.ref: "all of its runs lie in incidents"} if one.runs else {}
    missing = [name for name in _METRICS[one.runs[-1].profile.kind] if all(name != each.metric for each in proposals)]
    why = "cannot be computed: too few pairs, values without spread, or too large ones"
    return {f"{one.ref}, {', '.join(missing)}": why} if missing else {}


def _proposals(one: _Feature, rate: float, method: str, seed: int) -> Iterator[Proposal]:
    if not one.clean:
        return
    generator = np.random.default_rng([seed, *one.ref.encode("utf-8", "surrogatepass")])
    each = max(1, -(-_DRAWS // len(one.clean)))
    pools = [resampled(run.profile, run.distances, each, generator) for run in one.clean]
    names = dict.fromkeys(name for pool in pools for name in pool)
    metrics = {name: _metric(one, name, pools, rate, method, generator) for name in names}
    lower = lowered({name: metric.runs for name, metric in metrics.items()}, generator)
    for name, metric in metrics.items():
        yield _proposal(one, metric, lower.get(name))


def _metric(
    one: _Feature,
    name: str,
    pools: Sequence[Mapping[str, Floats]],
    rate: float,
    method: str,
    generator: np.random.Generator,
) -> _Metric:
    clean = [run for run, pool in zip(one.clean, pools, strict=True) if name in pool]
    drawn = [pool[name] for pool in pools if name in pool]
    levels = np.array([run.distances[name] for run in clean])
    noise = math.sqrt(float(np.mean([pool.var() for pool in drawn])))
    likely = likely_runs(levels, drawn, noise)
    limit = None
    if (levels > AGREES.get(name, 0.0)).mean() > rate:  # where fewer differ, agreeing is the limit
        limit = limit_of(levels, likely, noise, rate, method, generator)
    bound = None if limit is None else limit.value
    marks = tuple(Seen(run.at, run.distances[name]) for run in one.runs if name in run.distances)
    largest = [
        max((seen.value for seen in marks if incident.holds(seen.at)), default=None) for incident in one.incidents
    ]
    return _Metric(name, clean, marks, limit, CleanRuns(levels, likely, noise, bound, largest))


def _proposal(one: _Feature, metric: _Metric, less: Lowered | None) -> Proposal:
    runs = metric.runs
    limit = metric.limit if less is None else less.limit
    bound = None if limit is None else limit.value
    others = {one for one in (bound, runs.bound, HUMAN if metric.name == PSI else None) if one is not None}
    return Proposal(
        one.view,
        one.feature,
        metric.name,
        limit,
        len(metric.clean),
        int((runs.levels > (AGREES.get(metric.name, 0.0) if bound is None else bound)).sum()),
        metric.marks,
        tuple(_catch(incident, metric.marks, bound, metric.name) for incident in one.incidents),
        tradeoffs(runs.likely.ravel(), metric.marks, one.incidents, others) if one.incidents else (),
        sum(run.failed for run in metric.clean),
        tuple(Seen(metric.clean[i].at, float(runs.levels[i])) for i in outlying(runs.levels, runs.noise)),
        None if less is None else metric.limit,
        () if less is None else tuple(dict.fromkeys(one.incidents[place].name for place in less.places)),
    )


def _catch(incident: Incident, marks: Sequence[Seen], bound: float | None, metric: str) -> Catch:
    within = [one for one in marks if incident.holds(one.at)]
    return Catch(
        incident.name,
        len(within),
        within[0].at if within else None,
        None if bound is None else next((one.at for one in within if one.value > bound), None),
        next((one.at for one in within if one.value > HUMAN), None) if metric == PSI else None,
        max((one.value for one in within), default=0.0),
    )


def _basis(runs: int, fewest: int) -> str:
    text = f"{runs:,} stored runs; the feature with the fewest clean ones has {fewest}"
    if fewest == 1:
        return f"{text}: limits come from chance alone, as one run cannot show what moves from run to run"
    return f"{text}: too few to know well what moves from run to run" if fewest < FEW else text
