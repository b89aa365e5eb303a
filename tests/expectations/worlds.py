"""Views, tables and reports by hand, for the tests of rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew.core.equality import default_tolerance
from feast_skew.core.keys import JoinKey, KeySet
from feast_skew.core.model import FeaturePlan, Limits, Plan, Skipped, ViewPlan
from feast_skew.core.types import declared_type
from feast_skew.expectations.runner import SuiteRunner
from feast_skew.expectations.suites import read_suites
from feast_skew.report import FeatureResult, Metric, SkewReport, Verdict

COLUMNS = ("driver_id", "rate", "trips", "city", "event_timestamp")
VIEWS = {"driver_stats": COLUMNS, "rider_stats": ("rider_id", "score", "event_timestamp")}
VALUES = {"table": "values", "view": "driver_stats"}
METRICS = {"table": "metrics"}
ROWS = 200


def write(folder: Path, name: str, about: Any, *entries: Any) -> Path:
    """Write a suite as its file."""
    file = folder / f"{name}.json"
    file.write_text(json.dumps({"name": name, "meta": {"feast_skew": about}, "expectations": list(entries)}))
    return file


def rule(kind: str, severity: str = "critical", **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "severity": severity}


def only(column: str, value: str) -> dict[str, Any]:
    """A row condition: the column has that value."""
    return {"type": "comparison", "column": {"name": column}, "operator": "==", "parameter": value}


def plan(*views: str, skipped: tuple[str, ...] = ()) -> Plan:
    """A run of these views, with all their features."""
    planned = []
    for name in views:
        key, *features, _ = VIEWS[name]
        types = {"rate": "Float64", "trips": "Int64", "city": "String", "score": "Float64"}
        keys = KeySet((JoinKey(key, declared_type("Int64" if key == "driver_id" else "String")),))
        made = tuple(
            FeaturePlan(name, f, declared_type(types[f]), default_tolerance(declared_type(types[f])), Limits())
            for f in features
        )
        planned.append(ViewPlan(name, keys, made))
    return Plan("rides", tuple(planned), tuple(Skipped(name, "not online") for name in skipped))


def rows(size: int = ROWS, **changed: Any) -> pa.Table:
    """The rows of driver_stats in one store."""
    columns: dict[str, Any] = {
        "driver_id": pa.array(np.arange(size), pa.int64()),
        "rate": pa.array(np.linspace(0.0, 1.0, size), pa.float64()),
        "trips": pa.array(np.arange(size) % 90, pa.int64()),
        "city": pa.array([("Basel", "Bern", "Genf")[i % 3] for i in range(size)], pa.string()),
        "event_timestamp": pa.array([1_700_000_000 * 10**9] * size, pa.timestamp("ns", tz="UTC")),
    }
    return pa.table({**columns, **changed})


def feature(
    name: str, view: str = "driver_stats", verdict: Verdict = Verdict.PASS, **metrics: float | None
) -> FeatureResult:
    """A feature with these metrics."""
    measured = {"mismatch_rate": 0.0, "presence_rate": 0.0, "psi": 0.0, **metrics}
    counts = {"entities": ROWS, "match": ROWS}
    return FeatureResult(view, name, "Float64", "", "", verdict, counts, {k: Metric(v) for k, v in measured.items()})


def report(*features: FeatureResult) -> SkewReport:
    return SkewReport(
        "rides", "run", "2026-03-01T00:00:00Z", "local", "2026-03-01T00:00:00Z", 0, {}, {"entities": ROWS}, features
    )


def runner(folder: Path, *views: str, skipped: tuple[str, ...] = (), show_entities: bool = False) -> SuiteRunner:
    """A runner of the suites in a folder, for a run of these views."""
    suites = read_suites(folder, VIEWS)
    return SuiteRunner(suites, plan(*(views or ("driver_stats",)), skipped=skipped), show_entities=show_entities)


def held(folder: Path, offline: pa.Table, online: pa.Table, *features: FeatureResult) -> SkewReport:
    """Run the suites in a folder on both sides of driver_stats and on a report; give the report."""
    run = runner(folder)
    run.check_view("driver_stats", ["driver_id"], offline, online)
    return run.finish(report(*(features or (feature("rate"),))))
