"""Time and peak memory of a whole `feast-skew validate`, beside what people do today with the same stores.

Today's way is both of Feast's reads into frames, then Evidently's drift report, datacompy, or TFDV's skew detector. Each step is a
process of its own; the frames go from one to the next by Parquet, and neither that nor its memory is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from generating import NOW, VIEW, World, make_repository
from measuring import HERE, Goal, goals_table, machine, ratios, server_name, spread, tell, write_section

from feast_skew.embedded.redis_server import EmbeddedRedis

OURS, READS = "feast-skew validate", "Feast's two reads"
TOOLS = ("evidently", "datacompy", "tfdv")
TFDV_PYTHON = HERE.parent / ".venv-tfdv" / "bin" / "python"
"""TFDV wants other versions of Arrow and pandas than Feast does; `make bench-redis` gives it an environment of its own."""
PACKAGES = ("feast-skew", "feast", "evidently", "datacompy", "pandas", "dask", "pyarrow", "numpy")
_TFDV_VERSION = "import importlib.metadata as m; print(m.version('tensorflow-data-validation'))"
_BATCH = 1_000
_GOAL_SIZE = 1_000_000
Figures = dict[str, float]


def make(directory: Path, entities: int, features: int, days: int, address: str) -> None:
    """Write a repository with one view, and load Redis as Feast's own materialization would."""
    from loading import check_sample, load_latest

    world = World.of_doubles(entities, features, days)
    store = make_repository(world, directory, address)
    load_latest(address, world)
    check_sample(store, world)


def reads(directory: Path, entities: int) -> Callable[[], None]:
    """Read both sides by Feast into frames; give what writes them down."""
    import numpy as np
    import pandas as pd
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(directory))
    names = [f"{VIEW}:{field.name}" for field in store.get_feature_view(VIEW).features]
    ids = np.arange(entities)
    offline = store.get_historical_features(pd.DataFrame({"user_id": ids, "event_timestamp": NOW}), names).to_df()
    parts = [
        store.get_online_features(names, {"user_id": ids[start : start + _BATCH].tolist()}).to_df()
        for start in range(0, entities, _BATCH)
    ]
    online = pd.concat(parts, ignore_index=True)
    assert len(offline) == len(online) == entities

    def keep() -> None:
        columns = ["user_id", *(name.partition(":")[2] for name in names)]
        offline[columns].to_parquet(directory / "offline.parquet")
        online[columns].to_parquet(directory / "online.parquet")

    return keep


def evidently(offline: Any, online: Any) -> None:
    """Make Evidently's report of drift by PSI; the sides are not joined."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    columns = [name for name in offline.columns if name != "user_id"]
    found = Report([DataDriftPreset(columns=columns, method="psi")]).run(online[columns], offline[columns]).dict()
    assert len(found["metrics"]) > len(columns)


def datacompy(offline: Any, online: Any) -> None:
    """Join and compare by datacompy."""
    from datacompy import PandasCompare

    found = PandasCompare(offline, online, join_columns=["user_id"], abs_tol=1e-12, rel_tol=1e-9)
    assert found.matches()


def tfdv(offline: Any, online: Any) -> None:
    """Look for skew by TFDV: statistics of either side, then the Jensen-Shannon divergence of each feature."""
    import tensorflow_data_validation as validation

    columns = [name for name in offline.columns if name != "user_id"]
    trained = validation.generate_statistics_from_dataframe(offline[columns])
    served = validation.generate_statistics_from_dataframe(online[columns])
    schema = validation.infer_schema(trained)
    for name in columns:
        validation.get_feature(schema, name).skew_comparator.jensen_shannon_divergence.threshold = 0.1
    assert not validation.validate_statistics(trained, schema, serving_statistics=served).anomaly_info


def _inside(step: str, directory: Path, entities: int) -> None:
    """Do one step, and print its seconds, imports included, and the peak of this process."""
    keep = None
    if step == "reads":
        start = time.perf_counter()
        keep = reads(directory, entities)
    else:
        import pandas as pd

        frames = [pd.read_parquet(directory / f"{side}.parquet") for side in ("offline", "online")]
        start = time.perf_counter()
        {"evidently": evidently, "datacompy": datacompy, "tfdv": tfdv}[step](*frames)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _unit() / 2**20
    if keep is not None:
        keep()
    print("\n" + json.dumps({"seconds": seconds, "peak_mb": peak}))


def _unit() -> int:
    return 1 if sys.platform == "darwin" else 1024


def step(name: str, directory: str, entities: int, limit: float) -> Figures | str:
    """Run one step of today's way in a process of its own; give its figures, or why there are none."""
    python = str(TFDV_PYTHON) if name == "tfdv" else sys.executable
    command = [python, "-W", "ignore", str(HERE / "validate.py"), "--inside", name, "--directory", directory]
    try:
        done = subprocess.run(
            [*command, "--sizes", str(entities)],
            capture_output=True,
            text=True,
            check=False,
            timeout=limit,
            env={**os.environ, "PYTHONPATH": str(HERE.parent)} if name == "tfdv" else None,
        )
    except subprocess.TimeoutExpired:
        return f"not done after {limit:.0f} s"
    if done.returncode:
        killed = f"killed by signal {-done.returncode}" if done.returncode < 0 else "failed"
        return next((line.strip()[:200] for line in reversed(done.stderr.splitlines()) if line.strip()), killed)
    figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def ours(directory: str, entities: int) -> Figures:
    """Run the command, and measure all of its process from start to end.

    Raises
    ------
    SystemExit
        When it does not find the stores equal in every entity.
    """
    out = Path(directory) / "report.json"
    command = [sys.executable, "-m", "feast_skew", "validate", "--repo", directory, "--sample", str(entities)]
    start = time.perf_counter()
    process = subprocess.Popen([*command, "--as-of", NOW.isoformat(), "--quiet", "--output", f"json={out}"])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"feast-skew validate ended with {process.returncode}")
    found = json.loads(out.read_text())
    compared = found["sample"]["entities"]
    assert found["verdict"] == "pass", found["verdict"]
    assert compared == entities, compared
    return {"seconds": seconds, "peak_mb": usage.ru_maxrss * _unit() / 2**20}


def measure(entities: int, runs: int, options: Any, skipped: dict[str, str]) -> dict[str, list[Figures]]:
    """Measure one size in turn, round by round; of today's way as many rounds as the size allows."""
    found: dict[str, list[Figures]] = {name: [] for name in (OURS, READS, *TOOLS)}
    with tempfile.TemporaryDirectory() as scratch, EmbeddedRedis() as server:
        command = [sys.executable, "-W", "ignore", __file__, "--inside", "make", "--directory", scratch]
        command += ["--address", server.connection_string, "--sizes", str(entities)]
        command += ["--features", str(options.features), "--days", str(options.days)]
        tell(f"{entities:,} entities: filling")
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for number in range(runs):
            tell(f"{entities:,} entities: round {number + 1} of {runs}")
            found[OURS].append(ours(scratch, entities))
            tell(f"  ours {found[OURS][-1]['seconds']:.1f} s")
            both = step("reads", scratch, entities, options.limit)
            if isinstance(both, str):
                skipped[f"{READS}, {entities:,} entities"] = both
                break
            found[READS].append(both)
            tell(f"  Feast's reads {both['seconds']:.1f} s")
            for name in TOOLS:
                if name in skipped:
                    continue
                one = step(name, scratch, entities, options.limit)
                if isinstance(one, str):
                    skipped[name] = one
                    continue
                whole = {"seconds": both["seconds"] + one["seconds"], "peak_mb": max(both["peak_mb"], one["peak_mb"])}
                found[name].append({**whole, "alone": one["seconds"]})
                tell(f"  {name} {one['seconds']:.1f} s")
        for _ in range(options.more if len(found[OURS]) < 3 else 0):
            found[OURS].append(ours(scratch, entities))
        options.server = server_name(server.client())
    return found


def table(entities: int, found: dict[str, list[Figures]]) -> list[str]:
    """Write the figures of one size."""
    mine = found[OURS]
    lines = ["", f"**{entities:,} entities**", ""]
    lines += [
        "| | seconds | of it the tool | peak memory | x our time | x our memory | runs |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, rounds in found.items():
        if not rounds:
            continue
        title = f"{READS}, then {name}" if name in TOOLS else name
        alone = spread([one["alone"] for one in rounds], ".1f") if name in TOOLS else ""
        seconds, peaks = ([one[key] for one in rounds] for key in ("seconds", "peak_mb"))
        times, memory = (
            spread(ratios(theirs, [one[key] for one in mine[: len(rounds)]]), ".2f")
            for key, theirs in (("seconds", seconds), ("peak_mb", peaks))
        )
        lines.append(
            f"| {title} | {spread(seconds, '.1f')} | {alone} | {spread(peaks, ',.0f', ' MB')} | {times} | {memory} | {len(rounds)} |"
        )
    return lines


def goals(entities: int, found: dict[str, list[Figures]]) -> list[Goal]:
    """Hold one size against what is to be reached beside Evidently: the goals are for a million entities."""
    theirs = found["evidently"]
    if not theirs or entities < _GOAL_SIZE:
        return []
    import statistics

    middle = {
        key: statistics.median(ratios([one[key] for one in theirs], [one[key] for one in found[OURS][: len(theirs)]]))
        for key in ("seconds", "peak_mb")
    }
    return [
        Goal(
            f"{entities:,} entities: at least 5 x, better 8 x, faster than Feast and Evidently",
            f"{middle['seconds']:.1f} x",
            middle["seconds"] >= 5,
        ),
        Goal(f"{entities:,} entities: peak memory below half", f"1 / {middle['peak_mb']:.1f}", middle["peak_mb"] > 2),
    ]


def tfdv_version(skipped: dict[str, str]) -> str:
    """Give the version of TFDV; note why it is skipped where it is not installed."""
    if not TFDV_PYTHON.exists():
        skipped["tfdv"] = "it is not installed; make bench-redis tries to"
        return ""
    done = subprocess.run([str(TFDV_PYTHON), "-c", _TFDV_VERSION], capture_output=True, text=True, check=False)
    if done.returncode:
        skipped["tfdv"] = (done.stderr.strip().splitlines() or ["it is not installed"])[-1][:200]
        return ""
    return f", tensorflow-data-validation {done.stdout.strip().splitlines()[-1]} (in an environment of its own)"


def report(
    measured: dict[int, dict[str, list[Figures]]], skipped: dict[str, str], options: Any, beside: str
) -> Sequence[str]:
    """Write all tables."""
    lines = [machine(options.server, PACKAGES) + beside, ""]
    lines += [
        f"{options.features} Float64 features, {options.days} offline rows per entity, every entity in the sample."
    ]
    lines += [f"\nSkipped: {name}: {reason}" for name, reason in skipped.items()]
    for entities, found in measured.items():
        lines += table(entities, found)
    return lines + goals_table([one for size, found in measured.items() for one in goals(size, found)])


def main() -> None:
    """Measure; print the tables, and with `--write` put them into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--runs", type=int, nargs="+", default=[3, 3], help="rounds of each size")
    parser.add_argument("--more", type=int, default=2, help="runs of ours alone after those of a size with few rounds")
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--days", type=int, default=2, help="offline rows per entity")
    parser.add_argument(
        "--limit", type=float, default=900, help="seconds after which a step of today's way is given up"
    )
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--address", default="", help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    options: Any = parser.parse_args()
    if options.inside == "make":
        make(options.directory, options.sizes[0], options.features, options.days, options.address)
        return
    if options.inside:
        _inside(options.inside, options.directory, options.sizes[0])
        return
    skipped: dict[str, str] = {}
    beside = tfdv_version(skipped)
    runs = [*options.runs, *[options.runs[-1]] * len(options.sizes)]
    measured = {size: measure(size, runs[place], options, skipped) for place, size in enumerate(options.sizes)}
    lines = report(measured, skipped, options, beside)
    print("\n".join(lines))
    if options.write:
        write_section("validate", lines)


if __name__ == "__main__":
    main()
