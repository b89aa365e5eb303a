"""From a source's own columns to offline batches: names mapped, keys cast, instants in UTC nanoseconds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.columns import bare_rows, in_one_piece
from feast_skew.core.keys import KeySet, cast_keys
from feast_skew.core.model import FeaturePlan
from feast_skew.core.types import Kind, to_declared
from feast_skew.errors import SourceUnreadable
from feast_skew.stores.base import OfflineBatch

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True)
class SourceColumns:
    """How a source names what a view needs: key and feature names of Feast mapped to columns of the source."""

    keys: Mapping[str, str]
    features: Mapping[str, str]
    timestamp: str
    created: str | None

    def needed(self) -> list[str]:
        """All columns of the source that must be there, each once."""
        created = [self.created] if self.created else []
        return list(dict.fromkeys([*self.keys.values(), *self.features.values(), self.timestamp, *created]))

    def check(self, available: Sequence[str], where: str) -> None:
        """Make sure that the source has them.

        Raises
        ------
        SourceUnreadable
            Naming the first missing column and the ones that are there.
        """
        for column in self.needed():
            if column not in available:
                shown = ", ".join(list(available)[:12]) + (", ..." if len(available) > 12 else "")
                raise SourceUnreadable(f"{where} has no column {column!r}", hint=f"it has {shown}")


def offline_batch(table: pa.Table, columns: SourceColumns, keys: KeySet, where: str) -> OfflineBatch:
    """Turn rows of a source into an offline batch; rows with a null key or a null timestamp are left out.

    Raises
    ------
    SourceUnreadable
        When ids do not fit the declared type or timestamps are none.
    """
    by_name = pa.table({name: table.column(column) for name, column in columns.keys.items()}) if columns.keys else table
    try:
        cast, complete = cast_keys(by_name, keys)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        declared = ", ".join(f"{key.name} {key.declared.name}" for key in keys.keys)
        raise SourceUnreadable(
            f"{where} holds ids that do not fit the registry's {declared}", hint=" ".join(str(error).split())[:200]
        ) from error
    instants, dated = to_instants(table.column(columns.timestamp), f"{where}: {columns.timestamp}")
    created = None
    if columns.created:
        created, _ = to_instants(table.column(columns.created), f"{where}: {columns.created}")
    values = {name: table.column(column) for name, column in columns.features.items()}
    keep = complete & dated
    result = pa.table(values) if values else bare_rows(table.num_rows)
    null_keys = int(len(complete) - np.count_nonzero(complete))
    if keep.all():
        return OfflineBatch(cast, instants, created, result, null_keys)
    mask = pa.array(keep)
    return OfflineBatch(
        cast.filter(mask) if cast.num_columns else bare_rows(int(keep.sum())),
        instants[keep],
        created[keep] if created is not None else None,
        result.filter(mask) if values else bare_rows(int(keep.sum())),
        null_keys,
    )


def declared_values(feature: FeaturePlan, values: pa.ChunkedArray) -> pa.Array:
    """Bring values as a source stores them into the feature's declared type.

    Raises
    ------
    SourceUnreadable
        When they do not fit; the values themselves are not named.
    """
    try:
        if feature.declared.kind is Kind.NESTED:
            from feast_skew.stores.feast_values import source_text  # only Feast can write nested values as Feast does

            return source_text(values, feature.feast_type, feature.declared)
        return to_declared(values, feature.declared)
    except Exception as error:
        raise SourceUnreadable(
            f"offline values of {feature.ref} are {values.type}, declared {feature.declared.name}",
            hint=_without_values(error) or "correct the schema of the view or the source",
        ) from error


def _without_values(error: Exception) -> str:
    """Give the text of an error of Arrow or Feast, which may quote a feature's value, without that."""
    return re.sub(r"'.*'|\bvalue -?\d\S*", "a value", " ".join(str(error).split()))[:200]


def to_instants(column: pa.ChunkedArray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Give timestamps as int64 nanoseconds UTC, and which are known; a column without a zone is UTC, as in Feast.

    Moments outside of 1678..2261 are held at the ends of that range.

    Raises
    ------
    SourceUnreadable
        When the column holds no timestamps.
    """
    array = in_one_piece(column)
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("s"))
    if pa.types.is_null(array.type):
        array = array.cast(pa.timestamp("ns"))
    if not pa.types.is_timestamp(array.type):
        raise SourceUnreadable(f"{where} holds {array.type}, not timestamps", hint="store it as a timestamp column")
    known = np.asarray(pc.is_valid(array), dtype=bool)
    factor = _NANOSECONDS[array.type.unit]
    ticks = np.asarray(pc.fill_null(array.cast(pa.int64()), 0), dtype=np.int64)
    bound = (np.iinfo(np.int64).max - 1) // factor
    return np.clip(ticks, -bound, bound) * factor, known
