"""`definition_not_landed`: the source of the view changed, and the store skipped the rewrite."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feast_skew.diagnosis.base import Case, Earlier, Explanation, rule, share_text
from feast_skew.report import Cause

_LEAST_SHARE = 0.5


@rule("definition_not_landed", kind="how")
def definition_not_landed(case: Case) -> Explanation | None:
    """Claim wrong pairs whose online value is what an earlier definition of the view gives at the same instant."""
    positions = np.flatnonzero(case.pairs.wrong)
    if not len(positions):
        return None
    best: tuple[int, np.ndarray, Earlier] | None = None
    for earlier in case.ask_earlier():
        same = case.online_equals(earlier.values.take(pa.array(positions)), positions)
        if best is None or same.sum() > best[0]:
            best = (int(same.sum()), same, earlier)
    if best is None or best[0] < _LEAST_SHARE * len(positions):
        return None
    count, same, earlier = best
    explained = np.zeros(len(case.wrong), dtype=bool)
    explained[positions[same]] = True
    now = case.view.version.source_name if case.view.version else "the present source"
    why = (
        " and Redis keeps a row when the new one is not newer, so materializing the same range again changed nothing"
        if case.view.keeps_newer
        else ""
    )
    name = case.view.name
    remedy = (
        f"set `skip_dedup: true` in online_store, materialize view {name} over the same range, take it out again; "
        f"nothing is missing meanwhile. If the change was not meant, apply the earlier definition instead"
        if case.view.keeps_newer
        else f"materialize view {name} over the same range again"
    )
    return Explanation(
        Cause(
            "definition_not_landed",
            "how",
            count / len(positions),
            0.99,
            f"{share_text(count, len(positions))} of the wrong online values are what the earlier definition gives "
            f"({earlier.version.source_name}); offline now answers from {now}{why}",
            {
                "definitions": {"online": earlier.version.source_name, "offline": now},
                "fingerprints": {
                    "online": earlier.version.fingerprint,
                    "offline": case.view.version.fingerprint if case.view.version else None,
                },
                "last_seen": earlier.version.last_seen,
                "entities": count,
            },
            remedy,
        ),
        explained,
    )
