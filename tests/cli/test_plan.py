"""`plan` and `apply` as a user runs them: what is refused leaves everything as it was, on real stores."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pytest
import redis as redis_client
from rides import Run
from shop_online import FILES, Shop, make_shop, new_shop, plan_of

from feast_skew.embedded.redis_server import EmbeddedRedis

pytestmark = pytest.mark.xdist_group("plan")

WEEK = ("sources.py", "orders_30d.parquet", "orders_7d.parquet")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, redis: EmbeddedRedis) -> Shop:
    return new_shop(tmp_path_factory.mktemp("shop") / "repo", redis)


@pytest.fixture
def shop(tmp_path: Path, template: Shop) -> Shop:
    """A copy of a shop that was applied; its online rows are shared and stay as they are."""
    shutil.copytree(template.path, tmp_path / "repo")
    return Shop(tmp_path / "repo")


def everything(path: Path) -> dict[str, bytes]:
    """Give every file of a repository with its content."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def online(redis: EmbeddedRedis) -> dict[bytes, Any]:
    """Give everything that the server holds."""
    client = redis_client.Redis.from_url(f"redis://{redis.connection_string}")
    return {key: client.dump(key) for key in sorted(client.keys())}


def test_nothing_changes(run: Run, shop: Shop) -> None:
    before = everything(shop.path)
    code, plan = plan_of(run, shop)
    assert (code, plan["verdict"], plan["changes"]) == (0, "pass", [])
    assert everything(shop.path) == before
    assert "nothing changes meaning (7 views)" in run("plan", "--repo", shop.path, "--quiet", "--output", "text=-").out


def test_another_table_is_measured_and_refused(run: Run, shop: Shop, redis: EmbeddedRedis) -> None:
    shop.edit(*WEEK)
    before, stored = everything(shop.path), online(redis)
    code, plan = plan_of(run, shop)
    (change,) = plan["changes"]
    assert (code, plan["verdict"], plan["refused"]) == (1, "fail", ["spending"])
    assert (change["change"], change["verdict"], change["type"]) == ("changed", "fail", "FeatureView")
    assert [(part["part"], part["before"], part["after"]) for part in change["parts"]] == [
        ("source", "data/orders_30d.parquet", "data/orders_7d.parquet")
    ]
    assert change["services"] == ["basket_model"]
    assert change["models"] == ["basket_v3"]
    assert change["owners"] == ["crm@example.com", "models@example.com"]
    assert any("re-materializing will not overwrite Redis" in note for note in change["notes"])
    assert change["moves"][0].startswith("this change gives spending:avg_amount other values for 90.7% of the entities")
    feature = next(one for one in change["features"] if one["feature"] == "avg_amount")
    assert feature["counts"]["mismatch"] == 272
    refused = run("apply", "--repo", shop.path, "--no-progress")
    assert refused.code == 1
    assert "refused: spending" in refused.out
    assert everything(shop.path) == before
    assert online(redis) == stored


def test_a_deliberate_change_goes_through_with_who_and_why(
    run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEAST_SKEW_USER", "ann@example.com")
    shop.edit(*WEEK)
    done = run("apply", "--repo", shop.path, "--no-progress", "--approve", "spending", "--reason", "a week is  enough")
    assert done.code == 0, done.err
    assert "Applying changes for project" in done.err
    assert "approved by ann@example.com" in done.out
    (noted,) = json.loads((shop.path / ".feast_skew" / "approvals.json").read_text())["approvals"]
    assert (noted["view"], noted["by"], noted["reason"], noted["verdict"]) == (
        "spending", "ann@example.com", "a week is enough", "fail",
    )  # fmt: skip
    assert noted["before"] != noted["after"]
    assert any("orders_7d" in change for change in noted["changes"])
    from feast import FeatureStore

    assert "orders_7d" in FeatureStore(repo_path=str(shop.path)).get_feature_view("spending").batch_source.path
    code, plan = plan_of(run, shop)
    assert (code, plan["changes"]) == (0, [])
    # What was applied last is remembered, so a run can prove that it did not land.
    report = run(
        "validate", "--repo", shop.path, "--view", "spending", "--as-of", "2026-03-04", "--output", "json=-", "--quiet"
    )
    causes = [cause["code"] for cause in report.feature("spending:avg_amount")["causes"]]
    assert "definition_not_landed" in causes


def test_an_approval_is_of_one_meaning_only(run: Run, shop: Shop) -> None:
    shop.edit(*WEEK)
    assert run("plan", "--repo", shop.path, "--approve", "spending", "--reason", "meant", "--quiet").code == 0
    assert run("plan", "--repo", shop.path, "--quiet").code == 0
    shop.edit("views.py", "ttl=timedelta(days=2)", "ttl=timedelta(days=3)")
    assert run("plan", "--repo", shop.path, "--quiet").code == 1


def test_a_change_that_was_applied_is_to_be_approved_again(run: Run, shop: Shop) -> None:
    """Approved and applied, taken back, and made again: nobody approved that."""
    approved = ("--approve", "spending", "--reason", "meant", "--quiet")
    shop.edit(*WEEK)
    assert run("apply", "--repo", shop.path, *approved).code == 0
    (noted,) = json.loads((shop.path / ".feast_skew" / "approvals.json").read_text())["approvals"]
    assert noted["applied"]
    shop.edit(WEEK[0], WEEK[2], WEEK[1])
    assert run("apply", "--repo", shop.path, *approved).code == 0
    shop.edit(*WEEK)
    assert run("apply", "--repo", shop.path, "--quiet").code == 1


def test_a_quiet_refusal_is_one_line(run: Run, shop: Shop) -> None:
    shop.edit(*WEEK)
    for command in ("plan", "apply"):
        done = run(command, "--repo", shop.path, "--quiet")
        assert (done.code, done.out) == (1, "")
        (line,) = done.err.splitlines()
        assert line.startswith("feast-skew: refused: spending; correct the definition")
        assert "--approve spending" in line


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--approve", "spendings", "--reason", "x"), ("spendings", "does not change it", "spending")),
        (("--approve", "visiting", "--reason", "x"), ("visiting", "does not change it")),
        (("--approve", "spending"), ("--reason",)),
        (("--reason", "x"), ("--approve",)),
        (("--approve", "spending", "--reason", "  "), ("--reason",)),
        (("--output", "yaml=x"), ("yaml", "json")),
        (("--config", "nowhere.yaml"), ("nowhere.yaml",)),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_wrong_options(run: Run, shop: Shop, options: tuple[str, ...], parts: tuple[str, ...]) -> None:
    shop.edit(*WEEK)
    before = everything(shop.path)
    for command in ("plan", "apply"):
        done = run(command, "--repo", shop.path, "--no-progress", *options)
        assert done.code == 2
        assert not done.out
        line = done.err.splitlines()[-1]
        assert line.startswith("feast-skew: ")
        assert all(part in line for part in parts), line
    assert everything(shop.path) == before


def test_approving_what_nothing_changes(run: Run, shop: Shop) -> None:
    run("plan", "--repo", shop.path, "--approve", "spending", "--reason", "x", "--no-progress").refused(
        2, "leave --approve out"
    )


def test_damaged_approvals(run: Run, shop: Shop) -> None:
    shop.edit(*WEEK)
    (shop.path / ".feast_skew").mkdir()
    (shop.path / ".feast_skew" / "approvals.json").write_text("{")
    run("plan", "--repo", shop.path, "--no-progress").refused(2, "approvals", "cannot be read")


def test_a_flag_that_feast_does_not_know(run: Run, shop: Shop) -> None:
    shop.edit(*WEEK)
    before = everything(shop.path)
    done = run("apply", "--repo", shop.path, "--no-progress", "--bogus", "--approve", "spending", "--reason", "x")
    assert done.code == 2
    assert "--bogus" in done.err.splitlines()[-1]
    assert everything(shop.path) == before


def test_flags_go_to_feast(run: Run, shop: Shop) -> None:
    shop.edit("views.py", 'owner="crm@example.com",\n    org', 'owner="new@example.com",\n    org')
    assert run("apply", "--repo", shop.path, "--no-progress", "--no-promote", "--skip-source-validation").code == 0
    from feast import FeatureStore

    assert FeatureStore(repo_path=str(shop.path)).get_feature_view("spending").owner == "new@example.com"


NEW_VIEW = """
newcomer = FeatureView(name="newcomer", entities=[customer], source=visits, schema=[Field(name="visits", dtype=Int64)])
"""


def test_a_new_view_passes_with_a_note(run: Run, shop: Shop) -> None:
    shop.edit("views.py", "# Pushed by the site.\n", NEW_VIEW)
    code, plan = plan_of(run, shop)
    (change,) = plan["changes"]
    assert (code, change["change"], change["verdict"]) == (0, "new", "pass")
    assert change["notes"] == ["is new: nothing of it is served yet"]


def test_a_view_that_is_gone_names_whom_it_reaches(run: Run, shop: Shop) -> None:
    shop.edit(
        "views.py", 'spending = FeatureView(\n    name="spending"', 'spending = FeatureView(\n    name="spending_v2"'
    )
    code, plan = plan_of(run, shop)
    changes = {change["name"]: change for change in plan["changes"]}
    assert changes["spending"]["change"] == "deleted"
    assert changes["spending"]["services"] == []  # the service reads the new one now
    assert changes["spending_v2"]["change"] == "new"
    assert changes["basket_model"]["verdict"] == "warn"
    # What is computed from the view finds nothing under its new name, and cannot be measured without requests.
    assert (code, changes["expecting"]["verdict"]) == (3, "inconclusive")


def test_a_view_deleted_and_made_again(run: Run, tmp_path: Path, redis: EmbeddedRedis) -> None:
    """The registry knows nothing of it, and the online store holds its rows still: they are compared."""
    shop = new_shop(tmp_path / "repo", redis)
    (shop.path / "data" / "registry.db").unlink()
    shop.edit(*WEEK)
    code, plan = plan_of(run, shop)
    change = next(change for change in plan["changes"] if change["name"] == "spending")
    assert (code, change["change"], change["verdict"]) == (1, "new", "fail")
    assert any("the online store holds rows under its name" in note for note in change["notes"])


def test_what_cannot_be_decided_says_why(run: Run, shop: Shop) -> None:
    """The same values six hours later: rows share no instant, and offline never moves."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(shop.path / "data" / "orders_30d.parquet")
    late = pc.add(table.column("event_timestamp"), pa.scalar(timedelta(hours=6)))
    place = table.column_names.index("event_timestamp")
    pq.write_table(table.set_column(place, "event_timestamp", late), shop.path / "data" / "late.parquet")
    shop.edit("sources.py", "orders_30d.parquet", "late.parquet")
    code, plan = plan_of(run, shop, "--sample", "100")
    (change,) = plan["changes"]
    assert (code, change["verdict"]) == (3, "inconclusive")
    assert any(note.startswith("cannot be decided for ") for note in change["notes"])
    assert not any("just as much" in note for note in change["notes"])


def test_entities_that_the_new_table_lacks_are_told(run: Run, shop: Shop) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(shop.path / "data" / "orders_30d.parquet")
    half = table.filter(pa.compute.less(table.column("customer_id"), 150))
    pq.write_table(half, shop.path / "data" / "half.parquet")
    shop.edit("sources.py", "orders_30d.parquet", "half.parquet")
    code, plan = plan_of(run, shop)
    (change,) = plan["changes"]
    assert (code, change["verdict"]) == (0, "warn")
    assert any(note.startswith("FS204: ") for note in change["notes"])


def test_a_shorter_ttl_expires_what_is_served(run: Run, shop: Shop) -> None:
    shop.edit("views.py", "ttl=timedelta(days=2)", "ttl=timedelta(hours=1)")
    code, plan = plan_of(run, shop)
    (change,) = plan["changes"]
    assert (code, change["verdict"]) == (0, "warn")
    (move,) = change["moves"]
    assert move.startswith("this change expires spending:")
    assert {"avg_amount", "orders", "segment"} <= set(re.findall(r"\w+", move.partition(": ")[0]))


def test_what_differs_already_is_no_work_of_the_change(run: Run, shop: Shop) -> None:
    """The table was corrected under its timestamps; then somebody changes the ttl."""
    import pyarrow.parquet as pq

    file = shop.path / "data" / "orders_30d.parquet"
    table = pq.read_table(file)
    place = table.column_names.index("avg_amount")
    corrected = [value + 1.0 if value > 20 else value for value in table.column("avg_amount").to_pylist()]
    pq.write_table(table.set_column(place, "avg_amount", [corrected]), file)
    shop.edit("views.py", "ttl=timedelta(days=2)", "ttl=timedelta(0)")
    code, plan = plan_of(run, shop)
    (change,) = plan["changes"]
    assert (code, change["verdict"]) == (0, "warn")
    assert "differs by the present definition just as much, so not by this change: avg_amount" in change["notes"]
    shop.edit(*WEEK)
    code, plan = plan_of(run, shop)
    assert (code, plan["refused"]) == (1, ["spending"])


SUITE = {
    "name": "spending",
    "meta": {"feast_skew": {"table": "values", "view": "spending"}},
    "expectations": [
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "orders", "min_value": 0, "max_value": 4}}
    ],
}


def test_rules_on_values_are_part_of_the_gate(run: Run, shop: Shop) -> None:
    """What breaks a rule already is no work of the change; what breaks it online by the change is."""
    (shop.path / "expectations").mkdir()
    (shop.path / "expectations" / "spending.json").write_text(json.dumps(SUITE))
    shop.edit("views.py", "ttl=timedelta(days=2)", "ttl=timedelta(0)")
    code, plan = plan_of(run, shop)
    (change,) = plan["changes"]
    assert (code, change["verdict"]) in ((0, "pass"), (0, "warn"))


def test_what_went_around_the_gate_is_found_afterwards(run: Run, shop: Shop) -> None:
    from feast import FeatureStore

    shop.edit("views.py", 'owner="crm@example.com",\n    org', 'owner="new@example.com",\n    org')
    assert run("apply", "--repo", shop.path, "--quiet").code == 0
    options = ("--view", "spending", "--as-of", "2026-03-04", "--quiet", "--output", "json=-")
    assert "FS216" not in [one["code"] for one in run("validate", "--repo", shop.path, *options).report["findings"]]
    store = FeatureStore(repo_path=str(shop.path))
    view = store.get_feature_view("spending")
    view.batch_source.file_options.uri = "data/orders_7d.parquet"
    store.apply([view])
    found = {one["code"]: one for one in run("validate", "--repo", shop.path, *options).report["findings"]}
    assert "orders_30d.parquet -> data/orders_7d.parquet" in found["FS216"]["detail"]


def test_other_keys_take_everything_away(run: Run, shop: Shop) -> None:
    shop.edit("entities.py", "value_type=ValueType.INT64", "value_type=ValueType.STRING")
    code, plan = plan_of(run, shop)
    change = next(change for change in plan["changes"] if change["name"] == "spending")
    assert code == 1
    assert change["verdict"] == "fail"


def test_other_keys_of_what_a_stream_writes(run: Run, tmp_path: Path, redis: EmbeddedRedis) -> None:
    """No registry records when a stream writes, so the definition tells that something is there."""
    import pandas as pd
    from feast import FeatureStore

    shop = new_shop(tmp_path / "repo", redis)
    rows = pd.DataFrame({"customer_id": [1], "event_timestamp": [pd.Timestamp("2026-03-04", tz="UTC")], "visits": [9]})
    FeatureStore(repo_path=str(shop.path)).push("pushed", rows)
    shop.edit("entities.py", "value_type=ValueType.INT64", "value_type=ValueType.STRING")
    _, plan = plan_of(run, shop)
    change = next(change for change in plan["changes"] if change["name"] == "visiting")
    assert change["verdict"] == "fail"


def test_a_feature_that_is_added(run: Run, shop: Shop) -> None:
    shop.edit(
        "views.py",
        'Field(name="segment", dtype=String),',
        'Field(name="segment", dtype=String), Field(name="happened", dtype=UnixTimestamp),',
    )
    shop.edit("views.py", "import Float32, Float64", "import UnixTimestamp, Float32, Float64")
    code, plan = plan_of(run, shop)
    change = next(change for change in plan["changes"] if change["name"] == "spending")
    assert (code, change["verdict"]) == (0, "warn")
    assert any(note.startswith("adds happened: null online until") for note in change["notes"])


def test_an_on_demand_view_is_computed_by_both_codes(run: Run, shop: Shop) -> None:
    shop.edit("computed.py", "value + 1", "value + 2")
    shop.materialize("visiting")
    code, plan = plan_of(run, shop)
    (change,) = plan["changes"]
    assert (code, change["name"], change["verdict"]) == (1, "adding", "fail")
    (feature,) = change["features"]
    assert feature["causes"][0]["code"] == "offset"


def test_what_cannot_be_measured_is_refused_with_three(run: Run, shop: Shop) -> None:
    shop.edit(
        "views.py", 'function="mean", time_window=timedelta(days=30)', 'function="mean", time_window=timedelta(days=7)'
    )
    code, plan = plan_of(run, shop)
    (change,) = plan["changes"]
    assert (code, change["verdict"]) == (3, "inconclusive")
    assert "transformed inside Feast" in change["notes"][0]
    assert (
        run("apply", "--repo", shop.path, "--quiet", "--approve", "clicking", "--reason", "tested elsewhere").code == 0
    )


def test_the_new_table_is_not_there(run: Run, shop: Shop) -> None:
    shop.edit("sources.py", "orders_30d.parquet", "orders_1d.parquet")
    before = everything(shop.path)
    done = run("apply", "--repo", shop.path, "--no-progress")
    assert done.code == 3
    assert "orders_1d.parquet" in done.out
    assert everything(shop.path) == before


def test_the_previous_table_is_gone(run: Run, shop: Shop) -> None:
    shop.edit(*WEEK)
    (shop.path / "data" / "orders_30d.parquet").unlink()
    code, plan = plan_of(run, shop)
    assert (code, plan["refused"]) == (1, ["spending"])


def test_redis_does_not_answer(run: Run, shop: Shop) -> None:
    text = (shop.path / "feature_store.yaml").read_text()
    shop.edit(*WEEK)
    (shop.path / "feature_store.yaml").write_text(
        text.replace(text.split('connection_string: "')[1].split('"')[0], "localhost:1")
    )
    code, plan = plan_of(run, shop)
    (change,) = plan["changes"]
    assert (code, change["verdict"]) == (3, "inconclusive")
    assert "localhost:1" in change["notes"][0]


@pytest.fixture
def reader(redis: EmbeddedRedis) -> Iterator[str]:
    """A user of the server who may not read hashes."""
    client = redis_client.Redis.from_url(f"redis://{redis.connection_string}")
    client.execute_command(
        "ACL", "SETUSER", "blind", "on", ">secret", "~*", "+@all", "-hmget", "-hgetall", "-hget", "-hscan"
    )
    yield f"{redis.connection_string},username=blind,password=secret"
    client.execute_command("ACL", "DELUSER", "blind")


def test_no_permission_to_read(run: Run, shop: Shop, reader: str, redis: EmbeddedRedis) -> None:
    shop.edit(*WEEK)
    shop.edit("feature_store.yaml", redis.connection_string, reader)
    done = run("apply", "--repo", shop.path, "--no-progress")
    assert done.code == 3
    assert "secret" not in done.out + done.err


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("raise ValueError('oops\\nand more')\n", ("bad.py:1", "ValueError", "oops and more")),
        ("import nowhere_to_be_found\n", ("bad.py:1", "nowhere_to_be_found")),
        ("x = (\n", ("bad.py:1", "SyntaxError")),
        (
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('must')\np.parse_args()\n",
            ("bad.py:4", "exit code 2", "__main__"),
        ),
        (
            "from feast import Project\none, two = Project(name='one'), Project(name='two')\n",
            ("2 projects", "one, two"),
        ),
        ("from feast import Project\none = Project(name='one')\n", ("'one'", "feature_store.yaml")),
        ("import os\nos.chdir('/')\nraise RuntimeError\n", ("bad.py:3", "RuntimeError")),
        (
            "from views import spending\nagain = spending.with_name('a') if False else __import__('copy').copy(spending)\n",
            ("Multiple FeatureViews with name 'spending'",),
        ),
    ],
    ids=["raises", "imports", "syntax", "arguments", "two projects", "other project", "moves", "twice"],
)
def test_bad_definitions(run: Run, shop: Shop, text: str, parts: tuple[str, ...], empty_cwd: Path) -> None:
    (shop.path / "bad.py").write_text(text)
    before = everything(shop.path)
    for command in ("plan", "apply"):
        done = run(command, "--repo", shop.path, "--no-progress")
        assert done.code == 2
        assert not done.out
        line = done.err.splitlines()[-1]
        assert line.startswith("feast-skew: ")
        assert all(part in line for part in parts), line
    assert everything(shop.path) == before
    assert Path.cwd() == empty_cwd


def test_definitions_that_print(run: Run, shop: Shop) -> None:
    (shop.path / "loud.py").write_text("print('loud and clear')\n")
    code, plan = plan_of(run, shop)
    assert (code, plan["changes"]) == (0, [])


def test_no_registry_and_a_damaged_one(run: Run, shop: Shop) -> None:
    file = shop.path / "data" / "registry.db"
    file.write_bytes(b"\xff\xfe\x00 no registry")
    run("plan", "--repo", shop.path, "--no-progress").refused(2, "registry", "cannot be read")
    file.unlink()
    code, plan = plan_of(run, shop)
    assert {change["change"] for change in plan["changes"]} == {"new"}
    assert not file.exists()
    assert code == 0


def test_a_registry_of_an_older_feast_is_left_as_it_is(run: Run, shop: Shop) -> None:
    """It has no projects, which Feast would add when it opens it."""
    from feast.protos.feast.core.Registry_pb2 import Registry

    file = shop.path / "data" / "registry.db"
    registry = Registry.FromString(file.read_bytes())
    del registry.projects[:]
    file.write_bytes(registry.SerializeToString())
    before = everything(shop.path)
    assert plan_of(run, shop)[0] == 0
    assert everything(shop.path) == before


def rows(database: Path) -> dict[str, list[Any]]:
    """Give all rows of all tables of a registry."""
    with sqlite3.connect(database) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}


def test_a_refused_apply_leaves_a_registry_in_sql(run: Run, tmp_path: Path, redis: EmbeddedRedis) -> None:
    database = tmp_path / "registry.sqlite"
    shop = new_shop(tmp_path / "repo", redis, registry=f"{{registry_type: sql, path: 'sqlite:///{database}'}}")
    shop.edit(*WEEK)
    before = rows(database)
    assert run("apply", "--repo", shop.path, "--quiet").code == 1
    assert rows(database) == before
    assert run("apply", "--repo", shop.path, "--quiet", "--approve", "spending", "--reason", "meant").code == 0
    assert rows(database) != before
    assert run("plan", "--repo", shop.path, "--quiet").code == 0


def test_a_plan_makes_no_registry_and_no_store(run: Run, tmp_path: Path) -> None:
    """Of a repository that was never applied, with everything in files of SQLite."""
    database = tmp_path / "registry.sqlite"
    shop = make_shop(tmp_path / "repo", f"{{registry_type: sql, path: 'sqlite:///{database}'}}")
    shop.edit(
        "feature_store.yaml", 'type: redis\n  connection_string: "localhost:1"', "type: sqlite\n  path: data/online.db"
    )
    before = everything(shop.path)
    code, plan = plan_of(run, shop)
    assert code == 0
    assert {change["change"] for change in plan["changes"]} == {"new"}
    notes = {change["name"]: change["notes"] for change in plan["changes"]}
    assert notes["spending"] == ["is new: nothing of it is served yet"]
    assert everything(shop.path) == before
    assert not database.exists()
    assert run("apply", "--repo", shop.path, "--quiet").code == 0
    shop.materialize("spending")
    shop.edit(*WEEK)
    assert plan_of(run, shop)[0] == 1


def test_a_registry_that_does_not_answer(run: Run, tmp_path: Path) -> None:
    shop = make_shop(
        tmp_path / "repo", "{registry_type: sql, path: 'postgresql+pg8000://ann:hidden@127.0.0.1:1/nowhere'}"
    )
    line = run("plan", "--repo", shop.path, "--no-progress").refused(2, "registry", "127.0.0.1")
    assert "hidden" not in line


def test_markdown(run: Run, shop: Shop, tmp_path: Path) -> None:
    shop.edit(*WEEK)
    file = tmp_path / "plan.md"
    assert run("plan", "--repo", shop.path, "--quiet", "--output", f"markdown={file}").code == 1
    text = file.read_text()
    assert text.startswith("### feast-skew plan: ")
    assert "| view | <code>spending</code> | changes meaning | refused | basket_model | crm&#64;example.com" in text
    assert set(FILES) <= {path.name for path in shop.path.iterdir()}
