"""A repository with every kind of view, small and without data online: what its definitions mean is all that is looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
DAY = datetime(2026, 3, 3, tzinfo=timezone.utc)

SETTINGS = """\
project: shop
provider: local
registry: {registry}
online_store:
  type: redis
  connection_string: "{redis}"
offline_store:
  type: dask
entity_key_serialization_version: 3
"""

ENTITIES = """\
from feast import Entity, ValueType

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64, owner="crm@example.com", description="Who buys")
store = Entity(name="store", join_keys=["store_id"], value_type=ValueType.STRING)
"""

SOURCES = """\
from feast import FileSource, KafkaSource, PushSource
from feast.data_format import JsonFormat
from datetime import timedelta

orders = FileSource(
    name="orders",
    path="data/orders_30d.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    owner="orders@example.com",
    description="Sums of orders",
    tags={"tier": "gold"},
)
visits = FileSource(name="visits", path="data/visits.parquet", timestamp_field="event_timestamp")
pushed = PushSource(name="pushed", batch_source=visits)
clicks = KafkaSource(
    name="clicks",
    kafka_bootstrap_servers="localhost:9092",
    topic="clicks",
    timestamp_field="event_timestamp",
    message_format=JsonFormat(schema_json="customer_id string, amount double, event_timestamp timestamp"),
    watermark_delay_threshold=timedelta(minutes=5),
    batch_source=visits,
)
"""

VIEWS = '''\
import json
from datetime import timedelta

from feast import BatchFeatureView, FeatureView, Field
from feast.aggregation import Aggregation
from feast.stream_feature_view import stream_feature_view
from feast.types import Float32, Float64, Int64, String

from entities import customer, store
from sources import clicks, orders, pushed, visits

MEANING = {"events": "data/orders_30d.parquet", "keys": {"customer_id": "customer_id"}, "timestamp": "event_timestamp", "aggregate": "mean", "value": "amount", "window": "30d"}

spending = FeatureView(
    name="spending",
    entities=[customer],
    ttl=timedelta(days=2),
    source=orders,
    schema=[
        Field(name="avg_amount", dtype=Float64, description="Mean amount", tags={"skew.definition": json.dumps(MEANING)}),
        Field(name="orders", dtype=Int64),
        Field(name="segment", dtype=String),
    ],
    owner="crm@example.com",
    org="crm",
    description="What a customer spends",
    tags={"team": "crm", "skew.max_lag": "2d"},
)

# Pushed by the site.
visiting = FeatureView(
    name="visiting",
    entities=[customer],
    ttl=timedelta(days=1),
    source=pushed,
    schema=[Field(name="visits", dtype=Int64)],
)


def doubled(frame):
    """Double it."""
    frame["visits2"] = frame["visits"] * 2
    return frame


batched = BatchFeatureView(
    name="batched",
    entities=[customer],
    mode="pandas",
    source=visits,
    schema=[Field(name="visits2", dtype=Int64)],
    udf=doubled,
    udf_string="""def doubled(frame):
    frame["visits2"] = frame["visits"] * 2
    return frame
""",
    online=True,
)

rolled = BatchFeatureView(
    name="rolled",
    entities=[customer],
    mode="python",
    source=visits,
    schema=[Field(name="sum_visits", dtype=Int64)],
    aggregations=[Aggregation(column="visits", function="sum", time_window=timedelta(days=7), slide_interval=timedelta(days=1))],
    online=True,
)


@stream_feature_view(
    entities=[customer],
    ttl=timedelta(days=1),
    mode="python",
    schema=[Field(name="amount", dtype=Float64)],
    timestamp_field="event_timestamp",
    source=clicks,
    aggregations=[Aggregation(column="amount", function="mean", time_window=timedelta(days=30), slide_interval=timedelta(days=1))],
)
def clicking(row):
    return row
'''

COMPUTED = '''\
import pandas as pd
from feast import Field, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64

from views import spending, visiting

RATE = 1.5

basket = RequestSource(name="basket", schema=[Field(name="items", dtype=Int64)])


def tax(amount):
    # Value added tax.
    return amount * 1.2


@on_demand_feature_view(
    sources=[spending, basket],
    schema=[Field(name="expected", dtype=Float64)],
    mode="pandas",
    owner="crm@example.com",
)
def expecting(inputs: pd.DataFrame, scale: float = 1.0) -> pd.DataFrame:
    """Expect what a basket costs."""
    out = pd.DataFrame()
    # The mean, times the items.
    out["expected"] = tax(inputs["avg_amount"]) * inputs["items"] * RATE * scale
    return out


@on_demand_feature_view(
    sources=[visiting[["visits"]]],
    schema=[Field(name="visits_plus", dtype=Int64)],
    mode="python",
)
def adding(inputs: dict) -> dict:
    return {"visits_plus": [value + 1 for value in inputs["visits"]]}
'''

SERVICES = """\
from feast import FeatureService

from computed import adding
from views import spending, visiting

basket_model = FeatureService(
    name="basket_model",
    features=[
        spending[["avg_amount", "orders"]],
        visiting.with_name("site").with_join_key_map({"customer_id": "buyer_id"}),
        adding,
    ],
    owner="models@example.com",
    tags={"model": "basket_v3"},
)
"""

FILES = {
    "entities.py": ENTITIES,
    "sources.py": SOURCES,
    "views.py": VIEWS,
    "computed.py": COMPUTED,
    "services.py": SERVICES,
}


@dataclass(frozen=True)
class Shop:
    """A copy of the repository in a directory."""

    path: Path

    def edit(self, file: str, before: str, after: str) -> None:
        """Put a text in the place of another one in a file."""
        text = (self.path / file).read_text()
        assert before in text, f"{before!r} is not in {file}"
        (self.path / file).write_text(text.replace(before, after, 1))

    def feast(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Feast's own command line on it."""
        command = [sys.executable, "-c", "from feast.cli.cli import cli; cli()", "-c", str(self.path), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=self.path)

    def materialize(self, *views: str) -> None:
        """Write rows of some views online, as Feast does."""
        from feast import FeatureStore

        day = timedelta(days=1)
        store = FeatureStore(repo_path=str(self.path))
        store.materialize(DAY - 30 * day, DAY + day, feature_views=list(views))

    def write(self, files: dict[str, str]) -> None:
        """Write the files of the repository, and remove others of its definitions."""
        for old in self.path.glob("*.py"):
            if old.name not in files:
                old.unlink()
        for name, text in files.items():
            (self.path / name).write_text(text)


def make_shop(
    path: Path,
    registry: str = "data/registry.db",
    redis: str = "localhost:1",
    *,
    customers: int = 3,
    project: str = "shop",
) -> Shop:
    """Write the repository, with its tables of three days, into a new directory."""
    (path / "data").mkdir(parents=True)
    settings = SETTINGS.format(registry=registry, redis=redis).replace("project: shop", f"project: {project}")
    (path / "feature_store.yaml").write_text(settings)
    at = [datetime(2026, 3, day, tzinfo=timezone.utc) for day in (1, 2, 3) for _ in range(customers)]
    ids = [*range(customers)] * 3
    columns = {"customer_id": ids, "event_timestamp": at, "created": at, "loaded": at, "happened": at}
    known = {"orders": [number % 9 for number in ids], "segment": ["abc"[number % 3] for number in ids]}
    for days in (7, 30):
        means = [number / 7 + days * (number % 11) / 13 for number in ids]
        table = pa.table({**columns, **known, "avg_amount": means})
        pq.write_table(table, path / "data" / f"orders_{days}d.parquet")
    visits = {"visits": [number % 5 for number in ids], "amount": [number / 3 for number in ids]}
    pq.write_table(pa.table({**columns, **visits}), path / "data" / "visits.parquet")
    shop = Shop(path)
    shop.write(FILES)
    return shop
