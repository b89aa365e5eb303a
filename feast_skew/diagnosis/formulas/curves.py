"""Functions with parameters that are fitted: lines through numbers or their functions, powers, and any smooth curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from feast_skew.core.arrays import Floats, Mask
from feast_skew.diagnosis.base import Case
from feast_skew.diagnosis.formulas.lines import line_through, on_line, snapped
from feast_skew.diagnosis.formulas.monotone import rising
from feast_skew.diagnosis.formulas.named import FUNCTIONS

_ROUNDS = 3
_MOST = 0.5
_NEARLY_ALL = 0.9
_NEAR = 0.1
_SAME = 1e-5
_TEMPERATURES = {(1.8, 32.0): "degrees Celsius in Fahrenheit"}
_OUTER = ("log", "log1p", "sqrt", "square", "exp", "reciprocal", "logit", "sigmoid")


@dataclass(frozen=True)
class Fitted:
    """A function with its values, and which of the pairs it gives."""

    name: str
    formula: str
    values: Mapping[str, Any]
    hit: Mask
    parameters: int = 2
    confidence: float = 0.99


@dataclass(frozen=True)
class Curve:
    """A line between a function of offline and a function of online."""

    inner: Callable[[Floats], Floats]
    outer: Callable[[Floats], Floats]
    slope: float
    intercept: float

    def fits(self, off: Floats, on: Floats) -> Mask:
        """Tell which pairs lie on the curve. Shape (pairs,)."""
        with np.errstate(all="ignore"):
            x, y = self.inner(off), self.outer(on)
        return on_line(x, y, self.slope, self.intercept) & np.isfinite(x) & np.isfinite(y)


def _same(x: Floats) -> Floats:
    return x


def curve_of(name: str, values: Mapping[str, float]) -> Curve | None:
    """Give the curve of a name as `curves` gives them, with its values; None for another name."""
    if name == "power":
        return Curve(np.log, np.log, values["exponent"], float(np.log(values["factor"])))
    if "factor" not in values or "offset" not in values:
        return None
    function = next((one.apply for one in FUNCTIONS if name == f"affine_{one.name}"), _same)
    return Curve(function, _same, values["factor"], values["offset"])


def curves(case: Case, off: Floats, on: Floats) -> Iterator[Fitted]:
    """Give the curves on which many of the pairs lie; the pairs are finite and differ.

    A line through zero is a scale or the other sign, and one of slope 1 an offset: where they hold as well, none is given.
    """
    left = ~on_line(off, on, 1.0, 0.0)
    simple = 0
    for _ in range(_ROUNDS):
        line = line_through(off[left], on[left])
        if line is None:
            break
        hit = left & on_line(off, on, line.slope, line.intercept)
        count = np.count_nonzero(hit)
        if not count:
            break
        simple = max(simple, int(count))
        shift = float(np.median(on[hit] - off[hit]))
        plain = [np.count_nonzero(hit & on_line(off, on, *one)) for one in ((line.slope, 0.0), (1.0, shift))]
        if max(plain) < _NEARLY_ALL * count:
            yield _line(case, line.slope, line.intercept, hit)
            break
        left &= ~hit
    if simple > _MOST * len(off):
        return
    most = simple
    for function in FUNCTIONS:
        if function.name not in _OUTER:
            continue
        with np.errstate(all="ignore"):
            x = function.apply(off)
        usable = np.isfinite(x)
        line = line_through(x[usable], on[usable])
        if line is None or (abs(line.slope - 1.0) <= _SAME and line.intercept == 0.0):
            continue
        hit = usable & on_line(np.where(usable, x, 0.0), on, line.slope, line.intercept)
        most = max(most, int(np.count_nonzero(hit)))
        yield Fitted(
            f"affine_{function.name}",
            f"{line.slope:.8g} * {function.formula} + {line.intercept:.8g}",
            {"factor": line.slope, "offset": line.intercept},
            hit,
        )
    power = _power(off, on)
    if power is not None:
        most = max(most, int(np.count_nonzero(power.hit)))
        yield power
    if most <= _MOST * len(off):
        direction = rising(off, on)
        if direction:
            ranked = _ranked(case, off, on)
            word = "rising" if direction > 0 else "falling"
            yield ranked or Fitted("monotone", f"a {word} function", {}, np.ones(len(off), dtype=bool), 3, 0.9)


def _power(off: Floats, on: Floats) -> Fitted | None:
    usable = (off > 0) & (on > 0)
    line = line_through(np.log(off[usable]), np.log(on[usable]))
    if line is None or abs(line.slope - 1.0) <= _SAME:
        return None
    factor = snapped(float(np.exp(line.intercept)))
    hit = np.zeros(len(off), dtype=bool)
    hit[np.flatnonzero(usable)[line.fits]] = True
    formula = f"{factor:.8g} * x^{line.slope:.8g}"
    return Fitted("power", formula, {"factor": factor, "exponent": line.slope}, hit)


def _line(case: Case, slope: float, intercept: float, hit: Mask) -> Fitted:
    """Name a line by what it does to the feature's offline values: standardise them, bring them to 0..1, or no more."""
    values = {"factor": slope, "offset": intercept}
    formula = f"{slope:.8g} * x {'-' if intercept < 0 else '+'} {abs(intercept):.8g}"
    positions, every, _ = case.compared_numbers
    weights = None if case.weights is None else case.weights[positions]
    middle = float(np.average(every, weights=weights))
    deviation = float(np.sqrt(np.average((every - middle) ** 2, weights=weights)))
    lowest, highest = float(np.min(every)), float(np.max(every))
    zero, unit = -intercept / slope, abs(1.0 / slope)
    width = highest - lowest
    if slope > 0 and max(abs(zero - lowest), abs(zero + unit - highest)) <= _SAME * width:
        values |= {"low": snapped(zero), "high": snapped(zero + unit)}
        return Fitted("min_max", f"(x - {zero:.8g}) / {unit:.8g}", values, hit)
    if slope > 0 and abs(zero - middle) <= _NEAR * deviation and abs(unit / deviation - 1.0) <= _NEAR:
        values |= {"mean": snapped(zero), "deviation": snapped(unit)}
        return Fitted("standardise", f"(x - {zero:.8g}) / {unit:.8g}", values, hit)
    unit_name = next((text for pair, text in _TEMPERATURES.items() if np.allclose(pair, (slope, intercept))), "")
    return Fitted("affine", formula + (f" ({unit_name})" if unit_name else ""), values, hit)


def _ranked(case: Case, off: Floats, on: Floats) -> Fitted | None:
    """Tell ranks, as a count or as a share, among the feature's offline values."""
    every = np.sort(case.compared_numbers[1])
    rank = np.searchsorted(every, off, side="right").astype(float)
    for name, scale in (("rank", 1.0), ("quantile", float(len(every)))):
        error = np.abs(on * scale - rank) / len(every)
        if np.median(error) <= 0.02 and np.max(error) <= 0.1:
            return Fitted(name, f"the {name}", {}, np.ones(len(off), dtype=bool), 1, 0.9)
    return None
