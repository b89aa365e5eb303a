"""What tasks count, in a form that adds up."""

from __future__ import annotations

import pickle
import zlib
from dataclasses import dataclass, field, replace

from feast_skew.measuring.tally import Tally
from feast_skew.stores.redis.notes import Notes


@dataclass
class Digest:
    """What one task counted: a tally for each group of features, what the reader met, and seconds by what they went into."""

    tallies: list[Tally]
    notes: list[Notes] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    older: int = 0

    def __add__(self, other: Digest) -> Digest:
        seconds = {name: self.seconds.get(name, 0.0) + spent for name, spent in other.seconds.items()}
        return Digest(
            [one + two for one, two in zip(self.tallies, other.tallies, strict=True)],
            [*self.notes, *other.notes],
            {**self.seconds, **seconds},
            self.older + other.older,
        )

    def like(self, first: Digest) -> Digest:
        """Give the same with what only the first measurement saw: ties, and rows that moved."""
        tallies = [
            replace(now, ties=then.ties, differing_ties=then.differing_ties, moved=then.moved)
            for now, then in zip(self.tallies, first.tallies, strict=True)
        ]
        return replace(self, tallies=tallies)

    def to_bytes(self) -> bytes:
        """Write it, small: most of its counts are zero."""
        return zlib.compress(pickle.dumps(self))

    @classmethod
    def from_bytes(cls, content: bytes) -> Digest:
        """Read what one of our own tasks wrote."""
        found = pickle.loads(zlib.decompress(content))  # noqa: S301  our own tasks wrote it, in the folder of this run
        assert isinstance(found, cls)  # noqa: S101  for the type checker
        return found
