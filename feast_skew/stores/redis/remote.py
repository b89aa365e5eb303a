"""Reads rows of Redis where only a recipe has come to: no registry, no Feast, a process that others start."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.errors import SkewError
from feast_skew.report import Finding
from feast_skew.stores.base import OnlineRows
from feast_skew.stores.redis import faults
from feast_skew.stores.redis.address import Address, connect, deployment_of, disconnect
from feast_skew.stores.redis.bulk import BulkHashes
from feast_skew.stores.redis.layout import Layout
from feast_skew.stores.redis.notes import Notes
from feast_skew.stores.redis.pace import Pace
from feast_skew.stores.redis.patience import Tries
from feast_skew.stores.redis.rows import CHUNK, BulkRows
from feast_skew.stores.value_messages import value_class

PATIENCE = 30.0
"""Seconds for which a server that is lost is waited for: what has been read so far, here and elsewhere, took longer."""


@dataclass(frozen=True)
class Recipe:
    """How the rows of some views are read: all that a reader has to know, in a form that can be sent.

    `stored` gives by view the name under which its rows are kept, `described` is the serialized description of the file of
    Feast's class of values, `max_ops` how many commands a second one reader may send.
    """

    address: Address
    layout: Layout
    stored: Mapping[str, str]
    described: bytes = field(repr=False)
    max_ops: float | None = None


class RemoteReader:
    """Reads rows in bulk by a recipe, over one connection to each server, and more patiently than the one who wrote it.

    Nothing holds its rows against Feast's own read: whoever wrote the recipe has done that.
    """

    at_rest = False
    chunk = CHUNK

    def __init__(
        self,
        recipe: Recipe,
        sleep: Callable[[float], None] = time.sleep,
        patience: float = PATIENCE,
    ) -> None:
        self._recipe = recipe
        self._sleep = sleep
        self._patience = patience
        self._pace = Pace(recipe.max_ops, sleep=sleep)
        self._rows = BulkRows(recipe.layout, value_class(recipe.described), self._connect)
        self._client: Any = None
        self._large: Counter[str] = Counter()

    @property
    def notes(self) -> Notes:
        """What it came upon, to be put together with the notes of other readers."""
        return Notes(dict(self._large), self._pace.slowest)

    @property
    def findings(self) -> list[Finding]:
        """What users should know of how their rows were read."""
        return self.notes.findings(self._recipe.max_ops)

    def close(self) -> None:
        """Close all connections."""
        self._rows.close()
        if self._client is not None:
            disconnect(self._client)
            self._client = None

    def read(self, view: ViewPlan, features: Sequence[FeaturePlan], entities: pa.Table) -> OnlineRows:
        """Read one chunk of entities; see `OnlineReader.read`."""
        if not entities.num_rows:
            return OnlineRows.concat([], features)
        found = self._rows.read(self._recipe.stored[view.name], view, features, entities)
        if found.too_large:
            self._large[view.name] += found.too_large
        return found.rows

    def _connect(self) -> BulkHashes:
        """Connect, and wait for a server that has to be asked beforehand as for one that is lost later."""
        tries = Tries(self._pace.clock)
        while self._client is None:
            try:
                self._client = connect(self._recipe.address)
            except SkewError:
                raise
            except Exception as error:  # noqa: BLE001  told in one line
                wait = tries.wait(self._patience) if faults.is_lost(error) else None
                if wait is None:
                    raise faults.unavailable("redis", error) from faults.printable(error)
                self._sleep(wait)
        deployment = deployment_of(self._client, self._recipe.address.kind)
        return BulkHashes(deployment, self._pace, self._sleep, self._patience)
