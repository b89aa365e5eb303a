"""Each hazard really makes skew in stock Feast on a real Redis, is found where it is, and not where it is not."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import mmh3
import pandas as pd
import pytest
from feast import BatchFeatureView, Entity, FeatureService, Field, PushSource, ValueType
from feast.aggregation import Aggregation
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float32, Float64, Int64
from kit import DAY, NOW, Kit, driver, view_of

from feast_skew.lint.base import load_hazards

KitWith = Callable[..., Kit]
HOUR = timedelta(hours=1)


def test_every_hazard_is_told_whole() -> None:
    hazards = load_hazards()
    assert len(hazards) >= 20
    for one in hazards:
        assert one.code.startswith("FS1")
        assert one.severity in ("fail", "warn", "info")
        assert one.title
        assert one.why
        assert one.remedy
        assert not one.why.endswith(".")


def test_clean_definitions_have_none(kit: Kit) -> None:
    view = view_of(kit.table(rate=[1.0]))
    assert kit.codes(view) == []
    kit.apply(driver, view)
    kit.materialize()
    assert kit.codes(view) == []


def test_fs101_source_changed(kit: Kit) -> None:
    month, week = kit.table("month.parquet", rate=[30.0]), kit.table("week.parquet", rate=[7.0])
    kit.apply(driver, view_of(month))
    kit.materialize()
    assert kit.codes(view_of(week)) == ["FS101"]
    kit.apply(driver, view_of(week))
    kit.materialize()
    assert kit.served("stats:rate")["rate"] == [30.0]
    assert kit.trained("stats:rate").rate.tolist() == [7.0]


def test_fs101_not_before_a_materialization_and_not_with_skip_dedup(kit_with: KitWith) -> None:
    kit = kit_with(online={"skip_dedup": True})
    month, week = kit.table("month.parquet", rate=[30.0]), kit.table("week.parquet", rate=[7.0])
    kit.apply(driver, view_of(month))
    assert kit.codes(view_of(week)) == ["FS105"]
    kit.materialize()
    assert kit.codes(view_of(week)) == ["FS105"]
    kit.apply(driver, view_of(week))
    kit.materialize()
    assert kit.served("stats:rate")["rate"] == [7.0]


def test_fs102_field_added(kit: Kit) -> None:
    source = kit.table(rate=[1.0], share=[0.5])
    both = {"rate": Float64, "share": Float64}
    kit.apply(driver, view_of(source))
    assert kit.codes(view_of(source, fields=both)) == []
    kit.materialize()
    assert kit.codes(view_of(source, fields=both)) == ["FS102"]
    kit.apply(driver, view_of(source, fields=both))
    kit.materialize()
    assert kit.served("stats:share")["share"] == [None]
    assert kit.trained("stats:share").share.tolist() == [0.5]


def test_fs103_keys_expire_early(kit_with: KitWith) -> None:
    kit = kit_with(online={"key_ttl_seconds": 1})
    source = kit.table(rate=[1.0])
    assert kit.codes(view_of(source)) == ["FS103"]
    assert kit.codes(view_of(source, ttl=HOUR)) == ["FS103"]
    assert kit.codes(view_of(source, ttl=timedelta(seconds=1))) == []
    kit.apply(driver, view_of(source))
    kit.materialize()
    time.sleep(1.2)
    kit.materialize()  # dropped as not newer, so it does not bring the row back either, once it is written
    served = kit.served("stats:rate")["rate"]
    time.sleep(1.2)
    assert kit.served("stats:rate")["rate"] == [None], served
    assert kit.trained("stats:rate").rate.tolist() == [1.0]


def test_fs104_ttl_offline_only(kit: Kit) -> None:
    view = view_of(kit.table(rate=[1.0]), ttl=HOUR)
    found = kit.hazards([view])
    assert "FS104" in [one.code for one in found]
    assert "FS104" not in [one.code for one in kit.hazards([view_of(kit.table(rate=[1.0]))])]
    kit.apply(driver, view)
    kit.materialize()
    assert kit.served("stats:rate")["rate"] == [1.0]
    trained = kit.trained("stats:rate")
    assert trained.empty or trained.rate.isna().all()


def test_fs105_skip_dedup(kit_with: KitWith) -> None:
    kit = kit_with(online={"skip_dedup": True})
    view = view_of(kit.table(rate=[1.0]))
    assert kit.codes(view) == ["FS105"]
    kit.apply(driver, view)
    store = kit.store
    for value, moment in ((2.0, DAY + 2 * HOUR), (1.0, DAY)):  # the late batch is an old one
        rows = pd.DataFrame({"driver_id": [1], "event_timestamp": [pd.Timestamp(moment)], "rate": [value]})
        store.write_to_online_store("stats", rows)
    assert kit.served("stats:rate")["rate"] == [1.0]


def test_fs106_old_key_serialization(kit_with: KitWith) -> None:
    old = kit_with(key_version=2)
    view = view_of(old.table(rate=[1.0]))
    assert old.codes(view) == ["FS106"]
    old.apply(driver, view)
    old.materialize()
    new = kit_with(project=old.project)
    assert old.served("stats:rate")["rate"] == [1.0]
    assert new.served("stats:rate")["rate"] == [None]


def colliding(view: str) -> tuple[str, str]:
    """Give two names of features with one hash."""
    seen: dict[int, str] = {}
    for number in range(1_000_000):
        name = f"f{number}"
        other = seen.setdefault(mmh3.hash(f"{view}:{name}", signed=False), name)
        if other != name:
            return other, name
    raise AssertionError("no collision")


def test_fs107_hashes_collide(kit: Kit) -> None:
    one, two = colliding("stats")
    view = view_of(kit.table(**{one: [1.0], two: [2.0]}), fields={one: Float64, two: Float64})
    (found,) = [finding for finding in kit.hazards([view]) if finding.code == "FS107"]
    assert one in found.detail
    assert two in found.detail
    kit.apply(driver, view)
    kit.materialize()
    served = kit.served(f"stats:{one}", f"stats:{two}")
    assert served[one] == served[two]
    trained = kit.trained(f"stats:{one}", f"stats:{two}")
    assert (trained[one].item(), trained[two].item()) == (1.0, 2.0)


def test_fs108_ties(kit: Kit) -> None:
    """The order of the file's rows decides, as nothing else does."""
    served = []
    for name, values in (("up", [1.0, 2.0]), ("down", [2.0, 1.0])):
        at = [pd.Timestamp(DAY)] * 2
        source = kit.table(f"{name}.parquet", driver_id=[1, 1], event_timestamp=at, rate=values)
        view = view_of(source, name=name)
        assert "FS108" in [one.code for one in kit.hazards([view])]
        kit.apply(driver, view)
        kit.materialize()
        served += kit.served(f"{name}:rate")["rate"]
    assert served[0] != served[1]
    source = kit.table(rate=[1.0], created=[pd.Timestamp(DAY)])
    source.created_timestamp_column = "created"
    assert "FS108" not in [one.code for one in kit.hazards([view_of(source)])]


def test_fs111_naive_timestamps(kit: Kit) -> None:
    """Noon in Zurich, written without its zone, is two hours late for Feast: training as of 11:00 UTC does not see it."""
    source = kit.table(event_timestamp=[pd.Timestamp("2026-07-01 12:00")], rate=[1.0])
    view = view_of(source)
    assert "FS111" in [one.code for one in kit.hazards([view])]
    assert "FS111" not in [one.code for one in kit.hazards([view_of(kit.table("zoned.parquet", rate=[1.0]))])]
    kit.apply(driver, view)
    kit.materialize(end=pd.Timestamp("2026-07-02", tz="UTC").to_pydatetime())
    assert kit.served("stats:rate")["rate"] == [1.0]
    trained = kit.trained("stats:rate", at=pd.Timestamp("2026-07-01 11:00", tz="UTC").to_pydatetime())
    assert trained.empty or trained.rate.isna().all()


def batch_view(source: Any, *aggregations: Aggregation, **more: Any) -> BatchFeatureView:
    fields = [Field(name="driver_id", dtype=Int64), Field(name="visits", dtype=Int64)]
    return BatchFeatureView(
        name="rolled",
        entities=[driver],
        source=source,
        schema=fields,
        aggregations=list(aggregations),
        online=True,
        mode="python",
        **more,
    )


def test_fs112_mixed_windows(kit: Kit) -> None:
    """What Spark makes of them is shown in tests/stores/test_spark_hazards.py; the engine in this process takes no windows."""
    source = kit.table(visits=[1])
    week, month = (
        Aggregation(column="visits", function="sum", time_window=timedelta(days=days), name=f"s{days}")
        for days in (7, 30)
    )
    assert "FS112" in kit.codes(batch_view(source, week, month))
    assert "FS112" not in kit.codes(batch_view(source, week))


def test_fs113_aggregations_dropped(kit: Kit) -> None:
    source = kit.table(visits=[1])
    view = batch_view(source, Aggregation(column="visits", function="sum", time_window=timedelta(days=7)))
    assert "FS113" in kit.codes(view)
    kit.apply(driver, view)
    registered = kit.store.registry.get_any_feature_view("rolled", kit.project)
    assert not getattr(registered, "aggregations", None)


def coded(source: Any, factor: int) -> BatchFeatureView:
    text = f"def change(frame):\n    frame['visits'] = frame['visits'] * {factor}\n    return frame\n"
    names: dict[str, Any] = {}
    exec(text, names)
    fields = [Field(name="driver_id", dtype=Int64), Field(name="visits", dtype=Int64)]
    return BatchFeatureView(
        name="coded",
        entities=[driver],
        source=source,
        schema=fields,
        online=True,
        mode="pandas",
        udf=names["change"],
        udf_string=text,
    )


def test_fs114_stale_code(kit: Kit) -> None:
    source = kit.table(visits=[1])
    kit.apply(driver, coded(source, 2))
    assert kit.codes(coded(source, 2)) == []
    assert kit.codes(coded(source, 3)) == ["FS114"]
    kit.apply(driver, coded(source, 3))
    registered = kit.store.registry.get_any_feature_view("coded", kit.project)
    assert "* 2" in registered.feature_transformation.udf_string  # type: ignore[attr-defined]


def test_fs115_pushed_online_only(kit: Kit) -> None:
    source = kit.table(rate=[1.0])
    view = view_of(PushSource(name="pushed", batch_source=source))
    assert "FS115" in [one.code for one in kit.hazards([view])]
    assert "FS115" not in [one.code for one in kit.hazards([view_of(source)])]
    kit.apply(driver, view)
    rows = pd.DataFrame({"driver_id": [1], "event_timestamp": [pd.Timestamp(DAY + HOUR)], "rate": [2.0]})
    kit.store.push("pushed", rows)
    assert kit.served("stats:rate")["rate"] == [2.0]
    assert kit.trained("stats:rate").rate.tolist() == [1.0]


def doubled(source: Any, factor: float, **more: Any) -> Any:
    def change(inputs: pd.DataFrame) -> pd.DataFrame:
        out = pd.DataFrame()
        out["double"] = inputs["rate"] * 2.0
        return out

    view = on_demand_feature_view(
        sources=[source], schema=[Field(name="double", dtype=Float64)], mode="pandas", **more
    )(change)
    view.feature_transformation.udf_string = f"def change(inputs):\n    out = pd.DataFrame()\n    out['double'] = inputs['rate'] * {factor}\n    return out\n"
    return view


def test_fs116_computed_at_write(kit: Kit) -> None:
    stats = view_of(kit.table(rate=[10.0]))
    written = doubled(stats, 2.0, write_to_online_store=True, entities=[driver])
    assert kit.codes(written) == ["FS116"]
    assert kit.codes(doubled(stats, 2.0)) == []
    kit.apply(driver, stats, written)
    kit.materialize()
    kit.store.write_to_online_store(
        "change",
        pd.DataFrame({"driver_id": [1], "event_timestamp": [pd.Timestamp(DAY)], "rate": [10.0], "double": [20.0]}),
    )
    kit.apply(driver, stats, doubled(stats, 3.0, write_to_online_store=True, entities=[driver]))
    assert kit.served("change:double")["double"] == [20.0]
    assert kit.trained("stats:rate", "change:double").double.tolist() == [30.0]


def test_fs117_precomputed_service(kit: Kit) -> None:
    """What it does is shown in tests/stores/test_precomputed_vectors.py."""
    stats = view_of(kit.table(rate=[1.0]))
    service = FeatureService(name="model", features=[stats], precompute_online=True)
    assert kit.codes(stats, services=[service]) == ["FS117"]
    assert kit.codes(stats, services=[FeatureService(name="model", features=[stats])]) == []


RATE = 2.0


def test_fs118_code_uses_its_module(kit: Kit) -> None:
    stats = view_of(kit.table(rate=[1.0]))

    @on_demand_feature_view(sources=[stats], schema=[Field(name="scaled", dtype=Float64)], mode="pandas")
    def scaling(inputs: pd.DataFrame) -> pd.DataFrame:
        out = pd.DataFrame()
        out["scaled"] = inputs["rate"] * RATE
        return out

    assert kit.codes(scaling) == ["FS118"]
    kit.apply(driver, stats, scaling)
    kit.materialize()
    with pytest.raises(NameError, match="RATE"):
        kit.served("scaling:scaled")


def test_fs119_materialized_ahead(kit: Kit) -> None:
    at = [pd.Timestamp(DAY)]
    view = view_of(kit.table(event_timestamp=at, rate=[1.0]))
    kit.apply(driver, view)
    kit.materialize()
    assert kit.codes(view) == []
    kit.materialize(end=NOW + timedelta(days=2))
    assert kit.codes(view) == ["FS119"]
    kit.table(driver_id=[1, 1], event_timestamp=[*at, pd.Timestamp(NOW)], rate=[1.0, 2.0])
    kit.store.materialize_incremental(NOW + HOUR)
    assert kit.served("stats:rate")["rate"] == [1.0]
    assert kit.trained("stats:rate", at=NOW + HOUR).rate.tolist() == [2.0]


def test_fs120_narrower_type(kit: Kit) -> None:
    source = kit.table(rate=[1.111])
    view = view_of(source, fields={"rate": Float32})
    assert kit.codes(view) == ["FS120"]
    assert kit.codes(view_of(source)) == []
    kit.apply(driver, view)
    kit.materialize()
    (served,) = kit.served("stats:rate")["rate"]
    assert served != 1.111
    assert kit.trained("stats:rate").rate.tolist() == [1.111]


def test_fs121_versions_online(kit_with: KitWith) -> None:
    kit = kit_with(registry={"enable_online_feature_view_versioning": True})
    source = kit.table(rate=[1.0], share=[0.5])
    kit.apply(driver, view_of(source))
    kit.materialize()
    assert kit.served("stats:rate")["rate"] == [1.0]
    wider = view_of(source, fields={"rate": Float64, "share": Float64})
    assert "FS121" in kit.codes(wider)
    kit.apply(driver, wider)
    assert kit.served("stats:rate")["rate"] == [None]
    assert kit.trained("stats:rate").rate.tolist() == [1.0]


def test_fs123_one_key_in_two_types(kit: Kit) -> None:
    small = Entity(name="small", join_keys=["driver_id"], value_type=ValueType.INT32)
    source = kit.table(rate=[1.0])
    wide, narrow = view_of(source), view_of(source, name="narrow", entity=small)
    assert kit.codes(wide, narrow) == ["FS123"]
    kit.apply(driver, small, wide, narrow)
    kit.materialize()
    served = kit.store.get_online_features(
        features=["stats:rate", "narrow:rate"], entity_rows=[{"driver_id": 1}], full_feature_names=True
    ).to_dict()
    assert sorted([served["stats__rate"], served["narrow__rate"]], key=str) == [[1.0], [None]]


def test_fs109_composite_keys_on_spark(kit_with: KitWith, kit: Kit) -> None:
    """What it does is shown in tests/stores/test_spark_row_ids.py."""
    spark = kit_with(offline={"type": "spark", "spark_conf": {"spark.sql.session.timeZone": "UTC"}})
    other = Entity(name="rider", join_keys=["rider_id"], value_type=ValueType.INT64)
    both = view_of(kit.table(rate=[1.0]))
    both.entity_columns = [Field(name=key, dtype=Int64) for key in ("driver_id", other.join_key)]
    single = view_of(kit.table(rate=[1.0]))
    single.entity_columns = both.entity_columns[:1]
    assert spark.codes(both) == ["FS109"]
    assert spark.codes(single) == []
    assert kit.codes(both) == []


@pytest.mark.parametrize(
    ("conf", "found"),
    [
        ({}, True),
        ({"spark.sql.session.timeZone": "Asia/Tokyo"}, True),
        ({"spark.sql.session.timeZone": "Etc/UTC"}, False),
    ],
    ids=str,
)
def test_fs110_spark_outside_of_utc(kit_with: KitWith, conf: dict[str, str], found: bool) -> None:
    """What it does is shown in tests/stores/test_spark_zones.py."""
    kit = kit_with(offline={"type": "spark", "spark_conf": conf})
    assert (kit.codes(view_of(kit.table(rate=[1.0]))) == ["FS110"]) is found


def test_fs124_mapping_on_duckdb(kit_with: KitWith, kit: Kit) -> None:
    duckdb = kit_with(offline={"type": "duckdb"})
    plain, mapped = kit.table(rate=[1.0]), kit.table("mapped.parquet", raw=[1.0])
    mapped.field_mapping = {"raw": "rate"}
    assert duckdb.codes(view_of(mapped)) == ["FS124"]
    assert duckdb.codes(view_of(plain)) == []
    assert kit.codes(view_of(mapped)) == []
    duckdb.apply(driver, view_of(mapped))
    try:
        duckdb.materialize()
    except Exception:  # noqa: BLE001  either way serving has nothing
        assert duckdb.served("stats:rate")["rate"] == [None]
    else:
        assert duckdb.served("stats:rate")["rate"] == [None]
    kit.project = duckdb.project
