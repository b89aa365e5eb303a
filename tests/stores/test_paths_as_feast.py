"""The replayed code paths held against Feast's own answers, type by type: the same values, to the dtype that code sees.

The views' code writes down what it gets, so a frame of another dtype, a None for a NaN or a longer batch would show.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

N = 8
MOMENT = datetime(2024, 2, 1, tzinfo=timezone.utc)
NOW = datetime(2024, 3, 1, tzinfo=timezone.utc)


def nulled(values: Any, arrow: pa.DataType | None = None) -> pa.Array:
    return pa.array([None if i % 4 == 1 else value for i, value in enumerate(values)], arrow)


DAYS = [datetime(2024, 1, 1 + i, 5, tzinfo=timezone.utc) for i in range(N)]
COLUMNS = {
    "float32": ("Float32", nulled([i / 3 for i in range(N)], pa.float32())),
    "float64": ("Float64", nulled([i / 3 for i in range(N)])),
    "int32": ("Int32", pa.array(range(N), pa.int32())),
    "int32_nulls": ("Int32", nulled(range(N), pa.int32())),
    "int64": ("Int64", pa.array(range(2**60, 2**60 + N))),
    "int64_nulls": ("Int64", nulled(range(N))),
    "int64_of_doubles": ("Int64", pa.array([float(i) for i in range(N)])),
    "bool": ("Bool", pa.array([i % 2 == 0 for i in range(N)])),
    "bool_nulls": ("Bool", nulled([i % 2 == 0 for i in range(N)])),
    "string": ("String", nulled([f"s{i}" for i in range(N)])),
    "bytes": ("Bytes", nulled([b"b%d" % i for i in range(N)])),
    "moment": ("UnixTimestamp", pa.array(DAYS, pa.timestamp("us", "UTC"))),
    "moment_nulls": ("UnixTimestamp", nulled(DAYS, pa.timestamp("us", "UTC"))),
    "moment_naive": ("UnixTimestamp", pa.array(DAYS, pa.timestamp("ns"))),
    "floats": ("Array(Float64)", nulled([[i / 3, 1.0] for i in range(N)])),
    "strings": ("Array(String)", pa.array([[str(i)] for i in range(N)])),
    "uuid": ("Uuid", nulled([f"00000000-0000-0000-0000-00000000000{i}" for i in range(N)])),
}


def seen_by_python(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"y": [f"{len(inputs['x'])} {type(x).__name__} {x!r}" for x in inputs["x"]]}


def seen_by_pandas(df):
    import pandas as pd

    return pd.DataFrame({"y": [f"{len(df)} {df['x'].dtype} {type(x).__name__} {x!r}" for x in df["x"]]})


def columns_in_python(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"y": [" ".join(sorted(inputs))] * len(inputs["x"])}


def columns_in_pandas(df):
    import pandas as pd

    return pd.DataFrame({"y": [" ".join(sorted(df.columns))] * len(df)})


CODES = [
    (seen_by_python, "python"),
    (seen_by_pandas, "pandas"),
    (columns_in_python, "python"),
    (columns_in_pandas, "pandas"),
]


@pytest.mark.parametrize("offline", ["dask", "duckdb"])
@pytest.mark.parametrize("name", COLUMNS)
def test_both_paths_are_feast_s_own(make_repository: Any, tmp_path: Path, offline: str, name: str) -> None:
    from feast import Field
    from feast.on_demand_feature_view import on_demand_feature_view
    from feast.types import String

    if offline == "duckdb":
        pytest.importorskip("duckdb")
    repo = make_repository(tmp_path, offline=offline)
    dtype, values = COLUMNS[name]
    table = pa.table(
        {"id": np.arange(N), "event_timestamp": pa.array([MOMENT] * N, pa.timestamp("us", "UTC")), "x": values}
    )
    view = repo.view("v", repo.source("src", table), {"id": "Int64"}, {"x": dtype})
    made = []
    for code, mode in CODES:
        fresh = FunctionType(code.__code__, code.__globals__, code.__name__)
        made.append(on_demand_feature_view(sources=[view], schema=[Field(name="y", dtype=String)], mode=mode)(fresh))
    repo.apply(view, *made)
    repo.materialize(["v"])
    for code, _ in CODES:
        online, offline_values = replayed(repo, code.__name__)
        assert online == served(repo, code.__name__)
        assert offline_values == trained(repo, code.__name__)


def served(repo: Any, view: str) -> list[str]:
    ask = repo.store.get_online_features
    return [ask(features=[f"{view}:y"], entity_rows=[{"id": i}]).to_dict()["y"][0] for i in range(N)]


def trained(repo: Any, view: str) -> list[str]:
    frame = pd.DataFrame({"id": range(N), "event_timestamp": [NOW] * N})
    found = repo.store.get_historical_features(entity_df=frame, features=[f"{view}:y"]).to_df()
    return list(found.sort_values("id")["y"])


def replayed(repo: Any, name: str) -> tuple[list[str], list[str]]:
    from feast_skew.config import Settings
    from feast_skew.core.alignment import to_nanoseconds
    from feast_skew.stores.feast_on_demand import FeastOnDemand
    from feast_skew.stores.feast_registry import Selection, build_plan

    (plan,) = build_plan(repo.store, Selection(views=(name,)), Settings()).on_demand
    paths = FeastOnDemand(repo.store, repo.online_reader(generic=True), repo.offline_reader())
    inputs = paths.read_inputs(plan, pa.table({"id": np.arange(N)}))
    assert inputs.usable.all()
    everyone = np.arange(N)
    online = paths.serve(plan, inputs, everyone, together=False)
    offline = paths.train(plan, inputs, everyone, to_nanoseconds(NOW))
    assert online.answered.all()
    assert offline.answered.all()
    return online.columns["y"].to_pylist(), offline.columns["y"].to_pylist()
