"""On-demand views on both code paths through `validate`: real Feast objects, a real Redis, the same inputs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew.errors import ConfigError

NOW = datetime(2024, 3, 1, tzinfo=timezone.utc)
FIRST = datetime(2024, 2, 1, 6, tzinfo=timezone.utc)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
N = 40


def stamps(*moments: datetime) -> pa.Array:
    ticks = [(moment - EPOCH) // timedelta(microseconds=1) for moment in moments]
    return pa.array(ticks, pa.int64()).cast(pa.timestamp("us", "UTC"))


def rows(size: int = N, moment: datetime = FIRST, **columns: Any) -> pa.Table:
    table = {"id": np.arange(size), "event_timestamp": stamps(*[moment] * size), "x": np.arange(size) + 0.5}
    return pa.table({**table, **columns})


def some_nulls(size: int = N) -> pa.Array:
    return pa.array([None if i % 10 == 3 else i for i in range(size)], pa.int64())


def on_demand(code: Any, sources: Any, features: dict[str, str], **options: Any) -> Any:
    from feast import Field, types
    from feast.on_demand_feature_view import on_demand_feature_view

    # A copy each time: Feast moves a view's function into __main__, where its source is not found again.
    code = FunctionType(code.__code__, code.__globals__, code.__name__)
    schema = [Field(name=name, dtype=getattr(types, dtype)) for name, dtype in features.items()]
    return on_demand_feature_view(sources=sources, schema=schema, **options)(code)


def request_source(**fields: str) -> Any:
    from feast import Field, RequestSource, types

    return RequestSource(name="req", schema=[Field(name=n, dtype=getattr(types, d)) for n, d in fields.items()])


def set_up(
    repo: Any,
    code: Any,
    features: dict[str, str],
    table: pa.Table | None = None,
    inputs: dict[str, str] | None = None,
    request: dict[str, str] | None = None,
    **options: Any,
) -> Any:
    """Apply a view `v` and an on-demand view named after its code, and materialize `v`."""
    view = repo.view(
        "v", repo.source("src", rows() if table is None else table), {"id": "Int64"}, inputs or {"x": "Float64"}
    )
    sources = [view, request_source(**request)] if request else [view]
    made = on_demand(code, sources, features, **options)
    repo.apply(view, made)
    repo.materialize(["v"])
    return view


def result(report: Any, feature: str, view: str) -> Any:
    return next(found for found in report.features if (found.view, found.feature) == (view, feature))


def counts(found: Any) -> dict[str, int]:
    return {name: count for name, count in found.counts.items() if count and name != "entities"}


# --- clean views -------------------------------------------------------------------------------------------------------


def clean_pandas(df):
    import pandas as pd

    return pd.DataFrame({"double": df["x"] * 2, "label": df["x"].map(lambda x: f"{x:.1f}")})


def clean_python(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"double": [None if x is None else x * 2 for x in inputs["x"]], "label": [f"{x:.1f}" for x in inputs["x"]]}


@pytest.mark.parametrize(("code", "mode"), [(clean_pandas, "pandas"), (clean_python, "python")])
@pytest.mark.parametrize("offline", ["dask", "duckdb"])
def test_clean_code_passes(make_repository: Any, tmp_path: Path, code: Any, mode: str, offline: str) -> None:
    if offline == "duckdb":
        pytest.importorskip("duckdb")
    repo = make_repository(tmp_path, offline=offline)
    set_up(repo, code, {"double": "Float64", "label": "String"}, mode=mode)
    report = repo.validate()
    for feature in ("double", "label"):
        found = result(report, feature, code.__name__)
        assert (found.verdict.value, counts(found)) == ("pass", {"match": N}), found.reasons
    assert not report.skipped
    assert result(report, "x", "v").verdict.value == "pass"


def test_only_the_on_demand_view_can_be_asked_for(repo: Any) -> None:
    set_up(repo, clean_pandas, {"double": "Float64", "label": "String"}, mode="pandas")
    for asked in ({"views": ["clean_pandas"]}, {"features": ["clean_pandas:double", "clean_pandas:label"]}):
        report = repo.validate(**asked)
        assert {(f.view, f.feature, f.verdict.value) for f in report.features} == {
            ("clean_pandas", "double", "pass"),
            ("clean_pandas", "label", "pass"),
        }
        assert (report.sample["entities"], report.sample["population"]) == (N, N)
    report = repo.validate(features=["clean_pandas:double"])
    assert [f.feature for f in report.features] == ["double"]


def test_a_service_names_its_on_demand_view(repo: Any) -> None:
    from feast import FeatureService

    set_up(repo, clean_pandas, {"double": "Float64", "label": "String"}, mode="pandas")
    repo.apply(FeatureService(name="s", features=[repo.store.get_on_demand_feature_view("clean_pandas")]))
    report = repo.validate(services=["s"])
    assert {(f.feature, f.services) for f in report.features} == {("double", ("s",)), ("label", ("s",))}


def test_upstream_skew_is_not_told_twice(repo: Any) -> None:
    """Offline differs from online for everybody; the code is the same, so the on-demand view has no mismatch."""
    set_up(repo, clean_pandas, {"double": "Float64", "label": "String"}, mode="pandas")
    repo.write("src", rows(x=np.arange(N) + 7.0))
    report = repo.validate()
    assert result(report, "x", "v").metrics["mismatch_rate"].value == 1.0
    found = result(report, "double", "clean_pandas")
    assert (found.verdict.value, found.metrics["mismatch_rate"].value) == ("pass", 0.0)


def test_entities_that_upstream_lacks_are_left_out(repo: Any) -> None:
    set_up(repo, clean_pandas, {"double": "Float64", "label": "String"}, mode="pandas")
    repo.write("src", rows(N + 10))
    report = repo.validate()
    assert counts(result(report, "x", "v"))["offline_only"] == 10
    found = result(report, "double", "clean_pandas")
    assert (found.verdict.value, counts(found)) == ("pass", {"match": N, "absent_both": 10})
    assert any("10 requests without a readable online row" in reason for reason in found.reasons)


def test_a_source_without_entities(repo: Any) -> None:
    table = pa.table({"event_timestamp": stamps(FIRST), "x": [2.5]})
    view = repo.view("g", repo.source("global", table), {}, {"x": "Float64"})
    repo.apply(view, on_demand(clean_pandas, [view], {"double": "Float64", "label": "String"}, mode="pandas"))
    repo.materialize(["g"])
    report = repo.validate()
    assert result(report, "x", "g").verdict.value == "pass"
    found = result(report, "double", "clean_pandas")
    assert (found.verdict.value, counts(found)) == ("pass", {"match": 1}), found.reasons


@pytest.mark.parametrize(
    ("dtype", "ids"),
    [
        ("String", ["007", "7", "ab"]),
        ("Int32", pa.array([1, 2, 3], pa.int32())),
        ("UnixTimestamp", stamps(FIRST, FIRST + timedelta(hours=1), FIRST + timedelta(days=1))),
    ],
    ids=["text", "int32", "moment"],
)
def test_join_keys_of_other_types(repo: Any, dtype: str, ids: Any) -> None:
    table = pa.table({"key": ids, "event_timestamp": stamps(FIRST, FIRST, FIRST), "x": [1.5, 2.5, 3.5]})
    view = repo.view("v", repo.source("src", table), {"key": dtype}, {"x": "Float64"})
    repo.apply(view, on_demand(clean_pandas, [view], {"double": "Float64", "label": "String"}, mode="pandas"))
    repo.materialize(["v"])
    found = result(repo.validate(), "double", "clean_pandas")
    assert (found.verdict.value, counts(found)) == ("pass", {"match": 3}), found.reasons


def test_two_sources_with_the_same_keys(repo: Any) -> None:
    view = repo.view("v", repo.source("src", rows()), {"id": "Int64"}, {"x": "Float64"})
    other = repo.view(
        "w",
        repo.source("more", rows(N + 5).rename_columns(["id", "event_timestamp", "z"])),
        {"id": "Int64"},
        {"z": "Float64"},
    )
    repo.apply(view, other, on_demand(of_both, [view, other], {"gap": "Float64"}, mode="pandas"))
    repo.materialize(["v", "w"])
    for asked in ({}, {"views": ["of_both"]}):
        found = result(repo.validate(**asked), "gap", "of_both")
        assert (found.verdict.value, counts(found)) == ("pass", {"match": N, "absent_both": 5}), found.reasons


def test_a_large_population_is_decided_by_part_of_the_sample(repo: Any) -> None:
    """4,000 requests without a wrong one are enough for the default budget, of however many entities."""
    from feast_skew.config import Settings
    from feast_skew.serving.requests import most_requests
    from feast_skew.stores.feast_registry import Selection, build_plan

    set_up(repo, clean_python, {"double": "Float64", "label": "String"}, rows(4_500), mode="python")
    found = result(repo.validate(views=["clean_python"]), "double", "clean_python")
    assert (found.verdict.value, counts(found)) == ("pass", {"match": 4_000})
    metric = found.metrics["mismatch_rate"]
    assert 0 < metric.high <= metric.limit
    strict = Settings()
    strict.add_layer("test", {"defaults": {"mismatch_budget": 0.0005}})
    (plan,) = build_plan(repo.store, Selection(views=("clean_python",)), strict).on_demand
    assert (most_requests(plan, 10_000), most_requests(plan, 500)) == (8_000, 500)


def test_a_source_that_is_gone_offline_is_an_error_of_both(repo: Any) -> None:
    set_up(repo, clean_pandas, {"double": "Float64", "label": "String"}, mode="pandas")
    other = repo.view("w", repo.source("more", rows()), {"id": "Int64"}, {"x": "Float64"})
    repo.apply(other)
    repo.materialize(["w"])
    repo.path("src").unlink()
    report = repo.validate()
    assert {(f.view, f.verdict.value) for f in report.features} == {
        ("v", "error"),
        ("clean_pandas", "error"),
        ("w", "pass"),
    }
    # Named entities need no offline store to be found.
    found = result(repo.validate(views=["clean_pandas"], entities={"id": [1, 2]}), "double", "clean_pandas")
    assert (found.verdict.value, counts(found)) == ("pass", {"match": 2})


def test_a_source_under_another_join_key_and_a_view_under_another_name(repo: Any) -> None:
    from feast import FeatureService

    view = repo.view("v", repo.source("src", rows()), {"id": "Int64"}, {"x": "Float64"})
    repo.apply(view)
    origin = view.with_join_key_map({"id": "origin_id"})
    made = on_demand(clean_pandas, [origin], {"double": "Float64", "label": "String"}, mode="pandas")
    repo.apply(made)
    repo.apply(FeatureService(name="s", features=[made.with_name("renamed")]))
    repo.materialize(["v"])
    for asked in (
        {"views": ["clean_pandas"]},
        {"services": ["s"]},
        {"services": ["s"], "entities": {"origin_id": [1, 2]}},
    ):
        found = result(repo.validate(**asked), "double", "clean_pandas")
        assert (found.verdict.value, counts(found)) == ("pass", {"match": 2 if "entities" in asked else N})


# --- differences of the code paths -------------------------------------------------------------------------------------


def batch_mean(df):
    import pandas as pd

    return pd.DataFrame({"centred": df["x"] - df["x"].mean(), "same": df["x"]})


def test_a_statistic_of_the_batch_differs(repo: Any) -> None:
    set_up(repo, batch_mean, {"centred": "Float64", "same": "Float64"}, mode="pandas")
    report = repo.validate()
    found = result(report, "centred", "batch_mean")
    assert (found.verdict.value, counts(found)) == ("fail", {"mismatch": N})
    (cause,) = found.causes
    assert (cause.code, cause.kind, cause.share) == ("batch", "how", 1.0)
    assert cause.evidence == {"rows": N, "explained": N, "wrong": N}
    # 0.5 to 39.5 minus their mean of 20 in training, a row minus itself in serving.
    assert {example.online for example in found.examples} == {0.0}
    assert max(abs(example.offline) for example in found.examples) == 19.5
    assert result(report, "same", "batch_mean").verdict.value == "pass"


def none_to_minus_one(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"shown": [str(n) for n in inputs["n"]]}


def test_integers_with_nulls_reach_training_as_floating_point(repo: Any) -> None:
    """Online `7` is "7"; training's frame holds 7.0 as soon as any row has a null."""
    set_up(repo, none_to_minus_one, {"shown": "String"}, rows(n=some_nulls()), {"n": "Int64"}, mode="python")
    found = result(repo.validate(), "shown", "none_to_minus_one")
    assert found.verdict.value == "fail"
    assert counts(found) == {"mismatch": N - 4, "match": 4}  # str(None) is the same on both sides
    assert any("n over as floating point" in reason for reason in found.reasons)
    assert [cause.code for cause in found.causes] == ["encoding"]


def test_integers_with_nulls_stay_integers_in_duckdb(make_repository: Any, tmp_path: Path) -> None:
    """Its retrieval is no pandas frame, so python code sees integers and None on both sides."""
    pytest.importorskip("duckdb")
    repo = make_repository(tmp_path, offline="duckdb")
    set_up(repo, none_to_minus_one, {"shown": "String"}, rows(n=some_nulls()), {"n": "Int64"}, mode="python")
    found = result(repo.validate(), "shown", "none_to_minus_one")
    assert (found.verdict.value, counts(found)) == ("pass", {"match": N})


def test_integers_without_nulls_are_the_same(repo: Any) -> None:
    set_up(repo, none_to_minus_one, {"shown": "String"}, rows(n=np.arange(N)), {"n": "Int64"}, mode="python")
    assert result(repo.validate(), "shown", "none_to_minus_one").verdict.value == "pass"


def floor_of(df):
    import pandas as pd

    return pd.DataFrame({"text": df["n"].map(lambda n: "" if pd.isna(n) else str(n))})


def test_integers_with_nulls_in_pandas_code(repo: Any) -> None:
    set_up(repo, floor_of, {"text": "String"}, rows(n=some_nulls()), {"n": "Int64"}, mode="pandas")
    found = result(repo.validate(), "text", "floor_of")
    assert (found.verdict.value, counts(found)) == ("fail", {"mismatch": N - 4, "match": 4})


def is_none(df):
    import pandas as pd

    return pd.DataFrame({"filled": [-1.0 if x is None else x for x in df["x"]]})


def test_none_in_serving_is_nan_in_training(repo: Any) -> None:
    """A null alone in a request is None; in a frame with numbers it is NaN, and `is None` misses it."""
    x = pa.array([None if i % 10 == 3 else float(i) for i in range(N)])
    set_up(repo, is_none, {"filled": "Float64"}, rows(x=x), mode="pandas")
    found = result(repo.validate(), "filled", "is_none")
    assert (found.verdict.value, counts(found)) == ("fail", {"match": N - 4, "null_offline": 4})
    assert found.causes[0].code == "batch"  # all rows in one request have a number among them, and NaN for the null


def root(df):
    import numpy as np
    import pandas as pd

    return pd.DataFrame({"root": np.sqrt(df["x"])})


def test_code_that_raises_in_serving_for_nulls_alone(repo: Any) -> None:
    """The root of None raises, the one of NaN does not: serving has no answer where training has a row."""
    x = pa.array([None if i % 10 == 3 else float(i) for i in range(N)])
    set_up(repo, root, {"root": "Float64"}, rows(x=x), mode="pandas")
    found = result(repo.validate(), "root", "root")
    assert (found.verdict.value, counts(found)) == ("fail", {"match": N - 4, "offline_only": 4})
    assert any("serving's code raised TypeError for 4 of 40 requests" in reason for reason in found.reasons)


def whole_or_not(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"whole": [int(x) if x == int(x) else x for x in inputs["x"]]}


def test_serving_casts_what_training_leaves(repo: Any) -> None:
    """Serving writes into the declared Int64 and cuts the fraction; training's column keeps it."""
    set_up(repo, whole_or_not, {"whole": "Int64"}, mode="python")
    found = result(repo.validate(), "whole", "whole_or_not")
    assert (found.verdict.value, counts(found)) == ("fail", {"mismatch": N})
    assert {example.online for example in found.examples} <= set(range(N))
    assert all(example.offline == example.online + 0.5 for example in found.examples)


def any_missing(df):
    import pandas as pd

    return pd.DataFrame({"missing": df.isna().any(axis=1)})


@pytest.mark.parametrize(("online", "expected"), [("redis", {"mismatch": N}), ("sqlite", {"match": N})])
def test_redis_adds_a_column_to_what_code_gets(
    make_repository: Any, tmp_path: Path, online: str, expected: dict[str, int]
) -> None:
    """Feast's Redis store hands `_ts:v` on as an empty column, so code that looks at whole rows sees a missing value."""
    repo = make_repository(tmp_path, online=online)
    set_up(repo, any_missing, {"missing": "Bool"}, mode="pandas")
    served = repo.store.get_online_features(features=["any_missing:missing"], entity_rows=[{"id": 3}]).to_dict()
    assert served["missing"] == [online == "redis"]
    assert counts(result(repo.validate(), "missing", "any_missing")) == expected


def third(df):
    import pandas as pd

    return pd.DataFrame({"third": df["x"] / 3})


def test_float32_is_computed_in_double_by_serving_alone(repo: Any) -> None:
    """Serving's frame is made of Python numbers; training's column is float32, and so is what is computed from it."""
    x = pa.array((np.arange(N) + 0.1).astype(np.float32))
    set_up(repo, third, {"third": "Float64"}, rows(x=x), {"x": "Float32"}, mode="pandas")
    report = repo.validate(features=["third:third"])
    found = result(report, "third", "third")
    assert found.verdict.value == "fail"
    assert counts(found)["mismatch"] > N / 2
    assert max(abs(example.offline / example.online - 1) for example in found.examples) < 1e-6


def uses_the_timestamp(inputs: dict[str, Any]) -> dict[str, Any]:
    moments = inputs.get("event_timestamp", [None] * len(inputs["x"]))
    return {"day": [-1 if moment is None else moment.day for moment in moments]}


def test_only_training_has_a_timestamp_column(repo: Any) -> None:
    set_up(repo, uses_the_timestamp, {"day": "Int64"}, mode="python")
    found = result(repo.validate(), "day", "uses_the_timestamp")
    assert (found.verdict.value, counts(found)) == ("fail", {"mismatch": N})
    assert {(example.offline, example.online) for example in found.examples} == {(NOW.day, -1)}


def needs_the_timestamp(inputs: dict[str, Any]) -> dict[str, Any]:
    if inputs["x"][0] == 1.0:  # what Feast tries it with at apply
        return {"day": [0]}
    return {"day": [moment.day for moment in inputs["event_timestamp"]]}


def test_code_that_raises_for_each_request_is_an_error_that_names_the_column(repo: Any) -> None:
    set_up(repo, needs_the_timestamp, {"day": "Int64"}, mode="python")
    found = result(repo.validate(), "day", "needs_the_timestamp")
    assert found.verdict.value == "error"
    assert "serving's code raised KeyError 'event_timestamp' for each of 40 requests" in found.reasons[0]


def broken(df):
    import pandas as pd

    if df["x"].iloc[0] == 1.0:  # what Feast tries it with at apply
        return pd.DataFrame({"y": df["x"]})
    raise RuntimeError("the value 0.5 is secret")


def test_code_that_raises_is_an_error_and_the_others_are_measured(repo: Any) -> None:
    view = repo.view("v", repo.source("src", rows()), {"id": "Int64"}, {"x": "Float64"})
    made = [on_demand(broken, [view], {"y": "Float64"}, mode="pandas")]
    made.append(on_demand(clean_pandas, [view], {"double": "Float64", "label": "String"}, mode="pandas"))
    repo.apply(view, *made)
    repo.materialize(["v"])
    report = repo.validate()
    found = result(report, "y", "broken")
    assert found.verdict.value == "error"
    assert "RuntimeError" in found.reasons[0]
    assert "secret" not in str(report.to_dict())
    assert result(report, "double", "clean_pandas").verdict.value == "pass"
    assert result(report, "x", "v").verdict.value == "pass"


FACTOR = 2.0


def helped(df):
    import pandas as pd

    return pd.DataFrame({"y": df["x"] * FACTOR})  # a name that the registry does not keep


def first_only(df):
    import pandas as pd

    return pd.DataFrame({"y": df["x"] / df["x"].iloc[0]})


def test_code_that_misses_a_name_before_anything_is_online(repo: Any) -> None:
    """As on the first run of a new project: nothing is materialized yet."""
    view = repo.view("v", repo.source("src", rows()), {"id": "Int64"}, {"x": "Float64"})
    repo.apply(view, on_demand(helped, [view], {"y": "Float64"}, mode="pandas"))
    found = result(repo.validate(), "y", "helped")
    assert found.verdict.value == "error"
    assert found.reasons == ("training's code raised NameError, without any row to compute",)


def test_code_that_an_empty_frame_breaks_is_not_measured(repo: Any) -> None:
    """No request is empty, so that says nothing of the code."""
    view = repo.view("v", repo.source("src", rows()), {"id": "Int64"}, {"x": "Float64"})
    repo.apply(view, on_demand(first_only, [view], {"y": "Float64"}, mode="pandas"))
    found = result(repo.validate(), "y", "first_only")
    assert found.verdict.value == "inconclusive"
    assert "no request has a readable online row in every source view of first_only" in found.reasons[0]
    assert "training's code raised IndexError on a frame without rows" in found.reasons[0]


def single_double(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"y": inputs["x"] * 2}


def single_same(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"y": inputs["x"]}


def test_singleton_code_gets_whole_columns_in_training(repo: Any) -> None:
    """Feast 0.67 calls it with lists there: doubling a list makes it longer. Code that is blind to that passes."""
    view = repo.view("v", repo.source("src", rows()), {"id": "Int64"}, {"x": "Float64"})
    made = [on_demand(c, [view], {"y": "Float64"}, mode="python", singleton=True) for c in (single_double, single_same)]
    repo.apply(view, *made)
    repo.materialize(["v"])
    report = repo.validate()
    found = result(report, "y", "single_double")
    assert found.verdict.value == "error"
    assert "whole columns in training" in found.reasons[0]
    found = result(report, "y", "single_same")
    assert (found.verdict.value, counts(found)) == ("pass", {"match": N})


# --- request data ------------------------------------------------------------------------------------------------------


def with_request(df):
    import pandas as pd

    return pd.DataFrame({"total": df["x"] + df["amount"]})


def test_request_data_comes_from_the_entities(repo: Any, tmp_path: Path) -> None:
    set_up(repo, with_request, {"total": "Float64"}, request={"amount": "Float64"}, mode="pandas")
    file = tmp_path / "entities.csv"
    file.write_text("id,amount\n" + "".join(f"{i},{i / 4}\n" for i in range(N)) + "3,99.5\n3,99.5\n")
    report = repo.validate(entities=file)
    found = result(report, "total", "with_request")
    assert (found.verdict.value, counts(found)) == ("pass", {"match": N + 1})  # one id twice, with two amounts


def test_without_request_data_it_is_skipped_by_name(repo: Any) -> None:
    set_up(repo, with_request, {"total": "Float64"}, request={"amount": "Float64"}, mode="pandas")
    (entry,) = repo.validate().skipped
    assert entry["view"] == "with_request"
    assert "'amount'" in entry["reason"]
    assert "--entities" in entry["reason"]
    (entry,) = repo.validate(entities={"id": [1, 2]}).skipped
    assert "lacks 'amount'" in entry["reason"]
    with pytest.raises(ConfigError, match="nothing that was asked for"):
        repo.validate(views=["with_request"])


def text_of_request(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"code": [f"{zone}/{x:.0f}" for zone, x in zip(inputs["zone"], inputs["x"], strict=True)]}


def test_request_data_that_looks_like_numbers_stays_text(repo: Any, tmp_path: Path) -> None:
    set_up(repo, text_of_request, {"code": "String"}, request={"zone": "String"}, mode="python")
    file = tmp_path / "entities.csv"
    file.write_text("id,zone\n" + "".join(f"{i},00{i}\n" for i in range(N)))
    found = result(repo.validate(entities=file, settings={"show_entities": True}), "code", "text_of_request")
    assert (found.verdict.value, counts(found)) == ("pass", {"match": N})


def test_a_dry_run_says_what_would_be_computed(repo: Any) -> None:
    from feast_skew.api import dry_run

    set_up(repo, with_request, {"total": "Float64"}, request={"amount": "Float64"}, mode="pandas")
    text = dry_run(repo.directory, entities={"id": [1, 2, 3], "amount": [1.0, 2.0, 3.0]})
    assert (
        "with_request: total\n  both code paths, serving's and training's, for at most 3 requests, on v online" in text
    )
    assert "skipped with_request: needs request data 'amount'" in dry_run(repo.directory)


def count_as_text(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"text": [str(count) for count in inputs["count"]]}


def test_a_null_in_the_request_data_makes_training_s_integers_floating_point(repo: Any) -> None:
    set_up(repo, count_as_text, {"text": "String"}, request={"count": "Int64"}, mode="python")
    given = pa.table({"id": [1, 2, 3], "count": pa.array([1, None, 3])})
    found = result(repo.validate(views=["count_as_text"], entities=given), "text", "count_as_text")
    assert counts(found) == {"match": 1, "mismatch": 2}
    assert {(example.offline, example.online) for example in found.examples} == {("1.0", "1"), ("3.0", "3")}
    assert any("count over as floating point" in reason for reason in found.reasons)


def request_alone(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"squared": [amount * amount for amount in inputs["amount"]]}


def test_a_view_of_request_data_alone(repo: Any) -> None:
    view = repo.view("v", repo.source("src", rows()), {"id": "Int64"}, {"x": "Float64"})
    repo.apply(
        view, on_demand(request_alone, [request_source(amount="Float64")], {"squared": "Float64"}, mode="python")
    )
    report = repo.validate(views=["request_alone"], entities={"amount": [1.5, 2.5, 3.5]})
    found = result(report, "squared", "request_alone")
    assert (found.verdict.value, counts(found)) == ("pass", {"match": 3})


def of_both(df):
    import pandas as pd

    return pd.DataFrame({"gap": df["x"] - df["z"]})


def test_sources_with_different_keys_need_rows_with_both(repo: Any) -> None:
    view = repo.view("v", repo.source("src", rows()), {"id": "Int64"}, {"x": "Float64"})
    shops = pa.table({"shop": ["a", "b"], "event_timestamp": stamps(FIRST, FIRST), "z": [10.0, 20.0]})
    other = repo.view("w", repo.source("shops", shops), {"shop": "String"}, {"z": "Float64"})
    repo.apply(view, other, on_demand(of_both, [view, other], {"gap": "Float64"}, mode="pandas"))
    repo.materialize(["v", "w"])
    (entry,) = repo.validate().skipped
    assert "'id', 'shop'" in entry["reason"]
    pairs = {"id": [0, 1, 2, 2], "shop": ["a", "b", "a", "b"]}
    report = repo.validate(views=["of_both"], entities=pairs)
    found = result(report, "gap", "of_both")
    assert counts(found) == {"match": 4}


# --- views whose values are written beforehand -------------------------------------------------------------------------


def stored_double(df):
    import pandas as pd

    return pd.DataFrame({"double": df["x"] * 2})


def test_stored_values_are_held_against_code_on_today_s_inputs(repo: Any) -> None:
    """Serving reads what was written; when the source moves on, these values are behind, and it says so."""
    table = rows()
    entity = repo.entity("id", "Int64")
    set_up(
        repo,
        stored_double,
        {"double": "Float64"},
        table,
        mode="pandas",
        entities=[entity],
        write_to_online_store=True,
    )
    repo.store.write_to_online_store("stored_double", table.to_pandas())
    served = repo.store.get_online_features(features=["stored_double:double"], entity_rows=[{"id": 3}]).to_dict()
    assert served["double"] == [7.0]
    found = result(repo.validate(), "double", "stored_double")
    assert counts(found).get("match") == N, (counts(found), found.reasons)
    later = rows(moment=FIRST + timedelta(days=1), x=np.arange(N) + 100.5)
    repo.write("src", later)
    repo.materialize(["v"])
    found = result(repo.validate(), "double", "stored_double")
    assert (found.verdict.value, counts(found)["mismatch"]) == ("fail", N)


def stored_in_python(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"double": [x * 2 for x in inputs["x"]]}


def test_values_that_were_materialized_are_the_same(repo: Any) -> None:
    entity = repo.entity("id", "Int64")
    options = {"mode": "python", "entities": [entity], "write_to_online_store": True}
    set_up(repo, stored_in_python, {"double": "Float64"}, **options)
    found = result(repo.validate(), "double", "stored_in_python")
    assert counts(found) == {"offline_only": N}  # nothing is written yet, and serving computes nothing
    repo.materialize(["stored_in_python"])
    found = result(repo.validate(), "double", "stored_in_python")
    assert (found.verdict.value, counts(found)) == ("pass", {"match": N})


# --- read_online -------------------------------------------------------------------------------------------------------


def test_read_online_says_that_such_a_view_has_no_rows(repo: Any) -> None:
    from feast_skew import read_online

    set_up(repo, clean_pandas, {"double": "Float64", "label": "String"}, mode="pandas")
    with pytest.raises(ConfigError, match="clean_pandas is an on-demand view"):
        read_online(repo.store, ["clean_pandas:double"], {"id": [1]})
    with pytest.raises(ConfigError, match="clean_pandas is an on-demand view"):
        read_online(repo.store, ["v:x", "clean_pandas"], {"id": [1]})
