"""A service with vectors computed beforehand."""

from __future__ import annotations

from collections.abc import Iterator

from feast_skew.core.facts import RepositoryFacts
from feast_skew.lint.base import Hit, hazard


@hazard(
    "FS117",
    "warn",
    "a service with vectors computed beforehand",
    why="serving reads whole vectors that were put together at a materialization; what is pushed or written otherwise later is in the views and not in the vectors",
    remedy="materialize after every write, or leave precompute_online out; `feast-skew validate --service` reads both ways",
)
def check(repository: RepositoryFacts) -> Iterator[Hit]:
    """Look at services with vectors."""
    for service in repository.services:
        if service.precomputed:
            yield Hit("", f"service {service.name} has precompute_online")
