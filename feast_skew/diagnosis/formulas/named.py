"""Functions without parameters that pipelines apply to one value, with their inverses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from feast_skew.core.arrays import Floats, Mask

_ROUNDING = 5e-7
_DISTINCT = 10.0


@dataclass(frozen=True)
class Function:
    """A function and its inverse, on arrays; not finite outside of where they are defined."""

    name: str
    formula: str
    apply: Callable[[Floats], Floats]
    invert: Callable[[Floats], Floats]


def _logit(x: Floats) -> Floats:
    return np.log(x) - np.log1p(-x)


def _sigmoid(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-x))


FUNCTIONS = (
    Function("log1p", "log(1 + x)", np.log1p, np.expm1),
    Function("log", "log(x)", np.log, np.exp),
    Function("log10", "log10(x)", np.log10, lambda y: 10.0**y),
    Function("log2", "log2(x)", np.log2, np.exp2),
    Function("sqrt", "sqrt(x)", np.sqrt, np.square),
    Function("square", "x^2", np.square, np.sqrt),
    Function("exp", "exp(x)", np.exp, np.log),
    Function("expm1", "exp(x) - 1", np.expm1, np.log1p),
    Function("reciprocal", "1 / x", np.reciprocal, np.reciprocal),
    Function("sigmoid", "1 / (1 + exp(-x))", _sigmoid, _logit),
    Function("logit", "log(x / (1 - x))", _logit, _sigmoid),
    Function("cube", "x^3", lambda x: x**3, np.cbrt),
    Function("cbrt", "x^(1/3)", np.cbrt, lambda y: y**3),
    Function("log1p_signed", "sign(x) log(1 + |x|)", lambda x: np.sign(x) * np.log1p(np.abs(x)),
             lambda y: np.sign(y) * np.expm1(np.abs(y))),
    Function("asinh", "asinh(x)", np.arcsinh, np.sinh),
    Function("tanh", "tanh(x)", np.tanh, np.arctanh),
)  # fmt: skip
"""The commoner of two that give the same stands first."""


def fits(function: Function, off: Floats, on: Floats, *, telling: bool = False) -> Mask:
    """Tell which online numbers are the function of the offline ones, to seven digits of either. Shape (pairs,).

    Only those that are `telling`, when asked: numbers that the function hardly changes tell nothing of it.
    """
    with np.errstate(all="ignore"):
        value = function.apply(off)
        # What so little a change of the offline number makes of the result, besides the rounding of the result itself.
        given = np.abs(function.apply(off * (1 + _ROUNDING)) - function.apply(off * (1 - _ROUNDING)))
        room = np.where(np.isfinite(given), given, 0.0) + _ROUNDING * np.abs(on)
        found: Mask = (np.abs(on - value) <= room) & np.isfinite(value)
        return found & (np.abs(value - off) > _DISTINCT * room) if telling else found
