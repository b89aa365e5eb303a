"""Something that happens to a store while it is read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from feast_skew.errors import EXIT_NOT_MEASURED, StoreUnavailable


def reading_while(happens: Callable[[], Any], read: Callable[[], None], *, least: int = 2) -> int:
    """Read without a pause from before something begins until after it is over; give how many reads that were.

    What goes wrong in either thread is raised here.
    """
    trouble: list[BaseException] = []
    over = threading.Event()
    begun = threading.Event()

    def go() -> None:
        begun.wait()
        try:
            happens()
        except BaseException as error:  # noqa: BLE001  raised below
            trouble.append(error)
        finally:
            over.set()

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    count = 0
    try:
        while count < least or not over.is_set():
            begun.set()
            read()
            count += 1
        read()
    finally:
        begun.set()
        thread.join(30)
    assert not thread.is_alive()
    if trouble:
        raise trouble[0]
    return count + 1


def ends(call: Callable[[], Any], seconds: float = 90.0) -> BaseException | None:
    """Run a call that may hang; give what it raised. One that has not ended by then fails the test."""
    raised: list[BaseException] = []

    def go() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001  given back
            raised.append(error)

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"hangs for more than {seconds:g} s"
    return raised[0] if raised else None


def refused(call: Callable[[], Any], seconds: float = 60.0) -> StoreUnavailable:
    """Check that the store is given up in that time: one line, exit code 3; give the error."""
    error = ends(call, seconds)
    assert isinstance(error, StoreUnavailable), repr(error)
    assert error.exit_code == EXIT_NOT_MEASURED
    assert "\n" not in error.one_line()
    return error
