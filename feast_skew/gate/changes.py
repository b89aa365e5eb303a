"""What a repository would change in the registry, by view and service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from feast_skew.core.meaning import Meaning, PartChange, changes

NEW, CHANGED, DELETED = "new", "changed", "deleted"


@dataclass(frozen=True)
class Change:
    """A view or a feature service that is new, means something else, or goes.

    `before` and `after` are None where it is not there; `parts` say what differs of one that changed.
    """

    name: str
    kind: str
    before: Meaning | None
    after: Meaning | None
    parts: tuple[PartChange, ...] = ()

    @property
    def type(self) -> str:
        """The type of the object, as Feast names it."""
        found = self.after or self.before
        return found.kind if found is not None else ""

    @property
    def is_service(self) -> bool:
        """Tell whether it is a feature service."""
        return self.type == "FeatureService"


def changes_between(registered: Mapping[str, Meaning], defined: Mapping[str, Meaning]) -> tuple[Change, ...]:
    """Give what differs, by name: an object under another name is a new one and a deleted one, as for Feast."""
    found: list[Change] = []
    for name in sorted({*registered, *defined}):
        before, after = registered.get(name), defined.get(name)
        if before is None:
            found.append(Change(name, NEW, None, after))
        elif after is None:
            found.append(Change(name, DELETED, before, None))
        elif before.fingerprint != after.fingerprint:
            found.append(Change(name, CHANGED, before, after, changes(before, after)))
    return tuple(found)


def gains_inputs_only(change: Change) -> bool:
    """Tell whether all that changes of a view that computes is that its sources have further features, which it may see."""
    if change.before is None or change.after is None or {part.part for part in change.parts} != {"inputs"}:
        return False
    before, after = dict(change.before.parts["inputs"]), dict(change.after.parts["inputs"])
    then, now = before.pop("views", {}), after.pop("views", {})
    if before != after or then.keys() != now.keys():
        return False
    rest = [{**use, "features": None} for uses in (then, now) for _, use in sorted(uses.items())]
    grows = all(set(then[name]["features"]) <= set(now[name]["features"]) for name in then)
    return grows and rest[: len(then)] == rest[len(then) :]
