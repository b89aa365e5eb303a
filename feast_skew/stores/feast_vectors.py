"""Reads feature services with `precompute_online` the way serving does, and from their views, through Feast."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore
from feast.protos.feast.core.PrecomputedFeatureVector_pb2 import PrecomputedFeatureVector
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesResponse

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.model import ServicePlan, ViewPlan
from feast_skew.errors import SkewError, StoreUnavailable
from feast_skew.stores.feast_offline import quiet
from feast_skew.stores.feast_online import FeastOnlineReader, entity_keys
from feast_skew.stores.feast_replay import untouched
from feast_skew.stores.serving import VectorRead


class FeastVectors:
    """Reads vectors by `get_online_features` with the service itself, and its views with a copy without vectors."""

    def __init__(self, store: FeatureStore, online: FeastOnlineReader) -> None:
        self._store = untouched(store)
        self._online = online

    def read_both(self, service: ServicePlan, rows: pa.Table) -> VectorRead:
        """Read some requests both ways; see `VectorReader.read_both`.

        Serving raises for a whole request when one of its entities has no vector, so these are found out beforehand, by
        one read of the vectors, and serving is asked for the others.
        """
        vectors = self._vectors(service, rows)
        has = np.array([vector is not None for vector in vectors], dtype=bool)
        made = [NO_INSTANT if vector is None else vector.precomputed_at.ToNanoseconds() for vector in vectors]
        request = {name: rows.column(name).to_pylist() for name in rows.column_names}
        plain_service = copy.copy(service.handle)
        plain_service.precompute_online = False
        plain = self._serve(plain_service, request, rows.num_rows * len(plain_service.feature_view_projections))
        if plain is None:
            raise StoreUnavailable(
                f"service {service.name} cannot be read from its views", hint="try its views by --view"
            )
        columns = set(rows.column_names)
        dated = [r.event_timestamps for n, r in _features(plain, columns).items()]
        in_views = np.array([any(moments[i].seconds for moments in dated) for i in range(len(has))], dtype=bool)
        found = VectorRead(has, in_views, np.array(made, dtype=np.int64), {})
        held = np.flatnonzero(has)
        if not len(held):
            return found
        some = {name: [column[i] for i in held] for name, column in request.items()}
        served = self._serve(service.handle, some, len(held))
        if served is None:
            found.refused = self._why(vectors, plain, columns)
            return found
        theirs = _features(served, columns)
        for name, result in _features(plain, columns).items():
            mask = np.zeros(len(has), dtype=bool)
            for place, i in enumerate(held):
                mask[i] = name not in theirs or not _equal(theirs[name].values[place], result.values[int(i)])
            found.differs[name] = mask
        return found

    def _vectors(self, service: ServicePlan, rows: pa.Table) -> list[PrecomputedFeatureVector | None]:
        keys = ViewPlan(service.name, service.primary, ())
        named = {
            key.name: rows.column(name) for key, name in zip(service.primary.keys, service.key_columns, strict=True)
        }
        table = pa.table(list(named.values()), schema=service.primary.schema) if named else rows
        provider: Any = self._online.provider
        blobs = self._online.patiently(
            lambda: provider.online_store.read_precomputed_vectors(
                self._store.config, service.name, self._store.project, entity_keys(keys, table)
            ),
            table.num_rows,
        )
        return [None if blob is None else _parsed(blob) for blob in blobs]

    def _serve(self, service: Any, request: dict[str, list[Any]], commands: int) -> GetOnlineFeaturesResponse | None:
        """Ask serving, by so many commands to the store; None when it refuses to answer from the vectors."""
        provider: Any = self._online.provider

        def ask() -> GetOnlineFeaturesResponse | None:
            try:
                with quiet():
                    response = provider.get_online_features(
                        config=self._store.config,
                        features=service,
                        entity_rows=request,
                        registry=self._store.registry,
                        project=self._store.project,
                        full_feature_names=True,  # with short names serving takes no vector in Feast 0.67
                    )
                return response.proto
            except RuntimeError:
                return None

        try:
            return self._online.patiently(ask, commands)
        except SkewError:
            raise
        except Exception as error:
            raise StoreUnavailable(
                f"service {service.name} cannot be served: {type(error).__name__}", hint="ask it by get_online_features"
            ) from error

    @staticmethod
    def _why(
        vectors: list[PrecomputedFeatureVector | None], plain: GetOnlineFeaturesResponse, columns: set[str]
    ) -> str:
        wanted = set(_features(plain, columns))
        shapes = {tuple(vector.feature_names) for vector in vectors if vector is not None}
        if any(set(names) != wanted for names in shapes):
            return "they hold other features than the service has now"
        return "they are not alike" if len(shapes) > 1 else "serving does not say why"


def _parsed(blob: bytes) -> PrecomputedFeatureVector:
    vector = PrecomputedFeatureVector()
    vector.ParseFromString(blob)
    return vector


def _features(response: GetOnlineFeaturesResponse, columns: set[str]) -> dict[str, Any]:
    names = response.metadata.feature_names.val
    return {name: result for name, result in zip(names, response.results, strict=True) if name not in columns}


def _equal(one: Any, other: Any) -> bool:
    # As bytes: a vector is a copy, and NaN is no equal of itself.
    return bool(one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True))
