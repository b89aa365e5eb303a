"""The ports to what serving does beside reading views: on-demand views, and vectors computed beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Instants, Mask
from feast_skew.core.model import OnDemandPlan, ServicePlan


@dataclass
class OnDemandInputs:
    """What both code paths of an on-demand view are given, row i for request i.

    `usable` marks the requests whose source views all have a readable row online; `instants` is the newest event
    timestamp among these rows (nanoseconds), `stored_at` the one of the view's own row where serving reads such a row.
    `handle` is the adapter's own.
    """

    rows: pa.Table
    usable: Mask
    instants: Instants
    stored_at: Instants
    handle: Any = field(default=None, repr=False)


@dataclass
class Computed:
    """What one code path gives: columns in the declared types, one row per asked position.

    `answered` marks the requests that got an answer, `corrupt` values of another type than declared, by feature;
    `raised` counts what the code raised, by the name of the error; `missing` names features that were not given, with
    the reason; `widened` the inputs that were integers and came as floating point numbers.
    """

    columns: dict[str, pa.Array]
    answered: Mask
    corrupt: dict[str, Mask] = field(default_factory=dict)
    raised: Counter[str] = field(default_factory=Counter)
    missing: dict[str, str] = field(default_factory=dict)
    widened: tuple[str, ...] = ()


@dataclass
class VectorRead:
    """Some requests to a feature service, read from its vectors and from its views; row i for request i.

    `has_vector` and `in_views` tell whether there is a vector, and a row in any view; `made_at` is when the vector was
    computed (nanoseconds); `differs` marks by feature the requests with another value in the vector; `refused` says why
    serving answers no request from the vectors that are there, empty when it does.
    """

    has_vector: Mask
    in_views: Mask
    made_at: Instants
    differs: dict[str, Mask]
    refused: str = ""

    @property
    def differing(self) -> Mask:
        """Requests with any difference."""
        found = np.zeros(len(self.has_vector), dtype=bool)
        for mask in self.differs.values():
            found |= mask
        return found


class OnDemandPaths(Protocol):
    """Runs serving's and training's code path of an on-demand view on the same inputs."""

    def read_inputs(self, plan: OnDemandPlan, rows: pa.Table) -> OnDemandInputs:
        """Read the online rows of all source views for some requests (a table of `plan.columns`).

        Raises
        ------
        StoreUnavailable
            When the store does not answer.
        """

    def serve(self, plan: OnDemandPlan, inputs: OnDemandInputs, positions: np.ndarray, *, together: bool) -> Computed:
        """Compute as serving does: a request for each position, or one request for them all."""

    def train(self, plan: OnDemandPlan, inputs: OnDemandInputs, positions: np.ndarray, as_of: int) -> Computed:
        """Compute as training does: one frame of all positions, at an event timestamp (nanoseconds)."""


class VectorReader(Protocol):
    """Reads feature services from their vectors, as serving does, and from their views."""

    def read_both(self, service: ServicePlan, rows: pa.Table) -> VectorRead:
        """Read some requests (a table of the service's columns) both ways at nearly the same moment.

        Raises
        ------
        StoreUnavailable
            When the store does not answer.
        """


def names_of(plan: OnDemandPlan) -> Sequence[str]:
    """Name the features of an on-demand view that were asked for."""
    return [feature.name for feature in plan.view.features]
