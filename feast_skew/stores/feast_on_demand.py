"""Runs both code paths of an on-demand view, serving's and training's, through Feast on the same inputs."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore
from feast.protos.feast.types.Value_pb2 import Value

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.columns import bare_rows, take_rows
from feast_skew.core.model import FeaturePlan, OnDemandPlan, ViewPlan
from feast_skew.errors import SkewError
from feast_skew.stores.feast_offline import ROW_ID, FeastOfflineReader, quiet
from feast_skew.stores.feast_online import FeastOnlineReader, Row, entity_keys, nanoseconds
from feast_skew.stores.feast_replay import RememberedRows, RememberedTable, untouched
from feast_skew.stores.feast_training_frame import TrainingFrames
from feast_skew.stores.serving import Computed, OnDemandInputs, names_of
from feast_skew.stores.value_messages import decode_column

_CHUNK = 1_000


class FeastOnDemand:
    """Computes on-demand views twice on the online rows of their sources: as a request, and as a training set would."""

    def __init__(
        self,
        store: FeatureStore,
        online: FeastOnlineReader,
        offline: FeastOfflineReader,
        served: FeatureStore | None = None,
    ) -> None:
        """Take the store whose definitions training uses; `served` is the one that serving uses, the same unless given."""
        self._serving = untouched(served or store)
        self._online = online
        self._offline = offline
        self._frames = TrainingFrames(store, offline)

    def read_inputs(self, plan: OnDemandPlan, rows: pa.Table) -> OnDemandInputs:
        """Read the online rows of all source views; see `OnDemandPaths.read_inputs`."""
        replay = RememberedRows()
        usable = np.ones(rows.num_rows, dtype=bool)
        instants = np.full(rows.num_rows, NO_INSTANT, dtype=np.int64)
        values: dict[tuple[str, str], list[Value | None]] = {}
        for source in plan.sources:
            names = [feature.name for feature in source.features]
            entities = _named(rows, source, plan.maps.get(source.name, {}))
            found = self._stored(replay, source, names, entities)
            moments = self._instants(found)
            usable &= moments != NO_INSTANT
            instants = np.maximum(instants, moments)
            for name in names:
                values[source.name, name] = [None if row is None else (row[1] or {}).get(name) for row in found]
        stored_at = np.full(rows.num_rows, NO_INSTANT, dtype=np.int64)
        if plan.stored:
            stored_at = self._instants(
                self._stored(replay, plan.view, list(names_of(plan)), _named(rows, plan.view, {}))
            )
        return OnDemandInputs(rows, usable, instants, stored_at, (replay, values))

    def _stored(self, replay: RememberedRows, view: ViewPlan, names: list[str], entities: pa.Table) -> list[Row | None]:
        found: list[Row | None] = []
        added = self._online.added_names(view, names, take_rows(entities, np.arange(min(1, entities.num_rows))))
        for start in range(0, entities.num_rows, _CHUNK):
            chunk = take_rows(entities, np.arange(start, min(start + _CHUNK, entities.num_rows)))
            rows = self._online.stored(view, names, chunk)
            replay.remember(view.name, entity_keys(view, chunk), rows, added)
            found += rows
        return found

    def _instants(self, rows: Sequence[Row | None]) -> np.ndarray:
        found = np.full(len(rows), NO_INSTANT, dtype=np.int64)
        for i, row in enumerate(rows):
            moment = None if row is None else self._online.moment_of(row)
            instant = None if moment is None else nanoseconds(moment)
            if instant is not None:
                found[i] = instant
        return found

    def serve(self, plan: OnDemandPlan, inputs: OnDemandInputs, positions: np.ndarray, *, together: bool) -> Computed:
        """Ask serving for each position, or once for all; see `OnDemandPaths.serve`."""
        replay, _ = inputs.handle
        names = names_of(plan)
        wanted = plan.view.keys.names if plan.stored else plan.columns
        request = {name: inputs.rows.column(name).take(pa.array(positions)).to_pylist() for name in wanted}
        # A request without a key still has to say how many rows it asks for; Feast passes over a column that it does not know.
        request = request or {ROW_ID: [0] * len(positions)}
        parts = [slice(0, len(positions))] if together else [slice(i, i + 1) for i in range(len(positions))]
        found: dict[str, list[Value]] = {name: [Value()] * len(positions) for name in names}
        answered = np.zeros(len(positions), dtype=bool)
        raised: Counter[str] = Counter()
        for part in parts:
            size = part.stop - part.start
            try:
                values = self._request(replay, plan, {name: column[part] for name, column in request.items()})
            except Exception as error:  # noqa: BLE001  the view's own code may raise anything
                raised[said(error, plan)] += size
                continue
            lengths = {len(values[name]) for name in names if name in values}
            if lengths - {size}:
                raised[f"gives {max(lengths - {size})} values for {size} rows"] += size
                continue
            if not lengths:
                raised["gives none of the features"] += size
                continue
            answered[part] = True
            for name in names:
                found[name][part] = values.get(name, [Value()] * size)
        columns, corrupt = {}, {}
        for feature in plan.view.features:
            columns[feature.name], corrupt[feature.name] = decode_column(found[feature.name], feature.declared)
        return Computed(columns, answered, corrupt, raised)

    def _request(self, replay: RememberedRows, plan: OnDemandPlan, request: dict[str, list[Any]]) -> dict[str, Any]:
        with quiet():
            response = replay.get_online_features(
                config=self._serving.config,
                features=[feature.ref for feature in plan.view.features],
                entity_rows=request,
                registry=self._serving.registry,
                project=self._serving.project,
            )
        names = response.proto.metadata.feature_names.val
        return {name: result.values for name, result in zip(names, response.proto.results, strict=True)}

    def train(self, plan: OnDemandPlan, inputs: OnDemandInputs, positions: np.ndarray, as_of: int) -> Computed:
        """Give Feast's retrieval a frame of all positions; see `OnDemandPaths.train`."""
        frame = self._frames.make(plan, inputs, positions, as_of)
        nothing = np.zeros(len(positions), dtype=bool)
        view = copy.deepcopy(plan.view.handle)
        view.write_to_online_store = False  # as get_historical_features does: training always computes
        job = RememberedTable(frame.table, [view], [feature.ref for feature in plan.view.features])
        try:
            with quiet():
                table = job.to_arrow()
        except Exception as error:  # noqa: BLE001  the view's own code may raise anything
            return Computed({}, nothing, raised=Counter({said(error, plan): len(positions)}))
        columns: dict[str, pa.Array] = {}
        missing: dict[str, str] = {}
        for feature in plan.view.features:
            self._take(table, frame.table.column_names, feature, columns, missing)
        return Computed(columns, ~nothing, missing=missing, widened=frame.widened)

    def _take(
        self,
        table: pa.Table,
        given: Sequence[str],
        feature: FeaturePlan,
        columns: dict[str, pa.Array],
        missing: dict[str, str],
    ) -> None:
        places = [i for i, name in enumerate(table.column_names) if name == feature.name]
        if len(places) <= given.count(feature.name):
            missing[feature.name] = "training's code does not give it"
            return
        try:
            columns[feature.name] = self._offline.declare(feature, table.column(places[-1]))
        except SkewError as error:
            missing[feature.name] = f"training's code gives another type: {error.one_line()}"


def said(error: Exception, plan: OnDemandPlan) -> str:
    """Name an error of a view's code; its text may hold feature values, so only what names a column is kept."""
    kind = type(error).__name__
    text = str(error.args[0]) if error.args else ""
    if isinstance(error, KeyError) and text.isidentifier() and text not in plan.columns:
        return f"{kind} {text!r}"
    if "length" in text and isinstance(error, (pa.ArrowInvalid, ValueError)):
        return f"{kind}, a column of another length than the frame"
    return kind


def _named(rows: pa.Table, view: ViewPlan, map_: Any) -> pa.Table:
    columns = [rows.column(map_.get(key.name, key.name)) for key in view.keys.keys]
    return pa.table(columns, schema=view.keys.schema) if columns else bare_rows(rows.num_rows)
