"""What users should know of how rows were read from Redis, whoever read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from feast_skew.report import Finding
from feast_skew.stores.redis.question import VALUE_BYTES

_WORTH_TELLING = 0.25


@dataclass(frozen=True)
class Notes:
    """What one reader, or several together, came upon.

    `large` counts by view the values that were too large to be read; `slowest` is the lowest share of its pace to which a
    reader went down.
    """

    large: Mapping[str, int] = field(default_factory=dict)
    slowest: float = 1.0

    @classmethod
    def together(cls, notes: Iterable[Notes]) -> Notes:
        """Put the notes of several readers together, each of which read other rows."""
        large: Counter[str] = Counter()
        slowest = 1.0
        for one in notes:
            large.update(one.large)
            slowest = min(slowest, one.slowest)
        return cls(dict(large), slowest)

    def findings(self, max_ops: float | None) -> list[Finding]:
        """Tell what is worth telling, where the readers had so many commands a second in all."""
        found = [
            Finding(
                "FS214",
                "warn",
                view,
                f"{count:,} online values larger than {VALUE_BYTES >> 20} MiB, or of rows larger than that, were not read; "
                "they count as corrupt",
                "keep large objects outside the online store, or leave the feature out with --feature",
            )
            for view, count in self.large.items()
        ]
        if self.slowest <= _WORTH_TELLING and max_ops is not None:
            found.append(
                Finding(
                    "FS215",
                    "info",
                    "",
                    f"Redis answered slowly at times; reads went down to {max_ops * self.slowest:,.0f} of {max_ops:,.0f} "
                    "commands a second",
                    "nothing to do; choose a quieter hour, or a lower --max-ops",
                )
            )
        return found
