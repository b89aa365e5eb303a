"""The use case: from the stored states of runs to limits, with the incidents that they would have caught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

import numpy as np

from feast_skew.calibration.incidents import Incident, concerning
from feast_skew.calibration.limits import QUANTILE, Limit, limit_of
from feast_skew.calibration.tradeoffs import Seen, Tradeoff, tradeoffs
from feast_skew.core.moments import parse_moment
from feast_skew.statistics.profile import Profile
from feast_skew.statistics.resampled import PSI, VARIANCE, distances, resampled

HUMAN = 0.2
"""The PSI that people set without looking: the rule of thumb that limits are held beside."""

FEW = 10
AGREES = {VARIANCE: 1.0}
"""The distance of sides that agree, where it is not 0."""


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

    `limit` is None when both sides agree in every clean run: then the mismatch budget says it all. `tradeoffs` hold other limits beside it, where there
    are incidents.
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


@dataclass(frozen=True)
class Calibration:
    """The proposals of a project; `basis` says in a sentence what they come from, `skipped` why features have none.

    `incidents` are those that runs were held beside.
    """

    project: str
    basis: str
    rate: float
    method: str
    proposals: tuple[Proposal, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    incidents: tuple[Incident, ...] = ()


def calibrate(
    project: str,
    profiles: Mapping[tuple[str, str], Sequence[tuple[str, Profile]]],
    incidents: Sequence[Incident] = (),
    *,
    rate: float = 0.01,
    method: str = QUANTILE,
    draws: int = 5_000,
    seed: int = 0,
    basis: str | None = None,
    skipped: Mapping[str, str] = MappingProxyType({}),
) -> Calibration:
    """Propose limits for features from the states of their runs.

    Parameters
    ----------
    profiles : mapping
        By view and feature, the moment and the states of each run, oldest first.
    incidents : sequence of Incident
        Runs in one that concerns the feature are not clean.
    rate : float
        Of false alarms that is asked for, of one metric in one run, between 0 and 0.5.
    draws : int
        Runs that are drawn for each feature in all.
    basis : str, optional
        What the profiles come from, where they are no stored runs.
    skipped : mapping
        Why other features have no profile.

    Notes
    -----
    With few clean runs (below 10) what moves between runs is hardly known, and the interval of the rate says so; with one, only chance is.
    """
    found: list[Proposal] = []
    left_out = dict(skipped)
    fewest = 0
    for (view, feature), runs in sorted(profiles.items()):
        mine = concerning(incidents, view, feature)
        dated = [(parse_moment(at, "moment"), profile) for at, profile in runs]
        clean = [profile for at, profile in dated if not any(one.holds(at) for one in mine)]
        if not clean:
            left_out[f"{view}:{feature}"] = "all of its runs lie in incidents"
            continue
        fewest = min(fewest or len(clean), len(clean))
        generator = np.random.default_rng([seed, *f"{view}:{feature}".encode()])
        found += _of_feature(view, feature, dated, clean, mine, rate, method, draws, generator)
    told = basis or _basis(profiles, fewest)
    return Calibration(project, told, rate, method, tuple(found), left_out, tuple(incidents))


def _of_feature(  # noqa: PLR0917  one call site, each argument a thing of its own
    view: str,
    feature: str,
    dated: Sequence[tuple[datetime, Profile]],
    clean: Sequence[Profile],
    incidents: Sequence[Incident],
    rate: float,
    method: str,
    draws: int,
    generator: np.random.Generator,
) -> list[Proposal]:
    each = max(1, -(-draws // len(clean)))
    pools = [resampled(profile, each, generator) for profile in clean]
    seen = [(at, distances(profile)) for at, profile in dated]
    found = []
    for metric in pools[0]:
        usable = [i for i, pool in enumerate(pools) if metric in pool]
        values = [distances(clean[i]).get(metric, 0.0) for i in usable]
        agrees = AGREES.get(metric, 0.0)
        limit = None
        if any(value > agrees for value in values):
            limit = limit_of(values, [pools[i][metric] for i in usable], rate, method, generator)
        bound = agrees if limit is None else limit.value
        marks = tuple(Seen(at, distance[metric]) for at, distance in seen if metric in distance)
        catches = tuple(_catch(one, marks, bound, metric) for one in incidents)
        alarms = sum(value > bound for value in values)
        others = [bound, HUMAN] if metric == PSI else [bound]
        whole = np.concatenate([pools[i][metric] for i in usable])
        beside = tradeoffs(whole, marks, incidents, others) if incidents else ()
        found.append(Proposal(view, feature, metric, limit, len(usable), alarms, marks, catches, beside))
    return found


def _catch(incident: Incident, marks: Sequence[Seen], bound: float, metric: str) -> Catch:
    within = [one for one in marks if incident.holds(one.at)]
    return Catch(
        incident.name,
        len(within),
        within[0].at if within else None,
        next((one.at for one in within if one.value > bound), None),
        next((one.at for one in within if one.value > HUMAN), None) if metric == PSI else None,
        max((one.value for one in within), default=0.0),
    )


def _basis(profiles: Mapping[tuple[str, str], Sequence[tuple[str, Profile]]], fewest: int) -> str:
    runs = len({at for found in profiles.values() for at, _ in found})
    text = f"{runs:,} stored runs; the feature with the fewest clean ones has {fewest}"
    if fewest == 1:
        return f"{text}: limits come from chance alone, as one run cannot show what moves from run to run"
    return f"{text}: too few to know well what moves from run to run" if fewest < FEW else text
