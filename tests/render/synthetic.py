"""Reports of any number of features, with real profiles: columns are drawn, planted with mistakes, and compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew import compare
from feast_skew.report import FeatureResult, Finding, Metric, Past, SkewReport, Verdict, rank

ROWS = 3_000
DAY = datetime(2026, 3, 1, 4, 30, tzinfo=timezone.utc)
OWNERS = ("payments@example.com", "fraud-models@example.com", "growth@example.com", "search ranking", "")
SERVICES = ("checkout_risk", "churn_weekly", "feed_ranking")
PAST_RUNS = 30
_Column = Callable[[np.random.Generator], tuple[Any, Any]]


def _numbers(change: Callable[[np.random.Generator, Any], Any], draw: Callable[[np.random.Generator], Any]) -> _Column:
    def column(random: np.random.Generator) -> tuple[Any, Any]:
        offline = draw(random)
        return offline, change(random, offline)

    return column


def _some(random: np.random.Generator, values: Any, share: float, other: Any) -> Any:
    return np.where(random.random(len(values)) < share, other, values)


def _normal(random: np.random.Generator) -> Any:
    return random.normal(40.0, 12.0, ROWS)


def _amounts(random: np.random.Generator) -> Any:
    return np.round(random.lognormal(3.0, 1.6, ROWS), 2)


def _nulls(random: np.random.Generator, values: Any, share: float) -> Any:
    return [None if lost else value for value, lost in zip(values.tolist(), random.random(ROWS) < share, strict=True)]


def _categories(random: np.random.Generator, change: float) -> tuple[Any, Any]:
    names = np.array(["gold", "silver", "bronze", "trial", "staff", "closed by customer"])
    offline = random.choice(names, ROWS, p=[0.1, 0.3, 0.35, 0.15, 0.05, 0.05])
    return offline, _some(random, offline, change, np.char.upper(offline))


COLUMNS: dict[str, _Column] = {
    "days_since_signup": _numbers(lambda _, x: x.copy(), lambda r: r.integers(0, 2_000, ROWS)),
    "orders_7d_mean": _numbers(lambda r, x: x * 0.6 + r.normal(0.0, 5.0, ROWS), _normal),
    "basket_value": _numbers(lambda _, x: x * 100.0, _amounts),
    "balance": _numbers(lambda r, x: _some(r, x, 0.004, 0.0), _amounts),
    "risk_score": _numbers(lambda _, x: x.astype(np.float32).astype(np.float64), lambda r: r.beta(2.0, 5.0, ROWS)),
    "sessions_30d": _numbers(lambda r, x: _some(r, x, 0.12, 0), lambda r: r.poisson(6.0, ROWS)),
    "tier": lambda r: _categories(r, 0.2),
    "country": lambda r: _categories(r, 0.0),
    "last_login": _numbers(lambda _, x: x + 3_600_000_000, lambda r: 1_760_000_000_000_000 + r.integers(0, 10**12, ROWS) * 10),
    "temperature": _numbers(lambda _, x: x.copy(), _normal),
    "discount": _numbers(lambda r, x: _nulls(r, x, 0.05), lambda r: np.round(r.beta(1.0, 9.0, ROWS), 2)),
    "heavy_tail": _numbers(lambda r, x: _some(r, x, 0.05, -x), lambda r: r.standard_cauchy(ROWS) * 1_000.0),
}  # fmt: skip


@cache
def compared(seed: int) -> SkewReport:
    """Give the report of a dozen columns of different kinds; some of them were served wrong."""
    random = np.random.default_rng(seed)
    offline: dict[str, Any] = {"customer_id": np.arange(ROWS)}
    online: dict[str, Any] = {"customer_id": np.arange(ROWS)}
    for name, draw in COLUMNS.items():
        left, right = draw(random)
        kind = pa.timestamp("us", "UTC") if name == "last_login" else None
        offline[name], online[name] = pa.array(left, kind), pa.array(right, kind)
    served = pa.table(online).slice(0, ROWS - 5)
    settings = {"defaults": {"psi": 0.2, "mean": 0.2, "null_rate": 0.02}, "features": {
        "table:tier": {"mean": None}, "table:country": {"mean": None}, "table:last_login": {"mean": None},
        "table:balance": {"mean": "auto"},
    }}  # fmt: skip
    return compare(pa.table(offline), served, keys=["customer_id"], config=settings, population=40 * ROWS)


def synthetic(count: int, seed: int = 0) -> SkewReport:
    """Give a report of so many features, with owners, services, lags and a past; features repeat with other names."""
    random = np.random.default_rng(seed)
    base = compared(seed)
    features = [_dressed(base.features[i % len(base.features)], i, random) for i in range(count)]
    features.sort(key=lambda feature: rank(feature.verdict))
    findings = (
        Finding(
            "FS204", "warn", "customer_stats_0", "12 of 5,000 scanned keys are unknown offline", "delete these keys"
        ),
        Finding("FS206", "info", "", "the state file cannot be read: definitions are not remembered", "move it away"),
    )
    sample = {"requested": 10_000, "entities": ROWS, "population": 40 * ROWS, "key_sets": [
        {"join_keys": ["customer_id"], "entities": ROWS, "population": 40 * ROWS, "budget": 0.001, "views": {},
         "decided": {"probability": 0.95, "pass_up_to": 0.0001, "fail_from": 0.0035}, "operating_curve": []}]}  # fmt: skip
    return replace(
        base,
        project="shop",
        run_id="20260301T043000-7f3a",
        created_at=_iso(DAY),
        as_of=_iso(DAY),
        features=tuple(features),
        findings=findings,
        sample=sample,
        skipped=({"view": "labels", "reason": "a label view is not served"},),
    )


def _dressed(feature: FeatureResult, place: int, random: np.random.Generator) -> FeatureResult:
    view = f"customer_stats_{place // 12}"
    owner = OWNERS[(place // 12) % len(OWNERS)] if place % 12 < 10 else OWNERS[-1]
    lags = np.sort(random.lognormal(8.0, 1.5, 8)).tolist()
    names = ("p5", "p25", "p50", "p75", "p90", "p95", "p99", "p100")
    return replace(
        feature,
        view=view,
        feature=feature.feature if place < 12 else f"{feature.feature}_{place}",
        dtype="UnixTimestamp" if feature.feature == "last_login" else feature.dtype,
        owner=owner,
        channel="#feature-quality" if owner else "",
        runbook="https://wiki.example.com/runbooks/skew" if owner else "",
        services=tuple(s for i, s in enumerate(SERVICES) if (place // 12 + i) % 3 != 2),
        lag=dict(zip(names, lags, strict=True)),
        past=_past(feature, random),
    )


def _past(feature: FeatureResult, random: np.random.Generator) -> tuple[Past, ...]:
    """Give a past in which a feature that is wrong now became so ten runs ago."""
    metric = feature.metrics.get("mismatch_rate", Metric(None))
    now, wrong = metric.value or 0.0, feature.verdict is Verdict.FAIL
    runs = []
    for back in range(PAST_RUNS, 0, -1):
        value = now * random.uniform(0.85, 1.0) if wrong and back <= 10 else 0.0
        verdict = Verdict.FAIL if value > 0.0005 else Verdict.PASS if back % 9 else Verdict.INCONCLUSIVE
        at = _iso(DAY - timedelta(days=back))
        runs.append(Past(f"run{back}", at, verdict, value, value * 0.9, min(1.0, value * 1.1 + 0.0006)))
    return tuple(runs)


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
