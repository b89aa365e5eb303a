"""What was applied, where Feast's registry does not keep it.

The registry keeps the code of a transformation, and nothing of the helpers and constants that the code uses from outside. It drops the
aggregations of a batch view, and one in a file keeps the code of a batch view that was applied first. Beside the state of the repository stands
what each view meant when it was applied through the gate; where the registry's parts agree with that, it fills in the rest.
"""

from __future__ import annotations

from dataclasses import replace

from feast_skew.core.meaning import BATCH, DROPPED, USES, Meaning, in_registry


def as_applied(registered: Meaning, remembered: Meaning | None) -> Meaning:
    """Give what a registered view means, with what the registry lost filled in from what was applied last."""
    if remembered is None or in_registry(registered) != in_registry(remembered):
        return registered
    if isinstance(remembered.parts.get(USES), str):  # one digest of everything, as an earlier feast-skew noted it
        return registered
    kept = in_registry(registered).parts
    lost = {name: part for name, part in remembered.parts.items() if name not in in_registry(remembered).parts}
    return replace(registered, parts={**kept, **lost})


def comparable(before: Meaning | None, after: Meaning, remembered: Meaning | None) -> Meaning:
    """Give a defined view without what cannot be told of the registered one, as nobody remembers it."""
    if before is None or as_applied(before, remembered) is not before:
        return after
    unknown = {USES, *DROPPED} - set(before.parts) if before.kind == after.kind == BATCH else {USES}
    return replace(after, parts={name: part for name, part in after.parts.items() if name not in unknown})
