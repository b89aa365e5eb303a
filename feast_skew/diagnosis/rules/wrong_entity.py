"""`wrong_entity`: another entity's value."""

from __future__ import annotations

from typing import Any

import numpy as np

from feast_skew.core.arrays import Mask
from feast_skew.diagnosis.base import FEWEST_ROWS, Case, Explanation, rule, share_text
from feast_skew.diagnosis.borrowed import Borrowed, find_borrowed
from feast_skew.report import Cause

_LEAST_SHARE = 0.05


@rule("wrong_entity", kind="what", parameters=1)
def wrong_entity(case: Case) -> Explanation | None:
    """Claim wrong values that offline has for another entity, by the way that leads there where there is one."""
    found = find_borrowed(case)
    if found is None:
        return None
    explained = found.explained
    count, wrong = case.total(explained), case.total(case.wrong)
    if np.count_nonzero(explained) < FEWEST_ROWS or count < _LEAST_SHARE * wrong:
        return None
    evidence: dict[str, Any] = {
        "pattern": found.pattern,
        "shift": found.shift,
        "keys": list(found.keys) or None,
        "features": list(found.features),
        "entities": count,
        "checked": found.checked,
    }
    return Explanation(
        Cause(
            "wrong_entity",
            "what",
            count / wrong,
            found.confidence,
            f"{share_text(count, wrong)} of the wrong values are those that offline has for {_said(found)}{_unseen(found, explained)}",
            evidence,
            _remedy(found),
            parameters=found.parameters,
        ),
        explained,
    )


def _said(found: Borrowed) -> str:
    names = ", ".join(found.keys)
    if found.pattern == "shift":
        steps = abs(found.shift or 0)
        where = "next" if (found.shift or 0) > 0 else "previous"
        return (
            f"the {where} entity in the order of {names or 'ids'}"
            if steps == 1
            else f"the entity {steps:,} places {'on' if where == 'next' else 'back'} in the order of {names or 'ids'}"
        )
    if found.pattern == "id":
        return f"the entity whose id is {found.shift:+,}"
    if found.pattern == "key_order":
        return f"the entity with the same keys in another order ({names})"
    if found.pattern == "key_part":
        return f"one of the entities with the same {names}" + (
            ", one and the same for all of these" if found.same else ""
        )
    return "another entity, in no order that the ids show"


def _unseen(found: Borrowed, explained: Mask) -> str:
    left = int(np.count_nonzero(explained)) - found.checked
    return (
        f"; of {left:,} that entity was not drawn, of the other {found.checked:,} it was looked up" if left > 0 else ""
    )


def _remedy(found: Borrowed) -> str:
    if found.pattern == "key_order":
        return "give the join keys in the same order to both pipelines, and write the online store again"
    if found.pattern == "key_part":
        return f"join on all keys, not on {', '.join(found.keys)} alone, and write the online store again"
    return "check the join, or the order of rows, that puts values beside their ids on the way to the online store"
