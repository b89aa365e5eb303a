"""What a change does is told from what is so already, and nothing that it brings along excuses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rides import Run
from shop_online import Shop, new_shop, plan_of

from feast_skew.embedded.redis_server import EmbeddedRedis

pytestmark = pytest.mark.xdist_group("plan own work")

WEEK = ("sources.py", "orders_30d.parquet", "orders_7d.parquet")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, redis: EmbeddedRedis) -> Shop:
    return new_shop(tmp_path_factory.mktemp("own") / "repo", redis)


@pytest.fixture
def shop(tmp_path: Path, template: Shop) -> Shop:
    return template.copied(tmp_path / "repo")


def change_of(plan: dict[str, Any], name: str = "spending") -> dict[str, Any]:
    found: dict[str, Any] = next(change for change in plan["changes"] if change["name"] == name)
    return found


def rewrite(shop: Shop, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    table = pq.read_table(shop.path / "data" / "orders_30d.parquet")
    pq.write_table(change(table), shop.path / "data" / name)


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def test_a_view_that_is_skewed_may_not_be_changed_to_anything(run: Run, shop: Shop) -> None:
    """Approved and not yet materialized: everything differs online, and would by any other definition, too."""
    shop.edit(*WEEK)
    assert run("apply", "--repo", shop.path, "--approve", "spending", "--reason", "agreed", "--quiet").code == 0
    rewrite(shop, "other.parquet", lambda table: with_column(table, "avg_amount", pc.multiply(table["avg_amount"], 30)))
    shop.edit("sources.py", "orders_7d.parquet", "other.parquet")
    code, plan = plan_of(run, shop)
    assert (code, change_of(plan)["verdict"]) == (1, "fail")
    shop.edit("sources.py", "other.parquet", "orders_7d_again.parquet")
    (shop.path / "data" / "orders_7d_again.parquet").write_bytes(
        (shop.path / "data" / "orders_7d.parquet").read_bytes()
    )
    code, plan = plan_of(run, shop)
    assert (code, change_of(plan)["verdict"]) == (0, "warn")
    assert any("differs by the present definition just as much" in note for note in change_of(plan)["notes"])
    text = run("plan", "--repo", shop.path, "--no-progress").out
    assert "agrees" not in text


def test_other_values_at_other_timestamps(run: Run, shop: Shop) -> None:
    """Rows that share no timestamp with online cannot show that the values are ten times as large."""

    def moved(table: pa.Table) -> pa.Table:
        late = pc.add(table.column("event_timestamp"), pa.scalar(timedelta(seconds=1)))
        larger = pc.add(pc.multiply(table["avg_amount"], 1.2), 1.0)
        return with_column(with_column(table, "event_timestamp", late), "avg_amount", larger)

    rewrite(shop, "late.parquet", moved)
    shop.edit("sources.py", "orders_30d.parquet", "late.parquet")
    code, plan = plan_of(run, shop)
    assert code in (1, 3)
    assert change_of(plan)["refused"]
    feature = next(one for one in change_of(plan)["features"] if one["feature"] == "avg_amount")
    assert feature["verdict"] in ("fail", "inconclusive")
    assert "agrees" not in run("plan", "--repo", shop.path, "--no-progress").out.split("avg_amount")[-1]


def test_limits_that_a_change_brings_along(run: Run, shop: Shop) -> None:
    shop.edit(*WEEK)
    shop.edit("views.py", '"skew.max_lag": "2d"', '"skew.max_lag": "2d", "skew.mismatch_budget": "1"')
    code, plan = plan_of(run, shop)
    assert (code, change_of(plan)["verdict"]) == (1, "fail")
    assert any("brings other limits along" in note for note in change_of(plan)["notes"])


def test_a_feature_that_services_select_goes(run: Run, shop: Shop) -> None:
    shop.edit("views.py", '        Field(name="orders", dtype=Int64),\n', "")
    shop.edit("services.py", 'spending[["avg_amount", "orders"]]', 'spending[["avg_amount"]]')
    _, plan = plan_of(run, shop)
    assert change_of(plan)["verdict"] == "warn"
    assert any(note.startswith("drops orders") for note in change_of(plan)["notes"])


@pytest.mark.parametrize("with_another", [False, True])
def test_a_served_view_that_needs_request_data(run: Run, shop: Shop, tmp_path: Path, with_another: bool) -> None:
    """Refused with 3, alone and beside another change; measured when the requests are given, and approvable."""
    shop.edit("computed.py", "return amount * 1.2", "return amount * 300")
    shop.edit("computed.py", "RATE = 1.5", "RATE = 2.5")
    shop.edit("computed.py", '* inputs["items"] * RATE', '* inputs["items"] * 7 * RATE')
    if with_another:
        shop.edit("views.py", "ttl=timedelta(days=2)", "ttl=timedelta(days=3)")
    code, plan = plan_of(run, shop)
    change = change_of(plan, "expecting")
    assert (code, change["verdict"]) == (3, "inconclusive")
    assert any("needs request data 'items'" in note for note in change["notes"])
    requests = tmp_path / "requests.parquet"
    pq.write_table(pa.table({"customer_id": [*range(300)], "items": [2] * 300}), requests)
    measured = run("plan", "--repo", shop.path, "--entities", requests, "--output", "json=-", "--no-progress")
    assert not any("needs request data" in note for note in change_of(json.loads(measured.out), "expecting")["notes"])
    done = run("apply", "--repo", shop.path, "--approve", "expecting", "--reason", "checked by hand", "--quiet")
    assert done.code == 0, done.err


def test_a_new_view_that_needs_request_data(run: Run, shop: Shop) -> None:
    text = (shop.path / "computed.py").read_text()
    start = text.index("@on_demand_feature_view")
    added = text[start : text.index("@on_demand_feature_view", start + 1)].replace("def expecting", "def hoping")
    (shop.path / "computed.py").write_text(text + "\n\n" + added)
    code, plan = plan_of(run, shop)
    assert (code, change_of(plan, "hoping")["verdict"]) == (0, "pass")


def test_a_stream_alone(run: Run, shop: Shop) -> None:
    """Nothing of a store shows what a stream writes from now on; through which brokers it comes is no change."""
    shop.edit("sources.py", "localhost:9092", "broker.example:9092")
    code, plan = plan_of(run, shop)
    assert (code, plan["changes"]) == (0, [])


def test_half_of_the_entities_lost(run: Run, shop: Shop) -> None:
    rewrite(shop, "half.parquet", lambda table: table.filter(pc.equal(pc.bit_wise_and(table["customer_id"], 1), 0)))
    shop.edit("sources.py", "orders_30d.parquet", "half.parquet")
    _, plan = plan_of(run, shop)
    assert change_of(plan)["verdict"] == "warn"
    assert any(note.startswith("FS204") for note in change_of(plan)["notes"])
