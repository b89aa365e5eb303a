"""Entities a second from a column of ids to the values of their features: our reader beside Feast's and beside the wire.

Each contestant is a process of its own on a real server; all of a world are started, show that they read the same values, and
then read in turn, round by round. Ratios are of one round each.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measuring import (
    HERE,
    Goal,
    Worker,
    goals_table,
    machine,
    ratios,
    server_name,
    spread,
    tell,
    write_section,
)
from redis_readers import GET, GLIDE_GET, LIMITED, OURS, READERS, SLOW, WIRE

from feast_skew.embedded.redis_server import EmbeddedRedis

PACKAGES = ("feast-skew", "feast", "redis", "hiredis", "valkey-glide-sync", "protobuf", "pyarrow", "numpy")
SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
FLIGHTS = "flights of the demo: 2 views, string keys"
PICTURE = "online_read.svg"
Speeds = dict[str, list[float]]


def fill(world: str, entities: int, directory: str, server: EmbeddedRedis) -> None:
    """Prepare a world in a process of its own, so that this one stays small."""
    arguments = ["--fill", world, "--entities", str(entities), "--directory", directory, "--port", str(server.port)]
    subprocess.run([sys.executable, "-W", "ignore", __file__, *arguments], check=True, stdout=subprocess.DEVNULL)


def _fill(world: str, entities: int, directory: Path, port: int) -> None:
    from types import SimpleNamespace

    from generating import World
    from redis_worlds import generated, prepare, prepare_flights

    server: Any = SimpleNamespace(host="127.0.0.1", port=port, connection_string=f"127.0.0.1:{port}")
    if world == FLIGHTS:
        prepare_flights(directory / "flights", server)
        return
    found = World.of_doubles(entities, 2, 1, shuffled=True) if world == "scale" else generated(entities)[world]
    prepare(found, directory, server)


def open_all(names: list[str], directory: str, skipped: dict[str, str]) -> dict[str, Worker]:
    """Start contestants, wait until all are ready, and hold what they read against the first one's.

    Raises
    ------
    SystemExit
        When one reads other values.
    """
    workers = {name: Worker("redis_readers.py", [name, directory]) for name in names if name not in skipped}
    first = None
    for name, worker in list(workers.items()):
        rows = worker.answer()
        if rows is None:
            if "glide" not in name:
                raise SystemExit(f"{name}: {worker.trouble}")
            skipped[name] = worker.trouble
            del workers[name]
            continue
        first = first or rows
        if rows != first:
            wrong = next(i for i, (one, other) in enumerate(zip(rows, first, strict=True)) if one != other)
            raise SystemExit(f"{name} reads other values than {names[0]}: row {wrong}")
    return workers


def run_world(directory: str, entities: int, runs: int, skipped: dict[str, str]) -> Speeds:
    """Read a prepared world in turn; give entities a second by contestant, round by round."""
    workers = open_all(list(READERS), directory, skipped)
    speeds: Speeds = {name: [] for name in workers}
    try:
        for _ in range(runs):
            for name, worker in workers.items():
                found = worker.ask(f"read {max(entities // SLOW.get(name, 1), 1000)}")
                if found is None:
                    raise SystemExit(f"{name}: {worker.trouble}")
                speeds[name].append(found["entities"] / found["seconds"])
    finally:
        for worker in workers.values():
            worker.close()
    return speeds


def run_sizes(directory: str, sizes: list[int], runs: int) -> dict[int, list[float]]:
    """Give our microseconds per entity for the first so many entities of one store."""
    worker = open_all([OURS], directory, {})[OURS]
    found: dict[int, list[float]] = {size: [] for size in sizes}
    try:
        for _ in range(runs):
            for size in sizes:
                figures = worker.ask(f"read {size}")
                found[size].append(figures["seconds"] / figures["entities"] * 1e6)
    finally:
        worker.close()
    return found


def world_table(world: str, speeds: Speeds, entities: int) -> list[str]:
    """Write the table of one world."""
    lines = [
        "",
        f"**{world}**",
        "",
        f"| | entities/s | x {GET} | of the raw pipeline | entities read |",
        "|---|---|---|---|---|",
    ]
    for name, found in speeds.items():
        beside = [spread(ratios(found, speeds[peer]), ".2f") for peer in (GET, WIRE)]
        read = max(entities // SLOW.get(name, 1), 1000)
        lines.append(f"| {name} | {spread(found)} | {beside[0]} | {beside[1]} | {read:,} |")
    return lines


def goals(speeds: Mapping[str, Speeds], sizes: Mapping[int, list[float]]) -> list[Goal]:
    """Hold the figures against what the reader is to reach."""
    scalar = {world: found for world, found in speeds.items() if "Float64" in world}
    feast = {world: statistics.median(ratios(one[OURS], one[GET])) for world, one in scalar.items()}
    raw = {world: statistics.median(ratios(one[OURS], one[WIRE])) for world, one in scalar.items()}
    found = [
        Goal(f"{world}: at least 10 x, better 15 x, {GET}", f"{feast[world]:.1f} x", feast[world] >= 10)
        for world in scalar
    ]
    found += [
        Goal(f"{world}: at least 0.6 of the raw pipeline", f"{raw[world]:.2f}", raw[world] >= 0.6) for world in scalar
    ]
    if sizes:
        times = {size: statistics.median(one) for size, one in sizes.items()}
        growth = times[max(times)] / times[min(times)]
        text = f"time per entity flat from {min(times):,} to {max(times):,}: the last at most 1.25 x the first"
        found.append(Goal(text, f"{growth:.2f} x", growth <= 1.25))
    return found


def report(
    speeds: Mapping[str, Speeds],
    sizes: Mapping[int, list[float]],
    skipped: Mapping[str, str],
    server: str,
    options: Any,
) -> list[str]:
    """Write all tables."""
    lines = [
        machine(server, PACKAGES),
        "",
        f"Median (least to largest) of {options.runs} rounds; ratios round by round.",
    ]
    lines += [f"\nSkipped: {name}: {reason}" for name, reason in skipped.items()]
    for world, found in speeds.items():
        lines += world_table(world, found, entities_of(world, options.entities))
    if sizes:
        lines += ["", f"**2 x Float64, int keys: the first so many of {max(sizes):,} entities, {OURS}**", ""]
        lines += ["| entities | microseconds per entity |", "|---|---|"]
        lines += [f"| {size:,} | {spread(found, '.2f')} |" for size, found in sizes.items()]
    return lines + goals_table(goals(speeds, sizes))


def entities_of(world: str, entities: int) -> int:
    """Give how many entities the fast ones read of a world: fewer of wide rows."""
    return entities // 2 if world.startswith("50") else entities


def main() -> None:
    """Measure all worlds and sizes; print the tables, and with `--write` put them into docs/benchmarks.md, with a plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=200_000, help="read by the fast ones; the slow ones read fewer")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--largest", type=int, default=5_000_000, help="entities of the largest size; 0 for no sizes")
    parser.add_argument("--only", default="", help="worlds whose name begins so")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--fill", help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill:
        _fill(options.fill, options.entities, options.directory, options.port)
        return
    from redis_worlds import generated

    speeds: dict[str, Speeds] = {}
    skipped: dict[str, str] = {}
    for world in [*generated(1), FLIGHTS]:
        if not world.startswith(options.only):
            continue
        entities = entities_of(world, options.entities)
        with EmbeddedRedis() as server, tempfile.TemporaryDirectory() as scratch:
            tell(f"{world}: filling")
            fill(world, entities, scratch, server)
            place = str(Path(scratch) / "flights") if world == FLIGHTS else scratch
            tell(f"{world}: reading, {options.runs} rounds")
            speeds[world] = run_world(place, entities, options.runs, skipped)
            name = server_name(server.client())
    sizes: dict[int, list[float]] = {}
    if options.largest:
        with EmbeddedRedis() as server, tempfile.TemporaryDirectory() as scratch:
            tell(f"sizes: filling {options.largest:,}")
            fill("scale", options.largest, scratch, server)
            tell("sizes: reading, 3 rounds")
            sizes = run_sizes(scratch, [size for size in SIZES if size <= options.largest], min(options.runs, 3))
            name = server_name(server.client())
    lines = report(speeds, sizes, skipped, name, options)
    print("\n".join(lines))
    if options.write:
        from plots import draw_speeds

        draw_speeds(speeds, [OURS, LIMITED, GET, GLIDE_GET, WIRE], HERE.parent / "docs" / PICTURE)
        write_section("online read", [f"![entities a second by reader]({PICTURE})", "", *lines])


if __name__ == "__main__":
    main()
