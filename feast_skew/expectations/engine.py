"""Expectations evaluated on a table by Great Expectations: quiet, without a network, and never passed over."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import great_expectations as gx
from great_expectations.data_context.data_context.context_factory import project_manager
from great_expectations.exceptions.exceptions import DataContextRequiredError
from great_expectations.expectations.core.expect_table_row_count_to_be_between import ExpectTableRowCountToBeBetween

from feast_skew.expectations.features import FeatureExpectation
from feast_skew.expectations.suites import Rule

if TYPE_CHECKING:
    import pandas as pd

HELD, BROKEN, NOT_CHECKED = "held", "broken", "not_checked"
_NUMBER = "feast_skew_rule"
# Their subject is how many values or rows there are, so that there are none is an answer.
_ABOUT_NULLS = (
    "expect_column_values_to_be_null",
    "expect_column_values_to_not_be_null",
    "expect_column_proportion_of_non_null_values_to_be_between",
    "expect_column_to_exist",
)
_ABOUT_ROWS = "expect_table_row_count"
# What errors may be repeated: others can hold values of features.
_HARMLESS = ("does not exist", "has no column", "no attribute")
_ERROR = re.compile(r"[\w.]+(Error|Exception): ")


@dataclass(frozen=True)
class Outcome:
    """What an expectation gave on one table: `held`, `broken` or `not_checked`, with the reason.

    `elements` counts the rows that it was held against; `unexpected` those that break it, `share` their share of the
    rows with a value, 0..1, both None for one about the whole column; `error` says why it could not be evaluated.
    """

    state: str
    elements: int = 0
    observed: Any = None
    unexpected: int | None = None
    share: float | None = None
    reason: str = ""
    error: str = ""
    details: Mapping[str, Any] | None = None


def evaluate(frame: pd.DataFrame, rules: Sequence[Rule], unseen: Mapping[str, int]) -> list[Outcome]:
    """Hold a table against rules, one outcome per rule in their order.

    `unseen` counts by column the values that the table holds as nulls and that are none, such as NaN: a success over
    them is taken back.

    What Great Expectations passes without a look is `not_checked`: an empty table, a row condition that no row meets, a
    column without any value, NaN that it takes for null. Rows are counted here, not taken from its results, which leave
    the count out for many types. No rules give no outcomes.
    """
    if not rules:
        return []
    with _quiet(), _batch(frame) as batch:
        reached = _reached(batch, frame, rules)
        found = [_nothing_to_check(frame, rule, rows) for rule, rows in zip(rules, reached, strict=True)]
        open_ones = [number for number, outcome in enumerate(found) if outcome is None]
        results = _validate(batch, [rules[number].expectation for number in open_ones])
        for number, result in zip(open_ones, results, strict=True):
            found[number] = _outcome(rules[number], reached[number], result, unseen)
    return [outcome for outcome in found if outcome is not None]


@contextlib.contextmanager
def _batch(frame: pd.DataFrame) -> Iterator[Any]:
    """Give the table as a batch of a context that exists only meanwhile; a caller's own context stays the current one."""
    try:
        before = project_manager.get_current_project()
    except DataContextRequiredError:
        before = None
    context = gx.get_context(mode="ephemeral")
    try:
        context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
        asset = context.data_sources.add_pandas("run").add_dataframe_asset("table")
        yield asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
    finally:
        project_manager.set_project(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's log and warnings from the user's terminal; what it has to say is in its results."""
    logger = logging.getLogger("great_expectations")
    level, propagate = logger.level, logger.propagate
    silence = logging.NullHandler()
    logger.addHandler(silence)
    logger.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeHandler(silence)
        logger.setLevel(level)
        logger.propagate = propagate


def _validate(batch: Any, expectations: Sequence[Any]) -> list[Any]:
    """Validate expectations together, which computes what they share once; results in their order."""
    if not expectations:
        return []
    numbered = [expectation.copy(update={"meta": {_NUMBER: number}}) for number, expectation in enumerate(expectations)]
    suite = gx.ExpectationSuite(name="rules", expectations=numbered)
    found = batch.validate(suite, result_format={"result_format": "BASIC", "partial_unexpected_count": 0}).results
    by_number = {result.expectation_config.meta[_NUMBER]: result for result in found}
    return [by_number[number] for number in range(len(expectations))]


def _reached(batch: Any, frame: pd.DataFrame, rules: Sequence[Rule]) -> list[int]:
    """Count the rows that each rule reaches, by Great Expectations' own reading of its row condition."""
    conditional = [number for number, rule in enumerate(rules) if _condition(rule)]
    counts = [ExpectTableRowCountToBeBetween(min_value=0, **_condition(rules[number])) for number in conditional]
    reached = [len(frame)] * len(rules)
    for number, result in zip(conditional, _validate(batch, counts), strict=True):
        # A condition that cannot be read shows as the error of the rule itself.
        reached[number] = result.result.get("observed_value", len(frame))
    return reached


def _condition(rule: Rule) -> dict[str, Any]:
    if rule.kwargs.get("row_condition") is None:
        return {}
    return {name: rule.kwargs[name] for name in ("row_condition", "condition_parser") if name in rule.kwargs}


def _nothing_to_check(frame: pd.DataFrame, rule: Rule, rows: int) -> Outcome | None:
    if not len(frame):
        return Outcome(NOT_CHECKED, reason="the table has no rows")
    if isinstance(rule.expectation, FeatureExpectation):
        return None
    if not rows and not rule.type.startswith(_ABOUT_ROWS):
        return Outcome(NOT_CHECKED, reason="no row meets its row condition")
    if rule.type in _ABOUT_NULLS:
        return None
    without = [name for name in rule.columns if name in frame.columns and not frame[name].notna().any()]
    if without:
        return Outcome(NOT_CHECKED, rows, reason=f"column {without[0]} has no value")
    return None


def _outcome(rule: Rule, rows: int, result: Any, unseen: Mapping[str, int]) -> Outcome:
    trouble = _exception(result.exception_info)
    if trouble:
        return Outcome(BROKEN, rows, error=trouble)
    facts = result.result or {}
    elements = facts.get("element_count", rows)
    percent = facts.get("unexpected_percent")
    outcome = Outcome(
        HELD if result.success else BROKEN,
        elements,
        facts.get("observed_value"),
        facts.get("unexpected_count"),
        None if percent is None else percent / 100.0,
        details=facts.get("details") if isinstance(rule.expectation, FeatureExpectation) else None,
    )
    if outcome.state == HELD and not isinstance(rule.expectation, FeatureExpectation):
        return _looked_at(rule, outcome, {} if facts.get("missing_count") == 0 else unseen)
    return outcome


def _looked_at(rule: Rule, outcome: Outcome, unseen: Mapping[str, int]) -> Outcome:
    """Take back a success over values that were not looked at."""
    if not outcome.elements and not rule.type.startswith(_ABOUT_ROWS):
        return Outcome(NOT_CHECKED, reason="no row was looked at")
    for name in rule.columns:
        if unseen.get(name) and rule.type not in _ABOUT_NULLS:
            reason = f"{unseen[name]:,} values of column {name} are no numbers, and were passed over"
            return Outcome(NOT_CHECKED, outcome.elements, reason=reason)
    return outcome


def _exception(info: Any) -> str:
    """Give the error of an expectation that could not be evaluated, by its kind alone where a text could hold values."""
    entries = [info] if info and "raised_exception" in info else list((info or {}).values())
    raised = next((entry for entry in entries if isinstance(entry, Mapping) and entry.get("raised_exception")), None)
    if raised is None:
        return ""
    # The first error of a chain is the cause; those after it are the library's own.
    lines = [line for line in str(raised.get("exception_traceback", "")).splitlines() if _ERROR.match(line)]
    name, _, message = (lines[0] if lines else str(raised.get("exception_message", ""))).partition(": ")
    kind = name.rsplit(".", 1)[-1]
    return message if kind == "TypeError" or any(part in message for part in _HARMLESS) else kind
