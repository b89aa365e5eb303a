"""Two reports held against each other: where they differ first, by the path in the JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

OWN = ("run_id", "created_at", "engine", "seconds")
"""What every run has for itself."""

CLOSE = 1e-9
_SHOWN = 12


def assert_same_report(local: Any, spark: Any) -> None:
    """Check that two reports say the same, numbers to 1e-9; name the first paths where they do not."""
    one, two = ({k: v for k, v in report.to_dict().items() if k not in OWN} for report in (local, spark))
    found = list(islice(differences(one, two), _SHOWN))
    assert not found, "local and spark differ:\n" + "\n".join(found)


def differences(one: Any, two: Any, path: str = "") -> Iterator[str]:
    """Yield a line for each place where two plain JSON values differ."""
    if isinstance(one, dict) and isinstance(two, dict):
        for name in [*one, *(name for name in two if name not in one)]:
            if name in one and name in two:
                yield from differences(one[name], two[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}: only {'local' if name in one else 'spark'}"
        return
    if isinstance(one, list) and isinstance(two, list):
        if len(one) != len(two):
            names = [[_name(entry, i) for i, entry in enumerate(side)] for side in (one, two)]
            yield f"{path}: {len(one)} entries and {len(two)}, {names[0]!r:.300} and {names[1]!r:.300}"
        for i, (first, second) in enumerate(zip(one, two, strict=False)):
            yield from differences(first, second, f"{path}[{_name(first, i)}]")
        return
    if not _same(one, two):
        yield f"{path}: {one!r:.200} and {two!r:.200}"


def _name(entry: Any, number: int) -> str:
    """Name an entry of a list after its feature, its code or its number."""
    if isinstance(entry, dict) and "feature" in entry and "view" in entry:
        return f"{entry['view']}:{entry['feature']}"
    return str(entry.get("code", number)) if isinstance(entry, dict) else str(number)


def _same(one: Any, two: Any) -> bool:
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (one, two))
    if not numbers or (isinstance(one, int) and isinstance(two, int)):
        return type(one) is type(two) and one == two
    if math.isnan(one) or math.isnan(two):
        return math.isnan(one) and math.isnan(two)
    return one == two or abs(one - two) <= CLOSE * max(1.0, abs(one), abs(two))
