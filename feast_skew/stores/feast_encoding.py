"""Rows of an offline source as Feast would store them online: its own serialization of every value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from feast.type_map import python_values_to_proto_values
from google.protobuf.timestamp_pb2 import Timestamp

from feast_skew.core.arrays import Instants
from feast_skew.core.columns import in_one_piece
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.core.types import Kind
from feast_skew.stores.row_writer import Stored


def stored_rows(view: ViewPlan, values: pa.Table, instants: Instants, *, doubles: bool = False) -> list[Stored | None]:
    """Serialize rows as a materialization does (feast.utils._convert_arrow_fv_to_proto); None for one that Feast cannot write.

    Parameters
    ----------
    view : ViewPlan
        The view with all of its features.
    values : pyarrow.Table
        A column per feature, as the source stores it.
    instants : array of int64
        Event timestamps in nanoseconds, of which Feast keeps the microseconds.
    doubles : bool
        Whether whole numbers are taken through doubles, as Feast takes a column in which any number is missing.

    Returns
    -------
    list
        Stored rows, in the same order.
    """
    if not values.num_rows:
        return []
    try:
        columns = [_serialized(one, in_one_piece(values.column(one.name)), doubles) for one in view.features]
    except Exception:  # noqa: BLE001  Feast refuses values in many ways; the others of the chunk are sound
        if values.num_rows == 1:
            return [None]
        middle = values.num_rows // 2
        return [
            *stored_rows(view, values.slice(0, middle), instants[:middle], doubles=doubles),
            *stored_rows(view, values.slice(middle), instants[middle:], doubles=doubles),
        ]
    return list(zip(*columns, [_moment(int(instant)) for instant in instants], strict=True))


def _serialized(feature: FeaturePlan, column: pa.Array, doubles: bool) -> list[bytes]:
    protos = python_values_to_proto_values(_plain(feature, column, doubles), feature.feast_type.to_value_type())
    # Members of maps have no order on the wire; one is needed for the same row to have the same bytes.
    return [proto.SerializeToString(deterministic=True) for proto in protos]


def _plain(feature: FeaturePlan, column: pa.Array, doubles: bool) -> Any:
    if feature.declared.kind is Kind.NESTED:
        plain = column.to_pylist()
        return [None if pairs is None else dict(pairs) for pairs in plain] if pa.types.is_map(column.type) else plain
    if pa.types.is_integer(column.type) and doubles:
        return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    if pa.types.is_integer(column.type) and column.null_count:
        # numpy would make doubles of them here, in which large numbers lose their last digits, and not in a chunk without nulls.
        return np.array(column.to_pylist(), dtype=object)
    return column.to_numpy(zero_copy_only=False)


def _moment(instant: int) -> bytes:
    moment = Timestamp()
    moment.FromNanoseconds(instant // 1000 * 1000)
    return moment.SerializeToString()
