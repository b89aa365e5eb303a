"""`not_materialized`: absent online although offline has it."""

from __future__ import annotations

from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import POSSIBLE, Case, Explanation, rule, share_text
from feast_skew.diagnosis.rules.expired import proven_expired
from feast_skew.diagnosis.rules.key import elsewhere_confidence, proven_elsewhere
from feast_skew.report import Cause


@rule("not_materialized", kind="how", covers=lambda case, _: case.pairs.mask(PairClass.OFFLINE_ONLY))
def not_materialized(case: Case) -> Explanation | None:
    """Claim entities that offline knows and online does not, but for those of which it is proven what became of them."""
    missing = case.pairs.mask(PairClass.OFFLINE_ONLY) & ~proven_elsewhere(case) & ~proven_expired(case)
    count = case.total(missing)
    if not count:
        return None
    known = case.total(case.rows.has_offline)
    everyone = count == known
    detail = f"{share_text(count, known)} of the entities that offline knows have no online row"
    if everyone:
        detail += "; the store was emptied, the keys expired, or serving writes under other keys"
    return Explanation(
        Cause(
            "not_materialized",
            "how",
            count / case.total(case.wrong | case.absent),
            _confidence(case, everyone=everyone),
            detail,
            {"entities": count, "share": count / known},
            "materialize the whole range of the offline data, and check that the job's range reaches back to these rows",
        ),
        missing,
    )


def _confidence(case: Case, *, everyone: bool) -> float:
    """Give how sure it is that nobody wrote the rows, rather than under another key."""
    elsewhere = elsewhere_confidence(case)
    if elsewhere > POSSIBLE:
        return 1.0 - elsewhere
    return 0.8 if everyone else 1.0
