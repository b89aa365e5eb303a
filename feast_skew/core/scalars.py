"""Scalars that come in several spellings, brought into one: UUIDs, decimals, moments with a zone."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FEAST_DECIMAL = pa.decimal256(76, 38)
"""Holds a decimal of Feast, which has no scale of its own: 38 digits before the point and 38 after it."""

_PLAIN_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_PLAIN_DECIMAL = r"^-?[0-9]{1,38}(\.[0-9]{1,38})?$"
_OFFSET = re.compile(r"^(?:UTC|GMT)?([+-])(\d{2}):?(\d{2})$")
_UTC_NAMES = {"", "UTC", "GMT", "Z", "Etc/UTC", "UTC+00:00", "UTC-00:00"}
_CONTEXT = Context(prec=400, rounding=ROUND_HALF_EVEN, Emax=10**6, Emin=-(10**6))
_QUANTUM = Decimal(1).scaleb(-38)
_WHOLE_DIGITS = 38


def uuid_text(value: str) -> str:
    """Write a UUID in lower case with hyphens, from any spelling that Feast reads; other text stays what it is."""
    try:
        return str(UUID(value))
    except ValueError:
        return value


def uuid_texts(texts: pa.Array) -> pa.Array:
    """Write a column of UUIDs in one spelling; see `uuid_text`. Binary of 16 bytes is read as UUIDs too."""
    if pa.types.is_fixed_size_binary(texts.type) and texts.type.byte_width == 16:
        return pa.array([None if raw is None else str(UUID(bytes=raw)) for raw in texts.to_pylist()], pa.string())
    texts = texts.cast(pa.string())
    odd = np.asarray(pc.fill_null(pc.invert(pc.match_substring_regex(texts, _PLAIN_UUID)), False))
    if not odd.any():
        return texts
    return pa.array([None if text is None else uuid_text(text) for text in texts.to_pylist()], pa.string())


def decimals(array: pa.Array) -> pa.Array:
    """Give numbers, or the texts in which Feast stores decimals, as decimals by value: 1.10 is 1.1.

    NaN is null. Digits beyond the 38th after the point are rounded, half to even. Doubles are read by their shortest
    text, so that 0.1 is a tenth.

    Raises
    ------
    pyarrow.ArrowInvalid
        When a value is no number, infinite, or has more than 38 digits before the point.
    """
    if pa.types.is_floating(array.type):
        missing = np.asarray(pc.is_null(array, nan_is_null=True))
        array = pa.array(np.asarray(pc.fill_null(array, 0)).astype(str), pa.string(), mask=missing)
    if pa.types.is_boolean(array.type):
        raise pa.ArrowInvalid("booleans are no decimals")
    if pa.types.is_large_string(array.type):
        array = array.cast(pa.string())
    try:
        # Only plain digits: Arrow 26 reads beyond its tables, and dies, at a text such as 1e-999999999.
        if not pa.types.is_string(array.type) or pc.all(pc.match_substring_regex(array, _PLAIN_DECIMAL)).as_py():
            return array.cast(FEAST_DECIMAL)
        return _one_by_one(array)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _one_by_one(array)


def _one_by_one(array: pa.Array) -> pa.Array:
    return pa.array([None if value is None else _decimal(value) for value in array.to_pylist()], FEAST_DECIMAL)


def _decimal(value: object) -> Decimal | None:
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
        if number.is_nan():
            return None
        if number.is_finite() and number.adjusted() < _WHOLE_DIGITS:
            held = number.quantize(_QUANTUM, context=_CONTEXT)
            if held.adjusted() < _WHOLE_DIGITS:
                return held
    except InvalidOperation:
        pass
    raise pa.ArrowInvalid("a value is no finite decimal number of at most 38 digits before the point")


def zoned_text(seconds: int, zone: str) -> str:
    """Write an instant in seconds with the zone that came with it, such as `2024-01-01T12:00:00Z[Europe/Zurich]`.

    No zone is UTC, as in Feast; offsets are written `+05:30` whatever their spelling.
    """
    offset = _OFFSET.match(zone.strip())
    if zone.strip() in _UTC_NAMES:
        zone = "UTC"
    elif offset:
        sign, hours, minutes = offset.groups()
        zone = "UTC" if hours == minutes == "00" else f"{sign}{hours}:{minutes}"
    return f"{np.datetime64(seconds, 's')}Z[{zone}]"


def zoned_texts(array: pa.Array) -> pa.Array:
    """Write a column of timestamps, all of one zone, as moments with that zone; texts stay what they are.

    Fractions of a second are cut off towards 1970, as Feast does for these (and for no others).

    Raises
    ------
    pyarrow.ArrowInvalid
        When the column holds neither.
    """
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return array.cast(pa.string())
    if not pa.types.is_timestamp(array.type):
        raise pa.ArrowInvalid(f"{array.type} holds no timestamps")
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[array.type.unit]
    zone = array.type.tz or ""
    ticks = array.cast(pa.int64()).to_pylist()
    texts = [
        None if tick is None else zoned_text(abs(tick) // per_second * (1 if tick >= 0 else -1), zone) for tick in ticks
    ]
    return pa.array(texts, pa.string())
