"""Feature services with `precompute_online`: what serving reads from their vectors, held against their views."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
FIRST = datetime(2024, 2, 1, 6, tzinfo=timezone.utc)
LATER = FIRST + timedelta(days=1)
N = 30


SMALL = [("origin_id", pa.int16()), ("target_id", pa.int32())]


def stamps(*moments: datetime) -> pa.Array:
    ticks = [(moment - EPOCH) // timedelta(microseconds=1) for moment in moments]
    return pa.array(ticks, pa.int64()).cast(pa.timestamp("us", "UTC"))


def rows(ids: Any = range(N), key: str = "id", moment: datetime = FIRST, **columns: Any) -> pa.Table:
    ids = list(ids)
    table = {key: ids, "event_timestamp": stamps(*[moment] * len(ids)), "x": np.arange(len(ids)) + 0.5}
    return pa.table({**table, "n": np.arange(len(ids)), **columns})


def frame(ids: Any, moment: datetime, **values: Any) -> pd.DataFrame:
    return pd.DataFrame({"id": list(ids), "event_timestamp": [moment] * len(list(ids)), **values})


def service(*features: Any, name: str = "ranking", precompute: bool = True) -> Any:
    from feast import FeatureService

    return FeatureService(name=name, features=list(features), precompute_online=precompute)


def set_up(repo: Any, table: pa.Table | None = None, **options: Any) -> Any:
    """Apply a view `v` with a service on it, and materialize, which computes the vectors."""
    source = repo.source("src", rows() if table is None else table)
    view = repo.view("v", source, {"id": "Int64"}, {"x": "Float64", "n": "Int64"}, **options)
    repo.apply(view, service(view))
    repo.materialize(["v"])
    return view


def findings(report: Any) -> list[Any]:
    return [finding for finding in report.findings if finding.code.startswith("FS22")]


def codes(report: Any) -> list[str]:
    return [finding.code for finding in findings(report)]


def ask(repo: Any, ids: list[int], *, full: bool = True) -> dict[str, Any]:
    chosen = repo.store.get_feature_service("ranking")
    request = [{"id": i} for i in ids]
    return repo.store.get_online_features(chosen, request, full_feature_names=full).to_dict()


# --- what Feast does ---------------------------------------------------------------------------------------------------


def test_what_feast_does_with_vectors(repo: Any) -> None:
    """The facts that the findings rest on: they hold for the service object alone, and are broken by short names."""
    set_up(repo)
    assert ask(repo, [3, 5]) == {"id": [3, 5], "v__x": [3.5, 5.5], "v__n": [3, 5]}
    with pytest.raises(RuntimeError, match="could not be read"):
        ask(repo, [3], full=False)
    with pytest.raises(RuntimeError, match="could not be read"):
        ask(repo, [3, N + 1])  # one entity without a vector, and nobody is served
    repo.store.write_to_online_store("v", frame([3], LATER, x=[99.5], n=[99]))
    assert ask(repo, [3])["v__x"] == [3.5]
    plain = repo.store.get_online_features(["v:x"], [{"id": 3}, {"id": N + 1}]).to_dict()
    assert plain["x"] == [99.5, None]
    before = datetime.now(timezone.utc) - timedelta(hours=1)
    stamped = repo.store.get_online_features(
        repo.store.get_feature_service("ranking"), [{"id": 3}], full_feature_names=True
    ).to_dict(include_event_timestamps=True)
    assert stamped["v__x__ts"][0] > before.timestamp() > FIRST.timestamp()  # when it was computed, not of the row


# --- what is told ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{}, {"services": ["ranking"]}], ids=["everything", "by name"])
def test_a_freshly_computed_service_gives_no_finding(repo: Any, asked: dict[str, Any]) -> None:
    set_up(repo, rows(x=pa.array([None if i == 3 else float("nan") if i == 4 else i / 3 for i in range(N)])))
    report = repo.validate(**asked)
    assert findings(report) == []
    assert not report.skipped


def test_a_write_that_does_not_refresh_vectors_is_told(repo: Any) -> None:
    set_up(repo)
    repo.store.write_to_online_store("v", frame([3, 4, 5], LATER, x=[99.5, 99.5, 99.5], n=[3, 4, 99]))
    (found,) = findings(repo.validate())
    assert (found.code, found.severity) == ("FS220", "warn")
    assert "service ranking" in found.detail
    assert "3 (10.0%) of 30 requests" in found.detail
    assert "v__x (3), v__n (1)" in found.detail
    assert "computed 20" in found.detail
    assert 'store.precompute_feature_service("ranking")' in found.remedy
    assert "push_async" in found.remedy
    repo.store.precompute_feature_service("ranking")
    assert findings(repo.validate()) == []


def test_push_refreshes_and_push_async_does_not(repo: Any) -> None:
    from feast import PushSource

    source = PushSource(name="pushed", batch_source=repo.source("src", rows()))
    view = repo.view("v", source, {"id": "Int64"}, {"x": "Float64", "n": "Int64"})
    repo.apply(view, service(view))
    repo.materialize(["v"])
    repo.store.push("pushed", frame([3], LATER, x=[99.5], n=[3]))
    assert findings(repo.validate()) == []
    asyncio.run(repo.store.push_async("pushed", frame([3], LATER + timedelta(days=1), x=[1.25], n=[3])))
    assert codes(repo.validate()) == ["FS220"]


def test_a_service_that_was_never_computed_is_told(repo: Any) -> None:
    view = repo.view("v", repo.source("src", rows()), {"id": "Int64"}, {"x": "Float64", "n": "Int64"})
    repo.apply(view)
    repo.materialize(["v"])
    repo.apply(view, service(view))
    (found,) = findings(repo.validate())
    assert (found.code, found.severity) == ("FS222", "warn")
    assert "never" not in found.detail
    assert "no vector for any of 30 requests" in found.detail


def test_entities_without_a_vector_are_told(repo: Any) -> None:
    set_up(repo)
    repo.write("src", rows(range(N + 10)))  # ten that offline knows, not materialized
    repo.store.write_to_online_store("v", frame([N], FIRST, x=[30.5], n=[30]))  # and one of them is online
    (found,) = findings(repo.validate())
    assert (found.code, found.severity) == ("FS221", "warn")
    assert "no vector for 10 (25.0%) of 40 requests read, 1 of them with an online row" in found.detail
    assert "raise for the whole request" in found.detail


def test_vectors_of_an_earlier_shape_are_told(repo: Any) -> None:
    view = set_up(repo)
    repo.apply(service(view[["x"]]))
    with pytest.raises(RuntimeError, match="could not be read"):
        ask(repo, [3])
    (found,) = findings(repo.validate())
    assert found.code == "FS223"
    assert "other features than the service has now" in found.detail


def test_a_service_with_an_on_demand_view_never_uses_its_vectors(repo: Any) -> None:
    """Feast's check sees only views given as objects at that moment; one that is stored online passes it."""
    from feast import Field
    from feast.on_demand_feature_view import on_demand_feature_view
    from feast.types import Float64

    view = repo.view("v", repo.source("src", rows()), {"id": "Int64"}, {"x": "Float64", "n": "Int64"})

    @on_demand_feature_view(
        sources=[view],
        schema=[Field(name="double", dtype=Float64)],
        entities=[repo.entity("id", "Int64")],
        mode="python",
        write_to_online_store=True,
    )
    def stored(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"double": [x * 2 for x in inputs["x"]]}

    repo.apply(view, stored, service(view, stored))
    repo.materialize(["v"])
    repo.store.write_to_online_store("stored", frame(range(N), FIRST, x=np.arange(N) + 0.5))
    (found,) = findings(repo.validate(services=["ranking"]))
    assert found.code == "FS224"
    assert "on-demand view stored" in found.detail


def test_views_with_other_keys_are_empty_in_vectors(repo: Any) -> None:
    """Vectors are computed by the keys of the first view alone: the other view's features are null in all of them."""
    view = repo.view("v", repo.source("src", rows()), {"id": "Int64"}, {"x": "Float64"})
    shops = repo.view("w", repo.source("shops", rows("abc", "shop")), {"shop": "String"}, {"n": "Int64"})
    repo.apply(view, shops, service(view, shops))
    repo.materialize(["v", "w"])
    (found,) = findings(repo.validate())
    assert found.code == "FS220"
    assert "30 (100.0%) of 30 requests read: w__n (30);" in found.detail


def test_a_view_under_two_names_has_one_vector(repo: Any) -> None:
    """Origin and destination of a ride: the vector of the origin holds the origin's values for both."""
    view = repo.view("v", repo.source("src", rows()), {"id": "Int64"}, {"x": "Float64"})
    repo.apply(view)
    origin = view.with_name("origin").with_join_key_map({"id": "origin_id"})
    target = view.with_name("target").with_join_key_map({"id": "target_id"})
    repo.apply(service(origin, target))
    repo.materialize(["v"])
    (found,) = findings(repo.validate(services=["ranking"]))
    assert found.code == "FS220"
    assert "target__x (30);" in found.detail
    given = {"origin_id": [1, 2, 3], "target_id": [1, 2, 7]}
    (found,) = findings(repo.validate(services=["ranking"], entities=pa.table(given, pa.schema(SMALL))))
    assert "1 (33.3%) of 3 requests read: target__x (1);" in found.detail


def test_services_without_vectors_or_of_other_views_are_not_read(repo: Any) -> None:
    view = set_up(repo)
    other = repo.view("w", repo.source("src"), {"id": "Int64"}, {"x": "Float64"}, online=False)
    repo.apply(service(view, name="plain", precompute=False), other, service(other, name="unserved"))
    report = repo.validate(views=["v"])
    assert findings(report) == []
    report = repo.validate()
    assert findings(report) == []
    assert [entry["view"] for entry in report.skipped] == ["w"]


def test_a_large_sample_is_read_in_part(repo: Any) -> None:
    set_up(repo, rows(range(1_300)))
    repo.store.write_to_online_store("v", frame(range(1_300), LATER, x=np.full(1_300, -1.0), n=np.arange(1_300)))
    (found,) = findings(repo.validate())
    assert "1,000 (100.0%) of 1,000 requests read: v__x (1,000)" in found.detail


def test_a_vector_that_is_refreshed_while_it_is_read_is_no_finding(repo: Any) -> None:
    """Vectors and views are read one after the other; what differs is read once more before it is told."""
    from feast_skew.measuring.progress import NoProgress
    from feast_skew.serving.precomputed import vector_findings
    from feast_skew.stores.feast_vectors import FeastVectors

    set_up(repo)
    repo.store.write_to_online_store("v", frame([3], LATER, x=[99.5], n=[3]))
    plan = plan_of(repo)
    reader = FeastVectors(repo.store, repo.online_reader())

    class Refreshed:
        """The real reader, with a refresh between its two reads."""

        def read_both(self, service: Any, requests: pa.Table) -> Any:
            found = reader.read_both(service, requests)
            repo.store.precompute_feature_service("ranking")
            return found

    requests = pa.table({"id": np.arange(N)})
    assert [f.code for f in vector_findings(plan, requests, reader, NoProgress())] == ["FS220"]
    assert vector_findings(plan, requests, Refreshed(), NoProgress()) == []


def plan_of(repo: Any) -> Any:
    from feast_skew.config import Settings
    from feast_skew.stores.feast_registry import Selection, build_plan

    (plan,) = build_plan(repo.store, Selection(), Settings()).services
    return plan
