"""The zoo of tests/zoo judged as a whole, beside PSI, Kolmogorov-Smirnov and plain equality; writes the tables of docs/zoo.md."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

import zoo.costs  # noqa: E402  a package of the tests
import zoo.menagerie  # noqa: E402
from tables import interval, show  # noqa: E402

DOCUMENT = ROOT / "docs" / "zoo.md"
Row = dict[str, Any]
_JOBS: list[Callable[[], Row]] = []


def run(number: int) -> Row:
    """Judge one case in a worker; an error is an outcome too."""
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            row = _JOBS[number]()
        except Exception:  # noqa: BLE001  the others go on
            row = {"error": traceback.format_exc()}
    return {**row, "number": number, "whole": time.perf_counter() - begin}


def judged(jobs: Sequence[Callable[[], Row]], workers: int) -> list[Row]:
    """Judge all cases in as many processes; they inherit the cases, which hold code, and give back plain values."""
    _JOBS[:] = jobs
    order = range(len(jobs))
    if workers == 1:
        return [run(number) for number in order]
    rows: list[Row] = []
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        begin = time.monotonic()
        for row in pool.imap_unordered(run, order, chunksize=4):
            rows.append(row)
            if len(rows) % 200 == 0:
                print(f"{len(rows):,} of {len(jobs):,} after {time.monotonic() - begin:.0f} s", file=sys.stderr)
        pool.close()  # workers end by themselves, and their servers with them
        pool.join()
    return sorted(rows, key=lambda row: row["number"])


def count(rows: Iterable[Row], name: str) -> int:
    """Count the cases in which something holds."""
    return sum(bool(row[name]) for row in rows)


def grouped(rows: Iterable[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    """Put cases together by some of their properties, in the order in which they come."""
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        found[tuple(row[name] for name in names)].append(row)
    return found


def by_code(rows: list[Row]) -> list[list[str]]:
    """Give a line per cause code and form."""
    lines = []
    for (group, form), part in sorted(grouped(rows, "group", "form").items()):
        first = [row for row in part if row["first"]]
        lines.append(
            [
                f"`{group}`", form, f"{len(part)}", interval(count(part, "found"), len(part)),
                interval(len(first), len(part)), interval(count(first, "parameter"), len(first)),
                str(sum(row["others"] for row in part)), str(sum(row["beside"] for row in part)),
                f"{1000 * statistics.median(row['seconds'] for row in part):.0f}",
            ]
        )  # fmt: skip
    return lines


def short_of(rows: list[Row]) -> list[list[str]]:
    """Give the variants that do not reach all that is asked, with what one run said."""
    lines = []
    for (group, variant, form, severity), part in grouped(rows, "group", "variant", "form", "severity").items():
        bad = [row for row in part if not (row["found"] and row["first"] and row["parameter"])]
        if bad:
            said = bad[0]["said"].replace("|", "/")
            counts = [f"{count(part, name)} of {len(part)}" for name in ("found", "first", "parameter")]
            lines.append([f"`{group}`", variant, form, severity, *counts, said[:150]])
    return lines


def by_form(costs: list[Row]) -> list[list[str]]:
    """Give the cost of diagnosis by form of the clean tables."""
    parts = grouped([{**row, "form": row["name"].split("/")[0]} for row in costs], "form")
    return [
        [form, str(len(part)), *(f"{of(row['ratio'] for row in part):.3f}" for of in (statistics.median, max))]
        for (form,), part in parts.items()
    ]


def unruled(rows: list[Row]) -> list[list[str]]:
    """Give a line per case without a rule."""
    return [
        [variant, str(len(part)), interval(count(part, "unknown"), len(part)), next((row["said"][:110].replace("|", "/") for row in part if not row["unknown"]), "")]
        for (variant,), part in grouped(rows, "variant").items()
    ]  # fmt: skip


def beside_peers(rows: list[Row], clean: list[Row]) -> list[list[str]]:
    """Give recall by severity and false alarms, for feast-skew and each peer."""
    severe = [row for row in rows if row["differing"] >= 0.005]
    steps = (("0.5 %", 0.0, 0.02), ("5 %", 0.02, 0.2), ("more than 20 %", 0.2, 1.01))
    lines = []
    names = {"feast-skew": "found", "PSI > 0.2": "psi", "KS, p < 0.05": "ks", "plain equality": "equality"}
    for method, name in names.items():
        cells = [interval(count(severe, name), len(severe))]
        for _, low, high in steps:
            part = [row for row in severe if low <= row["differing"] < high]
            cells.append(interval(count(part, name), len(part)))
        alarm = "alarm" if name == "found" else name
        lines.append([method, *cells, interval(count(clean, alarm), len(clean))])
    return lines


def reach(rows: list[Row], unknown: list[Row], clean: list[Row], costs: list[Row]) -> list[list[str]]:
    """Give what has to be reached beside what was."""
    severe = [row for row in rows if row["differing"] >= 0.005]
    first = [row for row in rows if row["first"]]
    exact = [row for row in first if row["provable"]]
    alarms = count(clean, "alarm")
    worst = max((row["ratio"] for row in costs), default=0.0)
    middle = statistics.median(row["ratio"] for row in costs) if costs else 0.0
    return [
        ["skew found where at least 0.5 % differ", "99 %", f"{len(severe):,}", interval(count(severe, "found"), len(severe))],
        ["alarms in clean runs", "0 of 200", f"{len(clean):,}", f"{alarms}; {interval(alarms, len(clean))}"],
        ["first cause right", "95 %", f"{len(rows):,}", interval(len(first), len(rows))],
        ["parameter exact, of those", "95 %", f"{len(exact):,}", interval(count(exact, "parameter"), len(exact))],
        ["`unknown` where no rule is", "90 %", f"{len(unknown):,}", interval(count(unknown, "unknown"), len(unknown))],
        ["cost of diagnosis on clean data, of the run without it", "0.3 at most", f"{len(costs):,}", f"median {middle:.3f}, largest {worst:.3f}"],
    ]  # fmt: skip


def tables(seeds: int, runs: int, workers: int, only: str, dump: str) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Judge everything and give every table by its name: heads and rows of text."""
    jobs = [job for job in zoo.menagerie.jobs(range(seeds), runs) if only in job.name]
    rows = judged([job.run for job in jobs], workers)
    errors = [row for row in rows if "error" in row]
    for row in errors:
        print(jobs[row["number"]].name, row["error"], file=sys.stderr)
    rows = [row for row in rows if "error" not in row]
    if dump:
        Path(dump).write_text("\n".join(json.dumps(row) for row in rows))
    clean = [row for row in rows if row["group"] == "clean"]
    unknown = [row for row in rows if row["group"] == "no rule"]
    skewed = [row for row in rows if row["group"] not in ("clean", "no rule")]
    costs = [] if only else zoo.costs.measure()
    print(f"{len(rows):,} cases, {len(errors)} errors", file=sys.stderr)
    return {
        "reach": (["what", "asked", "of", "reached"], reach(skewed, unknown, clean, costs)),
        "causes": (
            ["code", "form", "cases", "skew found", "first cause right", "parameter exact, of those", "right features failed", "false accounts", "ms"],
            by_code(skewed),
        ),
        "peers": (
            ["method", "skew found", "0.5 to 2 % differ", "2 to 20 %", "more", "runs without skew that alarm"],
            beside_peers(skewed, clean),
        ),
        "unknown": (["what was done", "cases", "`unknown`", "else, for example"], unruled(unknown)),
        "costs": (["form", "runs", "median", "largest"], by_form(costs)),
        "short": (
            ["code", "variant", "form", "severity", "found", "first", "parameter", "for example"],
            short_of(skewed),
        ),
    }  # fmt: skip


def main() -> None:
    """Print the tables, and write them into the document when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="runs of each case, on as many nights")
    parser.add_argument("--clean", type=int, default=200, help="runs without skew")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--only", default="", help="only cases whose name holds this")
    parser.add_argument("--dump", default="", help="write every outcome to this file, a line of JSON each")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/zoo.md")
    chosen = parser.parse_args()
    begin = time.monotonic()
    show(tables(chosen.seeds, chosen.clean, chosen.workers, chosen.only, chosen.dump), DOCUMENT, write=chosen.write)
    print(f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
