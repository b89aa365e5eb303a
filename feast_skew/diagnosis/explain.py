"""Runs all rules over one feature and puts their causes in order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feast_skew.core.arrays import Mask
from feast_skew.diagnosis.base import POSSIBLE, PROVEN, Case, Explanation, Rule, load_rules
from feast_skew.diagnosis.unknown import unknown_cause
from feast_skew.errors import SkewError
from feast_skew.report import Cause

_REMAINDER = 0.02
_SMALLEST_SHARE = 0.005

REALIGNED = "realigned"
"""In the evidence: the cause is told from values that were computed from events, so not from rows alone."""


@dataclass(frozen=True)
class Explained:
    """The causes of a feature's differences: largest share first, of equals the one with fewer parameters.

    `codes` names for each drawn entity the first cause that explains it, `unknown` for a wrong one without any, else nothing.
    `broken` tells of rules that failed.
    """

    causes: tuple[Cause, ...]
    codes: NDArray[np.str_]
    broken: tuple[str, ...] = ()


def explain(case: Case, realigned: Case | None = None) -> Explained:
    """Give the causes of a feature's differences.

    What no rule explains is said as `unknown`, with its own share, unless a proven account of how the difference came
    about covers it. `realigned` is the same case with its unaligned rows aligned by events: rules on what a value is look at that
    one, rules on how it came there at what the stores hold.
    """
    values = case if realigned is None else realigned
    wrong = case.wrong | values.wrong
    found: list[Explanation] = []
    broken: list[str] = []
    for rule in load_rules():
        explanation = _asked(rule, values if rule.kind == "what" else case, broken)
        if explanation is not None and (explanation.beside or explanation.cause.share >= _SMALLEST_SHARE):
            found.append(explanation)
    covered = np.zeros(len(wrong), dtype=bool)
    for entry in found:
        if entry.cause.kind == "what" or entry.cause.confidence >= PROVEN:
            covered |= entry.explained
    kept = [
        (cause, entry.explained)
        for entry in found
        if (cause := _reduced(case, entry, covered)).share >= _SMALLEST_SHARE or entry.beside
    ]
    left = values.wrong & ~covered
    if left.any() and case.total(left) > _REMAINDER * case.total(values.wrong):
        kept.append((unknown_cause(values, left), left))
    if realigned is not None:
        kept = [(_by_events(cause), explained) for cause, explained in kept]
    kept.sort(key=lambda one: _rank(one[0]))
    codes = np.where(wrong, "unknown", "").astype("<U32")
    for cause, explained in reversed(kept):
        codes[explained] = cause.code
    return Explained(tuple(cause for cause, _ in kept), codes, tuple(broken))


def _asked(rule: Rule, case: Case, broken: list[str]) -> Explanation | None:
    """Ask a rule; one that breaks has no cause to give, and the run goes on to its verdict.

    Rules try formulas on whatever numbers there are, the largest ones included: what overflows does not fit.
    """
    try:
        with np.errstate(all="ignore"):
            return rule.explain(case)
    except SkewError:
        return None  # a store that answered for the verdict, and then not for a rule
    except Exception as error:  # noqa: BLE001  a fault in a rule must not cost the verdict
        broken.append(broken_rule(rule, error))
        return None


def broken_rule(rule: Rule, error: Exception) -> str:
    """Say that a rule broke."""
    return f"the rule for cause {rule.code} broke ({type(error).__name__}): please report it; that cause may be missing"


def _by_events(cause: Cause) -> Cause:
    """Say of a cause that what offline would hold at the online instants was computed from events."""
    return replace(cause, evidence={**cause.evidence, REALIGNED: True}) if cause.kind == "what" else cause


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
