"""What is particular about Feast's Spark offline store: its session, read in UTC, and what it makes of training sets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.columns import take_rows
from feast_skew.core.model import FeaturePlan, ViewPlan
from feast_skew.core.types import Kind
from feast_skew.report import Finding
from feast_skew.stores.base import Compared
from feast_skew.stores.spark_row_ids import colliding, frames
from feast_skew.stores.spark_zones import SESSION_ZONE, TimeZones, driver_in_utc, driver_zone, zone_findings

_EXACT = 1 << 53


def is_spark(settings: Any) -> bool:
    """Tell whether the settings of an offline store are those of Feast's Spark store, or of one made from it."""
    return any(base.__name__ == "SparkOfflineStoreConfig" for base in type(settings).__mro__)


@contextlib.contextmanager
def in_utc(session: Any) -> Iterator[None]:
    """Let a Spark session and this process be in UTC, and put both back to what they were."""
    zone = session.conf.get(SESSION_ZONE)
    with driver_in_utc():
        try:
            session.conf.set(SESSION_ZONE, "UTC")
            yield
        finally:
            session.conf.set(SESSION_ZONE, zone)


class SparkSide:
    """The Spark offline store of a repository: how it is read rightly, and what is to be said of it.

    `zones` are those in which its session and this process were found, None before the first read.
    """

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self.zones: TimeZones | None = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read in UTC, whatever the session and the process are in; Feast starts the session when there is none."""
        from feast.infra.offline_stores.contrib.spark_offline_store.spark import (
            get_spark_session_or_start_new_with_repoconfig,
        )

        session = get_spark_session_or_start_new_with_repoconfig(self.settings)
        if self.zones is None:
            self.zones = TimeZones(str(session.conf.get(SESSION_ZONE)), driver_zone())
        with in_utc(session):
            yield

    @property
    def findings(self) -> Sequence[Finding]:
        """What holds for all views."""
        zones = self.zones or TimeZones(None, driver_zone())
        return zone_findings(self.settings.spark_conf, zones.session, zones.driver)

    def hazards(self, parts: Sequence[Compared], collisions: tuple[int, int] | None = None) -> list[Finding]:
        """Give what of the compared entities of one view comes out wrong in training sets."""
        view = parts[0].view
        order = key_order(view)
        same_moment = always = beyond = 0
        for part in parts:
            known = np.flatnonzero(part.instants != NO_INSTANT)
            entities = take_rows(part.entities, known)
            always = max(always, int(np.count_nonzero(colliding(entities, None, order))))
            same_moment = max(same_moment, int(np.count_nonzero(colliding(entities, part.instants[known], order))))
            beyond = max([beyond, *(rounded(f, part.columns[f.name].take(pa.array(known))) for f in part.features)])
        always, same_moment = collisions or (always, same_moment)
        found = [
            collision_finding(view.name, always, same_moment),
            tie_finding(view.name, max(part.ties for part in parts), max(part.differing_ties for part in parts)),
            rounding_finding(view.name, beyond),
        ]
        return [finding for finding in found if finding is not None]


def to_arrow(job: Any) -> pa.Table:
    """Give the rows of a retrieval with the types that Spark has.

    Feast's own way leads through a pandas frame: there integers with nulls become doubles, which round what is beyond
    2**53, and timestamps lose their zone.
    """
    return job.to_spark_df().toArrow() if hasattr(job, "to_spark_df") else job.to_arrow()


def own_names(names: Sequence[str], source: Any) -> list[str]:
    """Give the source's own names of pulled columns: the Spark store alone renames them by the source's field mapping."""
    own = {new: old for old, new in (source.field_mapping or {}).items()}
    return [own.get(name, name) for name in names]


def only_entities(frame: Any, keys: Mapping[str, str], entities: pa.Table) -> Any:
    """Give the rows of a frame that belong to some entities, whose keys are held against the frame's columns as texts."""
    names = {f"__feast_skew_key{i}": (key, column) for i, (key, column) in enumerate(keys.items())}
    if not names or any(pa.types.is_temporal(entities.column(key).type) for key in keys):
        return frame
    texts = pa.table({name: entities.column(key).cast(pa.string()) for name, (key, _) in names.items()})
    wanted = frame.sparkSession.createDataFrame(texts.to_pandas())
    own = [f"cast(`{column}` as string) as `{name}`" for name, (_, column) in names.items()]
    return frame.selectExpr("*", *own).join(wanted, on=list(names), how="left_semi").drop(*names)


def key_order(view: ViewPlan) -> list[str]:
    """Give the join keys in the order in which the Spark store puts their texts together: that of the view's schema."""
    declared = [column.name for column in getattr(view.handle, "entity_columns", ())]
    return [name for name in declared if name in view.keys.names] or list(view.keys.names)


def frames_without_collisions(view: ViewPlan, entities: pa.Table, instants: np.ndarray) -> list[np.ndarray]:
    """Give the positions of entities in parts, each of which the store can be asked for in one frame."""
    return frames(entities, instants, key_order(view))


def rounded(feature: FeaturePlan, values: pa.Array) -> int:
    """Count the whole numbers that a training set in pandas holds rounded, as the column has nulls."""
    if feature.declared.kind is not Kind.INTEGER or not pa.types.is_integer(values.type) or not values.null_count:
        return 0
    numbers = np.asarray(pc.drop_null(values)).astype(np.int64)
    large = numbers[(numbers > _EXACT) | (numbers < -_EXACT)]
    # What no double holds is odd in units of the step between two doubles; the very largest would not fit back.
    _, exponent = np.frexp(np.abs(large.astype(np.float64)))
    step = np.left_shift(np.int64(1), np.maximum(exponent - 53, 1).astype(np.int64))
    return int(np.count_nonzero(large % step))


def collision_finding(view: str, entities: int, same_moment: int) -> Finding | None:
    """Give the finding that so many compared entities share a row id with another one; None when none does.

    `entities` do so whenever both are asked for at one moment, `same_moment` at the moments of their online rows.
    """
    if not entities:
        return None
    return Finding(
        "FS230",
        "warn",
        view,
        f"the keys of {entities:,} compared entities read like those of another one when Feast's Spark store puts them "
        f"together without a separator, as 1, 12 and 11, 2 do; a training set with both at one moment ({same_moment:,} have "
        "it at their online rows' own) gives each the other's values. They were asked for apart from each other",
        "use one join key, such as a text of all with a separator, or ask for such entities in frames of their own",
    )


def tie_finding(view: str, ties: int, differing: int) -> Finding | None:
    """Give the finding that entities have several newest offline rows, which all go into training; None when none has."""
    if not ties:
        return None
    apart = (
        f"; for {differing:,} of them the rows differ, and online was right where it has a value of any"
        if differing
        else ""
    )
    return Finding(
        "FS231",
        "warn",
        view,
        f"training sets have more than one row for each row of an entity frame, for {ties:,} compared entities: Feast's "
        f"Spark store gives all offline rows of the same timestamp{apart}",
        "add a created timestamp to the source, or keep one row per entity and timestamp",
    )


def rounding_finding(view: str, values: int) -> Finding | None:
    """Give the finding that whole numbers of a feature come rounded into a training set; None when none does."""
    if not values:
        return None
    return Finding(
        "FS233",
        "warn",
        view,
        f"{values:,} whole numbers of one feature are rounded in training sets by to_df() and to_arrow(): it has nulls, so "
        "they become doubles; the exact ones were compared",
        "make training sets by to_spark_df(), or declare such ids as String",
    )
