"""What a rule sees and gives, and the registry that finds rules by the files of the folder `rules`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Floats, Mask, Positions
from feast_skew.core.earlier import equal_to_earlier
from feast_skew.core.equality import equal_or_null
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.core.pairs import FeaturePairs, PairClass, RowState
from feast_skew.core.types import floats
from feast_skew.diagnosis.context import Context, Earlier
from feast_skew.judging.unaligned import Apart
from feast_skew.report import Cause

T = TypeVar("T")

FEWEST_ROWS = 5
"""A value-based rule claims nothing on fewer rows: any two numbers have a ratio."""

POSSIBLE = 0.5
"""Confidence up to which a cause is a possibility that the pattern allows, not a claim with a proof."""

FEWEST_VALUES = 3
"""Nor on fewer distinct offline values: a constant fits every formula."""

LEAST_SHARE = 0.05
"""A constant that fits fewer of the wrong values is taken for chance."""

FEWEST_APART = 30
"""Rows that never align tell nothing when there are fewer of them."""

PROVEN = 0.9
"""Confidence from which a cause is taken for proven, and leaves its rows to no mere possibility."""


@dataclass
class Case:
    """One feature with everything that rules may look at; arrays have one element per drawn entity.

    Each of them stands for `weights` entities, for one where it is None: rules count by `total`. `positions` are their places
    among the drawn rows of the view.
    `unaligned_failed` tells that the feature failed by its unaligned rows: then these entities are wrong ones too,
    `apart` holds them where they are numbers, and `movement` what each statistic of them told, by its name. `was_earlier` tells of which the online value equals an earlier version of the offline
    row; without it `older` tells. `context` is what else is known of the view, by its drawn entities, which `positions` picks from.
    """

    view: ViewPlan
    feature: FeaturePlan
    pairs: FeaturePairs
    rows: RowState
    older_positions: np.ndarray
    older: pa.Array | None
    ask_earlier: Callable[[], list[Earlier]]
    apart: Apart | None = None
    unaligned_failed: bool = False
    movement: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    weights: Floats | None = None
    positions: Positions = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    was_earlier: Mask | None = None
    context: Context = field(default_factory=Context)
    _worked_out: dict[Callable[[Case], Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def wrong(self) -> Mask:
        """Entities whose aligned values differ, nulls and unreadable values included; or the unaligned ones that fail."""
        if self.unaligned_failed:
            return self.pairs.wrong | self.rows.unaligned
        return self.pairs.wrong

    @cached_property
    def unaligned_pairs(self) -> tuple[np.ndarray, pa.Array, pa.Array]:
        """Positions of the unaligned entities that failed and have a row before, with its value and the online one, or nulls."""
        known = self.rows.unaligned & (self.rows.before != NO_INSTANT)
        positions = np.flatnonzero(known & self.unaligned_failed)
        take = pa.array(positions)
        return positions, self.pairs.offline.take(take), self.pairs.online.take(take)

    @cached_property
    def mismatch(self) -> Mask:
        """Entities with two different values."""
        return self.pairs.mask(PairClass.MISMATCH)

    @cached_property
    def absent(self) -> Mask:
        """Entities with a row in one store only."""
        return self.pairs.mask(PairClass.OFFLINE_ONLY, PairClass.ONLINE_ONLY)

    def count(self, kind: PairClass) -> int:
        """Count the entities in a class."""
        return self.total(self.pairs.mask(kind))

    def total(self, which: Mask | Positions) -> int:
        """Count the entities that some drawn ones stand for."""
        if self.weights is not None:
            return round(float(self.weights[which].sum()))
        return int(np.count_nonzero(which)) if which.dtype == bool else len(which)

    def once(self, work: Callable[[Case], T]) -> T:
        """Give what a function makes of the case, worked out once for all rules that ask for it."""
        if work not in self._worked_out:
            self._worked_out[work] = work(self)
        found: T = self._worked_out[work]
        return found

    def marked(self, positions: Positions) -> Mask:
        """Give the mask of the entities at some positions."""
        found = np.zeros(len(self.wrong), dtype=bool)
        found[positions] = True
        return found

    @cached_property
    def numbers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions of the finite mismatching pairs, with their offline and online numbers."""
        return self._finite(np.flatnonzero(self.mismatch))

    @cached_property
    def compared_numbers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions of the aligned pairs of finite numbers, equal or not, with their offline and online numbers."""
        return self._finite(np.flatnonzero(self.pairs.mask(PairClass.MATCH, PairClass.MISMATCH)))

    def _finite(self, positions: Positions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        take = pa.array(positions)
        off, known_off = floats(self.pairs.offline.take(take))
        on, known_on = floats(self.pairs.online.take(take))
        usable = known_off & known_on & np.isfinite(off) & np.isfinite(on)
        return positions[usable], off[usable], on[usable]

    def online_equals(self, values: pa.Array, positions: Positions) -> Mask:
        """Tell for some entities whether the online value equals another one; two nulls are equal."""
        online = self.pairs.online.take(pa.array(positions))
        return equal_or_null(values, online, self.feature.tolerance, self.feature.declared.kind)

    @cached_property
    def equal_to_earlier_version(self) -> Mask:
        """Entities whose online value is one that offline had at the same instant before it was corrected."""
        if self.was_earlier is not None:
            return self.was_earlier
        return equal_to_earlier(self.feature, self.pairs, self.older_positions, self.older)

    @cached_property
    def numbers_apart(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions of the unaligned entities with finite numbers online and in the row before, with these numbers."""
        positions = np.flatnonzero(self.rows.unaligned & (self.rows.before != NO_INSTANT))
        return self._finite(positions)


@dataclass(frozen=True)
class Explanation:
    """A cause and the entities that it explains, as a mask over the sample.

    `beside` tells that it is one of values that are right, and said although it explains no wrong one.
    """

    cause: Cause
    explained: np.ndarray
    beside: bool = False


Explain = Callable[[Case], Explanation | None]

Covers = Callable[[Case, Cause], Mask | None]
"""Tells which entities of a case a cause explains that was found on others, from what the cause says of itself.

None where that cannot be told, as what the rule looked at is not there.
"""


@dataclass(frozen=True)
class Rule:
    """A named rule; `parameters` counts what it fits to the data.

    Without `covers` its cause says nothing of entities beyond those that the rule has looked at.
    """

    code: str
    kind: str
    parameters: int
    explain: Explain
    covers: Covers | None = None


RULES: dict[str, Rule] = {}


def rule(code: str, *, kind: str, parameters: int = 0, covers: Covers | None = None) -> Callable[[Explain], Explain]:
    """Register a function as the rule of a cause code; `kind` is `what` or `how`."""

    def register(explain: Explain) -> Explain:
        if code in RULES:
            raise ValueError(f"two rules for cause {code}")
        RULES[code] = Rule(code, kind, parameters, explain, covers)
        return explain

    return register


@cache
def _import_rules() -> None:
    """Import every module of the folder, once: a rule is there by its file alone."""
    package = importlib.import_module("feast_skew.diagnosis.rules")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"feast_skew.diagnosis.rules.{module.name}")


def load_rules() -> list[Rule]:
    """Import every rule file and give the rules, by code."""
    _import_rules()
    return [RULES[code] for code in sorted(RULES)]


def share_text(part: int, whole: int) -> str:
    """Write a share for people, with the counts it comes from."""
    return f"{part / whole:.1%} ({part:,} of {whole:,})" if whole else "0"


def duration_text(nanoseconds: float) -> str:
    """Write a span of time for people in its largest fitting unit."""
    seconds = nanoseconds / 1e9
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def known_rows(rows: RowState) -> Mask:
    """Entities with a row in both stores."""
    found: Mask = rows.has_offline & (rows.online != NO_INSTANT)
    return found
