"""Values and instants as plain JSON, for reports."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT

_LONGEST, _MOST = 200, 20


def python_value(scalar: pa.Scalar) -> Any:
    """Give a value as Python's own; text for times outside of the years 1 to 9999, which Python lacks."""
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        if pa.types.is_timestamp(scalar.type):
            return str(np.datetime64(scalar.value, scalar.type.unit))
        if pa.types.is_list(scalar.type):
            return [python_value(item) for item in scalar.values]
        return str(scalar)


def plain(value: Any, *, whole: bool = False) -> Any:
    """Give a value as plain JSON: times and bytes as text, non-finite numbers by name; long texts and lists cut or whole."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        value = value.hex()
    if isinstance(value, Decimal) and value.is_finite():
        value = decimal_text(value)
    if isinstance(value, (list, tuple)):
        return [plain(item, whole=whole) for item in (value if whole else value[:_MOST])]
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return text if whole or len(text) <= _LONGEST else text[:_LONGEST] + "..."


def decimal_text(value: Decimal) -> str:
    """Write a decimal without the zeros at its end: 1.10 as 1.1, whatever the scale that it is held in."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def instant_text(instant: int) -> str | None:
    """Write an instant as UTC ISO 8601 text with as many digits as it needs; None for no instant."""
    if instant == NO_INSTANT:
        return None
    text = str(np.datetime64(instant // 1000, "us"))
    whole, _, fraction = text.partition(".")
    return whole + ("." + fraction.rstrip("0") if fraction.strip("0") else "") + "Z"
