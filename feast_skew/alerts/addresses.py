"""Addresses as settings write them, with secrets that stand in the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from feast_skew.errors import ConfigError

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


def unset(url: str, environment: Mapping[str, str]) -> list[str]:
    """Give the variables that an address names and the environment lacks."""
    return [name for match in _VARIABLE.finditer(url) if (name := match[1] or match[2]) not in environment]


def filled(url: str) -> str:
    """Put the environment into an address.

    Raises
    ------
    ConfigError
        When it names a variable that is not set: as it is, the address would be somebody else's.
    """
    missing = unset(url, os.environ)
    if missing:
        raise ConfigError(f"the environment variable {missing[0]} is not set", hint="export it where alerts are sent")
    return os.path.expandvars(url)
