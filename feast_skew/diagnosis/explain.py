"""Runs all rules over one feature and puts their causes in order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feast_skew.core.arrays import Mask
from feast_skew.diagnosis.base import POSSIBLE, Case, Explanation, load_rules
from feast_skew.diagnosis.unknown import unknown_cause
from feast_skew.report import Cause

_PROVEN = 0.9
_REMAINDER = 0.02
_SMALLEST_SHARE = 0.005


@dataclass(frozen=True)
class Explained:
    """The causes of a feature's differences: largest share first, of equals the one with fewer parameters.

    `codes` names for each drawn entity the first cause that explains it, `unknown` for a wrong one without any, else nothing.
    """

    causes: tuple[Cause, ...]
    codes: NDArray[np.str_]


def explain(case: Case) -> Explained:
    """Give the causes of a feature's differences.

    What no rule explains is said as `unknown`, with its own share, unless a proven account of how the difference came
    about covers it.
    """
    found: list[Explanation] = []
    for rule in load_rules():
        explanation = rule.explain(case)
        if explanation is not None and (explanation.beside or explanation.cause.share >= _SMALLEST_SHARE):
            found.append(explanation)
    covered = np.zeros(len(case.wrong), dtype=bool)
    for entry in found:
        if entry.cause.kind == "what" or entry.cause.confidence >= _PROVEN:
            covered |= entry.explained
    kept = [
        (cause, entry.explained)
        for entry in found
        if (cause := _reduced(case, entry, covered)).share >= _SMALLEST_SHARE or entry.beside
    ]
    left = case.wrong & ~covered
    if left.any() and case.total(left) > _REMAINDER * case.total(case.wrong):
        kept.append((unknown_cause(case, left), left))
    kept.sort(key=lambda one: _rank(one[0]))
    codes = np.where(case.wrong, "unknown", "").astype("<U32")
    for cause, explained in reversed(kept):
        codes[explained] = cause.code
    return Explained(tuple(cause for cause, _ in kept), codes)


def _reduced(case: Case, entry: Explanation, covered: Mask) -> Cause:
    """Leave to a mere possibility only what nothing better explains; other causes stay as they are."""
    if entry.cause.kind == "what" or entry.cause.confidence > POSSIBLE:
        return entry.cause
    left = case.total(entry.explained & ~covered) / max(1, case.total(entry.explained))
    return replace(entry.cause, share=entry.cause.share * left)


def _rank(cause: Cause) -> tuple[bool | float, ...]:
    """Put larger shares first, of equals claims before possibilities, fewer parameters, then surer ones; `unknown` last."""
    possible = cause.kind == "how" and cause.confidence <= POSSIBLE
    return -round(cause.share, 6), cause.code == "unknown", possible, cause.parameters, -cause.confidence
