"""Time and peak memory of all statistics over a million entities, beside datacompy's equality and Evidently's PSI, in one run."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

KINDS = {
    "mixed": "lognormal, normal, 70 % zeros, counts, rounded to cents; 1 % of the values of each feature differ",
    "noise": "the same, with noise in every row: no two values are identical",
}


def make(path: Path, rows: int, features: int, kind: str) -> None:
    """Write both sides, online in another order."""
    random = np.random.default_rng(0)
    offline: dict[str, Any] = {"id": np.arange(rows)}
    online: dict[str, Any] = {"id": np.arange(rows)}
    for i in range(features):
        values = _column(random, rows, i)
        other = values.copy()
        if kind == "noise":
            other += random.normal(size=rows) * 1e-3
        wrong = random.choice(rows, rows // 100, replace=False)
        other[wrong] = other[wrong] * 1.1 + 1.0
        offline[f"f{i}"], online[f"f{i}"] = values, other
    shuffled = pa.array(random.permutation(rows))
    pq.write_table(pa.table(offline), path / "offline.parquet")
    pq.write_table(pa.table(online).take(shuffled), path / "online.parquet")


def _column(random: np.random.Generator, rows: int, i: int) -> np.ndarray:
    drawn: list[Callable[[], np.ndarray]] = [
        lambda: random.lognormal(3.0, 1.0, rows),
        lambda: random.normal(0.0, 1.0, rows),
        lambda: np.where(random.random(rows) < 0.7, 0.0, random.exponential(10.0, rows)),
        lambda: random.poisson(4.0, rows).astype(np.float64),
        lambda: np.round(random.gamma(2.0, 20.0, rows), 2),
    ]
    return drawn[i % len(drawn)]()


def ours(offline: pa.Table, online: pa.Table) -> object:
    """`compare()`: the join, equality with tolerance, all paired and marginal statistics, verdicts, causes."""
    from feast_skew import compare

    report = compare(offline, online, keys=["id"])
    assert len(report.features) == offline.num_columns - 1
    return report


def ours_statistics(offline: pa.Table, online: pa.Table) -> object:
    """All metrics of rows that are paired already: profile, metrics, summaries; no join."""
    from feast_skew.measuring.entity_order import entity_order
    from feast_skew.statistics.metrics.base import metrics
    from feast_skew.statistics.pairs import NumberPairs
    from feast_skew.statistics.profile import Profile, cut_bins, draw_sample
    from feast_skew.statistics.summary import quantiles, summary

    order = entity_order(offline.select(["id"]))
    known = np.ones(offline.num_rows, dtype=bool)
    found = []
    for name in offline.column_names[1:]:
        off, on = (np.asarray(side.column(name).combine_chunks()) for side in (offline, online))
        pairs = NumberPairs(order, np.isclose(off, on, 1e-9, 1e-12), off, on, known, known)
        sample = draw_sample(pairs)
        profile = Profile.of(pairs, cut_bins(sample, 1e-9, 1e-12), sample)
        computed = {key: one.compute(profile) for key, one in metrics().items() if one.fits(profile)}
        found.append((computed, summary(profile), quantiles(profile)))
    return found


def datacompy_pandas(offline: Any, online: Any) -> object:
    """Datacompy's PandasCompare: join and equality."""
    import datacompy

    return datacompy.PandasCompare(offline, online, join_columns=["id"], abs_tol=1e-12, rel_tol=1e-9)


def datacompy_polars(offline: Any, online: Any) -> object:
    """Datacompy's PolarsCompare: join and equality."""
    import datacompy

    return datacompy.PolarsCompare(offline, online, join_columns=["id"], abs_tol=1e-12, rel_tol=1e-9)


def evidently_psi(offline: Any, online: Any) -> object:
    """Evidently's drift report with PSI; the sides are not joined."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    columns = [name for name in offline.columns if name != "id"]
    report = Report([DataDriftPreset(columns=columns, method="psi")])
    return report.run(online[columns], offline[columns]).dict()


CONTESTANTS: dict[str, tuple[str, Callable[[Any, Any], object]]] = {
    "feast-skew compare()": ("arrow", ours),
    "feast-skew statistics": ("paired", ours_statistics),
    "datacompy pandas": ("pandas", datacompy_pandas),
    "datacompy polars": ("polars", datacompy_polars),
    "evidently psi": ("pandas", evidently_psi),
}


def run_one(name: str, path: Path) -> dict[str, float]:
    """Time one contestant on tables that are in memory, in the form that it likes best."""
    warnings.simplefilter("ignore")
    form, contestant = CONTESTANTS[name]
    tables: list[Any] = [pq.read_table(path / f"{side}.parquet") for side in ("offline", "online")]
    if form == "paired":
        tables[1] = tables[1].sort_by("id")
    elif form == "pandas":
        tables = [table.to_pandas() for table in tables]
    elif form == "polars":
        import polars as pl

        tables = [pl.from_arrow(table) for table in tables]
    small = [table[:1000] if form not in {"arrow", "paired"} else table.slice(0, 1000) for table in tables]
    if form == "arrow":
        small[1] = small[0]
    contestant(*small)  # what is imported and compiled once is not the point
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    contestant(*tables)
    seconds = time.perf_counter() - start
    unit = 1024 if platform.system() == "Linux" else 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    return {"seconds": seconds, "grown_mb": grown / 2**20}


def main() -> None:
    """Measure every contestant in turn, in processes of their own, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--kind", choices=sorted(KINDS), default="mixed")
    parser.add_argument("--only", help="measure this one in this process", choices=list(CONTESTANTS))
    parser.add_argument("--data", type=Path)
    chosen = parser.parse_args()
    if chosen.only:
        print(json.dumps(run_one(chosen.only, chosen.data)))
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), chosen.rows, chosen.features, chosen.kind)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTESTANTS}
        for _ in range(chosen.repeats):
            for name, results in found.items():
                command = [sys.executable, __file__, "--only", name, "--data", folder]
                done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
                results.append(json.loads(done.stdout.strip().splitlines()[-1]))
    peers = ", ".join(f"{name} {version(name)}" for name in ("datacompy", "evidently", "pandas", "numpy", "polars"))
    print(f"{chosen.rows:,} rows x {chosen.features} Float64 features; {KINDS[chosen.kind]}")
    print(f"Python {platform.python_version()}, {peers}; median (min to max) of {chosen.repeats}\n")
    print("| | seconds | memory on top | x datacompy pandas | x evidently |\n|---|---|---|---|---|")
    medians = {name: statistics.median(one["seconds"] for one in results) for name, results in found.items()}
    for name, results in found.items():
        times = sorted(one["seconds"] for one in results)
        memory = statistics.median(one["grown_mb"] for one in results)
        ratios = [f"{medians[name] / medians[peer]:.2f}" for peer in ("datacompy pandas", "evidently psi")]
        print(
            f"| {name} | {medians[name]:.2f} ({times[0]:.2f} to {times[-1]:.2f}) | {memory:.0f} MB | {ratios[0]} | {ratios[1]} |"
        )


if __name__ == "__main__":
    main()
