"""What was applied, where Feast's registry does not keep it: the code and the aggregations of batch views.

A registry drops the aggregations of a batch view, and one in a file keeps the code that was applied first. Beside the state of the repository
stands what each view meant when it was applied through the gate; where the registry's parts agree with that, it fills in the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from feast_skew.core.meaning import Meaning

_KIND = "BatchFeatureView"
_DROPPED = ("aggregations", "mode")
_LOST = (*_DROPPED, "transformation")
UNKNOWN = "its aggregations cannot be compared: the registry drops them, and no earlier apply through feast-skew is remembered"


def as_applied(registered: Meaning, remembered: Meaning | None) -> Meaning:
    """Give what a registered view means, with what the registry lost filled in from what was applied last."""
    if registered.kind != _KIND or remembered is None or _kept(registered) != _kept(remembered):
        return registered
    lost = {name: part for name, part in remembered.parts.items() if name in _LOST}
    return replace(registered, parts={**_kept(registered), **lost})


def comparable(before: Meaning | None, after: Meaning) -> Meaning:
    """Give a defined view without what cannot be told of the registered one: aggregations that nobody remembers."""
    if before is None or before.kind != _KIND or after.kind != _KIND or any(name in before.parts for name in _DROPPED):
        return after
    return replace(after, parts={name: part for name, part in after.parts.items() if name not in _DROPPED})


def _kept(meaning: Meaning) -> Mapping[str, object]:
    return {name: part for name, part in meaning.parts.items() if name not in _LOST}
