"""A small part of the zoo in every run of the tests: a case of each cause code and form, some that no rule knows, some clean ones.

The whole of it is `make zoo`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

# The zoo is a package beside the tests of other folders, and benchmarks/zoo.py runs the whole of it.
sys.path.insert(0, str(Path(__file__).parents[1]))

from feast_skew.diagnosis.base import load_rules
from feast_skew.report import Cause
from zoo import apart, clean, clean_stores, judged, menagerie, mixtures, ruleless, stored, tabled
from zoo.cases import Answer, Case, holds

SEED = 5
RULES = {rule.code for rule in load_rules()} | {"unknown"}


def one_each(cases: Iterable[Case], key: Callable[[Case], object]) -> list[Case]:
    """Take the middle one of the severities of each, where every right answer has a rule."""
    groups: dict[object, list[Case]] = {}
    for case in cases:
        if case.provable and {answer.code for answer in case.answers} <= RULES:
            groups.setdefault(key(case), []).append(case)
    return [group[len(group) // 2] for group in groups.values()]


def first_variants(cases: Iterable[Case]) -> list[Case]:
    """Take the first variant of each code."""
    found: dict[str, Case] = {}
    for case in one_each(cases, lambda case: (case.group, case.variant)):
        found.setdefault(case.group, case)
    return list(found.values())


by_name = {"ids": lambda case: case.name}


def check(case: Case) -> None:
    outcome = judged.judge(case)
    assert outcome.found, outcome.said
    assert outcome.first, outcome.said
    assert outcome.parameter, outcome.said
    assert not outcome.others
    assert not outcome.beside, outcome.said


@pytest.mark.parametrize("case", first_variants(tabled.cases([SEED])), **by_name)
def test_first_cause_and_parameter_in_tables(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", first_variants(apart.cases([SEED])), **by_name)
def test_first_cause_and_parameter_of_rows_that_share_no_instant(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", one_each(mixtures.cases([SEED]), lambda case: case.variant), **by_name)
def test_every_cause_of_a_mixture(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", first_variants(stored.cases([SEED])), **by_name)
def test_first_cause_and_parameter_in_stores(case: Case) -> None:
    check(case)


def test_without_a_rule_nothing_is_claimed() -> None:
    cases = one_each(ruleless.cases([SEED]), lambda case: case.variant)[::3]
    assert len(cases) >= 10
    outcomes = [judged.judge(case) for case in cases]
    assert all(outcome.found for outcome in outcomes)
    claimed = [f"{outcome.variant}: {outcome.said}" for outcome in outcomes if not outcome.unknown]
    assert len(claimed) <= 0.1 * len(outcomes), claimed


@pytest.mark.parametrize("form", clean.FORMS)
def test_no_alarm_where_nothing_is_wrong(form: str) -> None:
    every = list(clean.cases())
    assert len(every) == clean.RUNS
    for calm in [calm for calm in every if calm.name.startswith(f"{form}/")][:3]:
        row = menagerie.judge_clean(calm.name, menagerie.calm_run(calm))
        assert not row["alarm"], row["said"]


def test_no_alarm_of_a_store_in_which_nothing_is_wrong() -> None:
    name, mix, streamed, seed = next(run for run in clean_stores.runs(16) if run[2])
    assert not menagerie.judge_clean(name, clean_stores.run(mix, streamed, seed))["alarm"]


def test_an_answer_holds_for_its_code_parameter_and_share() -> None:
    cause = Cause("scale", "what", 0.31, 0.99, "", {"factor": 60.0 * (1 + 1e-8)}, "")
    assert holds(Answer("scale", {"factor": 60.0}, share=0.3), cause)
    assert not holds(Answer("scale", {"factor": 60.001}), cause)
    assert not holds(Answer("scale", {"factor": 60.0}, share=0.4), cause)
    assert not holds(Answer("scale", {"unit": "minutes"}), cause)
    assert not holds(Answer("offset"), cause)


def test_cases_have_names_of_their_own_and_enough_of_each() -> None:
    cases = list(menagerie.cases(range(10)))
    names = [case.name for case in cases]
    assert len(set(names)) == len(names)
    codes = {answer.code for case in cases for answer in case.answers}
    assert RULES - {"batch"} <= codes
    assert len({case.variant for case in cases if case.group == "no rule"}) >= 30
