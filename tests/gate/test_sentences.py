"""What a change does is said from what is served now to what the new definition gives."""

from __future__ import annotations

from typing import Any

import pytest

from feast_skew.gate.sentences import moves
from feast_skew.report import Cause, FeatureResult, Metric, Verdict

COUNTS = {"entities": 100, "match": 20, "mismatch": 80}


def said(code: str, verdict: Verdict = Verdict.FAIL, counts: dict[str, int] = COUNTS, **evidence: Any) -> str:
    cause = Cause(code, "how" if code in ("expired", "frozen") else "what", 1.0, 0.99, "because", evidence, "do it")
    metrics = {"mean_difference": Metric(1.0, extra={"mean_offline": 3.5, "mean_online": 2.5})}
    feature = FeatureResult("v", "x", "Float64", "", "", verdict, counts, metrics, (cause,))
    return moves(feature)


WINDOW = {"offline_window": "7d", "online_window": "30d", "offline_aggregate": "mean", "online_aggregate": "mean"}


@pytest.mark.parametrize(
    ("code", "evidence", "text"),
    [
        ("window", {**WINDOW, "proven": True}, "this change moves v:x from the 30-day mean to the 7-day mean for 80.0% of the entities"),
        ("scale", {"factor": 0.01, "unit": "percent and share"}, "this change multiplies v:x by 100 (percent and share) for 80.0% of the entities"),
        ("offset", {"offset": -2.5}, "this change adds 2.5 to v:x for 80.0% of the entities"),
        ("sign", {}, "this change turns the sign of v:x for 80.0% of the entities"),
        ("frozen", {}, "this change gives v:x other values for 80.0% of the entities, with a mean of 3.5 where 2.5 is served"),
    ],
)  # fmt: skip
def test_from_what_is_served_to_what_will_be(code: str, evidence: dict[str, Any], text: str) -> None:
    assert said(code, **evidence) == text


def test_a_guess_is_told_as_it_is() -> None:
    text = said("window", **{**WINDOW, "proven": False})
    assert text.endswith("Online is what is served now, offline what it would be: because")


def test_what_passes_says_nothing() -> None:
    assert said("scale", Verdict.WARN, factor=2.0) == ""
    assert said("expired", Verdict.WARN) == ""


def test_rows_without_a_common_instant() -> None:
    assert "(40 entities, whose rows share no timestamp)" in said(
        "scale", counts={"entities": 40, "unaligned": 40}, factor=2.0
    )
