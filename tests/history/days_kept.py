"""Runs as a validation would leave them, one a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from feast_skew.report import Cause, FeatureResult, Metric, SkewReport, Verdict, iso

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
OLDEST = iso(START - timedelta(days=1))
WINDOW = Cause("window", "what", 1.0, 0.9, "the same mean over 7 days", {}, "decide which window is meant")


def at(day: float) -> str:
    return iso(START + timedelta(days=day))


def feature(name: str = "x", wrong: int = 0, owner: str = "crm@example.com") -> FeatureResult:
    """Give a feature of which so many of 1,000 entities are wrong; it fails from one on."""
    verdict, share = (Verdict.FAIL if wrong else Verdict.PASS), wrong / 1_000
    rate = Metric(share, max(0.0, share - 0.01), share + 0.01, 0.001, verdict)
    causes = (WINDOW,) if wrong else ()
    metrics = {"mismatch_rate": rate, "psi": Metric(share / 10)}
    return FeatureResult("v", name, "Float64", owner, "", verdict, {"entities": 1_000}, metrics, causes)


def run(day: float, features: Sequence[FeatureResult], run_id: str | None = None) -> SkewReport:
    sample = {"requested": 1_000, "entities": 1_000, "population": 1_000}
    return SkewReport("shop", run_id or f"run-{day}", at(day), "local", at(day), 0, {}, sample, tuple(features))
