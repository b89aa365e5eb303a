"""Feature services with vectors computed beforehand: what serving reads held against the views themselves."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.columns import take_rows
from feast_skew.core.model import ServicePlan
from feast_skew.core.plain import instant_text
from feast_skew.measuring.progress import Progress
from feast_skew.report import Finding
from feast_skew.stores.serving import VectorRead, VectorReader

MOST_REQUESTS = 1_000
_CHUNK = 250
_NAMED = 8
_WHY = "push_async, the feature server on Redis and write_to_online_store do not refresh vectors"


def vector_findings(
    service: ServicePlan, requests: pa.Table, reader: VectorReader, progress: Progress
) -> list[Finding]:
    """Read a service from its vectors and from its views, and give what serving gets wrong.

    What differs or is missing is read once more, both ways, as a push may land in between.

    Raises
    ------
    StoreUnavailable
        When the store does not answer.
    """
    if service.computes:
        return [_never_used(service)]
    found = _read(service, requests, reader, progress, f"service {service.name}: vectors")
    doubtful = np.flatnonzero(found.differing | ~found.has_vector)
    if len(doubtful):
        again = _read(service, take_rows(requests, doubtful), reader, progress, f"service {service.name}: once more")
        found = _renewed(found, doubtful, again)
    return _told(service, found)


def _read(service: ServicePlan, requests: pa.Table, reader: VectorReader, progress: Progress, name: str) -> VectorRead:
    parts = []
    with progress.stage(name, requests.num_rows, "requests") as stage:
        for start in range(0, requests.num_rows, _CHUNK):
            chunk = take_rows(requests, np.arange(start, min(start + _CHUNK, requests.num_rows)))
            parts.append(reader.read_both(service, chunk))
            stage.advance(chunk.num_rows)
    names = dict.fromkeys(name for part in parts for name in part.differs)
    return VectorRead(
        np.concatenate([part.has_vector for part in parts]),
        np.concatenate([part.in_views for part in parts]),
        np.concatenate([part.made_at for part in parts]),
        {
            name: np.concatenate([part.differs.get(name, np.zeros(len(part.has_vector), bool)) for part in parts])
            for name in names
        },
        next((part.refused for part in parts if part.refused), ""),
    )


def _renewed(found: VectorRead, positions: np.ndarray, again: VectorRead) -> VectorRead:
    for name in ("has_vector", "in_views", "made_at"):
        getattr(found, name)[positions] = getattr(again, name)
    for name in found.differs.keys() | again.differs.keys():
        mask = found.differs.setdefault(name, np.zeros(len(found.has_vector), dtype=bool))
        mask[positions] = again.differs.get(name, np.zeros(len(positions), dtype=bool))
    found.refused = again.refused or found.refused
    return found


def _told(service: ServicePlan, found: VectorRead) -> list[Finding]:
    remedy = f'run store.precompute_feature_service("{service.name}") after every write; {_WHY}'
    size = len(found.has_vector)
    read = f"of {size:,} requests read"
    if not found.has_vector.any():
        return [
            Finding(
                "FS222",
                "warn",
                "",
                f"service {service.name} has precompute_online and no vector for any {read}: serving raises for all",
                f'run store.precompute_feature_service("{service.name}"), or take precompute_online off the service',
            )
        ]
    findings = []
    differing = found.differing
    if differing.any():
        count = int(differing.sum())
        counts = {name: int(mask.sum()) for name, mask in found.differs.items() if mask.any()}
        ordered = sorted(counts, key=lambda name: (-counts[name], name))
        shown = ", ".join(f"{name} ({counts[name]:,})" for name in ordered[:_NAMED])
        more = f" and {len(ordered) - _NAMED} more" if len(ordered) > _NAMED else ""
        oldest = int(found.made_at[differing & (found.made_at != NO_INSTANT)].min(initial=np.iinfo(np.int64).max))
        findings.append(
            Finding(
                "FS220",
                "warn",
                "",
                f"service {service.name} is served from precomputed vectors that differ from its views for {count:,} "
                f"({count / size:.1%}) {read}: {shown}{more}; the oldest of these vectors was computed {instant_text(oldest)}",
                remedy,
            )
        )
    missing = ~found.has_vector
    if missing.any():
        count, live = int(missing.sum()), int((missing & found.in_views).sum())
        findings.append(
            Finding(
                "FS221",
                "warn",
                "",
                f"service {service.name} has no vector for {count:,} ({count / size:.1%}) {read}, {live:,} of them with "
                f"an online row: one of these in a request makes serving raise for the whole request",
                remedy,
            )
        )
    if found.refused:
        findings.append(
            Finding(
                "FS223",
                "warn",
                "",
                f"service {service.name} has vectors that serving does not take ({found.refused}): it raises for all",
                f'run store.precompute_feature_service("{service.name}") after each change of the service',
            )
        )
    return findings


def _never_used(service: ServicePlan) -> Finding:
    return Finding(
        "FS224",
        "warn",
        "",
        f"service {service.name} has precompute_online and the on-demand view {service.computes}: serving never reads "
        f"its vectors, and computes every request",
        "take precompute_online off the service, or the on-demand view out of it",
    )
