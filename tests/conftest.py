"""What holds for every test: the same examples each time, and no address but this machine's."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# What several folders need, servers and reports, lies beside them; a folder's own modules come first.
sys.path.append(str(Path(__file__).parent))

# The same examples on every run and every machine: a red build says something about the change. `thorough` looks further.
settings.register_profile(
    "fixed", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# Colour and width belong to whoever looks, not to the tests.
for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
    os.environ.pop(name, None)
os.environ["NO_COLOR"] = "1"
os.environ["COLUMNS"] = "100"


class NetworkUsed(AssertionError):
    """A test tried to leave the machine."""


def _is_local(address: object) -> bool:
    if not isinstance(address, tuple):  # a unix socket
        return True
    host = str(address[0])
    try:
        return host in ("", "localhost") or ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Refuse connections to anything but loopback and unix sockets, in this process."""

    class LocalSocket(socket.socket):
        def connect(self, address: Any) -> None:
            if not _is_local(address):
                raise NetworkUsed(f"the tests run without a network; something connects to {address!r}")
            super().connect(address)

        def connect_ex(self, address: Any) -> int:
            if not _is_local(address):
                raise NetworkUsed(f"the tests run without a network; something connects to {address!r}")
            return super().connect_ex(address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", LocalSocket)
        yield


@pytest.fixture(autouse=True)
def _broken_rules_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let out what breaks in a rule of diagnosis, which a run would only tell beside the verdict."""

    def let_out(_rule: object, error: Exception) -> None:
        raise error

    monkeypatch.setattr("feast_skew.diagnosis.explain.broken_rule", let_out)


@pytest.fixture(autouse=True)
def _busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say nothing of a server that answers slowly: here it shares its processors with all other tests."""
    monkeypatch.setattr("feast_skew.stores.redis.notes._WORTH_TELLING", -1.0)
