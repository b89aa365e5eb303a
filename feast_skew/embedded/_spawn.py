"""Start a child process that ends when this process does, however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from feast_skew.errors import StoreUnavailable

# Runs in the child and then turns into the server. A `preexec_fn` would do the same between fork
# and exec, where a process with threads (Feast's libraries start some) may deadlock.
# 1 is PR_SET_PDEATHSIG, 15 is SIGTERM.
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent process ended first")
try:
    os.execv(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"cannot run {sys.argv[2]}: {error.strerror}")
"""


def spawn(command: list[str], log: Path) -> tuple[subprocess.Popen[bytes], Callable[[], None]]:
    """Start the process, its output in `log`; give it, and the call to make once it has ended.

    Linux sends the parent-death signal when the *thread* that started the process ends, so a
    short-lived worker thread would take its server along: a thread of our own starts it and waits.
    Other systems have no such signal.
    """
    if sys.platform == "linux" and sys.executable:
        launcher = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]
        command = launcher + command
    release = threading.Event()
    started = threading.Event()
    outcome: list[subprocess.Popen[bytes] | OSError] = []

    def keep() -> None:
        try:
            with log.open("wb") as output:
                # A session of its own: Ctrl-C in the terminal reaches the parent alone, which
                # then cleans up in its own order.
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            outcome.append(process)
        except OSError as error:
            outcome.append(error)
        started.set()
        release.wait()

    threading.Thread(target=keep, name="feast-skew-redis", daemon=True).start()
    started.wait()
    result = outcome[0]
    if isinstance(result, OSError):
        release.set()
        raise StoreUnavailable(f"cannot start {command[0]}", hint=str(result))
    return result, release.set
