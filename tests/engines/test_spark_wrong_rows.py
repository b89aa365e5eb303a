"""The table of wrong rows: every one of them once, in full, with its cause, a partition for each run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import faults
from rides import AS_OF, DAY, Repository
from servers.server import Server

from feast_skew.errors import ConfigError, SkewError
from feast_skew.report import SkewReport

THINGS = 400
LONG = "x" * 700
BEFORE = DAY - timedelta(days=2)
NOW = datetime(2026, 3, 12, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from feast_skew.engines.spark.session import open_session

    settings = {**faults.QUICK, "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse"))}
    with open_session("wrong rows", master="local[2]", settings=settings) as opened:
        yield opened.session


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """Things with values of many kinds: offline is changed after they were materialized."""
    from rides import make_repository

    with Server() as server:
        repo = make_repository(tmp_path_factory.mktemp("things") / "repo", server.address, apply=False)
        pq.write_table(things(), repo.path / "data" / "things.parquet")
        repo.store().apply(objects())
        repo.materialize()
        pq.write_table(changed(), repo.path / "data" / "things.parquet")
        yield repo


def things() -> pa.Table:
    numbers = np.arange(THINGS)
    return pa.table(
        {
            "number": pa.array(numbers),
            "side": pa.array([("left", "right")[i % 2] for i in numbers]),
            "event_timestamp": pa.array([DAY] * THINGS, pa.timestamp("us", "UTC")),
            "length": pa.array(1.5 + numbers / 3),
            "words": pa.array([f"{LONG}{i}" for i in numbers]),
            "many": pa.array([list(range(i, i + 60)) for i in numbers], pa.list_(pa.int64())),
            "settings": pa.array([json.dumps({"a": [int(i)] * 80}) for i in numbers]),
        }
    )


def changed() -> pa.Table:
    """Change every fourth thing in all of its features; every tenth is new, every 16th one gone."""
    table, hit = things(), np.arange(THINGS) % 4 == 0
    other = pa.table(
        {
            **{name: table.column(name) for name in ("number", "side", "event_timestamp")},
            "length": pa.array(np.asarray(table.column("length")) * 60),
            "words": pa.array([f"{LONG}{LONG}{i}" for i in range(THINGS)]),
            "many": pa.array([list(range(i, i + 70)) for i in range(THINGS)], pa.list_(pa.int64())),
            "settings": pa.array([json.dumps({"a": [i] * 90}) for i in range(THINGS)]),
        }
    )
    both = pa.concat_tables([table.filter(pa.array(~hit)), other.filter(pa.array(hit))])
    new = both.slice(0, 40).set_column(0, "number", pa.array(np.arange(THINGS, THINGS + 40)))
    return pa.concat_tables([both, new])


def objects() -> list[Any]:
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Array, Float64, Int64, Json, String

    number = Entity(name="thing", join_keys=["number"], value_type=ValueType.INT64)
    side = Entity(name="side", join_keys=["side"], value_type=ValueType.STRING)
    source = FileSource(name="things", path="data/things.parquet", timestamp_field="event_timestamp")
    keys = [Field(name="number", dtype=Int64), Field(name="side", dtype=String)]
    features = [
        Field(name="length", dtype=Float64),
        Field(name="words", dtype=String),
        Field(name="many", dtype=Array(Int64)),
        Field(name="settings", dtype=Json),
    ]
    view = FeatureView(
        name="things", entities=[number, side], ttl=timedelta(0), schema=[*keys, *features], source=source
    )
    return [number, side, view]


def run(repo: Repository, target: str | Path, kind: str = "parquet") -> SkewReport:
    from feast_skew import api

    return api.validate(
        repo.path, engine="spark", sample="all", as_of=datetime.fromisoformat(AS_OF), now=NOW, state=False,
        wrong_rows=target, settings={"wrong_rows_format": kind, "spark_partitions": 3},
    )  # fmt: skip


CAUSES = {"length": "scale", "many": "truncated", "words": "encoding"}
"""What the values tell; of the others only that they stand under the same timestamp in a store that keeps what it has."""


def expected() -> pd.DataFrame:
    before, after = things().to_pandas(), changed().to_pandas()
    rows = []
    for name in ("length", "words", "many", "settings"):
        for _, now in after.iterrows():
            number = int(now["number"])
            missing = number >= THINGS
            if not missing and number % 4:
                continue
            was = None if missing else before[name][number]
            rows.append(
                {
                    "view": "things", "feature": name, "number": number, "side": now["side"],
                    "class": "offline_only" if missing else "mismatch",
                    "offline": content(now[name]), "online": None if missing else content(was),
                    "offline_timestamp": pd.Timestamp(DAY), "online_timestamp": pd.NaT if missing else pd.Timestamp(DAY),
                    "cause": "not_materialized" if missing else CAUSES.get(name, "frozen"),
                }
            )  # fmt: skip
    return in_order(pd.DataFrame(rows))


def content(value: Any) -> Any:
    """Give a value as the content of JSON."""
    if isinstance(value, str) and value.startswith("{"):
        return json.loads(value)
    return value.tolist() if hasattr(value, "tolist") else value


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(["feature", "number"]).reset_index(drop=True)


def found(session: Any, target: Path | str, run_id: str, kind: str = "parquet") -> pd.DataFrame:
    """Read the partition of a run, as Spark gives it."""
    frame = session.read.format(kind).load(str(target)) if "/" in str(target) else session.table(str(target))
    rows = frame.where(frame["run_id"] == run_id).toPandas()
    for side in ("offline", "online"):
        rows[side] = [None if text is None else json.loads(text) for text in rows[side]]
    rows["number"] = [int(entity["number"]) for entity in rows["entity"]]
    rows["side"] = [entity["side"] for entity in rows["entity"]]
    for name in ("offline_timestamp", "online_timestamp"):
        rows[name] = rows[name].dt.tz_localize("UTC")
    return in_order(rows[["project", *expected().columns]])


def test_every_wrong_row_is_there_in_full_for_each_run(session: Any, repo: Repository, tmp_path: Path) -> None:
    target = tmp_path / "wrong"
    first = run(repo, target)
    rows = found(session, target, first.run_id)
    assert set(rows.pop("project")) == {repo.project}
    compare(rows, expected())
    second = run(repo, target)
    assert {path.name for path in target.glob("run_id=*")} == {f"run_id={one.run_id}" for one in (first, second)}
    assert len(pq.read_table(target)) == 2 * len(rows)


def test_an_earlier_definition_is_named_for_rows_that_no_rule_saw(session: Any, tmp_path: Path) -> None:
    """More wrong rows than are drawn: those that the earlier source gives are told from those that it does not give any more."""
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64, Int64
    from rides import make_repository

    from feast_skew import api

    count, random = 36_000, np.random.default_rng(4)
    numbers = np.arange(count)

    def rows(values: np.ndarray) -> pa.Table:
        moments = pa.array([DAY] * count, pa.timestamp("us", "UTC"))
        return pa.table({"number": numbers, "event_timestamp": moments, "x": values})

    with Server() as server:
        repo = make_repository(tmp_path / "repo", server.address, apply=False)
        store, thing = repo.store(), Entity(name="thing", join_keys=["number"], value_type=ValueType.INT64)
        online = random.normal(size=count)
        for name, values in (("first", online), ("second", random.normal(size=count))):
            pq.write_table(rows(values), repo.path / "data" / f"{name}.parquet")
            source = FileSource(name="source", path=f"data/{name}.parquet", timestamp_field="event_timestamp")
            fields = [Field(name="number", dtype=Int64), Field(name="x", dtype=Float64)]
            store.apply(
                [thing, FeatureView(name="v", entities=[thing], ttl=timedelta(0), schema=fields, source=source)]
            )
            if name == "first":
                repo.materialize()
                api.validate(repo.path, as_of=datetime.fromisoformat(AS_OF), now=NOW)
        lost = numbers % 10 == 0
        pq.write_table(rows(np.where(lost, online + 1, online)), repo.path / "data" / "first.parquet")
        report = api.validate(
            repo.path, engine="spark", sample="all", as_of=datetime.fromisoformat(AS_OF), now=NOW,
            wrong_rows=tmp_path / "wrong",
        )  # fmt: skip
        (feature,) = report.features
        assert feature.counts["mismatch"] == count
        assert [cause.code for cause in feature.causes] == ["definition_not_landed", "unknown"]
        found = session.read.parquet(str(tmp_path / "wrong")).select("entity", "cause").toPandas()
        causes = {int(entity["number"]): cause for entity, cause in zip(found["entity"], found["cause"], strict=True)}
        assert causes == {i: "unknown" if lost[i] else "definition_not_landed" for i in range(count)}


def compare(rows: pd.DataFrame, wanted: pd.DataFrame) -> None:
    for name in wanted.columns:
        one, other = rows[name].tolist(), wanted[name].tolist()
        assert [None if x is pd.NaT else x for x in one] == [None if x is pd.NaT else x for x in other], name


def test_a_table_of_the_catalog_and_another_format(session: Any, repo: Repository) -> None:
    name = f"wrong_{repo.project}"
    try:
        report = run(repo, name, "orc")
        rows = found(session, name, report.run_id)
        del rows["project"]
        compare(rows, expected())
        with pytest.raises(ConfigError, match=name):
            run(repo, name, "json")
    finally:
        session.sql(f"drop table if exists {name}")


@pytest.mark.parametrize("why", ["format", "columns", "no folder", "something else", "not for maps"])
def test_a_bad_target_is_told_before_the_work(session: Any, repo: Repository, tmp_path: Path, why: str) -> None:
    target, kind, says = tmp_path / "wrong", "parquet", "cannot be written as parquet"
    if why == "format":
        kind, says = "nonsense", "cannot be written as nonsense: Failed to find the data source: nonsense"
    elif why == "columns":
        target.mkdir()
        pq.write_table(pa.table({"mine": [1]}), target / "a.parquet")
        says = "holds something else, with the columns mine"
    elif why == "no folder":
        (tmp_path / "file").write_text("mine")
        target = tmp_path / "file" / "wrong"
    elif why == "something else":
        target.mkdir()
        (target / "notes.txt").write_text("mine")
    else:
        kind, says = "csv", "cannot be written as csv"
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert session is not None
    with pytest.raises(SkewError) as raised:
        run(repo, target, kind)
    line = raised.value.one_line()
    print(line)
    assert raised.value.exit_code == 2
    assert line.startswith(f"wrong_rows: {target} ")
    assert says in line
    assert len(line) < 400
    assert "py4j" not in line
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
