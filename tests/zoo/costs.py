"""What diagnosis costs where nothing is wrong: the time inside of it over the time of the rest of the run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from feast_skew import compare, service
from zoo import clean

REPEATS = 3


class Stopwatch:
    """Adds up the time that wrapped functions take."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give the function with its time added up."""

        def timed(*given: Any, **more: Any) -> Any:
            begin = time.perf_counter()
            try:
                return function(*given, **more)
            finally:
                self.seconds += time.perf_counter() - begin

        return timed


def measure(runs: int = len(clean.FORMS) * len(clean.MIXES)) -> list[dict[str, Any]]:
    """Measure some clean runs, every form and mix of types once; the median of three repeats each."""
    rows = []
    for calm in clean.cases(runs):
        world = calm.make()
        ratios = []
        for _ in range(REPEATS):
            watch = Stopwatch()
            names = ("explain", "case_of", "_context")
            patches = [mock.patch.object(service, name, watch.around(getattr(service, name))) for name in names]
            for patch in patches:
                patch.start()
            try:
                begin = time.perf_counter()
                compare(
                    world.offline,
                    world.online,
                    list(world.keys),
                    config=dict(world.config),
                    population=world.population,
                )
                whole = time.perf_counter() - begin
            finally:
                for patch in patches:
                    patch.stop()
            ratios.append(watch.seconds / (whole - watch.seconds))
        rows.append({"name": calm.name, "ratio": statistics.median(ratios)})
    return rows
