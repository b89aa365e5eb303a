"""Runs all rules over one feature and puts their causes in order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from feast_skew.core.arrays import Mask
from feast_skew.diagnosis.base import POSSIBLE, Case, Explanation, load_rules
from feast_skew.diagnosis.unknown import unknown_cause
from feast_skew.report import Cause

_PROVEN = 0.9
_REMAINDER = 0.02
_SMALLEST_SHARE = 0.005


def explain(case: Case) -> tuple[Cause, ...]:
    """Give the causes of a feature's differences: largest share first, of equals the one with fewer parameters.

    What no rule explains is said as `unknown`, with its own share, unless a proven account of how the difference came
    about covers it.
    """
    found: list[Explanation] = []
    for rule in load_rules():
        explanation = rule.explain(case)
        if explanation is not None and explanation.cause.share >= _SMALLEST_SHARE:
            found.append(explanation)
    covered = np.zeros(len(case.wrong), dtype=bool)
    for entry in found:
        if entry.cause.kind == "what" or entry.cause.confidence >= _PROVEN:
            covered |= entry.explained
    causes = [cause for entry in found if (cause := _reduced(case, entry, covered)).share >= _SMALLEST_SHARE]
    left = case.wrong & ~covered
    if left.any() and case.total(left) > _REMAINDER * case.total(case.wrong):
        causes.append(unknown_cause(case, left))
    return tuple(sorted(causes, key=_rank))


def _reduced(case: Case, entry: Explanation, covered: Mask) -> Cause:
    """Leave to a mere possibility only what nothing better explains; other causes stay as they are."""
    if entry.cause.kind == "what" or entry.cause.confidence > POSSIBLE:
        return entry.cause
    return replace(entry.cause, share=case.total(entry.explained & ~covered) / max(1, case.total(case.wrong)))


def _rank(cause: Cause) -> tuple[bool | float, ...]:
    """Put larger shares first, of equals fewer parameters, then surer ones; `unknown` after what explains as much."""
    return -round(cause.share, 6), cause.code == "unknown", cause.parameters, -cause.confidence
