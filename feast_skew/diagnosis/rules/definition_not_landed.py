"""`definition_not_landed`: the source of the view changed, and the store skipped the rewrite."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask
from feast_skew.core.model import SourceVersion
from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import FEWEST_ROWS, Case, Explanation, rule, share_text
from feast_skew.diagnosis.rewriting import write_again
from feast_skew.report import Cause

_LEAST_SHARE = 0.05
_BEYOND_DOUBT = 0.5
_TIMES_CHANCE = 2
_LEAST_UNALIGNED = 0.9

_Claims = list[tuple[SourceVersion, Mask]]


def _covers(case: Case, cause: Cause) -> Mask | None:
    """Tell of which entities the online value is what one of the definitions gives that the cause names."""
    definitions = case.ask_earlier()
    if not definitions:
        return None
    named = {one["fingerprint"] for one in cause.evidence["versions"]}
    apart = case.pairs.mask(PairClass.UNALIGNED) & np.asarray(case.pairs.online.is_valid())
    left = case.wrong & (case.pairs.wrong | apart) & ~case.pairs.mask(PairClass.CORRUPT)
    covered = np.zeros(len(left), dtype=bool)
    for earlier in definitions:
        if earlier.version.fingerprint not in named:
            continue
        positions = np.flatnonzero(left & ~covered)
        same = case.online_equals(earlier.values.take(pa.array(positions)), positions)
        covered[positions[same]] = True
    return covered


@rule("definition_not_landed", kind="how", covers=_covers)
def definition_not_landed(case: Case) -> Explanation | None:
    """Claim entities whose online value is what an earlier definition of the view gives at the same instant.

    These are wrong pairs; and rows that share no instant with offline, when nearly all of them are explained: then the
    new source has no row at the instant of the old one, which the store keeps.
    """
    concerned = case.wrong & ~case.pairs.mask(PairClass.CORRUPT)
    claims, what = _claims(case, case.pairs.wrong & concerned), "wrong"
    apart = case.pairs.mask(PairClass.UNALIGNED) & np.asarray(case.pairs.online.is_valid())
    if apart.sum() >= FEWEST_ROWS:
        more = _claims(case, apart)
        if sum(case.total(mask) for _, mask in more) >= _LEAST_UNALIGNED * case.total(apart):
            claims += more
            concerned |= apart
            what = "wrong or unaligned"
    if not claims:
        return None
    explained = np.logical_or.reduce([mask for _, mask in claims])
    whole, count = case.total(concerned), case.total(explained)
    text = f"{share_text(count, whole)} of the {what} online values are what"
    return Explanation(_cause(case, claims, count / whole, text), explained)


def _claims(case: Case, group: Mask) -> _Claims:
    """Give the earlier definitions that explain some of a group, latest first; an entity goes to the first that does."""
    size = int(group.sum())
    left, claims = group.copy(), []
    for earlier in case.ask_earlier() if size else []:
        positions = np.flatnonzero(left)
        values = earlier.values.take(pa.array(positions))
        same = case.online_equals(values, positions)
        count = int(same.sum())
        if count < max(min(FEWEST_ROWS, size), _LEAST_SHARE * size):
            continue
        # Values of few kinds agree by chance: as often as with the earlier values of other entities.
        chance = int(case.online_equals(values.take(pa.array(np.roll(np.arange(len(values)), 1))), positions).sum())
        if count < _BEYOND_DOUBT * len(positions) and count < _TIMES_CHANCE * chance:
            continue
        mask = np.zeros(len(group), dtype=bool)
        mask[positions[same]] = True
        claims.append((earlier.version, mask))
        left &= ~mask
    return claims


def _cause(case: Case, claims: _Claims, share: float, text: str) -> Cause:
    versions: dict[str, SourceVersion] = {}
    counts: dict[str, int] = {}
    for version, mask in claims:
        versions[version.fingerprint] = version
        counts[version.fingerprint] = counts.get(version.fingerprint, 0) + case.total(mask)
    names = {key: version.source_name for key, version in versions.items()}
    told = ", ".join(f"{names[key]}: {counts[key]:,}" if len(names) > 1 else names[key] for key in names)
    now = case.view.version.source_name if case.view.version else "the present source"
    why, remedy = "", write_again(case.view)
    if case.view.keeps_newer:
        why = " and Redis keeps a row when the new one is not newer, so materializing the same range again changed nothing"
        remedy += ". If the change was not meant, apply the earlier definition instead"
    plural = "s give" if len(names) > 1 else " gives"
    return Cause(
        "definition_not_landed",
        "how",
        share,
        0.99,
        f"{text} the earlier definition{plural} ({told}); offline now answers from {now}{why}",
        {
            "definitions": {"online": names[max(counts, key=lambda key: counts[key])], "offline": now},
            "versions": [
                {
                    "label": names[key],
                    "fingerprint": key,
                    "last_seen": versions[key].last_seen,
                    "entities": counts[key],
                }
                for key in names
            ],
            "entities": sum(counts.values()),
        },
        remedy,
    )
