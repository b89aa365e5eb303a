"""Addresses as settings write them, with secrets that stand in the environment."""

from __future__ import annotations

import os
import re

from feast_skew.errors import ConfigError

VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


def filled(url: str) -> str:
    """Put the environment into an address.

    Raises
    ------
    ConfigError
        When it names a variable that is not set: as it is, the address would be somebody else's.
    """
    for match in VARIABLE.finditer(url):
        name = match[1] or match[2]
        if name not in os.environ:
            raise ConfigError(f"the environment variable {name} is not set", hint="export it where alerts are sent")
    return os.path.expandvars(url)
