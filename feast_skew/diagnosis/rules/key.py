"""`key`: online under another key than the one that serving asks for."""

from __future__ import annotations

import numpy as np

from feast_skew.core.arrays import Mask
from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import FEWEST_ROWS, POSSIBLE, PROVEN, Case, Explanation, rule, share_text
from feast_skew.diagnosis.context import Found
from feast_skew.report import Cause
from feast_skew.stores.base import Elsewhere

_NEARLY_ALL = 0.9
_SURE, _ANOTHER_VIEW, _ANOTHER_PROJECT, _BESIDE_OWN = 0.99, 0.95, 0.85, 0.6


def missing_entities(case: Case) -> Mask:
    """Entities that offline knows and online does not."""
    return case.pairs.mask(PairClass.OFFLINE_ONLY)


def proven_elsewhere(case: Case) -> Mask:
    """Entities that are absent under their own keys where nearly all of those that were asked for are under others."""
    found = _found(case)
    none = np.zeros(len(case.wrong), dtype=bool)
    return missing_entities(case) if found is not None and _confidence(case, found) >= PROVEN else none


def _found(case: Case) -> Found | None:
    missing = missing_entities(case)
    if not missing.any() or case.total(missing) < _NEARLY_ALL * case.total(case.rows.has_offline):
        return None
    best = next(iter(case.context.elsewhere() if case.context.elsewhere is not None else ()), None)
    if best is None:
        return None
    telling = best.same if "project" in best.where.what else best.where.held
    return best if telling >= min(FEWEST_ROWS, best.where.asked) else None


def _confidence(case: Case, found: Found) -> float:
    where, share = found.where, found.where.held / found.where.asked
    if where.what == "view name":
        return (_SURE if where.leftover else _ANOTHER_VIEW) * share
    if "project" in where.what:
        # Another project may have the same entities by right. It has this one's rows when this one was materialized, no third one has
        # them, and they are of the moments of its own offline rows; even then they may be both, the more so beside keys of its own.
        if where.ambiguous or not case.view.materialized:
            return POSSIBLE * found.same / where.asked
        return (_BESIDE_OWN if where.beside_own else _ANOTHER_PROJECT) * found.same / where.asked
    return _SURE * share


def elsewhere_confidence(case: Case) -> float:
    """Give how sure it is that absent entities stand under other keys; 0 where nobody found them."""
    found = _found(case)
    return 0.0 if found is None else _confidence(case, found)


@rule("key", kind="how", covers=lambda case, _: missing_entities(case))
def key(case: Case) -> Explanation | None:
    """Claim that rows of nearly all entities are absent because they stand under other keys, where a few of them were found."""
    found = _found(case)
    if found is None:
        return None
    where = found.where
    missing = missing_entities(case)
    count, known = case.total(missing), case.total(case.rows.has_offline)
    return Explanation(
        Cause(
            "key",
            "how",
            count / case.total(case.wrong | case.absent),
            _confidence(case, found),
            f"{share_text(count, known)} of the entities that offline knows have no online row under the keys that serving asks for "
            f"({where.what}: {where.expected}); {share_text(where.held, where.asked)} of those that were looked up have one under "
            f"other keys ({where.what}: {where.found})",
            {
                "which": where.what,
                "expected": where.expected,
                "found": where.found,
                "asked": where.asked,
                "held": where.held,
                "same_timestamp": found.same,
                "entities": count,
            },
            _remedy(case.view.name, where),
        ),
        missing,
    )


def _remedy(view: str, where: Elsewhere) -> str:
    if where.what == "view name":
        return f"materialize view {view}: its rows are still those of {where.found}, which nobody reads any more"
    if "project" in where.what:
        return (
            f"find which job writes as {where.found}, correct its feature_store.yaml, and materialize view {view} again"
        )
    return (
        f"let the writer and serving make keys alike ({where.what}: {where.expected} here, {where.found} there), then materialize view "
        f"{view} again; rows under the other keys stay until they are deleted"
    )
