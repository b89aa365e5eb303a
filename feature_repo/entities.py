"""What features are about: a plane, and a route as origin and destination together."""

from feast import Entity, ValueType

DATA_TEAM = "flight-data@example.com"

plane = Entity(
    name="plane",
    join_keys=["tailnum"],
    value_type=ValueType.STRING,
    description="An aircraft, by its tail number",
    owner=DATA_TEAM,
)

origin = Entity(
    name="origin",
    join_keys=["origin"],
    value_type=ValueType.STRING,
    description="The airport that a flight leaves from, by its IATA code: EWR, JFK or LGA",
    owner=DATA_TEAM,
)

dest = Entity(
    name="dest",
    join_keys=["dest"],
    value_type=ValueType.STRING,
    description="The airport that a flight goes to, by its IATA code",
    owner=DATA_TEAM,
)
