"""The registry of metrics, and the outcome of one."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any, Literal, TypeVar, cast

from feast_skew.statistics.profile import Profile
from feast_skew.statistics.states.base import State
from feast_skew.statistics.states.sums import Sums

T = TypeVar("T", bound=State)


@dataclass(frozen=True)
class Measured:
    """A finite number, and what belongs to it: counts, noise, labels."""

    value: float
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Undefined:
    """A metric that has no value here, and why."""

    reason: str


Outcome = Measured | Undefined


@dataclass(frozen=True)
class MetricDefinition:
    """What a metric is: its key in reports, unit, range, which values it needs, and where it is from.

    `kind` tells whether it looks at the pairs or at the two distributions; `span` is the range of its values.
    """

    key: str
    kind: Literal["paired", "marginal"]
    unit: str
    span: tuple[float, float]
    numbers: bool
    categories: bool
    source: str
    compute: Callable[[Profile], Outcome]

    @property
    def summary(self) -> str:
        """The first sentence of what it computes."""
        return (self.compute.__doc__ or "").strip().split("\n")[0]

    def fits(self, profile: Profile) -> bool:
        """Tell whether it is a metric of such values."""
        return self.numbers if profile.kind == "numeric" else self.categories


_METRICS: dict[str, MetricDefinition] = {}
Function = Callable[[Profile], Outcome]


def metric(
    key: str,
    *,
    kind: Literal["paired", "marginal"],
    unit: str,
    span: tuple[float, float],
    source: str,
    numbers: bool = True,
    categories: bool = False,
) -> Callable[[Function], Function]:
    """Enter a function under its key."""

    def enter(function: Function) -> Function:
        if key in _METRICS:
            raise ValueError(f"there are two metrics {key!r}")
        _METRICS[key] = MetricDefinition(key, kind, unit, span, numbers, categories, source, function)
        return function

    return enter


@cache
def metrics() -> Mapping[str, MetricDefinition]:
    """Give every metric by its key: those of the files in this folder."""
    package = importlib.import_module(__package__ or "")
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{found.name}")
    return dict(sorted(_METRICS.items()))


def state_of(profile: Profile, kind: type[T]) -> T:
    """Give a state of a profile by its class."""
    return cast("T", profile.states[kind.key])


def to_float(value: Fraction) -> float | None:
    """Round an exact number to the nearest floating point number; None beyond their range."""
    try:
        return float(value)
    except OverflowError:
        return None


def root(square: Fraction) -> float | None:
    """Give the square root of an exact number that is not negative; None beyond the range of floating point."""
    if square <= 0:
        return 0.0
    shift = (square.numerator.bit_length() - square.denominator.bit_length()) // 2
    try:
        return math.ldexp(math.sqrt(square / Fraction(4) ** shift), shift)
    except OverflowError:
        return None


@dataclass(frozen=True)
class Spread:
    """Sums of squared deviations from the means, and of their products, over the pairs of finite values: exact."""

    n: int
    offline: Fraction
    online: Fraction
    both: Fraction
    mean_difference: Fraction


def spread(sums: Sums) -> Spread:
    """Give the deviations of at least one pair of finite values."""
    n = sums.pairs
    return Spread(
        n,
        sums.xx - sums.x * sums.x / n,
        sums.yy - sums.y * sums.y / n,
        sums.xy - sums.x * sums.y / n,
        (sums.y - sums.x) / n,
    )


NO_PAIRS = Undefined("no entity has a finite value on both sides")
TOO_LARGE = Undefined("beyond the range of floating point")
