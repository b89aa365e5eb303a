"""One way to compute a feature from events: the aggregate, the window, and where its edges lie."""

from __future__ import annotations

from dataclasses import dataclass

from feast_skew.core.definition import Definition

HOUR = 3600 * 10**9
DAY = 24 * HOUR

CALENDAR = ("day to date", "week to date", "month to date", "previous day")
"""Windows that begin and end with the days of a zone; weeks begin on Monday."""


@dataclass(frozen=True)
class Recipe:
    """How a feature is computed at an instant; every length is in nanoseconds.

    `window` is a length, one of `CALENDAR`, or None for all that came before. `lag` moves both edges back. The days of the
    recipe are those of a zone that is `offset` ahead of UTC, or of the named `zone`: a row's own clock is taken for that of the zone.
    With `midnight` the window ends at the last midnight of the zone instead. `nulls` are skipped, taken as `zero`, or kept: then
    `count` counts all events and `last` may be null. `ddof` is that of the standard deviation. With `once` events that are the same
    in key, timestamp and value count once.
    """

    aggregate: str
    window: int | str | None = None
    lag: int = 0
    offset: int = 0
    zone: str = ""
    midnight: bool = False
    start_inclusive: bool = False
    end_inclusive: bool = True
    nulls: str = "skip"
    ddof: int = 1
    once: bool = False

    @classmethod
    def declared(cls, definition: Definition) -> Recipe:
        """Give the recipe that a definition spells out."""
        return cls(
            definition.aggregate,
            definition.window,
            start_inclusive=definition.start == "inclusive",
            end_inclusive=definition.end == "inclusive",
            nulls="keep" if definition.aggregate == "count" and definition.value is None else "skip",
        )

    @property
    def window_text(self) -> str:
        """The window as settings write it, such as `7d` or `12h`; words for those without a length."""
        return window_text(self.window)

    def aggregate_text(self, other: Recipe) -> str:
        """Name the aggregate, with what becomes of nulls and repeated events where only that tells it from another recipe's."""
        if self.aggregate != other.aggregate:
            return self.aggregate
        extra = []
        if self.ddof != other.ddof:
            extra.append("of a sample" if self.ddof else "of a population")
        if self.nulls != other.nulls:
            kept = "of all events" if self.aggregate == "count" else "null where that is null"
            extra.append({"skip": "nulls left out", "zero": "nulls as zero", "keep": kept}[self.nulls])
        if self.once != other.once:
            extra.append("repeated events once" if self.once else "repeated events each time")
        return f"{self.aggregate} ({', '.join(extra)})" if extra else self.aggregate

    def changes(self, other: Recipe) -> tuple[str, ...]:
        """Name the parts in which another recipe differs: of the aggregate, the window, the edges, the zone of its days."""
        parts = {
            "aggregate": ("aggregate", "nulls", "ddof", "once"),
            "window": ("window", "lag"),
            "edges": ("start_inclusive", "end_inclusive"),
            "zone": ("offset", "zone", "midnight"),
        }
        return tuple(
            part for part, names in parts.items() if any(getattr(self, name) != getattr(other, name) for name in names)
        )


def window_text(window: int | str | None) -> str:
    """Write a window for people: `7d`, `12h`, `90s`, words for a calendar one or none."""
    if window is None:
        return "all history"
    if isinstance(window, str):
        return window
    for unit, length in (("d", DAY), ("h", HOUR), ("m", 60 * 10**9), ("s", 10**9)):
        if window % length == 0:
            return f"{window // length}{unit}"
    return f"{window / 10**9:g}s"
