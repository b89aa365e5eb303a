"""How long `feast-skew plan` takes where nothing changed, beside `feast plan` on the same repository: fresh processes, in turns."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from tables import show  # noqa: E402

from feast_skew.demo.flights import FlightsRepository, redis_named  # noqa: E402
from feast_skew.embedded.redis_server import EmbeddedRedis  # noqa: E402

DOCUMENT = ROOT / "docs" / "gate.md"


def seconds(command: list[str], directory: Path) -> float:
    """Run a command to its end, and give the time."""
    begin = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=directory, env=environment, capture_output=True, check=True)
    return time.perf_counter() - begin


def main() -> None:
    """Print the medians, and write them into the document when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="of each")
    parser.add_argument("--write", action="store_true", help="write the table into docs/gate.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis() as server, redis_named(server.connection_string):
        repository = FlightsRepository(Path(folder) / "flights")
        repository.build(30)
        repository.apply()
        repository.materialize(["plane_delays"])
        theirs = [sys.executable, "-c", "from feast.cli.cli import cli; cli()", "plan"]
        ours = [sys.executable, "-m", "feast_skew", "plan", "--no-progress"]
        seconds(theirs, repository.directory), seconds(ours, repository.directory)
        pairs = [
            (seconds(theirs, repository.directory), seconds(ours, repository.directory)) for _ in range(chosen.runs)
        ]
    medians = [statistics.median(times) for times in zip(*pairs, strict=True)]
    ratio = statistics.median(ours / theirs for theirs, ours in pairs)
    rows = [["feast plan", f"{medians[0]:.2f} s", ""], ["feast-skew plan", f"{medians[1]:.2f} s", f"{ratio:.2f}"]]
    heads = ["nothing changed, flights repository", f"median of {chosen.runs} runs", "ratio (asked: at most 1.5)"]
    show({"time": (heads, rows)}, DOCUMENT, write=chosen.write)


if __name__ == "__main__":
    main()
