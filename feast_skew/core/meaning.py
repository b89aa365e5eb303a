"""What a view means: everything that changes its numbers, part by part, and nothing else."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Meaning:
    """The parts of a view, or of a feature service, that change its numbers, as plain JSON values.

    `kind` is the type of the object as Feast names it, such as `FeatureView`. Parts that are not there are left out.
    """

    name: str
    kind: str
    parts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """A digest of the parts, 32 hexadecimal digits: equal meanings have equal ones."""
        content = json.dumps([self.kind, self.parts], sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class PartChange:
    """One thing in a part that differs: what it is, before and after, as texts; None where it is not there."""

    part: str
    what: str
    before: str | None
    after: str | None

    def to_dict(self) -> dict[str, str | None]:
        """Give the change as plain JSON values."""
        return {"part": self.part, "what": self.what, "before": self.before, "after": self.after}

    def __str__(self) -> str:
        name = f"{self.part} {self.what}" if self.what else self.part
        if _is_digest(self.before) and _is_digest(self.after):
            return f"{name} changed"
        if self.before is None:
            return f"{name} added" if _is_digest(self.after) else f"{name} added: {self.after}"
        if self.after is None:
            return f"{name} removed" if _is_digest(self.before) else f"{name} removed: {self.before}"
        return f"{name}: {self.before} -> {self.after}"


USES = "uses"
"""What code takes from outside of itself: no registry keeps it."""

BATCH = "FeatureView"
"""Batch views too: the registry does not tell one without code of its own from a plain view."""

DROPPED = ("aggregations", "mode")
"""What the registry drops of a batch view."""


def in_registry(meaning: Meaning) -> Meaning:
    """Give what Feast's registry is sure to keep of a view: neither what its code uses, nor what it drops or leaves of a batch view."""
    lost = (USES, *DROPPED, "transformation") if meaning.kind == BATCH else (USES,)
    return replace(meaning, parts={name: part for name, part in meaning.parts.items() if name not in lost})


def changes(before: Meaning, after: Meaning) -> tuple[PartChange, ...]:
    """Give what differs between two meanings of one name, by part and place; empty for equal ones."""
    found: list[PartChange] = []
    if before.kind != after.kind:
        found.append(PartChange("kind", "", before.kind, after.kind))
    for part in sorted({*before.parts, *after.parts}):
        found.extend(_between(part, "", before.parts.get(part), after.parts.get(part)))
    return tuple(found)


def _between(part: str, place: str, before: Any, after: Any) -> Iterator[PartChange]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _between(part, f"{place}.{key}" if place else str(key), before.get(key), after.get(key))
        return
    yield PartChange(part, place, _text(before), _text(after))


def _is_digest(text: str | None) -> bool:
    return text is not None and re.fullmatch("[0-9a-f]{32}", text) is not None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
