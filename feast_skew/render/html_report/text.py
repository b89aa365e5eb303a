"""Texts and numbers as the page shows them: names that cannot steer anything, digits that can be read."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

NAME, TEXT, VALUE = 200, 2_000, 120
"""The longest name, text and value, in characters; the JSON report has them whole."""
MISSING = "\N{EN DASH}"
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60


def visible(text: object, most: int = TEXT) -> str:
    """Give a text on one line, with an escape for each character that does not print, such as controls and turns of direction."""
    line = " ".join(str(text).split())
    cut = line[:most]
    shown = cut if cut.isprintable() else "".join(map(_visible, cut))
    return shown if len(line) <= most else f"{shown}…"


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def web_address(text: str) -> str | None:
    """Give an address that a browser may be led to: one of http or https; None for anything else."""
    if any(not c.isprintable() or c.isspace() for c in text):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme in ("http", "https") and parts.netloc else None


def share(value: float | None) -> str:
    """Give a share as a percentage, with the digits that small ones need."""
    if value is None or not math.isfinite(value):
        return MISSING
    size = abs(value)
    digits = 0 if size in (0.0, 1.0) else 1 if size >= 0.1 else 2 if size >= 0.0005 else 4
    return _signed(f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%")


def number(value: Any, digits: int = 5) -> str:
    """Give a number to so many significant digits; a dash for none."""
    value = plain(value)
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return _signed("∞" if value > 0 else "-∞")
    size = abs(value)
    whole = size < 1e9 and (value == int(value) or size >= 10**digits)
    return _signed(f"{value:,.0f}" if whole else f"{value:,.{digits}g}")


def plain(value: Any) -> Any:
    """Give a number of a report as a number: what is not finite stands there as text, as JSON has no form for it."""
    return float(value) if isinstance(value, str) else value


def index(value: float | None) -> str:
    """Give an index of stability with three decimals."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:,.3f}"


def _signed(digits: str) -> str:
    """Write a minus as wide as a digit."""
    return digits.replace("-", "\N{MINUS SIGN}")


def moment(seconds: Any) -> str:
    """Give seconds since 1970 as a moment in UTC."""
    seconds = plain(seconds)
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return number(seconds)


def duration(seconds: Any) -> str:
    """Give a length of time in the largest unit of which it has one at least."""
    seconds = plain(seconds)
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if abs(seconds) >= size:
            return f"{number(round(seconds / size, 1))} {unit}"
    return f"{number(round(seconds, 1))} s"


def value(content: Any) -> str:
    """Give a value of a feature, which may be anything, at a bounded length."""
    if content is None:
        return "null"
    if isinstance(content, bool):
        return str(content)
    if isinstance(content, float):
        return f"{content:.9g}"
    return visible(content, VALUE) or "(empty)"
