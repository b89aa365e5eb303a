"""Maps, structs and JSON as text that is the same for equal contents, and their equality by path."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Mask
from feast_skew.core.scalars import uuid_text
from feast_skew.core.tolerance import Tolerance

_EXACT_IN_DOUBLES = 2**53


def canonical_text(content: Any) -> str:
    """Write a content as JSON: keys in order, no white space, 1.0 as 1, NaN as null.

    Whole doubles from 2**53 on stay doubles, as the digits that they would show are not theirs.
    """
    written = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        written.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell and UTF-8 cannot
        return json.dumps(content, sort_keys=True, separators=(",", ":"))
    return written


def json_text(text: str) -> str:
    """Write JSON in its canonical form; a text that is none, or nested too deep to be read, stays what it is."""
    try:
        return canonical_text(plain_content(json.loads(text), keep_nulls=True))
    except (ValueError, RecursionError):
        return text


def read_content(text: str) -> Any:
    """Give the content of a canonical text; a text that is no JSON is its own content."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def plain_content(value: Any, *, keep_nulls: bool = False) -> Any:
    """Give a value of Python as what JSON can say.

    Whole doubles and decimals become integers, decimals numbers if a double can tell them apart and else text, bytes hex,
    times ISO 8601 UTC, durations seconds, entries of maps objects with their keys as text. Members that are null are left
    out unless `keep_nulls`: Arrow adds them to structs.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return _members(value.items(), keep_nulls)
    if isinstance(value, list) and value and isinstance(value[0], tuple):  # the entries of a map
        return _members(value, keep_nulls)
    if isinstance(value, (set, frozenset)):
        return set_content([plain_content(item, keep_nulls=keep_nulls) for item in value])
    if isinstance(value, (list, tuple)):
        return [plain_content(item, keep_nulls=keep_nulls) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, timedelta):
        return _number(value / timedelta(seconds=1))
    if isinstance(value, Decimal):
        return decimal_content(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc).isoformat()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _number(value: float) -> int | float | None:
    if math.isnan(value):
        return None
    return int(value) if value.is_integer() and abs(value) < _EXACT_IN_DOUBLES else value


def _members(entries: Any, keep_nulls: bool) -> dict[str, Any]:
    members = {key_text(name): plain_content(item, keep_nulls=keep_nulls) for name, item in entries}
    return members if keep_nulls else {name: item for name, item in members.items() if item is not None}


def key_text(key: Any) -> str:
    """Write the key of a map as text: 1.0 as 1, true and false as JSON does, everything else as its content."""
    content = plain_content(key)
    return content if isinstance(content, str) else json.dumps(content)


def decimal_content(value: Decimal) -> Any:
    """Give a decimal as the number that it is; as text when a double cannot hold all its digits."""
    if value.is_nan():
        return None
    if not value.is_finite():
        return float(value)
    if value.adjusted() > 400 or value.adjusted() < -400:
        return str(value.normalize())
    if value == value.to_integral_value():
        return int(value)
    near = float(value)
    return near if Decimal(repr(near)) == value else str(value.normalize())


def set_content(items: list[Any]) -> list[Any]:
    """Give the elements of a set in order, each once: numbers by size, then texts, lists and objects."""
    found: list[Any] = []
    for item in sorted(items, key=_order):
        if not found or _order(found[-1]) != _order(item):
            found.append(item)
    return found


def _order(content: Any) -> tuple[int, Any]:
    if content is None:
        return (6, 0)
    if isinstance(content, bool):
        return (1, content)
    if isinstance(content, (int, float)):
        return (2, content)
    if isinstance(content, str):
        return (3, content)
    if isinstance(content, list):
        return (4, [_order(item) for item in content])
    return (5, sorted((name, _order(item)) for name, item in content.items()))


def float32_content(content: Any) -> Any:
    """Give a number as the nearest float32 holds it, by its shortest digits; anything else stays."""
    if isinstance(content, bool) or not isinstance(content, (int, float)):
        return content
    try:
        with np.errstate(over="ignore"):
            return _number(float(str(np.float32(content))))
    except OverflowError:  # an integer beyond doubles
        return content


def uuid_content(content: Any) -> Any:
    """Give a UUID in one spelling; anything else stays."""
    return uuid_text(content) if isinstance(content, str) else content


def same_content(offline: Any, online: Any, tolerance: Tolerance) -> bool:
    """Tell whether two contents have the same paths, with equal leaves; numbers within the tolerance."""
    if isinstance(offline, dict) and isinstance(online, dict):
        return offline.keys() == online.keys() and all(
            same_content(item, online[name], tolerance) for name, item in offline.items()
        )
    if isinstance(offline, list) and isinstance(online, list):
        return len(offline) == len(online) and all(
            same_content(a, b, tolerance) for a, b in zip(offline, online, strict=True)
        )
    return same_leaf(offline, online, tolerance)


def same_leaf(offline: Any, online: Any, tolerance: Tolerance) -> bool:
    """Tell whether two contents, not both objects or both lists, are the same; a boolean is no number."""
    if _is_number(offline) and _is_number(online):
        return tolerance.allows(offline, online)
    return type(offline) is type(online) and bool(offline == online)


def _is_number(content: Any) -> bool:
    return isinstance(content, (int, float)) and not isinstance(content, bool)


def equal_nested(offline: pa.Array, online: pa.Array, tolerance: Tolerance) -> Mask:
    """Tell for pairs of canonical texts whether their contents are the same; with a null on either side they are not.

    Only texts that differ are parsed. Shape (rows,), bool.
    """
    same: Mask = np.array(pc.fill_null(pc.equal(offline, online), False), dtype=bool)
    differ = np.flatnonzero(np.asarray(pc.fill_null(pc.not_equal(offline, online), False)))
    take = pa.array(differ)
    pairs = zip(differ, offline.take(take).to_pylist(), online.take(take).to_pylist(), strict=True)
    for i, one, other in pairs:
        try:
            same[i] = same_content(read_content(one), read_content(other), tolerance)
        except RecursionError:
            same[i] = False
    return same
