"""Features whose rows share too few timestamps: judged as populations, offline's own movement as the yardstick."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Floats, Mask, Positions
from feast_skew.core.equality import equal
from feast_skew.core.model import FeaturePlan
from feast_skew.core.types import Kind, floats
from feast_skew.judging.distributions import Description, Shown, describe
from feast_skew.judging.profiling import profile_of
from feast_skew.measuring.steps import Moment, Neighbours
from feast_skew.report import Metric, Verdict
from feast_skew.statistics.hashing import Hashes
from feast_skew.statistics.movement import Movement, judge_changes, judge_movement
from feast_skew.statistics.sides import Side

_YARDSTICKS = {"psi": "psi", "mean_difference": "mean", "variance_ratio": "variance"}
_VERDICTS = {"beyond": Verdict.FAIL, "within": Verdict.WARN, "undecided": Verdict.INCONCLUSIVE}


@dataclass(frozen=True)
class Unaligned:
    """What unaligned rows tell of a feature: a verdict, one sentence, a metric of it, and both distributions."""

    verdict: Verdict
    reason: str
    metric: Metric
    found: Description

    @property
    def movement(self) -> Mapping[str, Mapping[str, Any]]:
        """What each statistic told, by its name: its value, limit and verdict among others; empty without history."""
        statistics: Mapping[str, Mapping[str, Any]] = self.metric.extra.get("statistics", {})
        return statistics


def judge_unaligned(
    feature: FeaturePlan, neighbours: Neighbours | None, order: Hashes, confidence: float, seed: int
) -> Unaligned:
    """Judge one feature by its unaligned rows; inconclusive when offline has no history to compare with.

    `order` is a hash per entity of the sample.
    """
    if neighbours is None:
        reason = "rows share no timestamp, and offline has no earlier row to compare with"
        return Unaligned(Verdict.INCONCLUSIVE, reason, Metric(None, verdict=Verdict.INCONCLUSIVE), Description())
    name = feature.name
    movement = _movement(feature, neighbours, confidence, seed)
    statistics = {s.name: s for s in movement.statistics}
    yardsticks = {key: statistics[own].yardstick if own in statistics else None for key, own in _YARDSTICKS.items()}
    before, online = neighbours.before.columns[name], neighbours.online.columns[name]
    same = equal(before, online, feature.tolerance, feature.declared.kind)
    chosen_order = order[neighbours.positions]
    profile, shown = profile_of(feature, before, online, same, chosen_order), Shown.of(before, online, same)
    found = describe(feature, profile, shown, confidence=confidence, seed=seed, movement=yardsticks)
    verdict = _VERDICTS[movement.verdict]
    agreeing = [s for s in movement.statistics if s.verdict == movement.verdict]
    deciding = max(agreeing, key=lambda s: s.ratio or 0.0, default=None)
    chosen = deciding or statistics.get("size") or statistics.get("changed")
    extra = {
        "entities": movement.entities,
        "steps": movement.steps,
        "statistic": chosen.name if chosen else None,
        "movement": chosen.yardstick if chosen else None,
        "statistics": {
            s.name: {
                "value": s.value,
                "low": s.low,
                "movement": s.yardstick,
                "ratio": s.ratio,
                "limit": s.limit,
                "verdict": s.verdict,
            }
            for s in movement.statistics
        },
    }
    metric = Metric(
        chosen.value if chosen else None,
        chosen.low if chosen else None,
        None,
        chosen.limit if chosen else None,
        verdict,
        extra,
    )
    count = f"{movement.entities:,} entities with unaligned rows"
    if verdict is Verdict.WARN:
        reason = f"agrees as far as unaligned rows can tell ({count})"
    elif verdict is Verdict.FAIL:
        reason = f"unaligned rows differ by more than offline moves: {movement.reason} ({count})"
    else:
        reason = f"unaligned rows cannot decide: {movement.reason}"
    return Unaligned(verdict, reason, metric, found)


class Apart:
    """Numbers of unaligned entities, to ask which change of the online values would bring them within offline's movement.

    `positions` are places in the sample; `online` and `before` are finite, one per position.
    """

    def __init__(self, feature: FeaturePlan, neighbours: Neighbours, confidence: float, seed: int) -> None:
        self._feature = feature
        self._confidence = confidence
        self._seed = seed
        name = feature.name
        online, known_online = floats(neighbours.online.columns[name])
        before, known_before = floats(neighbours.before.columns[name])
        usable = known_online & known_before & np.isfinite(online) & np.isfinite(before)
        self.positions = neighbours.positions[usable]
        self.online, self.before = online[usable], before[usable]
        self._steps = []
        for newer, older in neighbours.steps:
            new, known_new = floats(newer.columns[name])
            old, known_old = floats(older.columns[name])
            self._steps.append(
                (
                    Side.of(new[usable], known_new[usable], newer.present[usable]),
                    Side.of(old[usable], known_old[usable], older.present[usable]),
                )
            )

    def at(self, places: Positions) -> Apart:
        """Give the same with the entity at each position moved to another place; those moved to -1 are left out."""
        moved = copy(self)
        kept = places[self.positions] >= 0
        moved.positions = places[self.positions][kept]
        moved.online, moved.before = self.online[kept], self.before[kept]
        moved._steps = [  # noqa: SLF001  another of this class
            (
                Side.of(new.values[kept], new.valid[kept], new.present[kept]),
                Side.of(old.values[kept], old.valid[kept], old.present[kept]),
            )
            for new, old in self._steps
        ]
        return moved

    def where(self, kept: Mask) -> Apart:
        """Give some of the entities; `kept` has one element per position."""
        places = np.full(int(self.positions.max(initial=-1)) + 1, -1, dtype=np.int64)
        places[self.positions[kept]] = self.positions[kept]
        return self.at(places)

    @cached_property
    def difference(self) -> Floats:
        """Online minus the row before, where floating point can hold it; infinite elsewhere."""
        with np.errstate(over="ignore"):
            return self.online - self.before

    def steps(self) -> list[tuple[Floats, Floats]]:
        """Give the newer and the older numbers of each of offline's own steps, for the entities that have both."""
        found = []
        for new, old in self._steps:
            both = new.valid & old.valid & np.isfinite(new.values) & np.isfinite(old.values)
            found.append((new.values[both], old.values[both]))
        return found

    def explained_by(self, online: np.ndarray) -> bool:
        """Tell whether these online values, one per position, differ by no more than offline moves."""
        sides = Side.of(online), Side.of(self.before)
        movement = judge_movement(
            *sides,
            self._steps,
            confidence=self._confidence,
            seed=self._seed,
            rtol=self._feature.tolerance.rtol,
            atol=self._feature.tolerance.atol,
        )
        return movement.verdict == "within"


def _movement(feature: FeaturePlan, neighbours: Neighbours, confidence: float, seed: int) -> Movement:
    kind = feature.declared.kind
    numeric = kind.is_number or kind is Kind.TIMESTAMP

    def side(moment: Moment) -> Side:
        column = moment.columns[feature.name]
        if numeric:
            values, valid = floats(column)
            return Side.of(values, valid, moment.present)
        return Side.of(_objects(column), np.asarray(pc.is_valid(column)), moment.present)

    def ages(moment: Moment) -> Floats:
        values, valid = floats(moment.columns[feature.name])
        return np.where(valid & moment.present, values - moment.instants // 10**9, np.nan)

    online, before = side(neighbours.online), side(neighbours.before)
    steps = [(side(new), side(old)) for new, old in neighbours.steps]
    if numeric:
        return judge_movement(
            online,
            before,
            steps,
            confidence=confidence,
            rtol=feature.tolerance.rtol,
            atol=feature.tolerance.atol,
            seed=seed,
            ages=(ages(neighbours.online), ages(neighbours.before)) if kind is Kind.TIMESTAMP else None,
        )
    return judge_changes(online, before, steps, confidence=confidence, reach=neighbours.reach)


def _objects(column: pa.Array) -> np.ndarray:
    values = np.empty(len(column), dtype=object)
    values[:] = [tuple(value) if isinstance(value, list) else value for value in column.to_pylist()]
    return values
