"""Repositories in which nothing is wrong: every mix of types, materialized, and streamed on through Feast's own push."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zoo.apart import departures
from zoo.cases import Ran, World
from zoo.clean import MIXES, rows
from zoo.columns import PLANES
from zoo.flown import DAY, HOUR, Snapshot, instants
from zoo.stored import KEYS, NIGHTS, START, VIEW, Clock, Repository, done, planes, quiet
from zoo.tabled import snapshot

TYPES = {
    "carrier": "String", "manufacturer": "String", "departed": "UnixTimestamp", "late": "Bool",
    "dests": "Array(String)", "delays": "Array(Float64)", "narrow_mean": "Float32", "worst_delay": "Float32",
    "flights": "Int64", "total_delay": "Int64",
}  # fmt: skip
"""Feast's types of the features that are no Float64."""


def runs(count: int) -> Iterator[tuple[str, str, bool, int]]:
    """Name so many runs: mix of types, whether rows are streamed, seed."""
    kinds = [(mix, streamed) for streamed in (False, True) for mix in MIXES]
    for number in range(count):
        mix, streamed = kinds[number % len(kinds)]
        seed = number % 10
        yield f"{'streamed' if streamed else 'materialized'}/{mix}/store/{seed}/{number}", mix, streamed, seed


def run(mix: str, streamed: bool, seed: int) -> Ran:
    """Materialize a view of such features, stream the last day of departures by wish, and compare."""
    names = MIXES[mix]
    # Feast's file store takes a quarter of a minute for lists of all planes.
    world = Snapshot(seed, 400, PLANES) if {"dests", "delays"} & {*names} else snapshot(seed, PLANES)
    repo = Repository(keys=KEYS)
    clock = Clock(repo)
    try:
        places, keys, ends = world.history(NIGHTS)
        departure, pushed = departures(world, 1)
        there = ~(streamed & pushed[places] & (ends > world.now - DAY))
        table = rows(world, names, places[there], keys[there], ends[there])
        created = np.asarray(table.column("event_timestamp").combine_chunks().cast(pa.int64())) // 60_000_000 + 3 * HOUR
        table = table.append_column("created_at", instants(created))
        repo.write(table)
        repo.apply({name: TYPES.get(name, "Float64") for name in names})
        repo.materialize(START, done(world) - (DAY if streamed else 0))
        if streamed:
            chosen = np.flatnonzero(pushed)
            fresh = rows(world, names, chosen, world.keys[chosen], departure[chosen])
            fresh = fresh.append_column("created_at", instants(departure[chosen]))
            with quiet():
                repo.open().write_to_online_store(VIEW, fresh.to_pandas())
        report = repo.validate(done(world))
        offline = pq.read_table(repo.directory / "rows.parquet").rename_columns(
            ["created_timestamp" if name == "created_at" else name for name in table.column_names]
        )
        return Ran(report, clock.seconds, World(offline, repo.served(planes(world)), (*KEYS,)))
    finally:
        repo.close()
