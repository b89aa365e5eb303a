"""What a fault in a rule does to a run: nothing but a word beside the verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew import compare
from feast_skew.diagnosis import base, explain
from feast_skew.report import Verdict


@pytest.fixture
def broken_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that breaks, and the text that users get of it in place of the error."""
    base.load_rules()

    def breaks(_case: Any) -> None:
        raise IndexError("no such row")

    monkeypatch.setitem(base.RULES, "scale", base.Rule("scale", "what", 1, breaks))
    monkeypatch.setattr(
        explain, "broken_rule", lambda rule, error: f"the rule for cause {rule.code} broke ({type(error).__name__})"
    )


@pytest.mark.usefixtures("broken_rule")
def test_a_rule_that_breaks_costs_its_cause_and_not_the_verdict() -> None:
    values = np.random.default_rng(0).lognormal(3, 1, 500)
    found = compare(
        pa.table({"id": np.arange(500), "x": values}), pa.table({"id": np.arange(500), "x": values + 7.5}), ["id"]
    ).features[0]
    assert found.verdict is Verdict.FAIL
    assert [cause.code for cause in found.causes] == ["offset"]
    assert any("the rule for cause scale broke (IndexError)" in reason for reason in found.reasons)
