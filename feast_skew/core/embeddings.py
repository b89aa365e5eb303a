"""Vectors of an offline and an online column: the angle between them and their lengths, beside equality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.arrays import Floats, Mask


@dataclass(frozen=True)
class EmbeddingPairs:
    """Cosine similarity and Euclidean norms of pairs of vectors, arrays of shape (rows,).

    `defined` marks the rows where all three mean something; they are 0 elsewhere.
    """

    cosine: Floats
    norm_offline: Floats
    norm_online: Floats
    defined: Mask


@dataclass(frozen=True)
class EmbeddingSummary:
    """What the pairs of one feature say together; all but `n` are None when no pair is defined.

    `largest_norm_difference` is the largest |norm offline - norm online| / max(norm offline, norm online), in 0..1.
    """

    n: int
    least_cosine: float | None
    mean_cosine: float | None
    cosine_p1: float | None
    cosine_p5: float | None
    cosine_p50: float | None
    largest_norm_difference: float | None


def embedding_pairs(offline: pa.Array, online: pa.Array) -> EmbeddingPairs:
    """Give the cosine similarity and the norms of vectors, pair by pair.

    Each vector is divided by its largest absolute element first, so that squares neither overflow nor vanish.

    Parameters
    ----------
    offline, online : lists of numbers of any lengths, both columns of one length

    Returns
    -------
    EmbeddingPairs
        Cosine in -1..1. Defined where neither vector is null, both have the same number of elements, at least one, all of
        them finite, and norms above 0 that a double can hold. Without rows, arrays of length 0.
    """
    lengths = [np.asarray(pc.fill_null(pc.list_value_length(side), -1), dtype=np.int64) for side in (offline, online)]
    rows = np.flatnonzero((lengths[0] == lengths[1]) & (lengths[0] > 0))
    cosine, norm_offline, norm_online = (np.zeros(len(offline)) for _ in range(3))
    defined: Mask = np.zeros(len(offline), dtype=bool)
    if len(rows):
        sizes = lengths[0][rows]
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        a, b = (_elements(side, rows) for side in (offline, online))
        finite = np.logical_and.reduceat(np.isfinite(a) & np.isfinite(b), starts)
        a[~np.isfinite(a)], b[~np.isfinite(b)] = 0.0, 0.0
        (a, norm_a), (b, norm_b) = _unit(a, starts, sizes), _unit(b, starts, sizes)
        known = finite & (norm_a > 0) & (norm_b > 0) & np.isfinite(norm_a) & np.isfinite(norm_b)
        defined[rows[known]] = True
        cosine[rows[known]] = np.clip(np.add.reduceat(a * b, starts), -1.0, 1.0)[known]
        norm_offline[rows[known]], norm_online[rows[known]] = norm_a[known], norm_b[known]
    return EmbeddingPairs(cosine, norm_offline, norm_online, defined)


def embedding_summary(pairs: EmbeddingPairs) -> EmbeddingSummary:
    """Summarise the defined pairs: the cosines at the low end, where the wrong ones are, and the norms.

    Percentiles interpolate linearly between order statistics (Hyndman and Fan 1996, type 7).
    """
    cosine = pairs.cosine[pairs.defined]
    if not len(cosine):
        return EmbeddingSummary(0, None, None, None, None, None, None)
    offline, online = pairs.norm_offline[pairs.defined], pairs.norm_online[pairs.defined]
    p1, p5, p50 = (float(value) for value in np.quantile(cosine, [0.01, 0.05, 0.5]))
    gap = float(np.max(np.abs(offline - online) / np.maximum(offline, online)))
    return EmbeddingSummary(len(cosine), float(cosine.min()), float(cosine.mean()), p1, p5, p50, gap)


def _elements(column: pa.Array, rows: np.ndarray) -> Floats:
    flat = column.take(pa.array(rows)).flatten().cast(pa.float64(), safe=False)
    return np.array(pc.fill_null(flat, np.nan), dtype=np.float64)


def _unit(flat: Floats, starts: np.ndarray, sizes: np.ndarray) -> tuple[Floats, Floats]:
    """Give vectors of norm 1, and the norms that they had; those of zeros stay zeros."""
    largest = np.maximum.reduceat(np.abs(flat), starts)
    scaled = flat / np.repeat(np.where(largest > 0, largest, 1.0), sizes)
    short = np.sqrt(np.add.reduceat(scaled * scaled, starts))
    with np.errstate(over="ignore"):
        norms = largest * short
    return scaled / np.repeat(np.where(short > 0, short, 1.0), sizes), norms
