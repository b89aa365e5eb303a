"""Features of every type, for any entities at any instants."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from zoo.flown import TYPES, Snapshot, arrow

PLANES = ("tailnum",)


def column(world: Snapshot, name: str, keys: np.ndarray, ends: np.ndarray) -> pa.Array:
    """Give a feature of entities at instants, in its type."""
    flights = world.flights
    if name in ("carrier", "manufacturer"):
        return pa.array(flights.text(name, keys, ends), pa.string())
    if name == "departed":
        return pa.array(flights.departed(keys, ends) * 10**6).cast(pa.timestamp("us", tz="UTC"))
    if name == "late":
        return pa.array(flights.number("worst_delay", keys, ends) > 60)
    if name == "dests":
        return pa.array(flights.listed("dest", keys, ends), pa.list_(pa.string()))
    if name == "delays":
        return pa.array(flights.listed("dep_delay", keys, ends), pa.list_(pa.float64()))
    if name == "narrow_mean":
        return arrow(flights.number("mean_delay", keys, ends), pa.float32())
    return arrow(flights.number(name, keys, ends), TYPES.get(name))
