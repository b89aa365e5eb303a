"""Runs drawn again as a whole, many times: quantiles and shares of what they hold, without putting a sample together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weights = NDArray[np.float64]
"""Shape (samples, runs): how often each run is in each sample."""

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
        order = np.argsort(values, axis=None, kind="stable")
        self._sorted = values.ravel()[order]
        self._means, self._squares = values.mean(axis=1), (values * values).mean(axis=1)
        blocks = -(-order.size // _BLOCK)
        run_of = order // values.shape[1]
        places = np.arange(order.size) // _BLOCK * self.runs + run_of
        within = np.bincount(places, minlength=blocks * self.runs).reshape(blocks, self.runs)
        self._upto = np.concatenate([np.zeros((1, self.runs)), within.cumsum(axis=0)])
        # What fills up the last block belongs to a run behind the others, of which no sample has any.
        filled = np.full(blocks * _BLOCK, self.runs, dtype=np.intp)
        filled[: order.size] = run_of
        self._run_of = filled.reshape(blocks, _BLOCK)

    def drawn(self, samples: int, generator: np.random.Generator) -> Weights:
        """Draw as many runs as there are with replacement, for each sample."""
        even = np.full(self.runs, 1.0 / self.runs)
        return generator.multinomial(self.runs, even, size=samples).astype(np.float64)

    def drawn_from(self, weights: Weights, generator: np.random.Generator) -> Weights:
        """Draw as many runs as there are with replacement, from each of some samples."""
        return generator.multinomial(self.runs, weights / self.runs).astype(np.float64)

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
        counted = np.einsum("ij,ij->i", weights, self._upto[block])
        inside = self._in_block(weights, np.minimum(block, len(self._run_of) - 1))
        counted += np.where(np.arange(_BLOCK) < rest[:, None], inside, 0.0).sum(axis=1)
        return 1.0 - counted / self._sorted.size

    def moments(self, weights: Weights) -> tuple[Floats, Floats]:
        """Give mean and standard deviation (of a population) of each sample's values."""
        means = weights @ self._means / self.runs
        squares = weights @ self._squares / self.runs
        return means, np.sqrt(np.maximum(squares - means * means, 0.0))

    def _in_block(self, weights: Weights, block: NDArray[np.intp]) -> Floats:
        padded = np.pad(weights, ((0, 0), (0, 1)))
        return np.take_along_axis(padded, self._run_of[block], axis=1)
