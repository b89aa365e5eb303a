"""How single settings are written: durations, shares, sizes, limits; each checked where it enters."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from feast_skew.errors import ConfigError

_UNITS = {
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
    "w": 7 * 86400 * 10**9,
}
DAY = _UNITS["d"]
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)\s*$")

_LONGEST = 200 * 365 * _UNITS["d"]

EVERYONE = 2**62
"""The size of a sample without an end: what `all` stands for."""

_LARGEST_SAMPLE = 2**31

MAX_OPS = 100_000.0
"""Commands a second that an online store is asked for unless told otherwise."""


def parse_duration(value: object) -> int:
    """Turn `30d`, `12h`, `15m`, `90s`, `500ms` into nanoseconds; a bare 0 is allowed."""
    if value in (0, "0"):
        return 0
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is no duration; write a number with a unit, such as 90s, 15m, 12h or 30d")
    length = int(float(match.group(1)) * _UNITS[match.group(2)])
    if length > _LONGEST:
        raise ValueError(f"{value!r} is longer than 200 years")
    return length


def _number(value: object) -> object:
    """Turn away what Python takes for a number and nobody means as one."""
    if isinstance(value, bool):
        raise ValueError("write a number")  # noqa: TRY004  pydantic collects ValueErrors
    return value


def _limit(value: object) -> object:
    if value == "auto" or (isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf):
        return value
    raise ValueError("write a number, 0 or more, or auto")


def _rate(value: object) -> object:
    """Turn `0.2%` into 0.002, exactly the number that is written."""
    if not isinstance(value, str):
        return _number(value)
    try:
        number = Decimal(value.strip().removesuffix("%"))
    except InvalidOperation:
        raise ValueError("write a share, such as 0.2% or 0.002") from None
    return float(number / 100 if value.strip().endswith("%") else number)


def _sample(value: object) -> object:
    if value == "all":
        return EVERYONE
    if isinstance(value, int) and not isinstance(value, bool) and (1 <= value < _LARGEST_SAMPLE or value == EVERYONE):
        return value
    raise ValueError(f"write a number of entities from 1 to {_LARGEST_SAMPLE - 1:,}, or all")


def _ops(value: object) -> object:
    if value is False or value == "off":
        return None
    number = math.nan
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            number = float(value)
    if not 1 <= number < math.inf:
        raise ValueError("write a number of commands a second, 1 or more, or off")
    return number


def commands_a_second(value: object) -> float | None:
    """Read a limit of commands a second; None and `off` are none.

    Raises
    ------
    ConfigError
        When it is neither that nor a number of 1 or more.
    """
    try:
        found = None if value is None else _ops(value)
    except ValueError as error:
        raise ConfigError(f"max_ops: {value!r:.80}", hint=str(error)) from None
    return found if isinstance(found, float) else None


PUSH_USER, PUSH_PASSWORD = "FEAST_SKEW_PUSH_USER", "FEAST_SKEW_PUSH_PASSWORD"
"""Variables of the environment with what a Pushgateway asks for."""


def gateway(value: object) -> str | None:
    """Read the address of a Pushgateway, without a slash at its end; None, False and `off` are none.

    Raises
    ------
    ValueError
        When it is no such address, or holds a user or a password.
    """
    if value is None or value is False or value == "off":
        return None
    if isinstance(value, str) and "@" in value:
        raise ValueError(f"leave user and password out of the address, and set {PUSH_USER} and {PUSH_PASSWORD}")
    wrong = ValueError("write the address of a Pushgateway, such as http://gateway:9091, or off")
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise wrong
    try:
        parts = urlsplit(value)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not named or "?" in value or "#" in value:
        raise wrong
    return value.rstrip("/")


def _folder(value: object) -> object:
    if value is None or value is False or (isinstance(value, str) and value.strip()):
        return value
    raise ValueError("write a directory, or false for none")


def _history(value: object) -> object:
    if value is None or value is False or (isinstance(value, str) and value.strip()):
        return value
    raise ValueError("write a file, the URL of a database, or false for none")


Duration = Annotated[int, BeforeValidator(parse_duration)]
Whole = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, BeforeValidator(_number)]
Share = Annotated[float, BeforeValidator(_number), Field(ge=0.0, le=1.0)]
Rate = Annotated[float, BeforeValidator(_rate), Field(gt=0.0, le=1.0)]
Power = Annotated[float, BeforeValidator(_rate), Field(ge=0.5, lt=1.0)]
Limit = Annotated[float | Literal["auto"], BeforeValidator(_limit)]
Ops = Annotated[float | None, BeforeValidator(_ops)]
Sample = Annotated[int, BeforeValidator(_sample)]
Gateway = Annotated[str | None, BeforeValidator(gateway)]
History = Annotated[str | Literal[False] | None, BeforeValidator(_history)]
Folder = Annotated[str | Literal[False] | None, BeforeValidator(_folder)]
