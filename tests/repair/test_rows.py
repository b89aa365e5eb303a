"""What is wrong is written, whole and as Feast writes it, and nothing else is touched."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from shelf import COUNT, DAY, NOW, TYPES, Shelf, baskets, habits, profiles, stamps

from feast_skew.errors import ConfigError
from feast_skew.report import Verdict

WRONG = b"\x18\x07"  # an Int64 of 7, where all are others


def by_view(repair: Any) -> dict[str, Any]:
    return {view.view: view for view in repair.views}


def test_nothing_to_repair(shelf: Shelf) -> None:
    before = shelf.snapshot()
    for yes in (False, True):
        found = shelf.repair(yes=yes)
        assert (found.exit_code, found.views, found.open) == (0, (), 0)
    assert shelf.snapshot() == before


def test_values_under_the_same_timestamp_land(shelf: Shelf) -> None:
    """Feast's own rewrite is passed over; ours lands, in the bytes that Feast would have written."""
    wanted = _as_feast_writes(shelf)
    shelf.repo.write("profile", profiles(shift=1.0))
    shelf.repo.materialize(end=NOW)
    before = shelf.snapshot()
    listed = shelf.repair()
    assert shelf.snapshot() == before
    (view,) = listed.views
    wrong = sum(i % 5 != 4 for i in range(COUNT))
    assert (listed.exit_code, listed.open, listed.rows) == (1, wrong, wrong)
    assert (view.kept, view.moved, view.new, view.written, view.features) == (wrong, 0, 0, None, len(TYPES))
    assert view.classes == {"mismatch": wrong}
    assert view.cause
    done = shelf.repair(yes=True)
    assert (done.exit_code, done.written, done.still_wrong) == (0, wrong, 0)
    assert _sorted_maps(shelf.snapshot()) == _sorted_maps(wanted)
    assert shelf.validate(views=["profile"]).verdict is Verdict.PASS


def _sorted_maps(rows: dict[bytes, dict[bytes, bytes]]) -> dict[bytes, dict[bytes, Any]]:
    """Read the one map in rows: the order of its members on the wire is chance."""
    from feast.protos.feast.types.Value_pb2 import Value

    place = Shelf.field("profile", "prefs")
    return {
        key: {name: Value.FromString(one) if name == place else one for name, one in row.items()}
        for key, row in rows.items()
    }


def _as_feast_writes(shelf: Shelf) -> dict[bytes, dict[bytes, bytes]]:
    """Let Feast write the corrected rows, remember what it wrote, and put the first ones back."""
    first = shelf.snapshot()
    shelf.repo.write("profile", profiles(shift=1.0))
    shelf.repo.materialize(["profile"], end=NOW, skip_dedup=True)
    wanted = shelf.snapshot()
    for key, fields in first.items():
        shelf.client.hset(key, mapping=fields)
    assert shelf.snapshot() == first
    assert first != wanted
    return wanted


def test_only_wrong_rows_are_touched_and_only_their_own_fields(shelf: Shelf) -> None:
    right = shelf.snapshot()
    for user in (3, 8):
        shelf.put("habit", "visits", WRONG, user=user)
    spoilt = shelf.snapshot()
    done = shelf.repair(yes=True)
    assert {name: view.written for name, view in by_view(done).items()} == {"habit": 2}
    after = shelf.snapshot()
    assert after == right
    touched = [key for key in after if after[key] != spoilt[key]]
    assert sorted(touched) == sorted([shelf.key(user=3), shelf.key(user=8)])


def test_each_write_names_one_hash_and_the_fields_of_one_view(shelf: Shelf) -> None:
    """Fields that nobody knows stay too, and two views in one hash are written apart."""
    shelf.put("habit", "visits", WRONG, user=3)
    shelf.put("profile", "name", b"\x12\x01x", user=3)
    shelf.client.hset(shelf.key(user=3), b"_ts:someone_else", b"kept")
    done = shelf.repair(yes=True)
    assert {name: view.written for name, view in by_view(done).items()} == {"habit": 1, "profile": 1}
    assert shelf.client.hget(shelf.key(user=3), b"_ts:someone_else") == b"kept"
    assert shelf.validate().verdict is Verdict.PASS


def test_missing_rows_and_missing_keys(shelf: Shelf) -> None:
    right = shelf.snapshot()
    shelf.client.delete(shelf.key(user=5))
    shelf.client.hdel(shelf.key(user=6), shelf.field("habit", "visits"), b"_ts:habit")
    done = shelf.repair(yes=True)
    views = by_view(done)
    assert views["habit"].classes == {"offline_only": 2}
    assert (views["habit"].new, views["profile"].new, done.exit_code) == (2, 1, 0)
    assert _sorted_maps(shelf.snapshot()) == _sorted_maps(right)


@pytest.mark.parametrize("spoilt", ["value", "another type", "timestamp"])
def test_corrupt_bytes(shelf: Shelf, spoilt: str) -> None:
    right = shelf.snapshot()
    if spoilt == "timestamp":
        shelf.client.hset(shelf.key(user=2), b"_ts:habit", b"\xff\xff\xff")
    else:
        shelf.put("habit", "visits", b"\xff" if spoilt == "value" else b"\x12\x01x", user=2)
    done = shelf.repair(yes=True)
    assert by_view(done)["habit"].classes == {"corrupt": 1}
    assert (done.exit_code, done.written) == (0, 1)
    assert shelf.snapshot() == right


def test_a_key_that_is_no_hash_is_left_alone(shelf: Shelf) -> None:
    shelf.client.delete(shelf.key(user=2))
    shelf.client.set(shelf.key(user=2), "somebody's")
    done = shelf.repair(yes=True, views=["habit"])
    assert by_view(done)["habit"].left == {"no_hash": 1}
    assert (done.exit_code, done.written, done.still_wrong) == (1, 0, 1)
    assert shelf.client.get(shelf.key(user=2)) == b"somebody's"


def test_composite_keys(shelf: Shelf) -> None:
    shelf.repo.write("basket", baskets(shift=100))
    done = shelf.repair(yes=True)
    assert {name: view.written for name, view in by_view(done).items()} == {"basket": COUNT}
    assert shelf.validate(views=["basket"]).verdict is Verdict.PASS


@pytest.mark.parametrize("seconds", [None, 500])
def test_the_expiry_is_what_feast_would_set(make: Callable[..., Shelf], seconds: int | None) -> None:
    shelf = make(key_ttl_seconds=seconds)
    for user, left in ((1, 90), (2, 90)):
        shelf.put("habit", "visits", WRONG, user=user)
        shelf.client.expire(shelf.key(user=user), left)
    shelf.client.delete(shelf.key(user=3))
    untouched = shelf.client.ttl(shelf.key(user=4))
    done = shelf.repair(yes=True, views=["habit"])
    assert (done.exit_code, done.written) == (0, 3)
    for user in (1, 2, 3):
        left = shelf.client.ttl(shelf.key(user=user))
        assert left == pytest.approx(seconds or (90 if user != 3 else -1), abs=5), user
    assert shelf.client.ttl(shelf.key(user=4)) == pytest.approx(untouched, abs=5)


def test_large_numbers_beside_nulls_are_what_training_gets(shelf: Shelf) -> None:
    """Feast takes such a column through doubles, offline and when it writes, and so they lose their last digit."""
    values = [2**53 + 1 + 2 * i if i % 3 else None for i in range(COUNT)]
    shelf.repo.write("habit", habits().set_column(2, "visits", pa.array(values, pa.int64())))
    done = shelf.repair(yes=True)
    assert (done.written, done.still_wrong) == (COUNT, 0)
    assert shelf.validate(views=["habit"]).verdict is not Verdict.FAIL


def test_nulls_are_written_and_take_values_away(shelf: Shelf) -> None:
    table = habits()
    values = [None if i in (1, 2) else one for i, one in enumerate(table.column("visits").to_pylist())]
    shelf.repo.write("habit", table.set_column(2, "visits", pa.array(values, pa.int64())))
    done = shelf.repair(yes=True)
    assert by_view(done)["habit"].classes == {"null_offline": 2}
    assert done.exit_code == 0
    assert shelf.client.hget(shelf.key(user=1), shelf.field("habit", "visits")) == b""


def test_one_feature_is_asked_for_and_the_row_is_written_whole(shelf: Shelf) -> None:
    shelf.put("profile", "name", b"\x12\x01x", user=3)
    shelf.put("profile", "trips", WRONG, user=3)
    shelf.put("profile", "trips", WRONG, user=7)
    done = shelf.repair(yes=True, features=["profile:name"])
    assert done.written == 1
    left = shelf.repair(views=["profile"])
    assert left.open == 1


class TestLaterRows:
    """Where offline has a later row than the one that is online."""

    @pytest.fixture
    def moved(self, shelf: Shelf) -> Shelf:
        later = pa.table({"user": [1, 2], "event_timestamp": stamps(2, DAY + timedelta(days=2)), "visits": [901, 902]})
        shelf.repo.write("habit", pa.concat_tables([habits(), later]))
        return shelf

    def test_a_stale_row_is_right_unless_it_is_asked_for(self, moved: Shelf) -> None:
        assert moved.repair().open == 0
        done = moved.repair(stale=True, yes=True)
        (view,) = done.views
        assert (view.classes, view.moved, view.kept, done.exit_code) == ({"stale": 2}, 2, 0, 0)
        assert moved.client.hget(moved.key(user=1), moved.field("habit", "visits")) == b"\x20\x85\x07"

    def test_a_wrong_row_moves_on_to_the_latest(self, moved: Shelf) -> None:
        moved.put("habit", "visits", WRONG, user=1)
        moved.put("habit", "visits", WRONG, user=5)
        (view,) = moved.repair(yes=True).views
        assert (view.moved, view.kept, view.still_wrong) == (1, 1, 0)

    def test_no_row_behind_the_moment_is_written(self, moved: Shelf) -> None:
        moved.put("habit", "visits", WRONG, user=1)
        (view,) = moved.repair(yes=True, as_of=DAY + timedelta(days=1)).views
        assert (view.moved, view.kept, view.still_wrong) == (0, 1, 0)

    def test_a_row_never_moves_back(self, moved: Shelf) -> None:
        moved.repo.materialize(["habit"], end=NOW)
        moved.put("habit", "visits", WRONG, user=1)
        (view,) = moved.repair(yes=True, as_of=DAY + timedelta(days=1)).views
        assert (view.moved, view.kept, view.still_wrong) == (0, 1, 0)
        assert moved.client.hget(moved.key(user=1), moved.field("habit", "visits")) == b"\x20\x85\x07"


def test_unaligned_rows_only_when_asked_for(shelf: Shelf) -> None:
    from google.protobuf.timestamp_pb2 import Timestamp

    moment = Timestamp(seconds=4_000_000_000)  # a clock that went wrong, behind which no write lands
    shelf.client.hset(shelf.key(user=1), b"_ts:habit", moment.SerializeToString())
    right = {key: row for key, row in shelf.snapshot().items() if key != shelf.key(user=1)}
    assert shelf.repair(views=["habit"]).open == 0
    done = shelf.repair(views=["habit"], unaligned=True, yes=True)
    assert (done.written, done.exit_code) == (1, 0)
    assert {key: row for key, row in shelf.snapshot().items() if key != shelf.key(user=1)} == right
    assert shelf.validate(views=["habit"]).verdict is Verdict.PASS


def test_rows_past_the_ttl_stay_away(shelf: Shelf) -> None:
    view = shelf.repo.view(
        "short", shelf.repo.source("short", habits()), {"user": "Int64"}, {"visits": "Int64"}, ttl=timedelta(days=2)
    )
    shelf.repo.apply(view)
    shelf.repo.materialize(["short"], end=NOW)
    shelf.client.hdel(shelf.key(user=1), shelf.field("short", "visits"), b"_ts:short")
    shelf.put("short", "visits", WRONG, user=2)
    (found,) = shelf.repair(views=["short"], yes=True).views
    assert (found.left, found.written, found.kept, found.still_wrong) == ({"past_ttl": 1}, 1, 1, 0)
    assert shelf.client.hget(shelf.key(user=1), b"_ts:short") is None
    again = shelf.repair(views=["short"])
    assert (again.open, again.exit_code) == (0, 0)


def test_a_view_without_entities_has_one_row(shelf: Shelf) -> None:
    one = pa.table({"event_timestamp": stamps(1), "level": [5]})
    shelf.repo.apply(shelf.repo.view("whole", shelf.repo.source("whole", one), {}, {"level": "Int64"}))
    shelf.repo.materialize(["whole"], end=NOW)
    shelf.repo.write("whole", one.set_column(1, "level", pa.array([6])))
    done = shelf.repair(yes=True, settings={"show_entities": True})
    assert (done.written, done.exit_code) == (1, 0)
    assert dict(done.views[0].entities[0]["key"]) == {}


def test_on_demand_views_are_passed_over_with_the_reason(shelf: Shelf) -> None:
    from feast import Field
    from feast.on_demand_feature_view import on_demand_feature_view
    from feast.types import Int64

    habit = shelf.repo.store.get_feature_view("habit")

    @on_demand_feature_view(sources=[habit], schema=[Field(name="twice", dtype=Int64)], mode="python")
    def doubled(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"twice": [2 * one for one in inputs["visits"]]}

    shelf.repo.apply(doubled)
    shelf.put("habit", "visits", WRONG, user=3)
    done = shelf.repair(yes=True)
    assert (done.written, done.exit_code) == (1, 0)
    assert {one["view"]: one["reason"] for one in done.skipped}["doubled"].startswith("computed at request")
    with pytest.raises(ConfigError, match="nothing that was asked for can be repaired"):
        shelf.repair(views=["doubled"])


def test_rows_that_contradict_each_other_are_left_alone(shelf: Shelf) -> None:
    other = pa.table({"user": [1], "event_timestamp": stamps(1), "visits": [77]})
    shelf.repo.write("habit", pa.concat_tables([habits(), other]))
    shelf.put("habit", "visits", WRONG, user=1)
    shelf.put("habit", "visits", WRONG, user=2)
    done = shelf.repair(yes=True)
    (view,) = done.views
    assert (view.left, view.written, view.still_wrong, done.exit_code) == ({"contradicting_rows": 1}, 1, 1, 1)


def test_orphans_are_told_and_stay(shelf: Shelf) -> None:
    shelf.repo.write("habit", habits().slice(1))
    before = shelf.snapshot()
    done = shelf.repair(yes=True)
    assert shelf.snapshot() == before
    assert done.exit_code == 0
    assert any("habit" in note and "deletes none" in note for note in done.notes)


def test_a_sample_repairs_what_it_holds(shelf: Shelf) -> None:
    shelf.repo.write("habit", habits(shift=50))
    report = shelf.validate(views=["habit"], sample=10, seed=3)
    done = shelf.repair(views=["habit"], sample=10, seed=3, yes=True)
    (view,) = done.views
    assert (view.compared, view.population, view.written) == (10, COUNT, 10)
    assert report.features[0].counts["mismatch"] == 10
    assert shelf.validate(views=["habit"], sample=10, seed=3).features[0].counts["match"] == 10
    assert shelf.repair(views=["habit"]).open == COUNT - 10


def test_given_entities_alone(shelf: Shelf) -> None:
    shelf.repo.write("habit", habits(shift=50))
    done = shelf.repair(views=["habit"], entities={"user": [1, 2, 999]}, yes=True)
    assert (done.written, done.views[0].compared) == (2, 3)


def test_a_view_that_was_never_materialized_is_not_begun(shelf: Shelf) -> None:
    view = shelf.repo.view("fresh", shelf.repo.source("fresh", habits()), {"user": "Int64"}, {"visits": "Int64"})
    shelf.repo.apply(view)
    done = shelf.repair(yes=True)
    assert done.written == 0
    assert any(one["view"] == "fresh" and "never materialized" in one["reason"] for one in done.skipped)


def test_the_record_is_json_without_keys_unless_they_are_to_be_shown(shelf: Shelf) -> None:
    shelf.put("basket", "items", WRONG, shop="s1", user=4)
    shown = json.loads(json.dumps(shelf.repair(settings={"show_entities": True}).to_dict()))
    assert shown["views"][0]["entities"] == [
        {"key": {"shop": "s1", "user": 4}, "class": "mismatch", "outcome": "to_write"}
    ]
    plain = shelf.repair(yes=True)
    assert "s1" not in json.dumps(plain.to_dict())
    assert plain.to_dict()["written"] == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        plain.yes = False
