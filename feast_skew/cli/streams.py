"""Standard output that nobody reads any more, or that has no room left."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def abandon_stdout() -> None:
    """Let what is still buffered go nowhere, so that the end of the process does not complain once more."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
