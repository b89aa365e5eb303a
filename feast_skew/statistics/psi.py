"""Population stability index on shared bins, with the value that noise alone would give it.

PSI is Jeffreys' divergence of the two shares per bin, sum of (p - q) * log(p / q) in nats, here with
+1/2 on every used bin of both sides. To second order it is D' W D with D the differences of counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feast_skew.statistics._special import chi_square_quantile

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Psi:
    """A population stability index with what is needed to judge it.

    ``value`` and ``noise`` are in nats, 0 or more; ``noise`` is the value to expect when the two
    populations are truly the same. ``bins`` counts the bins that either side uses and ``empty`` those
    that only one side uses. ``n`` rows were offline and ``m`` online. ``freedom`` is the
    number of degrees of freedom of the chi-square that the noise resembles, at most ``bins - 1``.
    """

    value: float
    noise: float
    bins: int
    n: int
    empty: int
    m: int
    freedom: float


def paired_psi(
    offline_bins: NDArray[Any] | Sequence[int],
    online_bins: NDArray[Any] | Sequence[int],
    size: int,
    smoothing: float = 0.5,
) -> Psi | None:
    """Measure the PSI of the same entities on both sides, with the noise that pairing leaves.

    Parameters
    ----------
    offline_bins, online_bins : array of int
        Bin ids of the i-th entity on either side, 0 to ``size - 1``, equally long.
    size : int
        Number of bins that the ids come from; those used by neither side are left out.
    smoothing : float
        Added to the count of every used bin on both sides; 0 gives the raw index.

    Returns
    -------
    Psi or None
        In nats. None when no entity is there, or when the index is infinite: without
        smoothing, and a bin is empty on one side.

    Raises
    ------
    ValueError
        If the two are not equally long, an id is out of range, or the smoothing is negative.

    Notes
    -----
    Let n(b, c) entities be in bin b offline and c online, and D(b) = n(b, .) - n(., b). To second order
    PSI = sum of D(b)^2 / (n^2 p(b)). Entities that stay in their bin add nothing to D. When the margins
    are truly equal D has mean 0 and the covariance of the Stuart-Maxwell test (Stuart, Biometrika
    42 (1955) 412): n(b, other) + n(other, b) on the diagonal and -(n(b, c) + n(c, b)) off it. So
    noise = sum over b of (n(b, other) + n(other, b)) / (n^2 p(b)), with p(b) the smoothed share over both
    sides and n the smoothed total; identical pairs have noise 0. ``freedom`` matches the variance
    of the same form, trace(WS)^2 / trace(WSWS) (Satterthwaite, 1946).
    """
    left = np.asarray(offline_bins, dtype=np.intp).ravel()
    right = np.asarray(online_bins, dtype=np.intp).ravel()
    if left.size != right.size:
        raise ValueError(f"pairs need two sides of one length, not {left.size} and {right.size}")
    if left.size and (min(left.min(), right.min()) < 0 or max(left.max(), right.max()) >= size):
        raise ValueError(f"bin ids must be from 0 to {size - 1}")
    return psi_of_table(np.bincount(left * size + right, minlength=size * size).reshape(size, size), smoothing)


def psi_of_table(table: NDArray[Any], smoothing: float = 0.5) -> Psi | None:
    """Measure the PSI of pairs that are counted by bins, as `paired_psi` does.

    Parameters
    ----------
    table : array of int
        Shape (bins, bins): rows are the bins offline, columns those online.
    smoothing : float
        Added to the count of every used bin on both sides; 0 gives the raw index.

    Returns
    -------
    Psi or None
        As `paired_psi`.

    Raises
    ------
    ValueError
        If the smoothing is negative.
    """
    used = (table.sum(axis=0) + table.sum(axis=1)) > 0
    pairs = table[np.ix_(used, used)].astype(np.float64)
    offline, online = pairs.sum(axis=1), pairs.sum(axis=0)
    value = _jeffreys(offline, online, smoothing)
    if value is None:
        return None
    moved = pairs + pairs.T
    np.fill_diagonal(moved, 0.0)
    covariance = np.diag(moved.sum(axis=1)) - moved
    n = int(table.sum())
    total = n + smoothing * offline.size
    shares = ((offline + online) / 2 + smoothing) / total
    weighted = covariance / (total * total * shares)[:, None]
    noise = float(np.trace(weighted))
    spread = float(np.sum(weighted * weighted.T))
    freedom = noise * noise / spread if spread > 0 else 0.0
    empty = int(np.sum((offline == 0) | (online == 0)))
    return Psi(value, noise, offline.size, n, empty, n, freedom)


def independent_psi(
    counts_offline: NDArray[Any] | Sequence[int],
    counts_online: NDArray[Any] | Sequence[int],
    smoothing: float = 0.5,
) -> Psi | None:
    """Measure the PSI of two samples that share no entities, from their counts per bin.

    Parameters
    ----------
    counts_offline, counts_online : array of int
        Rows per bin, 0 or more, equally long; bins that neither side uses are left out.
    smoothing : float
        Added to every used bin of both sides; 0 gives the raw index.

    Returns
    -------
    Psi or None
        In nats. None when a side is empty, or when the index is infinite: without smoothing, and
        a bin is empty on one side.

    Raises
    ------
    ValueError
        If the two are not equally long, a count is negative, or the smoothing is negative.

    Notes
    -----
    noise = (bins - 1) * (1/n + 1/m): B. Yurdakul, Statistical Properties of the Population Stability
    Index, WMU dissertation 3208 (2018).

    Examples
    --------
    >>> round(independent_psi([3, 1], [2, 2]).value, 4)
    0.1695
    """
    left = np.asarray(counts_offline, dtype=np.float64).ravel()
    right = np.asarray(counts_online, dtype=np.float64).ravel()
    if left.size != right.size:
        raise ValueError(f"both sides need the same bins, not {left.size} and {right.size}")
    if left.size and min(left.min(), right.min()) < 0:
        raise ValueError("counts must not be negative")
    used = (left + right) > 0
    left, right = left[used], right[used]
    n, m = float(left.sum()), float(right.sum())
    value = _jeffreys(left, right, smoothing) if n > 0 and m > 0 else None
    if value is None:
        return None
    freedom = left.size - 1
    noise = freedom * (1.0 / n + 1.0 / m)
    empty = int(np.sum((left == 0) | (right == 0)))
    return Psi(value, noise, left.size, int(n), empty, int(m), float(freedom))


def auto_limit(noise: float, bins: int, confidence: float, freedom: float | None = None) -> float:
    """Give the PSI that noise alone exceeds with probability 1 - confidence.

    Parameters
    ----------
    noise : float
        Expected PSI without skew, in nats, 0 or more.
    bins : int
        Number of bins in use.
    confidence : float
        Between 0 and 1, both excluded.
    freedom : float, optional
        Degrees of freedom where they are known better than ``bins - 1``: ``Psi.freedom`` of pairs of
        which few move, or move between few bins.

    Returns
    -------
    float
        In nats; 0 for no noise or fewer than two bins.

    Raises
    ------
    ValueError
        If the noise is negative or the confidence is out of range.

    Notes
    -----
    noise * chi2.ppf(confidence, f) / f: a chi-square scaled to the mean of the noise, and with
    ``freedom`` to its variance too. For independent samples it is Yurdakul's equation 5.2.
    """
    if noise < 0:
        raise ValueError(f"noise must not be negative: {noise!r}")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence!r}")
    degrees = float(bins - 1) if freedom is None else min(freedom, float(bins - 1))
    if noise == 0 or degrees <= 0:
        return 0.0
    return noise * chi_square_quantile(confidence, degrees) / degrees


def _jeffreys(offline: Counts, online: Counts, smoothing: float) -> float | None:
    """Give the index of two rows of counts over used bins, None when empty or infinite."""
    if smoothing < 0:
        raise ValueError(f"smoothing must not be negative: {smoothing!r}")
    p, q = offline + smoothing, online + smoothing
    if p.size == 0 or min(p.min(), q.min()) <= 0:
        return None
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((p - q) * (np.log(p) - np.log(q))))
