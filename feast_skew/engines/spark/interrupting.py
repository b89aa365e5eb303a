"""Ctrl-C in the middle of a Spark job: the job ends, and the interruption comes through."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STOP_SECONDS = 10.0
_ENDINGS = ("SIGINT", "SIGTERM", "SIGHUP")


@contextlib.contextmanager
def cancelled_when_interrupted(session: SparkSession, stop: Callable[[], None]) -> Iterator[None]:
    """Cancel the jobs of this block when it is interrupted, before the interruption goes on its way."""
    tag = f"feast-skew-{uuid.uuid4().hex}"

    def cancel() -> None:
        with contextlib.suppress(Exception):
            session.interruptTag(tag)
        stop()

    session.addTag(tag)
    with _at_an_interruption(cancel) as interrupted:
        try:
            yield
        except Exception as error:
            if interrupted.is_set():  # Spark says that the job was cancelled
                raise KeyboardInterrupt from error
            raise
        else:
            if interrupted.is_set():  # somebody took what Spark said for an answer
                raise KeyboardInterrupt
        finally:
            if not interrupted.is_set():
                with contextlib.suppress(Exception):  # of a session that is gone
                    session.removeTag(tag)


@contextlib.contextmanager
def _at_an_interruption(call: Callable[[], None]) -> Iterator[threading.Event]:
    """Make a call beside, at the first signal that interrupts this block; give what tells whether one came."""
    interrupted = threading.Event()

    def passing_on(before: Callable[[int, Any], Any]) -> Callable[[int, Any], None]:
        def handler(number: int, frame: Any) -> None:
            if not interrupted.is_set():
                interrupted.set()
                # This thread may be in the middle of an answer of the JVM, and may wait for the job on its way out.
                threading.Thread(target=call, name="feast-skew-cancel", daemon=True).start()
            before(number, frame)

        return handler

    def worth_telling(record: logging.LogRecord) -> bool:
        # py4j tells with a traceback that a call was cut short, or that the other side was gone first.
        return not (interrupted.is_set() and "py4j" in Path(record.pathname).parts)

    handlers: dict[int, Any] = {}
    loggers = [logging.getLogger(name) for name in ("", "py4j.clientserver", "py4j.java_gateway")]
    for logger in loggers:
        logger.addFilter(worth_telling)
    try:
        if threading.current_thread() is threading.main_thread():
            for number in [getattr(signal, name) for name in _ENDINGS if hasattr(signal, name)]:
                before = signal.getsignal(number)
                if callable(before):
                    handlers[number] = signal.signal(number, passing_on(before))
        yield interrupted
    finally:
        for logger in loggers:
            logger.removeFilter(worth_telling)
        for number, before in handlers.items():
            signal.signal(number, before)


def in_another_thread(call: Callable[[], None]) -> None:
    """Talk to the JVM by a fresh connection, and not for ever."""

    def quietly() -> None:
        with contextlib.suppress(Exception):
            call()

    thread = threading.Thread(target=quietly, name="feast-skew-stop", daemon=True)
    thread.start()
    thread.join(STOP_SECONDS)
