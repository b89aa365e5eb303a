"""A small part of the zoo in every run of the tests: one case per cause code, form and variant, and what must never be claimed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

# The zoo is a package beside the tests of other folders, and benchmarks/zoo.py runs the whole of it.
sys.path.insert(0, str(Path(__file__).parents[1]))

from zoo import apart, clean, judged, menagerie, mixtures, ruleless, stored, tabled
from zoo.cases import Case

SEED = 5
KNOWN = {
    "scale", "offset", "default_fill", "null_fill", "stale", "not_materialized", "orphan", "restated",
    "definition_not_landed",
}  # fmt: skip


def one_each(cases: Iterable[Case], key: Callable[[Case], object]) -> list[Case]:
    """Take the middle one of the severities of each."""
    groups: dict[object, list[Case]] = {}
    for case in cases:
        groups.setdefault(key(case), []).append(case)
    return [group[len(group) // 2] for group in groups.values()]


def known(cases: Iterable[Case]) -> list[Case]:
    return [case for case in cases if {answer.code for answer in case.answers} <= KNOWN | {"window", "unknown"} and case.answers[0].code in KNOWN]


IN_TABLES = known(one_each(tabled.cases([SEED]), lambda case: (case.group, case.variant)))
IN_STORES = known(one_each(stored.cases([SEED]), lambda case: case.group))
by_name = {"ids": lambda case: case.name}


def check(case: Case) -> None:
    outcome = judged.judge(case)
    assert outcome.found, outcome.said
    assert outcome.first, outcome.said
    assert outcome.parameter, outcome.said
    assert not outcome.others
    assert not outcome.beside, outcome.said


@pytest.mark.parametrize("case", IN_TABLES, **by_name)
def test_first_cause_and_parameter_in_tables(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", IN_STORES, **by_name)
def test_first_cause_and_parameter_in_stores(case: Case) -> None:
    check(case)
