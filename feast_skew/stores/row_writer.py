"""The port through which rows of the online store are replaced: looked at as they are stored, and written unless they have changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import pyarrow as pa

from feast_skew.core.model import ViewPlan
from feast_skew.stores.base import OnlineRows

Stored = tuple["bytes | None", ...]
"""A row as it is stored: the bytes of each feature of the view, in its order, and last those of the event timestamp; None where there are none."""


class RowWriter(Protocol):
    """Replaces rows of views, each as a whole or not at all; rows of other views stay what they are, byte by byte."""

    def look(self, view: ViewPlan, entities: pa.Table) -> list[Stored | None]:
        """Give the rows of a view as they are stored; None where the store holds something else under that key.

        Raises
        ------
        StoreUnavailable
            When the store does not answer, or does not let us read.
        """

    def decoded(self, view: ViewPlan, rows: Sequence[Stored | None]) -> OnlineRows:
        """Give stored rows as a reader would."""

    def replace(
        self, view: ViewPlan, entities: pa.Table, before: Sequence[Stored], after: Sequence[Stored]
    ) -> Iterator[tuple[int, bool]]:
        """Write rows that are still stored as they were before; yield each position, and whether the row is there now.

        A row that was changed meanwhile is left alone. A row that was written counts as written also where the answer was lost
        and it was asked again.

        Raises
        ------
        StoreUnavailable
            When the store does not answer, or does not let us write. What was yielded by then stays written.
        """

    def close(self) -> None:
        """Close what was opened."""
