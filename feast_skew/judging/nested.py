"""What values that are neither numbers nor categories tell beyond equality: paths that differ, and angles between vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.embeddings import embedding_pairs, embedding_summary
from feast_skew.core.model import FeaturePlan
from feast_skew.core.paths import differing_paths
from feast_skew.core.types import Kind
from feast_skew.report import Metric, Verdict

_VECTORS = (Kind.FLOAT32, Kind.FLOAT64)


def paths_of(feature: FeaturePlan, offline: pa.Array, online: pa.Array) -> tuple[Mapping[str, Any], ...]:
    """Name the paths at which maps, structs, JSON and nested lists differ, in pairs that do, those of most rows first; nothing for other types."""
    if feature.declared.kind is not Kind.NESTED:
        return ()
    both = np.asarray(pc.and_(pc.is_valid(offline), pc.is_valid(online)))
    found = differing_paths(offline, online, np.flatnonzero(both), feature.tolerance)
    # The example is a place in the columns that were compared, which means nothing to a reader.
    return tuple({name: value for name, value in asdict(path).items() if name != "example"} for path in found)


def vector_metrics(feature: FeaturePlan, offline: pa.Array, online: pa.Array) -> dict[str, Metric]:
    """Give the mean cosine similarity of arrays of floats, with its lowest values and the norms; nothing for other types.

    Descriptive: equality is what is judged.
    """
    declared = feature.declared
    if declared.kind is not Kind.LIST or declared.item is None or declared.item.kind not in _VECTORS:
        return {}
    found = asdict(embedding_summary(embedding_pairs(offline, online)))
    value = found.pop("mean_cosine")
    if value is None:
        reason = "no pair of vectors of one length, finite and not all zero"
        return {"cosine_similarity": Metric(None, verdict=Verdict.INCONCLUSIVE, extra={"reason": reason, "n": 0})}
    return {"cosine_similarity": Metric(value, extra=found)}
