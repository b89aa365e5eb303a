"""`unknown`: different, with no cause that explains it."""

from __future__ import annotations

import numpy as np

from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import Case, share_text
from feast_skew.report import Cause


def unknown_cause(case: Case, left: np.ndarray) -> Cause:
    """Say what remains, with the shape of the difference for whoever goes looking."""
    wrong, unexplained = case.total(case.wrong), case.total(left)
    evidence: dict[str, object] = {"entities": unexplained}
    kind = case.feature.declared.kind
    if case.apart is not None:
        with np.errstate(invalid="ignore"):
            middle = float(np.median(case.apart.difference)) if len(case.apart.difference) else np.inf
        if np.isfinite(middle):
            evidence["median_difference"] = middle
    elif kind.is_number:
        positions, off, on = case.numbers
        inside = left[positions]
        off, on = off[inside], on[inside]
        if len(off) >= 3 and off.min() < off.max() and on.min() < on.max():
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                correlation = float(np.corrcoef(off, on)[0, 1])
                middle = float(np.median(on - off))
            if np.isfinite(correlation):
                evidence["correlation"] = correlation
            if np.isfinite(middle):
                evidence["median_difference"] = middle
    corrupt = case.total(left & case.pairs.mask(PairClass.CORRUPT))
    if corrupt == unexplained:
        detail = f"{corrupt:,} online values cannot be decoded"
        remedy = "find who else writes these keys, then write the rows again"
    else:
        where = "unaligned" if case.unaligned_failed else "wrong"
        detail = f"{share_text(unexplained, wrong)} of the {where} values fit no rule"
        remedy = "compare the code of both pipelines for the example entities"
    return Cause(
        "unknown",
        "what",
        unexplained / wrong,
        0.0,
        detail,
        evidence,
        remedy,
    )
