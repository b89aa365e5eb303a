"""The entities that show a difference best, as plain values."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feast_skew.core.keys import render_key
from feast_skew.core.pairs import FeaturePairs, PairClass, RowState
from feast_skew.core.plain import instant_text, plain, python_value
from feast_skew.core.types import Kind, floats
from feast_skew.report import Example

SHOWN = 5
MASK = "***"


def worst_examples(
    kind: Kind, pairs: FeaturePairs, rows: RowState, entities: pa.Table, show: bool, wanted: np.ndarray | None = None
) -> tuple[Example, ...]:
    """Give a few wrong entities: the largest differences of numbers first, then one of each other class.

    `wanted` names the entities to choose from where nothing is wrong by class, as with unaligned rows.
    """
    order: list[int] = []
    mismatch = pairs.mask(PairClass.MISMATCH) if wanted is None else wanted
    for found in np.unique(pairs.classes[mismatch]):
        order.extend(_largest(kind, pairs, np.flatnonzero(mismatch & (pairs.classes == found))))
    for other in (
        PairClass.NULL_ONLINE,
        PairClass.NULL_OFFLINE,
        PairClass.CORRUPT,
        PairClass.OFFLINE_ONLY,
        PairClass.ONLINE_ONLY,
    ):
        order.extend(np.flatnonzero(pairs.mask(other))[:2].tolist())
    if not order:
        order.extend(np.flatnonzero(rows.stale)[:2].tolist())
    held = rows.held
    return tuple(_example(i, pairs, rows, int(held[i]), entities, show) for i in _mixed(order, pairs))


def _mixed(order: list[int], pairs: FeaturePairs) -> list[int]:
    """Keep one of each class among the candidates, filled up with the first ones, in their order."""
    firsts: dict[int, int] = {}
    for i in order:
        firsts.setdefault(int(pairs.classes[i]), i)
    chosen = set(firsts.values())
    for i in order:
        if len(chosen) >= SHOWN:
            break
        chosen.add(i)
    return [i for i in dict.fromkeys(order) if i in chosen]


def _largest(kind: Kind, pairs: FeaturePairs, candidates: np.ndarray) -> list[int]:
    if not len(candidates):
        return []
    if not (kind.is_number or kind is Kind.TIMESTAMP):
        return [int(i) for i in candidates[:SHOWN]]
    take = pa.array(candidates)
    off, known_off = floats(pairs.offline.take(take))
    on, known_on = floats(pairs.online.take(take))
    with np.errstate(over="ignore", invalid="ignore"):
        distance = np.where(known_off & known_on, np.abs(on - off), -1.0)
    distance = np.nan_to_num(distance, nan=np.inf, posinf=np.inf)
    return [int(i) for i in candidates[np.argsort(-distance, kind="stable")[:SHOWN]]]


def _example(i: int, pairs: FeaturePairs, rows: RowState, held: int, entities: pa.Table, show: bool) -> Example:
    key = {name: plain(value) if show else MASK for name, value in render_key(entities, i).items()}
    return Example(
        key,
        plain(python_value(pairs.offline[i])),
        plain(python_value(pairs.online[i])),
        instant_text(held),
        instant_text(int(rows.online[i])),
        PairClass(int(pairs.classes[i])).key,
    )
