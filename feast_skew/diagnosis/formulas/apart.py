"""Functions of rows that never align: one is claimed when undoing it brings them within offline's own movement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from feast_skew.core.arrays import Floats, Mask
from feast_skew.diagnosis.base import FEWEST_APART
from feast_skew.diagnosis.formulas.clips import clip_formula
from feast_skew.diagnosis.formulas.named import FUNCTIONS
from feast_skew.judging.unaligned import Apart

_TRIED = 3
_FINITE = 0.99
_MOVED = 2.0
_FEWEST_AT_LIMIT = 0.02
_BEYOND = 0.7
_TIMES_OTHERS = 5.0
_NEAR = 0.1
_TOGETHER = 0.5


@dataclass(frozen=True)
class Undone:
    """A function of offline with its parameters, and the online numbers without it."""

    name: str
    formula: str
    values: Mapping[str, float]
    online: Floats
    parameters: int = 1


def undone_apart(apart: Apart) -> Undone | None:
    """Give the function that brings rows which never align within offline's own movement when it is undone.

    Of several those are tried first that leave the smallest differences; None when none does, and for few rows.
    """
    if len(apart.positions) < FEWEST_APART:
        return None
    usual = max((_typical(new - old) for new, old in apart.steps()), default=0.0)
    candidates = [
        (_typical(one.online - apart.before), i, one)
        for i, one in enumerate((*_clipped(apart), *_named(apart), *_lines(apart)))
    ]
    plain = _typical(apart.difference)
    for left, _, one in sorted(candidates, key=lambda entry: entry[:2])[:_TRIED]:
        if left <= max(_MOVED * usual, 1e-6 * plain) and apart.explained_by(one.online):
            return one
    return None


def limits_apart(apart: Apart) -> Mapping[str, float]:
    """Give the limits at which the online numbers of rows which never align look cut, by name; none for few rows."""
    found = next(_clipped(apart), None) if len(apart.positions) >= FEWEST_APART else None
    return {} if found is None else found.values


def _typical(difference: Floats) -> float:
    known = difference[np.isfinite(difference)]
    return float(np.quantile(np.abs(known), 0.8)) if len(known) else np.inf


def _named(apart: Apart) -> Iterator[Undone]:
    for function in FUNCTIONS:
        with np.errstate(all="ignore"):
            forward, undone = function.apply(apart.before), function.invert(apart.online)
        if function.name == "square":
            undone = undone * np.where(apart.before < 0, -1.0, 1.0)
        if min(np.isfinite(undone).mean(), np.isfinite(forward).mean()) >= _FINITE:
            yield Undone(function.name, function.formula, {}, undone)
    with np.errstate(all="ignore"):
        if np.any(apart.before < 0) and np.all(apart.online >= 0):
            yield Undone("abs", "|x|", {}, apart.online * np.where(apart.before < 0, -1.0, 1.0), 0)


def _clipped(apart: Apart) -> Iterator[Undone]:
    """Give the limits at which numbers were cut: the largest or the smallest online number, where it is held often.

    Offline is beyond it for those who have it, and for few others.
    """
    online, before = apart.online.copy(), apart.before
    values: dict[str, float] = {}
    for name, side, limit in (("low", -1, float(apart.online.min())), ("high", 1, float(apart.online.max()))):
        hit = apart.online == limit
        beyond: Mask = before * side >= limit * side
        if hit.mean() < _FEWEST_AT_LIMIT or hit.all() or np.mean(beyond[hit]) < _BEYOND:
            continue
        if np.mean(before == limit) * _TIMES_OTHERS > hit.mean():
            continue
        online[hit & beyond] = before[hit & beyond]
        values[name] = limit
    if values:
        formula = clip_formula(values.get("low"), values.get("high"))
        yield Undone("clip", formula, values, online, len(values))


def _lines(apart: Apart) -> Iterator[Undone]:
    """Give the lines that have a meaning of their own; any other is not told from another definition by its populations."""
    online, before = apart.online, apart.before
    with np.errstate(all="ignore"):
        together = float(np.corrcoef(before, online)[0, 1])
    if not np.isfinite(together):
        return
    middle, deviation = float(np.mean(before)), float(np.std(before))
    lowest, highest = float(np.min(before)), float(np.max(before))
    inside = online.min() >= 0 and online.max() <= 1
    if together >= _TOGETHER:
        if abs(np.mean(online)) <= _NEAR and abs(np.std(online) - 1.0) <= _NEAR:
            values = {"factor": 1 / deviation, "offset": -middle / deviation, "mean": middle, "deviation": deviation}
            formula = f"(x - {middle:.4g}) / {deviation:.4g}"
            yield Undone("standardise", formula, values, online * deviation + middle, 2)
        if inside and highest > lowest:
            width = highest - lowest
            values = {"factor": 1 / width, "offset": -lowest / width, "low": lowest, "high": highest}
            yield Undone("min_max", f"(x - {lowest:.4g}) / {width:.4g}", values, online * width + lowest, 2)
        values = {"factor": 1.8, "offset": 32.0}
        yield Undone("affine", "1.8 * x + 32 (degrees Celsius in Fahrenheit)", values, (online - 32.0) / 1.8, 2)
    elif together <= -_TOGETHER and inside and lowest >= 0 and highest <= 1:
        yield Undone("affine", "1 - x", {"factor": -1.0, "offset": 1.0}, 1.0 - online, 2)
