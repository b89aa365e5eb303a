"""What people use today on the same two columns, by the textbook: PSI of deciles beyond 0.2, Kolmogorov-Smirnov at 0.05, plain equality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import ks_2samp

from zoo.cases import World

PSI_LIMIT = 0.2
KS_LEVEL = 0.05
_FLOOR = 1e-4
"""Share of an empty bin, as is usual: its logarithm has to exist."""


@dataclass(frozen=True)
class Alarms:
    """Which of the peers would have raised an alarm; `differing` is the share of entities whose values are not equal."""

    psi: bool
    ks: bool
    equality: bool
    differing: float


def judge(world: World, feature: str) -> Alarms:
    """Judge the latest offline row of each entity beside the online one."""
    offline = _latest(world.offline, world.keys)
    left, right = offline.column(feature).combine_chunks(), world.online.column(feature).combine_chunks()
    differing = _unequal(offline, world.online, world.keys, feature)
    psi = _psi(left, right)
    return Alarms(psi > PSI_LIMIT, _ks(left, right) < KS_LEVEL, differing > 0.0, differing)


def _latest(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    if "event_timestamp" not in table.column_names:
        return table
    order = [(name, "ascending") for name in ("event_timestamp", "created_timestamp") if name in table.column_names]
    numbered = table.append_column("__row", pa.array(np.arange(table.num_rows)))
    if order:
        numbered = numbered.take(pc.sort_indices(numbered, sort_keys=order))
    numbered = numbered.append_column("__rank", pa.array(np.arange(numbered.num_rows)))
    last = numbered.group_by(list(keys)).aggregate([("__rank", "max")])
    return numbered.take(last["__rank_max"])


def _unequal(offline: pa.Table, online: pa.Table, keys: Sequence[str], feature: str) -> float:
    one, two = (side.select([*keys, feature]).to_pandas().set_index(list(keys))[feature] for side in (offline, online))
    joined = one.to_frame("a").join(two.to_frame("b"), how="outer")
    left, right = joined["a"].to_numpy(object), joined["b"].to_numpy(object)
    same = [_equal(a, b) for a, b in zip(left, right, strict=True)]
    return 1.0 - sum(same) / max(1, len(same))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.tolist() == other.tolist()
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one is other or one == other)


def _numbers(column: pa.Array) -> np.ndarray | None:
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    values = column.cast(pa.float64(), safe=False).drop_null().to_numpy()
    return values[np.isfinite(values)]


def _psi(left: pa.Array, right: pa.Array) -> float:
    if pa.types.is_nested(left.type):  # nobody bins lists
        return 0.0
    one, two = _numbers(left), _numbers(right)
    if one is None or two is None:
        names = [pa.array([str(value) for value in side.to_pylist()]) for side in (left, right)]
        seen = pc.unique(pa.concat_arrays(names))
        counts = [np.bincount(pc.index_in(side, seen).to_numpy(), minlength=len(seen)) for side in names]
    else:
        if not len(one):
            return 0.0
        edges = np.unique(np.quantile(one, np.linspace(0.1, 0.9, 9)))
        counts = [
            np.append(
                np.bincount(np.searchsorted(edges, side, side="left"), minlength=len(edges) + 1), column.null_count
            )
            for side, column in ((one, left), (two, right))
        ]
    shares = [np.maximum(count / max(1, count.sum()), _FLOOR) for count in counts]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def _ks(left: pa.Array, right: pa.Array) -> float:
    one, two = _numbers(left), _numbers(right)
    if one is None or two is None or not len(one) or not len(two):
        return 1.0
    return float(ks_2samp(one, two, method="asymp").pvalue)
