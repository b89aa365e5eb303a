"""Training's values taken over into measured rows, by the task itself: it needs no Spark."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feast_skew.core.equality import EXACT
from feast_skew.core.keys import JoinKey, KeySet
from feast_skew.core.model import FeaturePlan, Limits, ViewPlan
from feast_skew.core.pairs import RowState
from feast_skew.core.types import declared_type
from feast_skew.engines.spark.measured_rows import measured_batches, measurements_of, taught_table
from feast_skew.engines.spark.plans import PAIR, measured_schema, parts_of
from feast_skew.engines.spark.tasks.batches import opened
from feast_skew.engines.spark.tasks.measuring import retaken
from feast_skew.measuring.view import ViewMeasurement, paired

SECOND = 10**9


def test_features_that_align_differently_get_answers_of_their_own() -> None:
    """Each part is asked for by itself, so that every entity has an answer in each."""
    number = declared_type("Float64")
    features = tuple(
        FeaturePlan("v", name, number, EXACT, Limits(align_within=within)) for name, within in (("a", 0), ("b", SECOND))
    )
    view = ViewPlan("v", KeySet((JoinKey("id", declared_type("Int64")),)), features)
    entities, moments = pa.table({"id": np.arange(3)}), np.full(3, SECOND)
    all_of_them, none = np.ones(3, dtype=bool), np.zeros(3, dtype=bool)
    rows = RowState(moments, moments, moments, moments, moments, all_of_them, none, none, none)
    stored, served = pa.array([1.0, 1.0, 1.0]), pa.array([2.0, 2.0, 2.0])
    parts = [
        ViewMeasurement(
            view,
            entities,
            rows,
            {f.name: paired(f, rows, stored, served, none) for f in group},
            np.empty(0, dtype=np.int64),
            {f.name: pa.nulls(0, pa.float64()) for f in group},
            features=group,
        )
        for group in parts_of(view)
    ]
    places, schema = np.array([7, 8, 9]), measured_schema(view)
    learnt = {"a": pa.array([2.0, 2.0, 1.0]), "b": pa.array([1.0, 2.0, 2.0])}
    answers = [
        taught_table(view, i, places, {f.name: learnt[f.name] for f in group}) for i, group in enumerate(parts_of(view))
    ]
    batches = [
        *measured_batches(view, parts, places, schema, 10),
        *(one for table in answers for one in table.to_batches()),
    ]
    found = pa.Table.from_batches(list(opened(retaken(iter(batches), view, [0, 1]), schema)), schema)
    renewed = measurements_of(found.filter(pa.compute.equal(found.column("kind"), PAIR)), view)
    values = {name: pairs.offline.to_pylist() for part in renewed for name, pairs in part.pairs.items()}
    assert values == {name: column.to_pylist() for name, column in learnt.items()}
    assert [part.pairs[name].wrong.tolist() for part, name in zip(renewed, "ab", strict=True)] == [
        [False, False, True],
        [True, False, False],
    ]
