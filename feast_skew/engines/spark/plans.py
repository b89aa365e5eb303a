"""What is sent to executors: the parts of a plan without anything of Feast, and the columns that rows travel in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from feast_skew.core.keys import KeySet
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.core.types import Kind
from feast_skew.engines.spark.columns import carried, key_fields
from feast_skew.stores.rows import SourceColumns

PAIR, OLDER, DIGEST, TAUGHT = 0, 1, 2, 3
"""Kinds of measured rows: an entity, an earlier version of an offline row, what a task counted, what a training set gets."""


ONLINE, OFFLINE, NOTES = 0, 1, -1
"""Sides of an exchange, and what tasks say of themselves."""

NOTE = pa.schema([pa.field("note", pa.binary())])

EXCHANGED = pa.schema(
    [
        pa.field("bucket", pa.int32()),
        pa.field("side", pa.int32()),
        pa.field("first", pa.int64()),
        pa.field("block", pa.binary()),
    ]
)
"""Blocks on their way to the partition of their entities; `first` orders those of one side."""


def counted_schema(keys: KeySet, views: int) -> pa.Schema:
    """Give the columns of entities: for each view its rows, and marks of whether any lies up to the run's instant or beyond."""
    counts = [
        field
        for i in range(views)
        for field in (
            pa.field(f"rows{i}", pa.int64()),
            pa.field(f"known{i}", pa.int32()),
            pa.field(f"later{i}", pa.int32()),
        )
    ]
    return pa.schema([pa.field("key", pa.binary()), *key_fields(keys), *counts])


BLOCKS = pa.schema([pa.field("kind", pa.int8()), pa.field("block", pa.binary())])
"""Blocks of measured rows, each of one kind."""


@dataclass(frozen=True)
class SourceRows:
    """How the rows of one source become offline rows; `where` names the source in messages."""

    view: ViewPlan
    features: tuple[FeaturePlan, ...]
    columns: SourceColumns
    where: str


def source_schema(view: ViewPlan, features: Sequence[FeaturePlan]) -> pa.Schema:
    """Give the columns of offline rows: the key in bytes, null for one with a null in it; instants in nanoseconds.

    `seq` is their order in the source.
    """
    names = {feature.name: i for i, feature in enumerate(view.features)}
    values = [field for f in features for field in carried(f"off{names[f.name]}", f.declared)]
    head = [("key", pa.binary()), ("ts", pa.int64()), ("created", pa.int64()), ("seq", pa.int64())]
    return pa.schema([*(pa.field(*one) for one in head), *key_fields(view.keys), *values])


def online_schema(view: ViewPlan) -> pa.Schema:
    """Give the columns of online rows: `place` orders the sample, `ts` is null where the store holds nothing."""
    head = [("key", pa.binary()), ("place", pa.int64()), ("ts", pa.int64())]
    values = [
        field
        for i, feature in enumerate(view.features)
        for field in (*carried(f"on{i}", feature.declared), pa.field(f"bad{i}", pa.bool_()))
    ]
    return pa.schema([*(pa.field(*one) for one in head), *key_fields(view.keys), *values])


def measured_schema(view: ViewPlan) -> pa.Schema:
    """Give the columns of measured rows, of whatever kind.

    `was<feature>` tells that the online value is one of an earlier version of the offline row.
    `part` is the group of features that align alike, for rows of kind `OLDER` and `TAUGHT`; `aligned<part>` and `marks<part>` are of that group,
    the others of the row.
    """
    head = [("kind", pa.int8()), ("part", pa.int32()), ("place", pa.int64()), ("digest", pa.binary())]
    shared = ("online", "latest", "before", "after")
    instants = [pa.field(name, pa.int64()) for name in shared]
    marks = [pa.field("has_offline", pa.bool_()), pa.field("expired", pa.bool_())]
    groups = [
        field
        for number in range(len(parts_of(view)))
        for field in (pa.field(f"aligned{number}", pa.int64()), pa.field(f"marks{number}", pa.int8()))
    ]
    values = [
        field
        for i, feature in enumerate(view.features)
        for field in (
            *carried(f"off{i}", feature.declared),
            *carried(f"on{i}", feature.declared),
            pa.field(f"class{i}", pa.int8()),
            pa.field(f"was{i}", pa.bool_()),
        )
    ]
    head_fields = [pa.field(*one) for one in head]
    return pa.schema([*head_fields, *key_fields(view.keys), *instants, *marks, *groups, *values])


def parts_of(view: ViewPlan) -> list[tuple[FeaturePlan, ...]]:
    """Group the features that align alike, in the order in which a measurement gives its parts."""
    groups: dict[int, list[FeaturePlan]] = {}
    for feature in view.features:
        groups.setdefault(feature.limits.align_within, []).append(feature)
    return [tuple(features) for features in groups.values()]


def sendable(view: ViewPlan) -> ViewPlan:
    """Give a view without what only the driver can read; types of nested values are kept, as Feast itself writes those."""
    features = tuple(
        feature if feature.declared.kind is Kind.NESTED else replace(feature, feast_type=None)
        for feature in view.features
    )
    return replace(view, features=features, handle=None)


KEY_TEXTS = pa.schema(
    [
        pa.field("part", pa.int32()),
        pa.field("place", pa.int64()),
        pa.field("text", pa.binary()),
        pa.field("instant", pa.int64()),
    ]
)
"""What Feast's Spark store knows entities by, for each group of features that align alike; `instant` is one of whole microseconds."""

WRONG_ROWS = pa.schema(
    [
        pa.field("place", pa.int64()),
        pa.field("view", pa.string()),
        pa.field("feature", pa.string()),
        pa.field("entity", pa.map_(pa.string(), pa.string())),
        pa.field("class", pa.string()),
        pa.field("offline", pa.string()),
        pa.field("online", pa.string()),
        pa.field("offline_ns", pa.int64()),
        pa.field("online_ns", pa.int64()),
        pa.field("covered", pa.string()),
    ]
)
"""Wrong rows as executors give them; values are JSON, instants nanoseconds, `covered` is the cause as far as a row tells."""
