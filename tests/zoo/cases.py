"""What a case of the zoo is: how its world is made, what is right to say of it, and what a run said."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from feast_skew.report import Cause, SkewReport

POSSIBLE = 0.5
"""Confidence up to which a cause is a possibility, not a claim."""

SHARE_ROOM = 0.02
"""How far the share of one of several causes may lie from the planted one: a few values are changed by neither."""

HOW = frozenset(
    {
        "stale", "not_materialized", "expired", "orphan", "restated", "definition_not_landed", "frozen",
        "lagged_version", "key",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A cause that is right for a case, with what its evidence must name; `share` is that of the wrong entities, where it is asked."""

    code: str
    parameter: Mapping[str, Any] = field(default_factory=dict)
    share: float | None = None

    @property
    def kind(self) -> str:
        """The kind of cause: `what` or `how`."""
        return "how" if self.code in HOW else "what"


@dataclass(frozen=True)
class World:
    """What a case gives to be judged: two tables for `compare()`; `plain` are the values of the feature for the peers."""

    offline: pa.Table
    online: pa.Table
    keys: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    population: int | None = None


@dataclass(frozen=True)
class Ran:
    """What the run of a case gave: its report, the seconds of the comparison, and the tables that the peers are shown."""

    report: SkewReport
    seconds: float
    world: World


@dataclass(frozen=True)
class Case:
    """A mistake of a real team: `group` is its row in the tables, `form` how the stores meet, `severity` how much is wrong.

    `answers` are all causes that are right; one of them, first of its kind, is enough. Without any the case is one that
    no rule knows (`group` says so), or a clean one. Where several mistakes meet (`together`), all of the answers must be among the
    causes, with their shares. `warns` tells that by the contract it is no more than a warning. `provable` is false where what
    would prove the cause is withheld, such as the events of a window: a possibility is all that can be said. A case of tables
    makes its world, one of stores runs by itself.
    """

    group: str
    variant: str
    form: str
    severity: str
    seed: int
    answers: tuple[Answer, ...]
    make: Callable[[], World] | None = None
    run: Callable[[], Ran] | None = None
    feature: str = "x"
    warns: bool = False
    together: bool = False
    provable: bool = True

    @property
    def name(self) -> str:
        """A name for people and for tests."""
        return f"{self.group}/{self.variant}/{self.form}/{self.severity}/{self.seed}"


def holds(answer: Answer, cause: Cause) -> bool:
    """Tell whether a cause has this code and names this parameter: numbers to 1e-6, shares to two points, all else exactly."""
    return (
        cause.code == answer.code
        and all(_same(cause.evidence.get(name), wanted) for name, wanted in answer.parameter.items())
        and (answer.share is None or abs(cause.share - answer.share) <= SHARE_ROOM)
    )


def _same(found: Any, wanted: Any) -> bool:
    if callable(wanted):
        return bool(wanted(found))
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_same(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, bool) or isinstance(found, bool):
        return found is wanted
    if isinstance(wanted, (int, float)) and isinstance(found, (int, float)):
        return math.isclose(found, wanted, rel_tol=1e-6, abs_tol=1e-12)
    return bool(found == wanted)


def first_of(kind: str, causes: tuple[Cause, ...]) -> Cause | None:
    """Give the first cause of a kind."""
    return next((cause for cause in causes if cause.kind == kind), None)


def named(case: Case, causes: tuple[Cause, ...]) -> bool:
    """Tell whether the first cause of its kind is a right one; of several mistakes, whether each of them is among the causes."""
    if case.together:
        codes = {cause.code for cause in causes}
        return all(answer.code in codes for answer in case.answers)
    return any((cause := first_of(answer.kind, causes)) and cause.code == answer.code for answer in case.answers)


def exact(case: Case, causes: tuple[Cause, ...]) -> bool:
    """Tell whether that cause, or each of those, names the right parameter."""
    if case.together:
        return all(any(holds(answer, cause) for cause in causes) for answer in case.answers)
    return any((cause := first_of(answer.kind, causes)) and holds(answer, cause) for answer in case.answers)


def claims(causes: tuple[Cause, ...]) -> list[Cause]:
    """Give the causes that say more than that something is unknown or possible."""
    return [cause for cause in causes if cause.code != "unknown" and cause.confidence > POSSIBLE]


def says_unknown(causes: tuple[Cause, ...]) -> bool:
    """Tell whether the first cause is `unknown`, or nothing is claimed at all."""
    return not claims(causes) or causes[0].code == "unknown"
