"""Where nested values differ: the paths, and in how many rows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Positions
from feast_skew.core.nested import plain_content, read_content, same_leaf
from feast_skew.core.tolerance import Tolerance

MOST_ROWS = 1_000
"""Rows that are looked into, the first ones in row order."""

_NAME = re.compile(r"[^\W\d]\w*")
_How = Literal["differ", "offline_only", "online_only"]
_NOTHING = object()


@dataclass(frozen=True)
class PathDifference:
    """A path, and in how many of the rows looked into it differs, is only offline, or is only online.

    `rows` counts rows in which any of these holds, once each; the three others may add up to more, where elements of
    one list differ in different ways. `example` is the first such row.
    """

    path: str
    rows: int
    differ: int
    offline_only: int
    online_only: int
    example: int


def differing_paths(
    offline: pa.Array, online: pa.Array, rows: Positions, tolerance: Tolerance, most: int = 20
) -> tuple[PathDifference, ...]:
    """Name the paths at which two columns of nested values differ, those of most rows first.

    Parameters
    ----------
    offline, online : columns of one feature as `to_declared` gives them, of one length
        Canonical JSON text, or lists.
    rows : positions of the rows that differ
        The first 1,000 in row order are looked into.
    tolerance : within which numbers are the same
    most : paths to give at most

    Returns
    -------
    tuple of PathDifference
        By falling number of rows, then by path. A path is written like `$.address.city`, elements of any list as `[*]`,
        and a name that is no identifier as `['a b']`. What is missing on one side is named by the path at which it begins.
        Text that is no JSON, and a null beside a value, differ at `$`. Empty without rows.
    """
    looked_into = np.sort(np.asarray(rows, dtype=np.int64))[:MOST_ROWS]
    take = pa.array(looked_into)
    tallies: dict[str, Counter[str]] = {}
    example: dict[str, int] = {}
    pairs = zip(looked_into.tolist(), _contents(offline.take(take)), _contents(online.take(take)), strict=True)
    for row, one, other in pairs:
        found = _found(one, other, tolerance)
        for path, how in found:
            tallies.setdefault(path, Counter())[how] += 1
        for path in {path for path, _ in found}:
            tallies[path]["rows"] += 1
            example.setdefault(path, row)
    differences = (
        PathDifference(path, tally["rows"], tally["differ"], tally["offline_only"], tally["online_only"], example[path])
        for path, tally in tallies.items()
    )
    return tuple(sorted(differences, key=lambda one: (-one.rows, one.path))[:most])


def _contents(column: pa.Array) -> Iterator[Any]:
    is_text = pa.types.is_string(column.type)
    for value in column.to_pylist():
        if value is None:
            yield _NOTHING
        else:
            yield read_content(value) if is_text else plain_content(value)


def _found(offline: Any, online: Any, tolerance: Tolerance) -> set[tuple[str, _How]]:
    """Give the differences of one row, each once however many elements show it."""
    if offline is _NOTHING or online is _NOTHING:
        if offline is online:
            return set()
        return {("$", "online_only" if offline is _NOTHING else "offline_only")}
    try:
        return set(_differences(offline, online, tolerance, "$"))
    except RecursionError:
        return {("$", "differ")}


def _differences(offline: Any, online: Any, tolerance: Tolerance, path: str) -> Iterator[tuple[str, _How]]:
    if isinstance(offline, dict) and isinstance(online, dict):
        for name in offline.keys() | online.keys():
            inner = path + _step(name)
            if name not in online:
                yield inner, "offline_only"
            elif name not in offline:
                yield inner, "online_only"
            else:
                yield from _differences(offline[name], online[name], tolerance, inner)
    elif isinstance(offline, list) and isinstance(online, list):
        for one, other in zip(offline, online, strict=False):
            yield from _differences(one, other, tolerance, path + "[*]")
        if len(offline) != len(online):
            yield path + "[*]", "offline_only" if len(offline) > len(online) else "online_only"
    elif not same_leaf(offline, online, tolerance):
        yield path, "differ"


def _step(name: str) -> str:
    if _NAME.fullmatch(name):
        return f".{name}"
    quoted = json.dumps(name)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"['{quoted}']"
