"""Every animal of the zoo: what is wrong, what no rule knows, what is clean; each gives a row of plain values when it is judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from feast_skew import compare
from feast_skew.report import Verdict
from zoo import apart, clean, clean_stores, judged, mixtures, peers, ruleless, stored, tabled
from zoo.cases import Case, Ran


@dataclass(frozen=True)
class Job:
    """A case by name, and what judges it."""

    name: str
    run: Callable[[], dict[str, Any]]


def jobs(seeds: Sequence[int], runs: int) -> Iterator[Job]:
    """Yield all cases of so many seeds, and so many clean runs."""
    for case in cases(seeds):
        yield Job(case.name, lambda case=case: judged.judge(case).to_dict())
    for calm in clean.cases(runs):
        yield Job(f"clean/{calm.name}", lambda calm=calm: judge_clean(calm.name, calm_run(calm)))
    for name, mix, streamed, seed in clean_stores.runs(runs // 6):
        yield Job(
            f"clean/{name}",
            lambda name=name, mix=mix, streamed=streamed, seed=seed: judge_clean(
                name, clean_stores.run(mix, streamed, seed)
            ),
        )


def cases(seeds: Sequence[int]) -> Iterator[Case]:
    """Yield all cases in which something differs."""
    yield from tabled.cases(seeds)
    yield from apart.cases(seeds)
    yield from mixtures.cases(seeds)
    yield from stored.cases(seeds)
    yield from ruleless.cases(seeds)


def calm_run(calm: clean.Clean) -> Ran:
    """Compare the tables of a run in which nothing is wrong."""
    world = calm.make()
    begin = time.perf_counter()
    report = compare(
        world.offline, world.online, list(world.keys), config=dict(world.config), population=world.population
    )
    return Ran(report, time.perf_counter() - begin, world)


def judge_clean(name: str, ran: Ran) -> dict[str, Any]:
    """Judge a run in which nothing is wrong; the peers alarm when they do for any of its features."""
    report = ran.report
    found = [peers.judge(ran.world, feature.feature) for feature in report.features]
    return {
        "group": "clean",
        "variant": name,
        "form": name.split("/", maxsplit=1)[0],
        "seconds": ran.seconds,
        "alarm": report.verdict in (Verdict.FAIL, Verdict.ERROR),
        "verdict": report.verdict.value,
        "psi": any(one.psi for one in found),
        "ks": any(one.ks for one in found),
        "equality": any(one.equality for one in found),
        "said": "; ".join(judged.said(feature) for feature in report.features if feature.verdict is Verdict.FAIL),
    }
