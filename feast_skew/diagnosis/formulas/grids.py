"""Numbers cut to a grid: multiples of a quantum, or the numbers that a narrower binary type has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from feast_skew.core.arrays import Floats, Mask
from feast_skew.core.types import Kind
from feast_skew.diagnosis.base import FEWEST_ROWS, FEWEST_VALUES

_TIMES_OFF = 5
_TIMES_LOOSE = 2
_RESOLVED = 20.0
_TRIED = 1000
_TIE = 1e-9

HOW: dict[str, Callable[[Floats], Floats]] = {
    "rounded": np.rint,
    "truncated": np.trunc,
    "floored": np.floor,
    "ceiled": np.ceil,
}
"""Ways to a multiple of a quantum, the commoner first: of positive numbers the second and the third give the same."""


@dataclass(frozen=True)
class Marks:
    """What a grid says of pairs, each mask of shape (pairs,).

    `fits` are explained. `proves` are those of them that chance does not put there, which rules out numbers in the middle of
    two: of halves every whole number beside them is their rounding. `denies` are near and on the grid, but at another place than
    cutting puts them, or were on it before and moved; `loose` are near and not on the grid.
    """

    fits: Mask
    proves: Mask
    denies: Mask
    loose: Mask

    def hold(self, off: Floats, on: Floats) -> bool:
        """Tell whether the pairs that prove the grid are many more than those that speak against it.

        Zero is a multiple of everything, and does not count.
        """
        known = on != 0
        proves = self.proves & known
        proofs = int(np.count_nonzero(proves))
        if proofs < FEWEST_ROWS or proofs < _TIMES_OFF * int(np.count_nonzero(self.denies & known)):
            return False
        if proofs < _TIMES_LOOSE * int(np.count_nonzero(self.loose)):
            return False
        numbers = (off[self.proves], on[self.proves], on[self.proves] - off[self.proves])
        # One and the same difference is an offset.
        least = (FEWEST_VALUES, 2, FEWEST_VALUES)
        return all(len(np.unique(one)) >= few for one, few in zip(numbers, least, strict=True))


@dataclass(frozen=True)
class Multiples:
    """Multiples of a quantum, reached in one of the ways of `HOW`; `kind` is the declared type that holds them."""

    quantum: float
    how: str
    kind: Kind

    def marks(self, off: Floats, on: Floats) -> Marks:
        """Mark finite pairs that differ."""
        with np.errstate(all="ignore"):
            units_off, units_on = _units(off, self.quantum), _units(on, self.quantum)
            room = (2.0**-22 if self.kind is Kind.FLOAT32 else 2.0**-50) * np.maximum(
                np.abs(units_off), np.abs(units_on)
            )
            apart = np.abs(units_on - units_off)
            on_grid = np.abs(units_on - np.rint(units_on)) <= room
            was_on_grid = np.abs(units_off - np.rint(units_off)) <= room
            target = HOW[self.how](units_off)
            rounded = self.how == "rounded"
            tie = rounded & (np.abs(np.abs(units_off - np.floor(units_off)) - 0.5) <= np.maximum(_TIE, room))
            hit = (np.rint(units_on) == target) | (tie & (apart <= 0.5 + room + _TIE))
            resolved = (room * _RESOLVED <= 1.0) & np.isfinite(units_off) & np.isfinite(units_on)
        reach = 0.5 if rounded else 1.0
        fits = resolved & on_grid & hit & ~was_on_grid
        near = resolved & (apart <= 3 * reach)
        return Marks(
            fits,
            fits & ~tie,
            near & ((on_grid & ~was_on_grid & ~fits) | (was_on_grid & (apart > room))),
            resolved & ~on_grid & ~was_on_grid & (apart <= reach),
        )


@dataclass(frozen=True)
class Narrower:
    """The numbers of a narrower type: what it makes of a number, and how far its numbers lie from each other there."""

    name: str
    narrow: Callable[[Floats], Floats]
    spacing: Callable[[Floats], Floats]

    def marks(self, off: Floats, on: Floats) -> Marks:
        """Mark finite pairs that differ; exact to the last bit."""
        with np.errstate(all="ignore"):
            target, step = self.narrow(off), self.spacing(off)
            on_grid = self.narrow(on) == on
            apart = np.abs(on - off)
        was_on_grid = target == off
        fits = (target == on) & ~was_on_grid & np.isfinite(target)
        near = np.isfinite(step) & (apart <= 1.5 * step)
        return Marks(
            fits,
            fits,
            near & ((on_grid & ~fits) | was_on_grid),
            ~on_grid & ~was_on_grid & (apart <= 0.5 * step),
        )


def _room(kind: Kind) -> float:
    """Give what a number may be off by, of its size, for what the type that holds it rounds away."""
    return 2.0**-22 if kind is Kind.FLOAT32 else 2.0**-50


def _units(values: Floats, quantum: float) -> Floats:
    # Powers of ten below one are not exact: times a hundred is right where divided by a hundredth is not.
    inverse = np.rint(1.0 / quantum)
    return values * inverse if quantum < 1.0 and np.isclose(inverse * quantum, 1.0, rtol=1e-12) else values / quantum


def _as(narrow: type[np.floating]) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    def spacing(values: Floats) -> Floats:
        return np.spacing(np.abs(values.astype(narrow))).astype(np.float64)

    return lambda values: values.astype(narrow).astype(np.float64), spacing


def _bfloat16(values: Floats) -> Floats:
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).astype(np.uint64)
    kept = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) & np.uint64(0xFFFF0000)
    return kept.astype(np.uint32).view(np.float32).astype(np.float64)


def _bfloat16_spacing(values: Floats) -> Floats:
    return np.ldexp(1.0, np.frexp(np.abs(values))[1] - 8)


BINARY = (
    Narrower("float32", *_as(np.float32)),
    Narrower("float16", *_as(np.float16)),
    Narrower("bfloat16", _bfloat16, _bfloat16_spacing),
)
"""Narrower floating point types, the widest first."""


DECIMALS = tuple(float(f"1e-{digits}") for digits in range(10))
"""The quanta of numbers with up to nine digits after the point."""


def best_grid(
    narrower: Iterable[Narrower],
    quanta: Iterable[float],
    kind: Kind,
    off: Floats,
    on: Floats,
    least: int = FEWEST_ROWS,
) -> tuple[Multiples | Narrower, Marks] | None:
    """Give the grid that explains the most pairs, with its marks; None when none of them holds.

    The pairs are finite, differ and are of type `kind`. Quanta are tried in every way of `HOW`; grids that fewer than `least` of a thousand of the pairs
    speak for are not looked at further.
    """
    few = np.random.default_rng(0).permutation(len(off))[:_TRIED]
    some = off[few], on[few]
    found: tuple[Multiples | Narrower, Marks] | None = None
    likely = (quantum for quantum in quanta if _near_multiples(quantum, kind, *some) >= least)
    grids: list[Multiples | Narrower] = [
        *narrower,
        *(Multiples(quantum, how, kind) for quantum in likely for how in HOW),
    ]
    for grid in grids:
        if np.count_nonzero(grid.marks(*some).proves) < FEWEST_ROWS:
            continue
        marks = grid.marks(off, on)
        if found is not None and np.count_nonzero(marks.fits) <= np.count_nonzero(found[1].fits):
            continue
        if marks.hold(off, on):
            found = grid, marks
    return found


def _near_multiples(quantum: float, kind: Kind, off: Floats, on: Floats) -> int:
    """Count the pairs whose online number is a multiple of a quantum and at most one quantum from the offline one."""
    with np.errstate(all="ignore"):
        units = _units(on, quantum)
        found = np.abs(units - np.rint(units)) <= _room(kind) * np.abs(units)
        near = np.abs(on - off) <= quantum * (1 + _TIE)
    return int(np.count_nonzero(found & near))
