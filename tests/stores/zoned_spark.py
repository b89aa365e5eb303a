"""A repository on Spark in whatever time zone the process and its configuration are in; prints what Feast and a run make of it.

Run by `test_spark_zones.py` in processes of their own: a time zone is a matter of the whole process, and so is a session.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

NOON = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def outcome(directory: Path, connection_string: str, zone: str) -> dict[str, Any]:
    """Build and validate a repository; give what Feast alone answers, and the report."""
    conftest = _load_conftest()
    settings = conftest.SPARK | ({"spark.sql.session.timeZone": zone} if zone else {})
    repo = conftest.Repository(
        directory,
        {"type": "redis", "connection_string": connection_string},
        offline="spark",
        project=directory.name,
        offline_settings={"spark_conf": settings},
    )
    ids, moments = [1, 1, 2, 2], [NOON - 3 * HOUR, NOON, NOON - 3 * HOUR, NOON]
    columns = {
        "event_timestamp": conftest.instants(*moments),
        "seen": conftest.instants(*moments),
        "x": [0.5, 1.5, 2.5, 3.5],
    }
    source = repo.spark_source("src", pa.table({"id": ids, **columns}))
    view = repo.view("v", source, {"id": "Int64"}, {"x": "Float64", "seen": "UnixTimestamp"}, ttl=timedelta(days=1))
    repo.apply(view)
    repo.open().write_to_online_store(
        "v",
        pd.DataFrame(
            {"id": [1, 2], "event_timestamp": [NOON] * 2, "seen": pd.to_datetime([NOON] * 2), "x": [1.5, 3.5]}
        ),
    )
    report = repo.validate(state=False, now=NOON + HOUR).to_dict()
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    assert session is not None
    frame = pd.DataFrame({"id": [1, 2], "event_timestamp": pd.to_datetime([NOON] * 2, utc=True)})
    store = repo.open()
    found: dict[str, Any] = {"zone": session.conf.get("spark.sql.session.timeZone"), "report": report}
    for name, entities in (("pandas", frame.copy()), ("spark", session.createDataFrame(frame))):
        answer = store.get_historical_features(entity_df=entities, features=["v:x"]).to_df()
        found[name] = [None if pd.isna(x) else x for x in answer.sort_values("id")["x"]]
    pulled = store._get_provider().offline_store.pull_latest_from_table_or_query(
        config=store.config,
        data_source=source,
        join_key_columns=["id"],
        feature_name_columns=["x"],
        timestamp_field="event_timestamp",
        created_timestamp_column=None,
        start_date=NOON - HOUR,
        end_date=NOON + HOUR,
    )
    found["latest"] = pulled.to_df()["x"].tolist()
    return found


def _load_conftest() -> Any:
    spec = importlib.util.spec_from_file_location("stores_conftest", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    answer = outcome(Path(sys.argv[1]), sys.argv[2], sys.argv[4])
    Path(sys.argv[3]).write_text(json.dumps(answer, sort_keys=True))
