"""Real servers that take messages, and runs that are kept without a store being read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from servers.databases import postgres, url  # noqa: F401
from servers.receivers import Hook

from feast_skew.history.memory import History


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    yield server
    server.stop()


@pytest.fixture
def history(url: str) -> History:  # noqa: F811
    return History(url)
