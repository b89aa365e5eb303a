"""Time and memory of `feast-skew validate --engine spark` beside the engine of one process, on the same stores.

Each run is a process of its own. Of a run on Spark in local mode the Python driver, the JVM (driver and executors in one) and the
Python workers are told apart, and each peak is that of one process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from generating import NOW, World, make_repository
from measuring import Goal, goals_table, machine, ratios, server_name, spread, tell, write_section

from feast_skew.embedded.redis_server import EmbeddedRedis

PACKAGES = ("feast-skew", "feast", "pyspark", "pyarrow", "numpy")
ENGINES = ("local", "spark")
_STAGES = ("sampling", "measure", "fold")
_SPLIT = ("measure: online", "measure: offline", "measure: spool", "measure: align")

Figures = dict[str, Any]


class Peaks(threading.Thread):
    """Looks at a process and its descendants, and keeps the largest memory of each kind in MB."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._over = threading.Event()
        self.largest = {"driver": 0.0, "jvm": 0.0, "worker": 0.0}

    def run(self) -> None:
        """Look five times a second."""
        while not self._over.wait(0.2):
            self._look()

    def _look(self) -> None:
        try:
            family = [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return
        for one in family:
            try:
                kind = "driver" if one == self._process else "jvm" if "java" in one.name() else "worker"
                self.largest[kind] = max(self.largest[kind], one.memory_info().rss / 2**20)
            except psutil.Error:
                continue

    def stop(self) -> None:
        """Look no more."""
        self._over.set()


def run(engine: str, directory: Path, entities: int) -> Figures:
    """Validate all entities in a process of its own; give its seconds, peaks and stages.

    Raises
    ------
    SystemExit
        When it does not find the stores equal in every entity.
    """
    out = directory / f"{engine}.json"
    command = [sys.executable, "-m", "feast_skew", "validate", "--engine", engine, "--repo", str(directory)]
    command += ["--sample", str(entities), "--as-of", NOW.isoformat(), "--quiet", "--output", f"json={out}"]
    command += ["--max-ops", "off"]
    start = time.perf_counter()
    process = psutil.Popen(command, env={**os.environ, "SPARK_MASTER": "local[2]"})
    peaks = Peaks(process)
    peaks.start()
    code = process.wait()
    seconds = time.perf_counter() - start
    peaks.stop()
    if code:
        raise SystemExit(f"feast-skew validate --engine {engine} ended with {code}")
    found = json.loads(out.read_text())
    assert found["verdict"] == "pass", found["verdict"]
    assert found["sample"]["entities"] == entities, found["sample"]
    return {"seconds": seconds, "stages": found["seconds"], **peaks.largest}


def session_start() -> float:
    """Measure how long a session takes from nothing to the end of its first job that runs Python on both cores."""
    code = (
        "import time; t = time.perf_counter()\n"
        "from feast_skew.engines.spark.session import open_session\n"
        "with open_session('start', master='local[2]') as opened:\n"
        "    opened.session.range(2).repartition(2).mapInArrow(lambda batches: batches, 'id long').collect()\n"
        "    print(time.perf_counter() - t)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def make(directory: Path, entities: int, features: int, days: int, address: str, offline: str) -> None:
    """Write a repository with one view, and load Redis as Feast's own materialization would."""
    from loading import check_sample, load_latest

    world = World.of_doubles(entities, features, days)
    store = make_repository(world, directory, address, "dask")
    load_latest(address, world)
    check_sample(store, world)
    if offline == "spark":
        (directory / "registry.db").unlink()
        make_repository(world, directory, address, "spark")


def measure(entities: int, features: int, runs: int, options: Any) -> dict[str, list[Figures]]:
    """Measure one size, engine by engine in each round."""
    found: dict[str, list[Figures]] = {name: [] for name in options.engines}
    with tempfile.TemporaryDirectory() as scratch, EmbeddedRedis() as server:
        folders = {}
        for offline in ("dask", "spark"):
            folders[offline] = Path(scratch) / offline
            folders[offline].mkdir()
            command = [sys.executable, "-W", "ignore", __file__, "--inside", "--directory", str(folders[offline])]
            command += ["--address", server.connection_string, "--sizes", str(entities), "--offline", offline]
            command += ["--features", str(features), "--days", str(options.days)]
            tell(f"{entities:,} entities: filling ({offline})")
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for number in range(runs):
            for engine in options.engines:
                tell(f"{entities:,} entities: {engine}, round {number + 1} of {runs}")
                # The engine of one process reads a Parquet source at its best through Feast's default store.
                folder = folders["dask" if engine == "local" else "spark"]
                found[engine].append(run(engine, folder, entities))
                tell(f"  {found[engine][-1]['seconds']:.1f} s")
        options.server = server_name(server.client())
    return found


def table(entities: int, features: int, found: dict[str, list[Figures]]) -> list[str]:
    """Write the figures of one size."""
    lines = ["", f"**{entities:,} entities x {features} features**", ""]
    lines += [
        "| engine | seconds | us an entity | driver | JVM | largest worker | runs |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, rounds in found.items():
        if rounds:
            each = [one["seconds"] / entities * 1e6 for one in rounds]
            memory = " | ".join(
                spread([one[kind] for one in rounds], ",.0f", " MB") for kind in ("driver", "jvm", "worker")
            )
            lines.append(
                f"| {name} | {spread([one['seconds'] for one in rounds], '.1f')} | {spread(each, '.1f')} | {memory} | {len(rounds)} |"
            )
    stages = [one["stages"] for one in found.get("spark", ())]
    if stages:
        told = [f"{name} {spread([one.get(name, 0.0) for one in stages], '.1f')} s" for name in _STAGES]
        split = [
            f"{name.partition(': ')[2]} {spread([one.get(name, 0.0) for one in stages], '.1f')} s" for name in _SPLIT
        ]
        lines += [
            "",
            f"On Spark, by the driver's clock: {', '.join(told)}. Within measure, of all tasks together: {', '.join(split)}.",
        ]
    return lines


def goals(measured: dict[tuple[int, int], dict[str, list[Figures]]], start: float) -> list[Goal]:
    """Hold the figures against what is to be reached."""
    found = []
    spark = {size: rounds["spark"] for (size, _), rounds in measured.items() if rounds.get("spark")}
    each = {size: statistics.median(one["seconds"] for one in rounds) / size * 1e6 for size, rounds in spark.items()}
    sizes = sorted(each)
    falling = all(each[large] <= 1.05 * each[small] for small, large in pairwise(sizes))
    if len(sizes) > 1:
        told = ", ".join(f"{each[size]:.1f}" for size in sizes)
        found.append(
            Goal("time per entity falls or stays flat", f"{told} us at {', '.join(f'{s:,}' for s in sizes)}", falling)
        )
        drivers = [statistics.median(one["driver"] for one in spark[size]) for size in sizes]
        change = max(drivers) / min(drivers) - 1
        found.append(
            Goal("driver memory flat within 10 %", f"{', '.join(f'{d:,.0f}' for d in drivers)} MB", change <= 0.1)
        )
    for (size, _), rounds in measured.items():
        if size == 1_000_000 and rounds.get("spark") and rounds.get("local"):
            ours = [one["seconds"] - start for one in rounds["spark"]]
            ratio = statistics.median(ratios(ours, [one["seconds"] for one in rounds["local"]]))
            text = (
                f"1,000,000 entities: at most 2 x the engine of one process, plus the session's start ({start:.1f} s)"
            )
            found.append(Goal(text, f"{ratio:.2f} x", ratio <= 2))
    return found


def report(measured: dict[tuple[int, int], dict[str, list[Figures]]], start: float, options: Any) -> Sequence[str]:
    """Write all tables."""
    lines = [machine(options.server, PACKAGES), ""]
    lines += [
        f"local[2]; Float64 features, {options.days} offline rows per entity, every entity compared, no limit on commands."
    ]
    for (entities, features), found in measured.items():
        lines += table(entities, features, found)
    return lines + goals_table(goals(measured, start))


def main() -> None:
    """Measure; print the tables, and with `--write` put them into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--features", type=int, nargs="+", default=[10, 10, 2])
    parser.add_argument("--runs", type=int, nargs="+", default=[3, 3, 1], help="rounds of each size")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--days", type=int, default=2, help="offline rows per entity")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--offline", default="dask", help=argparse.SUPPRESS)
    parser.add_argument("--address", default="", help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    options: Any = parser.parse_args()
    if options.inside:
        make(options.directory, options.sizes[0], options.features[0], options.days, options.address, options.offline)
        return
    start = statistics.median(session_start() for _ in range(3))
    tell(f"a session starts in {start:.1f} s")
    measured = {
        (size, features): measure(size, features, runs, options)
        for size, features, runs in zip(options.sizes, options.features, options.runs, strict=True)
    }
    lines = report(measured, start, options)
    print("\n".join(lines))
    if options.write:
        write_section("spark", lines)


if __name__ == "__main__":
    main()
