"""How tasks share the commands a second that a run may send."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew.engines.spark.columns import batch_of, key_names, packed_keys
from feast_skew.engines.spark.exchange import buckets_of
from feast_skew.engines.spark.online import OnlineFrames
from feast_skew.engines.spark.plans import ONLINE, online_schema
from feast_skew.engines.spark.sources import Sources
from feast_skew.engines.spark.staging import Staging
from feast_skew.engines.spark.tasks import reading
from feast_skew.measuring.progress import NoProgress
from tests.engines.worlds import table

pytestmark = pytest.mark.xdist_group("spark")

LIMIT = 900


@pytest.fixture
def repo(make_repository: Any, tmp_path: Path) -> Any:
    repo = make_repository(tmp_path)
    repo.apply(
        repo.view("v", repo.source("v", table(np.arange(50), x=np.arange(50.0))), {"id": "Int64"}, {"x": "Float64"})
    )
    repo.materialize()
    return repo


@pytest.mark.parametrize(("partitions", "at_once"), [(1, 1), (2, 2), (12, 2)])
def test_second_looks_share_the_limit(session: Any, repo: Any, partitions: int, at_once: int) -> None:
    """Entities that lie in one file are read by one task, and looked at again by as many as run at a time."""
    view, online, staging = repo.view_plan("v"), repo.online_reader(max_ops=LIMIT), Staging(session, None)
    columns = {"place": np.arange(50), **packed_keys(table(np.arange(50)).select(["id"]), view.keys)}
    batch = batch_of(columns, online_schema(view), 50).select(["key", "place", *key_names(view.keys)])
    entities = staging.read(staging.write("entities", [pa.Table.from_batches([batch])], batch.schema))
    sources = Sources(session, repo.offline_reader(), staging, NoProgress())
    with closing(OnlineFrames(session, online, sources, staging, NoProgress())) as frames:
        again, rows = frames.frame(view, entities, reading.Exchange(view.keys, ONLINE, buckets_of(partitions)))
        assert again is not None
        assert again().max_ops == LIMIT / at_once
        assert rows.rdd.getNumPartitions() == 1
    staging.remove()
    online.close()


def test_of_a_cluster_that_grows_all_may_run(session: Any) -> None:
    grows = SimpleNamespace(conf={"spark.dynamicAllocation.enabled": "true"}, sparkContext=session.sparkContext)
    staging = Staging(session, None)
    assert [Sources(one, None, staging, NoProgress()).at_once(12) for one in (grows, session)] == [12, 2]  # type: ignore[arg-type]
    staging.remove()
