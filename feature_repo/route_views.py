"""Features of a route: origin and destination together."""

from datetime import timedelta

from feast import FeatureView, Field
from feast.types import Float32, Float64, Int64, String

from entities import dest, origin
from sources import definition, route_delays_table

ROUTE = ("origin", "dest")

route_delays = FeatureView(
    name="route_delays",
    entities=[origin, dest],
    ttl=timedelta(0),  # flights of 2013: see plane_views.py
    source=route_delays_table,
    schema=[
        Field(
            name="avg_dep_delay",
            dtype=Float64,
            description="Mean departure delay in minutes over 30 days; null when nothing departed",
            tags=definition("dep_delay", "mean", keys=ROUTE, days=30),
        ),
        Field(
            name="flights",
            dtype=Int64,
            description="Departures in 30 days",
            tags=definition(None, "count", keys=ROUTE, days=30),
        ),
        Field(
            name="cancelled_share",
            dtype=Float32,
            description="Share of the flights planned in 30 days that never left",
        ),
        Field(
            name="busiest_carrier",
            dtype=String,
            description="Carrier with most flights planned in 30 days; of equals the first by name",
        ),
        Field(
            name="avg_air_time",
            dtype=Float64,
            description="Mean minutes in the air of the flights that landed in 30 days; null when none did",
            tags=definition("air_time", "mean", keys=ROUTE, at="arrived_at", days=30),
        ),
    ],
    description="Delays, cancellations and traffic of a route over the 30 days before midnight UTC",
    owner="route-planning@example.com",
    tags={
        "skew.runbook": "README.md#when-online-and-offline-disagree",
        # A few hundred routes: all of them are read, so the share is exact and may be 0.
        "skew.mismatch_budget": "0",
        "skew.max_lag": "2d",
    },
)
