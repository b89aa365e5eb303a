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


def test_aligned_rows_are_explained_beside_unaligned_ones_that_no_rule_explains() -> None:
    """Six nights offline; online some rows stand at the last night with the other sign, the others half a day later anywhere."""
    random = np.random.default_rng(5)
    nights = np.datetime64("2026-05-01", "us") + np.arange(6) * np.timedelta64(86_400_000_000, "us")
    level = random.lognormal(3, 1, 900)
    history = np.concatenate([level + random.normal(0, 0.01, 900) for _ in nights])
    offline = {"id": np.tile(np.arange(900), 6), "event_timestamp": np.repeat(nights, 900), "x": history}
    aligned = np.arange(900) < 450
    instants = np.where(aligned, nights[-1], nights[-1] + np.timedelta64(43_200_000_000, "us"))
    values = np.where(aligned, -history[-900:], random.lognormal(5, 2, 900))
    found = compare(
        pa.table(offline), pa.table({"id": np.arange(900), "event_timestamp": instants, "x": values}), ["id"]
    ).features[0]
    assert found.verdict is Verdict.FAIL
    assert found.counts["unaligned"] == 450
    shares = {cause.code: cause.share for cause in found.causes}
    assert shares["sign"] == pytest.approx(0.5)
    assert shares["unknown"] == pytest.approx(0.5)
