"""Where the features come from: the tables that pipeline/build_features.py writes.

Relative paths are resolved by Feast against the directory of feature_store.yaml, so this directory
can be copied anywhere and used from anywhere.
"""

import json

from feast import FileSource, PushSource

from entities import DATA_TEAM

# The window of `plane_delays`, in days; build it with `--window-days` before applying a change.
WINDOW_DAYS = 30


def definition(
    value: str | None, aggregate: str, *, keys: tuple[str, ...], at: str = "departed_at", days: int
) -> dict[str, str]:
    """Give the tag that says what a feature means, so that a check can compute it again."""
    meaning = {
        "events": "data/flights.parquet",
        "keys": {key: key for key in keys},
        "timestamp": at,
        "aggregate": aggregate,
        "window": f"{days}d",
    }
    return {"skew.definition": json.dumps(meaning | ({"value": value} if value else {}))}


plane_delays_table = FileSource(
    name="plane_delays_table",
    path=f"data/features/plane_delays_{WINDOW_DAYS}d.parquet",
    timestamp_field="event_timestamp",
    description="One row per plane and day with a departure, at the midnight UTC that ends the day",
    owner=DATA_TEAM,
)

plane_profile_table = FileSource(
    name="plane_profile_table",
    path="data/features/plane_profile.parquet",
    timestamp_field="event_timestamp",
    description="One row per registered plane",
    owner=DATA_TEAM,
)

route_delays_table = FileSource(
    name="route_delays_table",
    path="data/features/route_delays.parquet",
    timestamp_field="event_timestamp",
    # A night that is computed again gets a new created_at, and Feast takes the newest.
    created_timestamp_column="created_at",
    description="One row per route and day with a flight planned, at the midnight UTC that ends it",
    owner=DATA_TEAM,
)

plane_live_nightly = FileSource(
    name="plane_live_nightly",
    path="data/features/plane_live.parquet",
    timestamp_field="event_timestamp",
    description="The nightly counterpart of the pushed rows: history for training, at midnights",
    owner=DATA_TEAM,
)

plane_departures = PushSource(
    name="plane_departures",
    batch_source=plane_live_nightly,
    description="A row per departure, pushed at the instant of departure",
    owner=DATA_TEAM,
)
