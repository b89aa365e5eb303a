"""What a feature is declared to mean: an aggregate of events over a window that ends at the row's own instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Definition:
    """The aggregate of a column of events over a window; `window` in nanoseconds, None for all that came before.

    `events` is a path or the name of a Feast source, `keys` are pairs of a join key and its column there. `start` and `end` tell
    whether an event at that edge of the window counts. `created` names the column that says when an event was written.
    """

    events: str
    keys: tuple[tuple[str, str], ...]
    timestamp: str
    aggregate: str
    value: str | None = None
    window: int | None = None
    start: str = "exclusive"
    end: str = "inclusive"
    created: str | None = None

    @classmethod
    def asked(cls, settings: Any) -> Definition | None:
        """Take the definition out of a feature's settings; None where nobody gave one."""
        given = settings.definition
        if given is None:
            return None
        names = ("events", "timestamp", "aggregate", "value", "window", "start", "end", "created")
        return cls(keys=tuple(sorted(given.keys.items())), **{name: getattr(given, name) for name in names})

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the events that it needs, each once."""
        more = [name for name in (self.value, self.created) if name is not None]
        return tuple(dict.fromkeys([*(column for _, column in self.keys), self.timestamp, *more]))
