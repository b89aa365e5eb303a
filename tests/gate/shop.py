"""A repository with every kind of view, small and without data online: what its definitions mean is all that is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]

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

    def write(self, files: dict[str, str]) -> None:
        """Write the files of the repository, and remove others of its definitions."""
        for old in self.path.glob("*.py"):
            if old.name not in files:
                old.unlink()
        for name, text in files.items():
            (self.path / name).write_text(text)


def make_shop(path: Path, registry: str = "data/registry.db", redis: str = "localhost:1") -> Shop:
    """Write the repository, with small tables, into a new directory."""
    (path / "data").mkdir(parents=True)
    (path / "feature_store.yaml").write_text(SETTINGS.format(registry=registry, redis=redis))
    at = [datetime(2026, 3, day, tzinfo=timezone.utc) for day in (1, 2, 3)]
    columns = {"customer_id": [1, 2, 3], "event_timestamp": at, "created": at, "loaded": at, "happened": at}
    table = pa.table({**columns, "avg_amount": [1.0, 2.0, 3.0], "orders": [1, 2, 3], "segment": ["a", "b", "c"]})
    for days in (7, 30):
        pq.write_table(table, path / "data" / f"orders_{days}d.parquet")
    pq.write_table(
        pa.table({**columns, "visits": [1, 2, 3], "amount": [1.0, 2.0, 3.0]}), path / "data" / "visits.parquet"
    )
    shop = Shop(path)
    shop.write(FILES)
    return shop
