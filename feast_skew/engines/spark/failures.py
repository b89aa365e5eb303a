"""Errors on their way from an executor to the user: one line, whatever Spark wraps around it."""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from feast_skew import errors
from feast_skew.engines.spark.tasks.worker import spare_libraries
from feast_skew.errors import EngineUnavailable, SkewError

_MARK = "feast-skew-told:"
_TOLD = re.compile(re.escape(_MARK) + r"([A-Za-z0-9+/=]+);")
_REASON = re.compile(r"(?:Caused by: |: )?([\w.$]*(?:Error|Exception)): ([^\n]+)")
_CONDITION = re.compile(r"\[[A-Z_.]+\] ([^\n]+)")

Task = TypeVar("Task", bound=Callable[..., Iterator[Any]])


class Told(Exception):
    """An error of ours in a text that survives Spark's wrapping."""


def telling(task: Task) -> Task:
    """Let a task tell errors of ours so that `told_by` finds them."""

    @functools.wraps(task)
    def run(*args: Any, **options: Any) -> Iterator[Any]:
        spare_libraries()
        try:
            yield from task(*args, **options)
        except SkewError as error:
            content = json.dumps([type(error).__name__, error.message, error.hint]).encode()
            raise Told(f"{_MARK}{base64.b64encode(content).decode()};") from None

    return run  # type: ignore[return-value]


def told_by(error: BaseException, stage: str) -> SkewError:
    """Give the error of ours that made Spark fail, else one with the first reason that Spark names.

    `stage` says what was under way, and how far it was.
    """
    text = str(error)
    found = _TOLD.search(text)
    if found is not None:
        name, message, hint = json.loads(base64.b64decode(found.group(1)))
        kind = getattr(errors, name, errors.StoreUnavailable)
        # A source that cannot be read is named, and would fail at any stage.
        return kind(message if kind is errors.SourceUnreadable else f"{stage}: {message}", hint=hint)
    if _is_lost(error):
        return EngineUnavailable(
            f"{stage}: Spark's JVM has ended",
            hint="it may have run out of memory: set spark.driver.memory under spark_conf in feature_store.yaml, "
            "or by spark-submit's --driver-memory",
        )
    return EngineUnavailable(f"{stage}: Spark failed", hint=reason_of(error))


def was_interrupted(error: BaseException | None) -> bool:
    """Tell whether an error came up while an interruption was on its way."""
    return isinstance(error, KeyboardInterrupt) or (
        error is not None and (was_interrupted(error.__cause__) or was_interrupted(error.__context__))
    )


def _is_lost(error: BaseException | None) -> bool:
    """Tell whether an error comes of a JVM that does not answer any more."""
    lost = isinstance(error, (ConnectionError, EOFError)) or type(error).__name__ == "Py4JNetworkError"
    return lost or (error is not None and _is_lost(error.__cause__ or error.__context__))


def reason_of(error: BaseException) -> str:
    """Give the one reason, out of all that Spark writes about an error, that says most."""
    text = str(error)
    condition = _CONDITION.search(text)
    if condition is not None:
        return condition.group(1).strip()[:300]
    reasons = _REASON.findall(text)
    # Python's own error stands last, before Java's frames; else the first one says what it is.
    python = [f"{kind}: {said}" for kind, said in reasons if "." not in kind]
    first = python[-1] if python else next((f"{kind}: {said}" for kind, said in reasons), type(error).__name__)
    return " ".join(first.split())[:300]
