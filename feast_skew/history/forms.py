"""The forms in which the tables hold names and moments."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone

from feast_skew.core.moments import parse_moment
from feast_skew.history.schema import storable
from feast_skew.report import iso

_NAME = 255


def name_of(text: str) -> str:
    """Give a name as the tables hold it: a longer one is told apart by its hash."""
    if len(storable(text)) <= _NAME:
        return storable(text)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{storable(text)[: _NAME - len(digest) - 1]}~{digest}"


def to_micros(moment: str) -> int:
    """Give a moment as microseconds since 1970 in UTC."""
    found = parse_moment(moment, "moment")
    return round((found - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds() * 1_000_000)


def from_micros(micros: int) -> str:
    """Give microseconds since 1970 as ISO 8601 in UTC."""
    seconds, rest = divmod(micros, 1_000_000)
    return iso(datetime.fromtimestamp(seconds, tz=timezone.utc).replace(microsecond=rest))
