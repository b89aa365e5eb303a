"""The suites of the demo's repository: they hold on its data, and see every number a thousand times too large."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from feast_skew.core.keys import KeySet
from feast_skew.core.model import Plan, ViewPlan
from feast_skew.demo.flights import FlightsRepository, find_expectations
from feast_skew.expectations.runner import SuiteRunner
from feast_skew.expectations.suites import read_suites
from feast_skew.report import Finding, SkewReport

KEYS = {
    "plane_delays": ["tailnum"],
    "plane_profile": ["tailnum"],
    "plane_live": ["tailnum"],
    "route_delays": ["origin", "dest"],
}
FILES = {"plane_delays": "plane_delays_30d"}
NUMBERS = {
    "plane_delays": ["avg_dep_delay", "avg_arr_delay", "max_dep_delay", "flights"],
    "plane_profile": ["year_built", "seats", "engines"],
    "plane_live": ["avg_dep_delay", "flights"],
    "route_delays": ["avg_dep_delay", "flights", "cancelled_share", "avg_air_time"],
}


@dataclass
class Demo:
    """A copy of the demo's repository with the latest row of every entity, by view."""

    path: Path
    tables: dict[str, pa.Table]

    def findings(self, view: str, offline: pa.Table, online: pa.Table) -> tuple[Finding, ...]:
        columns = {name: tuple(table.column_names) for name, table in self.tables.items()}
        plan = Plan("flights", (ViewPlan(view, KeySet(()), ()),))
        suites = [suite for suite in read_suites(self.path / "expectations", columns) if suite.view == view]
        assert suites
        run = SuiteRunner(suites, plan)
        run.check_view(view, KEYS[view], offline, online)
        return run.finish(SkewReport("flights", "", "", "local", "", 0, {}, {}, ())).findings


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    path = tmp_path_factory.mktemp("demo") / "repo"
    FlightsRepository(path).build(30)
    tables = {}
    for view, keys in KEYS.items():
        frame = pd.read_parquet(path / "data" / "features" / f"{FILES.get(view, view)}.parquet")
        latest = frame.sort_values("event_timestamp").groupby(keys).tail(1).drop(columns="created_at", errors="ignore")
        tables[view] = pa.Table.from_pandas(latest, preserve_index=False)
    return Demo(path, tables)


@pytest.mark.parametrize("view", KEYS)
def test_clean_data_keeps_every_rule(demo: Demo, view: str) -> None:
    assert demo.findings(view, demo.tables[view], demo.tables[view]) == ()


@pytest.mark.parametrize(
    ("view", "column"), [(view, column) for view, columns in NUMBERS.items() for column in columns]
)
def test_a_thousand_times_too_large(demo: Demo, view: str, column: str) -> None:
    table = demo.tables[view]
    wrong = pc.multiply(table.column(column).cast(pa.float64()), 1000).cast(table.column(column).type)
    online = table.set_column(table.column_names.index(column), column, wrong)
    found = demo.findings(view, table, online)
    assert any(f.code == "FS301" and f.severity == "fail" and column in f.detail for f in found), found


def test_the_copy_finds_its_suites_inside(demo: Demo) -> None:
    """A kept copy leaves nothing beside itself."""
    shipped = {file.name for file in find_expectations().glob("*.json")}
    assert {file.name for file in (demo.path / "expectations").iterdir()} == shipped
    assert "expectations: expectations" in (demo.path / "feature_store.yaml").read_text()
    assert [entry.name for entry in demo.path.parent.iterdir()] == ["repo"]


def test_the_limits_name_features_that_exist(demo: Demo) -> None:
    columns = {name: tuple(table.column_names) for name, table in demo.tables.items()}
    suites = {suite.name: suite for suite in read_suites(demo.path / "expectations", columns)}
    assert set(suites) == {*KEYS, "skew_metrics"}
    for suite in suites.values():
        raw = json.loads(suite.file.read_text())
        assert len(raw["expectations"]) == len(suite.rules) > 0
