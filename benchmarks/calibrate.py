"""Limits of `calibrate` held beside nights that they have not seen, on real flights through both stores; `--write` fills in docs/calibrate.md."""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from tables import interval, show  # noqa: E402
from zoo.nightly import DRAWS, FEATURES, Kept, Told, judged, lived  # noqa: E402  a package of the tests

DOCUMENT = ROOT / "docs" / "calibrate.md"
T = TypeVar("T")
Outcome = tuple[list[Kept], list[Told]]


def outcome(chosen: tuple[int, int]) -> Outcome:
    """Live through the nights of a seed, in a worker, and judge what `calibrate` makes of them."""
    seed, planes = chosen
    found, later = lived(seed, planes)
    return judged(found, later, seed)


def parted(whole: Sequence[T], name: Callable[[T], str]) -> list[tuple[str, Sequence[T]]]:
    """Give the parts of one name each, in the order in which they come, and all of it."""
    parts: dict[str, list[T]] = {}
    for one in whole:
        parts.setdefault(name(one), []).append(one)
    return [*parts.items(), ("all", whole)]


def rates(kept: Sequence[Kept]) -> list[list[str]]:
    """Give a line per metric, and one for all."""
    lines = []
    lowered = [("lowered to an incident", part) for part in [[one for one in kept if one.lowered]] if part]
    for name, part in [*parted(kept, lambda one: one.metric), *lowered]:
        held = [
            interval(sum(holds), len(part))
            for holds in zip(*((one.held_nights, one.held) for one in part), strict=True)
        ]
        high = statistics.median(one.limit.rate_high for one in part)
        beyond = statistics.median(one.beyond for one in part)
        worth = statistics.median(one.limit.worth for one in part)
        lines.append([name, str(len(part)), *held, f"{beyond:.4f}", f"{high:.3f}", f"{worth:.0f}"])
    return lines


def caught(told: Sequence[Told]) -> list[list[str]]:
    """Give a line per kind of incident, and one for all, of those above the noise that 0.2 misses."""
    lines = []
    for name, part in parted(told, lambda one: one.incident):
        above = [one for one in part if one.above_noise]
        missed = [one for one in above if not one.human]
        found = [one for one in missed if one.caught]
        counts = len(part), len(above), len(above) - len(missed), len(missed)
        at_rate = sum(not one.lowered for one in found)
        lines.append([name, *map(str, counts), interval(at_rate, len(missed)), interval(len(found), len(missed))])
    return lines


def main() -> None:
    """Print the tables, and write them into the document when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6, help="histories of their own")
    parser.add_argument("--planes", type=int, default=1_000, help="entities")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/calibrate.md")
    chosen = parser.parse_args()
    begin = time.monotonic()
    with multiprocessing.get_context("fork").Pool(chosen.workers) as pool:
        outcomes = pool.map(outcome, [(seed, chosen.planes) for seed in range(chosen.seeds)], chunksize=1)
        pool.close()  # workers end by themselves, and their servers with them
        pool.join()
    show(
        {
            "rates": (
                ["metric", "limits", "bounds that hold on the unseen nights", f"on {DRAWS:,} runs drawn from their states", "of these, false alarms per run, median", "upper bound, median", "nights worth, of 30"],
                rates([one for kept, _ in outcomes for one in kept]),
            ),
            "incidents": (
                ["incident", f"cases ({len(FEATURES)} features each)", "above noise", "of these a PSI of 0.2 catches", "misses", "of those missed, caught at the rate", "and with lowered limits"],
                caught([one for _, told in outcomes for one in told]),
            ),
        },
        DOCUMENT,
        write=chosen.write,
    )  # fmt: skip
    print(f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
