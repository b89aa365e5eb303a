"""The frame that training would hand to an on-demand view: given values, in the types that the offline store gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from feast import FeatureStore
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type

from feast_skew.core.keys import JoinKey
from feast_skew.core.model import OnDemandPlan
from feast_skew.core.types import DeclaredType, Kind
from feast_skew.stores.feast_offline import FeastOfflineReader, quiet
from feast_skew.stores.serving import OnDemandInputs

EVENT_TIMESTAMP = "event_timestamp"
_PROBED = 100
_MOST_ROWS = 3_000_000


@dataclass
class Frame:
    """Rows as a retrieval joins them; `widened` names integers that came as floating point numbers."""

    table: pa.Table
    widened: tuple[str, ...]


@dataclass
class _Answer:
    """A few rows of a retrieval, for the order and types of its columns; `by_pandas` when they went through a frame."""

    table: pa.Table
    by_pandas: bool

    @property
    def names(self) -> list[str]:
        """Names of the columns, each once."""
        return list(dict.fromkeys(self.table.column_names))

    def is_double(self, name: str) -> bool:
        """Tell that the source itself holds doubles: they came without a null that would have made them so."""
        column = self.table.column(name)
        return bool(pa.types.is_floating(column.type) and not column.null_count and len(column))


class TrainingFrames:
    """Makes such frames; what types a column has is asked of the offline store, with a few entities, once per view."""

    def __init__(self, store: FeatureStore, offline: FeastOfflineReader) -> None:
        self._store = store
        self._offline = offline

    def make(self, plan: OnDemandPlan, inputs: OnDemandInputs, positions: np.ndarray, as_of: int) -> Frame:
        """Put the inputs at some positions into one table, as `get_historical_features` joins it before it computes."""
        answer = self._ask(plan, inputs, positions, as_of)
        _, values = inputs.handle
        take = pa.array(positions)
        columns: dict[str, pa.Array] = {}
        widened: list[str] = []
        for key in (*plan.view.keys.keys, *plan.request):
            plain = inputs.rows.column(key.name).take(take).to_pylist()
            columns[key.name] = _column(plain, key.declared, answer, key.name)
            if key.declared.kind is Kind.INTEGER and pa.types.is_floating(columns[key.name].type):
                widened.append(key.name)
        moment = pa.array(np.full(len(positions), as_of, dtype=np.int64)).cast(pa.timestamp("ns", tz="UTC"))
        columns[EVENT_TIMESTAMP] = moment
        for source in plan.sources:
            for feature in source.features:
                held: list[Value | None] = values[source.name, feature.name]
                plain = [_plain(held[int(i)], feature.feast_type) for i in positions]
                column = _column(plain, feature.declared, answer, feature.name)
                if feature.declared.kind is Kind.INTEGER and pa.types.is_floating(column.type):
                    widened.append(feature.name)
                columns[feature.name] = column
        order = [name for name in answer.names if name in columns]
        order += [name for name in columns if name not in order]
        return Frame(pa.table({name: columns[name] for name in order}), tuple(widened))

    def _ask(self, plan: OnDemandPlan, inputs: OnDemandInputs, positions: np.ndarray, as_of: int) -> _Answer:
        """Ask the store for a few rows of the sources; one that cannot answer is taken for one that joins by pandas."""
        nothing = _Answer(pa.table({}), by_pandas=True)
        references = [feature.ref for source in plan.sources for feature in source.features]
        if not references or not len(positions) or not self._small(plan):
            return nothing
        few = inputs.rows.take(pa.array(positions[:_PROBED]))
        frame = few.to_pandas()
        for key in (*plan.view.keys.keys, *plan.request):
            if _is_moment(key):
                frame[key.name] = frame[key.name].dt.tz_localize(None)
        frame[EVENT_TIMESTAMP] = pd.to_datetime(np.full(len(frame), as_of), utc=True)
        try:
            with quiet(), self._offline.reading():
                table = self._store.get_historical_features(entity_df=frame, features=references).to_arrow()
        except Exception:  # noqa: BLE001  it is asked for its types only
            return nothing
        return _Answer(table, by_pandas=b"pandas" in (table.schema.metadata or {}))

    def _small(self, plan: OnDemandPlan) -> bool:
        try:
            return all((self._offline.row_count(source) or 0) <= _MOST_ROWS for source in plan.sources)
        except Exception:  # noqa: BLE001  a source that cannot be read says so where it is compared
            return False


def _is_moment(key: JoinKey) -> bool:
    return key.declared.kind is Kind.TIMESTAMP


def _plain(value: Value | None, feast_type: Any) -> Any:
    if value is None:
        return None
    plain = feast_value_type_to_python_type(value, feast_type.to_value_type())
    if isinstance(plain, set):
        return list(plain)
    if isinstance(plain, float) and np.isnan(plain):
        return None
    return str(plain) if type(plain).__name__ == "UUID" else plain


def _column(plain: list[Any], declared: DeclaredType, answer: _Answer, name: str) -> pa.Array:
    there = answer.names.count(name) == 1 and answer.table.column_names.count(name) == 1
    wanted = answer.table.schema.field(name).type if there else declared.arrow
    nulls = any(value is None for value in plain)
    if declared.kind is Kind.INTEGER and answer.by_pandas:
        # A pandas frame has no integers with nulls; a source that holds doubles has them with and without.
        if nulls:
            return pa.array(np.array([np.nan if v is None else float(v) for v in plain]), from_pandas=True)
        if not there or (pa.types.is_floating(wanted) and not answer.is_double(name)):
            return pa.array(plain, declared.arrow)
    for target in (wanted, declared.arrow):
        try:
            return pa.array(plain, target)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            continue
    try:
        return pa.array(plain)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in plain])
