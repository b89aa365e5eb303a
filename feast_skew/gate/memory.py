"""What was applied, where Feast's registry does not keep it.

The registry keeps the code of a transformation, and nothing of the helpers and constants that the code uses from outside. It drops the
aggregations of a batch view, and one in a file keeps the code of a batch view that was applied first. Beside the state of the repository stands
what each view meant when it was applied through the gate; where the registry's parts agree with that, it fills in the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from feast_skew.core.meaning import Meaning

_BATCH = "FeatureView"
"""Batch views too: the registry does not tell one without code of its own from a plain view."""

_USES = "uses"
_DROPPED = ("aggregations", "mode")


def as_applied(registered: Meaning, remembered: Meaning | None) -> Meaning:
    """Give what a registered view means, with what the registry lost filled in from what was applied last."""
    if remembered is None or registered.kind != remembered.kind or _kept(registered) != _kept(remembered):
        return registered
    lost = _lost(registered.kind)
    return replace(
        registered,
        parts={**_kept(registered), **{name: part for name, part in remembered.parts.items() if name in lost}},
    )


def comparable(before: Meaning | None, after: Meaning, remembered: Meaning | None) -> Meaning:
    """Give a defined view without what cannot be told of the registered one, as nobody remembers it."""
    if before is None or as_applied(before, remembered) is not before:
        return after
    unknown = {_USES, *_DROPPED} - set(before.parts) if before.kind == after.kind == _BATCH else {_USES}
    return replace(after, parts={name: part for name, part in after.parts.items() if name not in unknown})


def _lost(kind: str) -> tuple[str, ...]:
    return (_USES, *_DROPPED, "transformation") if kind == _BATCH else (_USES,)


def _kept(meaning: Meaning) -> dict[str, Any]:
    return {name: part for name, part in meaning.parts.items() if name not in _lost(meaning.kind)}
