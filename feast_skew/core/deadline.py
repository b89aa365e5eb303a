"""A time for all of what is done, not for each byte of it."""

from __future__ import annotations

import threading
from collections.abc import Callable


def within(work: Callable[[], None], seconds: float, name: str) -> None:
    """Do it in a thread of that name, which is left behind when its time is up: a socket's timeout begins anew with every byte.

    Raises
    ------
    TimeoutError
        When the time is up.
    """
    ended: list[BaseException | None] = []

    def to_its_end() -> None:
        try:
            work()
            ended.append(None)
        except Exception as error:  # noqa: BLE001  it is raised again where somebody waits for it
            ended.append(error)

    thread = threading.Thread(target=to_its_end, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    outcome = ended[0] if ended else TimeoutError()
    if outcome is not None:
        raise outcome
