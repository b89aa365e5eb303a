"""Errors that a user can act on: each names the thing, the next step, and its exit code."""

from __future__ import annotations

EXIT_PASS = 0
EXIT_SKEW = 1
EXIT_USAGE = 2
EXIT_NOT_MEASURED = 3
EXIT_INTERRUPTED = 130


class SkewError(Exception):
    """Base of everything that feast-skew raises on purpose; shown as one line, without a traceback."""

    exit_code: int = EXIT_NOT_MEASURED
    code: str = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def one_line(self) -> str:
        """Give the message and its hint as a single line, whatever the cause put into it."""
        text = f"{self.message}: {self.hint}" if self.hint else self.message
        return " ".join(text.split())


class ConfigError(SkewError):
    """A flag, a file of settings or a repository cannot be used as it is; nothing was measured."""

    exit_code = EXIT_USAGE
    code = "config"


class UnknownName(ConfigError):
    """A view, service, feature or setting of that name does not exist."""

    code = "unknown_name"


class InputError(ConfigError):
    """A table or file of entities has the wrong columns, types or keys."""

    code = "input"


class StoreUnavailable(SkewError):
    """A store did not answer, or cannot give what was asked of it."""

    code = "store"


class TooMuchData(StoreUnavailable):
    """What a store holds of a view does not fit into the memory of one process."""

    code = "memory"


class SourceUnreadable(StoreUnavailable):
    """An offline source is missing or lacks a column."""

    code = "source"


class EngineUnavailable(SkewError):
    """The engine did not start, or ended before the work was done."""

    code = "engine"


class UnwritableOutput(SkewError):
    """A report was made and could not be written where it was wanted."""

    code = "output"


class NotPushed(SkewError):
    """Metrics did not reach the gateway; what was found stands."""

    code = "push"
