"""`expired`: past the view's ttl, so that training sees null and serving a value; or the key expired, and serving sees null."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np

from feast_skew.core.alignment import NO_INSTANT, to_nanoseconds
from feast_skew.core.arrays import Instants, Mask
from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import FEWEST_ROWS, POSSIBLE, Case, Explanation, duration_text, rule, share_text
from feast_skew.diagnosis.rules.key import proven_elsewhere
from feast_skew.report import Cause

_MOST_LEFT = 0.1
_RECORDED = 0.95
_MICROSECOND = 1_000


@dataclass(frozen=True)
class ExpiredKeys:
    """Absent entities whose keys must have expired: written before `before`, `age` nanoseconds ago as of the run."""

    entities: Mask
    age: Instants
    before: int
    confidence: float


def past_ttl(case: Case) -> Mask:
    """Entities whose latest row is past the view's ttl, and right: serving still gives its value, training none."""
    right = case.pairs.mask(PairClass.MATCH) & np.asarray(case.pairs.online.is_valid())
    # A later offline row within the ttl would be what training sees: then the online row is merely stale.
    return case.rows.expired & ~case.rows.stale & right


def written(case: Case, now: int) -> tuple[Instants, Mask]:
    """Give when the latest offline row of each entity was written online, as far as known by now, and of which that is recorded.

    A key lives from the first materialization of a row on: one that comes again is skipped, and does not prolong it. The
    registry has the ends of the ranges of event timestamps, which jobs choose to be the moment of their run. Where that lies
    ahead, and for rows that were pushed, the event timestamp is the earliest moment. `NO_INSTANT` for rows that nothing wrote.
    """
    latest = case.rows.latest
    moments = np.full(len(latest), NO_INSTANT, dtype=np.int64)
    recorded = np.zeros(len(latest), dtype=bool)
    for start, end in case.view.materializations:
        first = (moments == NO_INSTANT) & (latest != NO_INSTANT) & (latest >= start) & (latest <= end)
        moments[first] = end if end <= now else latest[first]
        recorded[first] = end <= now
    if not case.view.materializations:
        moments = latest
    return moments, recorded


def expired_keys(case: Case) -> ExpiredKeys | None:
    """Tell which absent entities had a key that expired: written longer ago than keys live, while those there are younger.

    None where keys do not expire, where rows as old are there, or where young ones are absent alike, so that age tells nothing.
    """
    missing = case.pairs.mask(PairClass.OFFLINE_ONLY) & ~proven_elsewhere(case)
    ttl, now = case.view.key_ttl, case.context.now
    if ttl is None or now == NO_INSTANT or not missing.any():
        return None
    moments, recorded = written(case, now)
    before = -(-(now - ttl) // _MICROSECOND) * _MICROSECOND
    known, there = moments != NO_INSTANT, case.rows.has_online & case.rows.has_offline
    old = known & (moments < before)
    gone = missing & old
    if np.count_nonzero(gone) < min(FEWEST_ROWS, int(np.count_nonzero(missing))):
        return None
    if case.total(there & old) > _MOST_LEFT * case.total(old):
        return None
    young = known & ~old
    contrast = np.count_nonzero(young & there) >= FEWEST_ROWS and case.total(young & missing) <= 0.5 * case.total(young)
    by_record = case.total(gone & recorded) >= (1 - _MOST_LEFT) * case.total(gone)
    if not (contrast or by_record):
        return ExpiredKeys(gone, now - moments, before, POSSIBLE)
    return ExpiredKeys(gone, now - moments, before, _RECORDED)


def proven_expired(case: Case) -> Mask:
    """Entities that are absent because their keys expired, where that is more than a possibility."""
    keys = expired_keys(case)
    none = np.zeros(len(case.wrong), dtype=bool)
    return none if keys is None or keys.confidence <= POSSIBLE else keys.entities


def _covers(case: Case, cause: Cause) -> Mask:
    covered = past_ttl(case)
    if "written_before" in cause.evidence:
        before = to_nanoseconds(datetime.fromisoformat(str(cause.evidence["written_before"])))
        moments, _ = written(case, before + (case.view.key_ttl or 0))
        covered |= case.pairs.mask(PairClass.OFFLINE_ONLY) & (moments != NO_INSTANT) & (moments < before)
    return covered


@rule("expired", kind="how", covers=_covers)
def expired(case: Case) -> Explanation | None:
    """Claim right rows past the view's ttl, and absent ones whose keys lived their time."""
    past, keys = past_ttl(case), expired_keys(case)
    if not past.any() and keys is None:
        return None
    explained, confidence = past.copy(), 1.0
    evidence: dict[str, object] = {}
    told, steps = [], []
    if past.any():
        ttl = case.view.ttl or 0
        # The rows are older than the ttl at --as-of; what is known of their age is known at that moment.
        age = case.context.as_of - case.rows.online[past]
        evidence |= {"of": "view", "ttl": ttl / 1e9, "age": _ages(age)}
        both = case.total(case.rows.has_offline & case.rows.has_online)
        told.append(
            f"{share_text(case.total(past), both)} of the online rows are older than the view's ttl of {duration_text(ttl)}, by "
            f"{duration_text(float(np.median(age - ttl)))} in the middle: training sees null, serving still gives the value"
        )
        steps.append(
            "bring newer offline rows online, or let serving drop values by their event timestamp: Feast does not do it"
        )
    if keys is not None:
        ttl = case.view.key_ttl or 0
        explained |= keys.entities
        confidence = min(confidence, keys.confidence)
        ages = keys.age[keys.entities]
        own = {"of": "key", "ttl": ttl / 1e9, "age": _ages(ages)}
        evidence = own if not evidence else {**evidence, "of": "both", "key_ttl": ttl / 1e9, "key_age": _ages(ages)}
        evidence["written_before"] = datetime.fromtimestamp(keys.before // _MICROSECOND / 1e6, timezone.utc).isoformat()
        known = case.total(case.rows.has_offline)
        told.append(
            f"{share_text(case.total(keys.entities), known)} of the entities that offline knows have no online row any more: they "
            f"were last written {duration_text(float(np.median(ages)))} ago in the middle, and the store forgets keys after "
            f"{duration_text(ttl)} (`key_ttl_seconds`)"
        )
        steps.append(
            "set `key_ttl_seconds` to more than the longest time between two writes of an entity, then write the rows again with "
            "`skip_dedup: true`: rows that are not newer do not prolong a key"
        )
    count = case.total(explained)
    evidence["entities"] = count
    troubled = case.total(case.wrong | case.absent | case.rows.stale | explained)
    cause = Cause("expired", "how", count / troubled, confidence, "; ".join(told), evidence, "; ".join(steps))
    return Explanation(cause, explained)


def _ages(nanoseconds: Instants) -> dict[str, float]:
    """Give ages in seconds."""
    low, middle, high = (float(np.quantile(nanoseconds, q)) / 1e9 for q in (0.05, 0.5, 0.95))
    return {"p5": low, "p50": middle, "p95": high, "max": float(nanoseconds.max()) / 1e9}
