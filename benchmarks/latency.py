"""What another client of the same Redis feels of a read: its latency alone, beside ours, and beside Feast's own.

A probe asks for one hash every millisecond and times each answer. Beside it, in turn, runs nobody, each reader, and a process
that only computes: on few cores that one tells what is the processor's share of the growth.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Goal, Worker, goals_table, machine, server_name, speak, spread, tell, write_section
from online_read import PACKAGES, fill
from redis_readers import GET, LIMITED, OURS

from feast_skew.embedded.redis_server import EmbeddedRedis

ALONE, COMPUTING = "nobody", "a process that only computes"
BESIDE = (ALONE, LIMITED, OURS, GET, COMPUTING)
WORLD = "10 x Float64, int keys"
_SETTLE = 0.3
_EVERY = 0.001


def probe(port: int, seconds: float, command: bytes) -> dict[str, float]:
    """Send a command every millisecond for so long; give quantiles of the time to its answer in milliseconds."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times = []
    due = begin = time.perf_counter()
    while due < begin + seconds:
        wait = due - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        start = time.perf_counter()
        connection.sendall(command)
        answer = connection.recv(1 << 16)
        while not answer.endswith(b"\r\n"):
            answer += connection.recv(1 << 16)
        times.append(time.perf_counter() - start)
        due = max(due + _EVERY, time.perf_counter() - _EVERY)  # what a slow answer held up is not made up for
    found = np.array(times) * 1e3
    return {
        "p50": float(np.quantile(found, 0.5)),
        "p99": float(np.quantile(found, 0.99)),
        "max": float(found.max()),
        "asked": len(found),
    }


def _inside(kind: str, directory: Path) -> None:
    """Be the probe, or the process that only computes, and do as told for so many seconds."""
    from redis_readers import _command, _fields, _keys
    from redis_worlds import Task

    answer = speak()
    task = Task.load(directory)
    (key,) = _keys(task, task.ids().slice(0, 1))
    ((view, names),) = task.features.items()
    command = _command(b"HMGET", key, *_fields(view, names))
    answer("ready")
    for line in sys.stdin:
        seconds = float(line.split()[1])
        if kind == "probe":
            answer(probe(task.port, seconds, command))
            continue
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        answer({"seconds": seconds, "entities": 0})


def measure(directory: str, runs: int, seconds: float) -> dict[str, list[dict[str, float]]]:
    """Probe beside everybody in turn, round by round."""
    workers = {name: Worker("redis_readers.py", [name, directory]) for name in (LIMITED, OURS, GET)}
    workers[COMPUTING] = Worker("latency.py", ["--inside", "computing", "--directory", directory])
    prober = Worker("latency.py", ["--inside", "probe", "--directory", directory])
    found: dict[str, list[dict[str, float]]] = {name: [] for name in BESIDE}
    try:
        for name, worker in [*workers.items(), ("the probe", prober)]:
            if worker.answer() is None:
                raise SystemExit(f"{name}: {worker.trouble}")
        prober.ask("probe 1")
        for _ in range(runs):
            for name in BESIDE:
                if name != ALONE:
                    workers[name].tell(f"loop {seconds + 2 * _SETTLE}")
                time.sleep(_SETTLE)
                figures = prober.ask(f"probe {seconds}")
                figures["rate"] = 0.0
                if name != ALONE:
                    read = workers[name].answer()
                    figures["rate"] = read["entities"] / read["seconds"]
                found[name].append(figures)
    finally:
        for worker in (*workers.values(), prober):
            worker.close()
    return found


def report(found: dict[str, list[dict[str, float]]], server: str, runs: int, seconds: float) -> list[str]:
    """Write the table and the goal; growth is that of a round's p99 over the one of nobody in the same round."""
    lines = [
        machine(server, PACKAGES),
        "",
        f"{WORLD}; a probe of one HMGET every millisecond for {seconds:g} s; milliseconds, median (least to largest) of {runs} rounds.",
        "",
        "| beside the probe | p50 | p99 | max | growth of p99 | entities/s read |",
        "|---|---|---|---|---|---|",
    ]
    growth = {}
    for name, rounds in found.items():
        columns = [spread([one[key] for one in rounds], ".3f") for key in ("p50", "p99", "max")]
        growth[name] = [one["p99"] - alone["p99"] for one, alone in zip(rounds, found[ALONE], strict=True)]
        grown = "" if name == ALONE else spread(growth[name], "+.3f")
        rate = f"{statistics.median(one['rate'] for one in rounds):,.0f}" if rounds[0]["rate"] else ""
        lines.append(f"| {name} | {' | '.join(columns)} | {grown} | {rate} |")
    middle = statistics.median(growth[LIMITED])
    goal = Goal(f"p99 of another client beside {LIMITED}: at most +1 ms", f"{middle:+.3f} ms", middle <= 1.0)
    return lines + goals_table([goal])


def main() -> None:
    """Measure; print the table, and with `--write` put it into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--inside", choices=["probe", "computing"], help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    options: Any = parser.parse_args()
    if options.inside:
        _inside(options.inside, options.directory)
        return
    with EmbeddedRedis() as server, tempfile.TemporaryDirectory() as scratch:
        tell("latency: filling")
        fill(WORLD, options.entities, scratch, server)
        tell(f"latency: {options.runs} rounds of {len(BESIDE)} x {options.seconds:g} s")
        found = measure(scratch, options.runs, options.seconds)
        name = server_name(server.client())
    lines = report(found, name, options.runs, options.seconds)
    print("\n".join(lines))
    if options.write:
        write_section("latency", lines)


if __name__ == "__main__":
    main()
