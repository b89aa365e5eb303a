"""Runs drawn again as a whole, many times: quantiles and shares of what they hold, without putting a sample together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weights = NDArray[np.float64]
"""Shape (samples, runs + 1): how often each run is in each sample; the last column is 0, of what fills up blocks."""

_BLOCK = 64


class Clusters:
    """The values of runs, in the order of their size, with counts by run at every 64th of them.

    Parameters
    ----------
    values : array
        Shape (runs, draws), finite, at least one.
    """

    def __init__(self, values: Floats) -> None:
        self.runs = len(values)
        self._values = values
        order = np.argsort(values, axis=None, kind="stable")
        self._sorted = values.ravel()[order]
        blocks, columns = -(-order.size // _BLOCK), self.runs + 1
        run_of = order // values.shape[1]
        places = np.arange(order.size) // _BLOCK * columns + run_of
        within = np.bincount(places, minlength=blocks * columns).reshape(blocks, columns)
        self._upto = np.concatenate([np.zeros((1, columns)), within.cumsum(axis=0)])
        filled = np.full(blocks * _BLOCK, self.runs, dtype=np.intp)
        filled[: order.size] = run_of
        self._run_of = filled.reshape(blocks, _BLOCK)

    def drawn(self, samples: int, generator: np.random.Generator, *, twice: bool = False) -> Weights:
        """Draw as many runs as there are with replacement, for each sample; `twice` draws as many from each of them again."""
        shape = samples, self.runs
        picks = generator.integers(0, self.runs, shape)
        if twice:
            picks = np.take_along_axis(picks, generator.integers(0, self.runs, shape), axis=1)
        columns = self.runs + 1
        places = picks + np.arange(samples)[:, None] * columns
        return np.bincount(places.ravel(), minlength=samples * columns).reshape(samples, columns).astype(np.float64)

    def quantiles(self, weights: Weights, share: float) -> Floats:
        """Give for each sample the quantile of its values, the higher of two between which it lies."""
        rank = math.ceil(share * (self._sorted.size - 1))
        upto = weights @ self._upto.T
        block = (upto[:, 1:] > rank).argmax(axis=1)
        before = np.take_along_axis(upto, block[:, None], axis=1)
        within = (before + self._in_block(weights, block).cumsum(axis=1) > rank).argmax(axis=1)
        found: Floats = self._sorted[block * _BLOCK + within]
        return found

    def beyond(self, weights: Weights, bounds: Floats) -> Floats:
        """Give for each sample the share of its values, 0 to 1, that lie above a bound of its own."""
        below = np.searchsorted(self._sorted, bounds, side="right")
        block, rest = np.divmod(below, _BLOCK)
        counted = (weights * self._upto[block]).sum(axis=1)
        inside = self._in_block(weights, np.minimum(block, len(self._run_of) - 1))
        counted += np.where(np.arange(_BLOCK) < rest[:, None], inside, 0.0).sum(axis=1)
        return 1.0 - counted / self._sorted.size

    def moments(self, weights: Weights) -> tuple[Floats, Floats]:
        """Give mean and standard deviation (of a population) of each sample's values."""
        middle = self._values.mean()
        apart = self._values - middle  # or the squares of what lies far from 0 would cancel
        means = weights[:, :-1] @ apart.mean(axis=1) / self.runs
        squares = weights[:, :-1] @ (apart * apart).mean(axis=1) / self.runs
        return means + middle, np.sqrt(np.maximum(squares - means * means, 0.0))

    def _in_block(self, weights: Weights, block: NDArray[np.intp]) -> Floats:
        return np.take_along_axis(weights, self._run_of[block], axis=1)
