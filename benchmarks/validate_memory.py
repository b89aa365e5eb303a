"""Peak memory and time of a whole validate, beside what Feast itself needs to read the same rows from both stores."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from generating import NOW, World, make_repository
from loading import check_sample, load_latest

from feast_skew.embedded.redis_server import EmbeddedRedis


def make(directory: Path, entities: int, features: int, days: int, address: str) -> None:
    """Write a repository with one view, and load Redis as Feast's own materialization would."""
    world = World.of_doubles(entities, features, days)
    store = make_repository(world, directory, address)
    load_latest(address, world)
    check_sample(store, world)


def ours(directory: Path, entities: int) -> None:
    """Validate as the command does."""
    from feast_skew import validate

    report = validate(directory, sample=entities, as_of=NOW, state=False)
    print(json.dumps({"verdict": report.verdict.value, "entities": report.sample["entities"]}))


def feast(directory: Path, entities: int) -> None:
    """Read the same rows the way people do it today: both of Feast's retrievals into frames, then compare."""
    import pandas as pd
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(directory))
    refs = [f"v:{field.name}" for field in store.get_feature_view("v").features]
    ids = np.arange(entities)
    offline = store.get_historical_features(pd.DataFrame({"user_id": ids, "event_timestamp": NOW}), refs).to_df()
    parts = [
        store.get_online_features(refs, {"user_id": ids[i : i + 1000].tolist()}).to_df()
        for i in range(0, entities, 1000)
    ]
    both = offline.merge(pd.concat(parts), on="user_id", suffixes=("", "_online"))
    equal = all(np.allclose(both[r[2:]], both[r[2:] + "_online"]) for r in refs)
    print(json.dumps({"verdict": "equal" if equal else "different", "entities": len(both)}))


def main() -> None:
    """Run both in turn in processes of their own and print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entities", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--days", type=int, default=5, help="offline rows per entity")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--inside", choices=["ours", "feast", "make"])
    parser.add_argument("--address", default="")
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    if options.inside == "make":
        make(options.directory, options.entities, options.features, options.days, options.address)
        return
    if options.inside:
        start = time.perf_counter()
        {"ours": ours, "feast": feast}[options.inside](options.directory, options.entities)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"seconds": time.perf_counter() - start, "peak_mb": usage.ru_maxrss / 1024}))
        return
    with tempfile.TemporaryDirectory() as scratch, EmbeddedRedis() as server:
        directory = Path(scratch)
        start = time.perf_counter()
        # In a process of its own: a child's peak would otherwise start from what this one has held.
        subprocess.run(
            [
                sys.executable,
                __file__,
                "--inside",
                "make",
                "--directory",
                scratch,
                "--address",
                server.connection_string,
                "--entities",
                str(options.entities),
                "--features",
                str(options.features),
                "--days",
                str(options.days),
            ],
            check=True,
            capture_output=True,
        )
        print(
            f"{options.entities:,} entities x {options.features} features x {options.days} offline rows; "
            f"loaded in {time.perf_counter() - start:.0f} s; {os.cpu_count()} cores"
        )
        print(f"{'who':<8}{'seconds':>10}{'peak MB':>10}  result")
        for _ in range(options.runs):
            for who in ("ours", "feast"):
                command = [
                    sys.executable,
                    __file__,
                    "--inside",
                    who,
                    "--directory",
                    str(directory),
                    "--entities",
                    str(options.entities),
                ]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    print(f"{who:<8}{'failed':>10}  {done.stderr.strip().splitlines()[-1][:100]}")
                    continue
                result, figures = (json.loads(line) for line in done.stdout.strip().splitlines()[-2:])
                print(f"{who:<8}{figures['seconds']:>10.1f}{figures['peak_mb']:>10.0f}  {result}")


if __name__ == "__main__":
    main()
