"""How long pages of the history take with 1,000 features x 365 runs in SQLite; `--write` fills in docs/history.md.

The rows are made by hand, with the profile of one real feature, and written by the code that keeps runs.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from feast_skew.calibration.calibrate import calibrate
from feast_skew.history.memory import History, address
from feast_skew.report import FeatureResult, Metric, SkewReport, Verdict, iso
from feast_skew.statistics.pairs import NumberPairs
from feast_skew.statistics.profile import Profile, cut_bins, draw_sample

FEATURES, RUNS, LOOKS = 1_000, 365, 9
CALIBRATED, CALIBRATED_FEATURES = 90, 50
DOC = Path(__file__).resolve().parents[1] / "docs" / "history.md"
FIRST = datetime(2026, 1, 1, tzinfo=timezone.utc)


def profile() -> Profile:
    """Give the profile of 10,000 pairs of which some differ."""
    rng = np.random.default_rng(0)
    offline = rng.normal(size=10_000)
    online = np.where(rng.random(10_000) < 0.02, offline + 1.0, offline)
    pairs = NumberPairs.of(offline, online, rng.permutation(10_000).astype(np.uint64), offline == online)
    sample = draw_sample(pairs)
    return Profile.of(pairs, cut_bins(sample), sample)


def report(number: int, kept: Profile) -> SkewReport:
    """Give a day's run in which one feature of fifty fails."""
    features = []
    for i in range(FEATURES):
        failing = (i + number) % 50 == 0
        rate = Metric(0.02 if failing else 0.0, 0.0, 0.03, 0.001, Verdict.FAIL if failing else Verdict.PASS)
        counts = {"entities": 10_000, "match": 9_800 if failing else 10_000}
        features.append(
            FeatureResult(
                f"view_{i % 40}",
                f"feature_{i}",
                "Float64",
                f"team-{i % 12}@example.com",
                "",
                rate.verdict,
                counts,
                {"mismatch_rate": rate, "psi": Metric(0.01)},
                profile=kept,
            )
        )
    at = iso(FIRST + timedelta(days=number))
    sample = {"requested": 10_000, "entities": 10_000, "population": 1_000_000}
    return SkewReport("p", f"run-{number}", at, "local", at, 0, {}, sample, tuple(features))


def median(work: Callable[[], object]) -> float:
    """Give the median of several calls in milliseconds."""
    times = []
    for _ in range(LOOKS):
        start = time.perf_counter()
        work()
        times.append(1_000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    """Fill a history, ask for its pages, and print or write the table."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history.db"
        history, kept = History(address(str(file), Path(folder))), profile()
        runs = history.runs("p")
        started = time.perf_counter()
        for number in range(RUNS):
            runs.record(report(number, kept))
        writing = (time.perf_counter() - started) / RUNS
        last = f"run-{RUNS - 1}"
        bare = replace(report(RUNS, kept))
        rows = [
            ("the latest 20 runs", median(lambda: runs.latest(20))),
            ("the 1,000 features of a run", median(lambda: runs.of_run(last))),
            ("one feature over 365 runs", median(lambda: runs.of_feature("view_7", "feature_7", RUNS))),
            ("60 earlier runs of all features, for a report", median(lambda: runs.past(bare, 60))),
        ]
        lines = ["| page | median |", "| --- | --- |", *(f"| {name} | {spent:,.0f} ms |" for name, spent in rows)]
        lines.append(f"| keeping a run | {1_000 * writing:,.0f} ms |")
        states = runs.profiles(iso(FIRST + timedelta(days=RUNS - CALIBRATED)), iso(FIRST + timedelta(days=RUNS)))
        started = time.perf_counter()
        calibrate("p", {name: states[name] for name in list(states)[:CALIBRATED_FEATURES]})
        spent = 1_000 * (time.perf_counter() - started) / CALIBRATED_FEATURES
        lines.append(f"| `calibrate`, each feature with {CALIBRATED} runs | {spent:,.0f} ms |")
        size = file.stat().st_size / 2**20
        lines += ["", f"The file has {size:,.0f} MiB."]
    print("\n".join(lines))
    if "--write" in sys.argv:
        text = DOC.read_text()
        start, end = text.index("<!-- history -->\n"), text.index("<!-- end -->")
        DOC.write_text(text[:start] + "<!-- history -->\n" + "\n".join(lines) + "\n" + text[end:])


if __name__ == "__main__":
    main()
