"""Features of a plane: recent delays, what it is, and delays as of its last departure."""

from datetime import timedelta

from feast import FeatureView, Field
from feast.types import Float32, Float64, Int32, Int64, String, UnixTimestamp

from entities import DATA_TEAM, plane
from sources import (
    WINDOW_DAYS,
    definition,
    plane_delays_table,
    plane_departures,
    plane_profile_table,
)

STREAM_TEAM = "flight-streams@example.com"
RUNBOOK = "README.md#when-online-and-offline-disagree"

# No ttl: the flights are of 2013, and any age in days would have expired them all by now. On data
# that goes on, set it to the age at which a value is better missing than old.
FOREVER = timedelta(0)

PLANE = ("tailnum",)

plane_delays = FeatureView(
    name="plane_delays",
    entities=[plane],
    ttl=FOREVER,
    source=plane_delays_table,
    schema=[
        Field(
            name="avg_dep_delay",
            dtype=Float64,
            description="Mean departure delay in minutes over the window; early counts as negative",
            tags=definition("dep_delay", "mean", keys=PLANE, days=WINDOW_DAYS),
        ),
        Field(
            name="avg_arr_delay",
            dtype=Float64,
            description="Mean arrival delay in minutes of the flights that landed in the window; null when none did",
            tags=definition("arr_delay", "mean", keys=PLANE, at="arrived_at", days=WINDOW_DAYS),
        ),
        Field(
            name="max_dep_delay",
            dtype=Float32,
            description="Largest departure delay in minutes over the window",
            tags=definition("dep_delay", "max", keys=PLANE, days=WINDOW_DAYS),
        ),
        Field(
            name="flights",
            dtype=Int64,
            description="Departures in the window",
            tags=definition(None, "count", keys=PLANE, days=WINDOW_DAYS),
        ),
        Field(
            name="last_carrier",
            dtype=String,
            description="Carrier of the last departure, by its IATA code",
            tags=definition("carrier", "last", keys=PLANE, days=WINDOW_DAYS),
        ),
        Field(
            name="last_departure",
            dtype=UnixTimestamp,
            description="Instant of the last departure",
            tags=definition("departed_at", "last", keys=PLANE, days=WINDOW_DAYS),
        ),
    ],
    description="Delays of a plane over the days before midnight UTC",
    owner=DATA_TEAM,
    tags={
        "skew.runbook": RUNBOOK,
        "skew.mismatch_budget": "0.001",
        "skew.max_lag": "2d",
    },
)

plane_profile = FeatureView(
    name="plane_profile",
    entities=[plane],
    ttl=FOREVER,
    source=plane_profile_table,
    schema=[
        Field(
            name="year_built",
            dtype=Int32,
            description="Year of manufacture; null when the registry does not know it",
        ),
        Field(name="manufacturer", dtype=String, description="Manufacturer, in capitals"),
        Field(name="seats", dtype=Int32, description="Number of seats"),
        Field(name="engines", dtype=Int32, description="Number of engines"),
    ],
    description="What a plane is, from the aircraft registry; about one plane in six is not in it",
    owner=DATA_TEAM,
    tags={
        "skew.runbook": RUNBOOK,
        "skew.mismatch_budget": "0",
    },
)

plane_live = FeatureView(
    name="plane_live",
    entities=[plane],
    ttl=FOREVER,
    source=plane_departures,
    schema=[
        Field(
            name="avg_dep_delay",
            dtype=Float64,
            description="Mean departure delay in minutes over 30 days, the last departure included",
            tags=definition("dep_delay", "mean", keys=PLANE, days=30),
        ),
        Field(
            name="flights",
            dtype=Int64,
            description="Departures in 30 days, the last one included",
            tags=definition(None, "count", keys=PLANE, days=30),
        ),
    ],
    description="Delays of a plane as of its last departure, pushed by a stream",
    owner=STREAM_TEAM,
    tags={
        "skew.runbook": RUNBOOK,
        "skew.mismatch_budget": "0.001",
        "skew.max_lag": "2d",
        # The stream adds up in its own order.
        "skew.tolerance": '{"rtol": 1e-9, "atol": 1e-9}',
    },
)
