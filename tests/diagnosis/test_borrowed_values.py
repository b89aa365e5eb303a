"""`swapped_feature` and `wrong_entity` on skew that was planted, and silent on what looks alike."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew.core.equality import equal
from tests.diagnosis.two_sides import Random, codes, hit, only, results

SIZE = 4_900
SIDE = 70
SEVERITIES = (0.005, 0.05, 1.0)
SEEDS = (0, 1, 2)
PORTS = np.array(["EWR", "JFK", "LGA", "BOS", "ORD", "ATL", "LAX"], dtype=object)

amounts: Callable[[Random], Any] = lambda g: g.lognormal(3, 1, SIZE)  # noqa: E731
KINDS: Mapping[str, Callable[[Random], Any]] = {
    "amounts": amounts,
    "narrow": lambda g: g.lognormal(3, 1, SIZE).astype(np.float32),
    "counts": lambda g: g.poisson(4, SIZE),
    "ports": lambda g: PORTS[g.integers(0, 7, SIZE)],
    "names": lambda g: np.array([f"n{i}" for i in g.integers(0, 10**9, SIZE)], dtype=object),
    "moments": lambda g: (1_700_000_000 + g.integers(0, 10**7, SIZE)).astype("M8[s]"),
}


def ids() -> dict[str, Any]:
    return {"id": np.arange(SIZE)}


def pairs_of_ids() -> dict[str, Any]:
    return {"from_id": np.repeat(np.arange(SIDE), SIDE), "to_id": np.tile(np.arange(SIDE), SIDE)}


def lists(random: Random) -> list[list[float]]:
    return [list(random.normal(size=3)) for _ in range(SIZE)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("kind", KINDS)
def test_another_feature(kind: str, share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b, c = (KINDS[kind](random) for _ in range(3))
    found = results(ids(), {"a": a, "b": b, "c": c}, {"a": np.where(hit(random, share, SIZE), b, a), "b": b, "c": c})
    cause = only(found["a"], "swapped_feature")
    assert (cause.evidence["feature"], cause.evidence["both"]) == ("b", False)
    assert codes(found["b"]) == codes(found["c"]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_two_features_in_each_other_s_place(kind: str) -> None:
    random = np.random.default_rng(0)
    a, b, c = (KINDS[kind](random) for _ in range(3))
    found = results(ids(), {"a": a, "b": b, "c": c}, {"a": b, "b": a, "c": c})
    for name, other in (("a", "b"), ("b", "a")):
        cause = only(found[name], "swapped_feature")
        assert (cause.evidence["feature"], cause.evidence["both"]) == (other, True)


def test_lists_and_truths_in_each_other_s_place() -> None:
    random = np.random.default_rng(0)
    a, b = (pa.array(lists(random)) for _ in range(2))
    assert only(results(ids(), {"a": a, "b": b}, {"a": b, "b": b})["a"], "swapped_feature").evidence["feature"] == "b"
    # Wrong truths are the other ones whatever gave them; that all are the other feature's is no chance.
    a, b = (random.random(SIZE) < 0.3 for _ in range(2))
    assert only(results(ids(), {"a": a, "b": b}, {"a": b, "b": b})["a"], "swapped_feature").evidence["feature"] == "b"
    half = np.where(hit(random, 0.5, SIZE), b, a)
    assert codes(results(ids(), {"a": a, "b": b}, {"a": half, "b": b})["a"]) == ["unknown"]


def test_a_feature_of_another_width() -> None:
    random = np.random.default_rng(0)
    a, b = amounts(random).astype(np.float32), amounts(random)
    found = results(ids(), {"a": a, "b": b}, {"a": b.astype(np.float32), "b": b})["a"]
    assert only(found, "swapped_feature").evidence["feature"] == "b"


BESIDE: Mapping[str, Callable[[Random], tuple[Any, Any, Any]]] = {
    "a default that the other one mostly has": lambda g: (g.poisson(4, SIZE) + 1, np.zeros(SIZE, int), g.poisson(0.05, SIZE)),
    "nearly the same feature": lambda g: ((x := amounts(g)), x + g.normal(0, 0.1, SIZE), x + 1e-3),
    "counts of nearly the same": lambda g: ((x := g.poisson(4, SIZE)), g.poisson(4, SIZE), x + g.poisson(0.05, SIZE)),
    "the same categories": lambda g: ((x := PORTS[g.integers(0, 7, SIZE)]), PORTS[g.integers(0, 7, SIZE)], x),
    "unrelated counts": lambda g: (g.poisson(4, SIZE), g.poisson(4, SIZE), g.poisson(4, SIZE)),
    "a constant": lambda g: (PORTS[g.integers(0, 7, SIZE)], PORTS[g.integers(0, 7, SIZE)], np.full(SIZE, "EWR", dtype=object)),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_a_feature_that_is_alike_is_not_the_other_one(name: str) -> None:
    for seed in SEEDS:
        for share in SEVERITIES:
            random = np.random.default_rng(seed)
            a, online, b = BESIDE[name](random)
            found = results(ids(), {"a": a, "b": b}, {"a": np.where(hit(random, share, SIZE), online, a), "b": b})
            assert "swapped_feature" not in codes(found["a"]), (seed, share, found["a"].causes)


@pytest.mark.parametrize("seed", SEEDS[:2])
@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize(
    ("kind", "shift"),
    # Values that many have show no shift but a near one.
    [*((kind, 1) for kind in KINDS), *((kind, -1) for kind in KINDS), ("amounts", 12), ("names", 12), ("moments", -40)],
)
def test_the_next_entity(kind: str, share: float, seed: int, shift: int) -> None:
    random = np.random.default_rng(seed)
    values = KINDS[kind](random)
    places = random.permutation(SIZE)  # tables are in no order
    which = hit(random, share, SIZE)
    which[[*range(40), *range(SIZE - 40, SIZE)]] = False
    online = np.where(which, np.roll(values, -shift), values)
    found = results({"id": places}, {"x": values[places]}, {"x": online[places]})["x"]
    cause = only(found, "wrong_entity")
    assert (cause.evidence["pattern"], cause.evidence["shift"]) == ("shift", shift)
    assert cause.evidence["entities"] == np.count_nonzero(values != online) == cause.evidence["checked"]
    assert ("next" in cause.detail) == (shift == 1)


@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("kind", ["amounts", "counts"])
def test_the_next_entity_in_the_order_of_another_key(kind: str, share: float) -> None:
    """Rows stand by the second key, then the third and the first by name; where the next one has no value there is none."""
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        place = np.arange(SIZE)
        # No row follows another one in any other order.
        keys = {"b": place // 700, "c": place // 70 % 10, "a": random.permutation(70)[place % 70]}
        values = KINDS[kind](random).astype(float)
        values[random.random(SIZE) < 0.2] = np.nan
        rows = np.lexsort((keys["a"], keys["c"], keys["b"]))
        online = values.copy()
        online[rows] = np.roll(values[rows], 1)
        which = hit(random, share, SIZE)
        which[rows[0]] = False
        cause = results(keys, {"x": values}, {"x": np.where(which, online, values)})["x"].causes[0]
        assert (cause.code, cause.evidence["pattern"], cause.evidence["shift"]) == ("wrong_entity", "shift", -1)
        assert cause.evidence["keys"] == ["b", "c", "a"]
        assert cause.share == 1.0
        assert "the previous entity in the order of b, c, a" in cause.detail


@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("kind", ["amounts", "counts", "names"])
def test_keys_in_another_order(kind: str, share: float) -> None:
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        values = KINDS[kind](random)
        other = values.reshape(SIDE, SIDE).T.ravel()
        found = results(pairs_of_ids(), {"x": values}, {"x": np.where(hit(random, share, SIZE), other, values)})["x"]
        cause = only(found, "wrong_entity")
        assert (cause.evidence["pattern"], cause.evidence["keys"]) == ("key_order", ["to_id", "from_id"])


@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("part", ["from_id", "to_id"])
def test_a_part_of_the_key(part: str, share: float) -> None:
    """Everybody with the same part has the value of one of them."""
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        values = amounts(random)
        square = values.reshape(SIDE, SIDE)
        one = np.repeat(square[:, 17], SIDE) if part == "from_id" else np.tile(square[23], SIDE)
        found = results(pairs_of_ids(), {"x": values}, {"x": np.where(hit(random, share, SIZE), one, values)})["x"]
        cause = found.causes[0]
        assert (cause.code, cause.evidence["pattern"], cause.evidence["keys"]) == ("wrong_entity", "key_part", [part])
        assert cause.share >= 0.99
        assert "one and the same for all" in cause.detail


@pytest.mark.parametrize("share", SEVERITIES)
def test_no_order_that_the_ids_show(share: float) -> None:
    """Values that many entities have are found by those that are wrong beside them."""
    random = np.random.default_rng(0)
    features = {kind: KINDS[kind](random) for kind in ("amounts", "counts", "ports")}
    which, other = hit(random, share, SIZE), random.permutation(SIZE)
    found = results(ids(), features, {name: np.where(which, v[other], v) for name, v in features.items()})
    for name, result in found.items():
        cause = result.causes[0]
        assert (cause.code, cause.evidence["pattern"]) == ("wrong_entity", "none"), result.causes
        assert cause.share > 0.97
        assert set(cause.evidence["features"]) == ({name} if name == "amounts" else set(features))


@pytest.mark.parametrize("share", SEVERITIES)
def test_values_that_several_have_and_nulls_in_no_order(share: float) -> None:
    """All of the wrong values are there, as many of them rare as offline: so those that are not rare are another one's as well."""
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        values = np.where(random.random(SIZE) < 0.4, np.round(amounts(random)), amounts(random))
        values[random.random(SIZE) < 0.24] = np.nan
        found = results(
            ids(), {"x": values}, {"x": np.where(hit(random, share, SIZE), random.permutation(values), values)}
        )
        cause = found["x"].causes[0]
        assert (cause.code, cause.evidence["pattern"], cause.share) == ("wrong_entity", "none", 1.0)
        # Others went missing as well: nulls are then more than offline has, and not another one's.
        lost = hit(random, 0.5, SIZE)
        online = np.where(lost, np.nan, random.permutation(values))
        named = results(ids(), {"x": values}, {"x": np.where(hit(random, share, SIZE), online, values)})["x"]
        assert {one.code: one.share for one in named.causes}.get("wrong_entity", 0.0) < 0.6


def test_of_a_sample_what_was_drawn_speaks_for_the_others() -> None:
    random = np.random.default_rng(0)
    everybody = random.lognormal(3, 1, 50_000)
    drawn = random.permutation(49_999)[:SIZE]
    found = results({"id": drawn}, {"x": everybody[drawn]}, {"x": everybody[drawn + 1]}, population=50_000)["x"]
    cause = only(found, "wrong_entity")
    assert (cause.evidence["pattern"], cause.evidence["shift"]) == ("id", 1)
    assert cause.evidence["checked"] == np.count_nonzero(np.isin(drawn + 1, drawn))
    assert "not drawn" in cause.detail


ALIKE: Mapping[str, Callable[[Random], tuple[Any, Any]]] = {
    "noise": lambda g: ((x := amounts(g)), x + g.normal(size=SIZE)),
    "other amounts": lambda g: (amounts(g), amounts(g)),
    "neighbours that are alike": lambda g: ((x := np.cumsum(g.normal(size=SIZE))), x + g.normal(size=SIZE)),
    "groups in order": lambda g: ((x := np.repeat(g.integers(0, 50, SIDE), SIDE)), np.where(g.random(SIZE) < 0.5, x, g.integers(0, 50, SIZE))),
    "rising counts": lambda g: ((x := np.sort(g.poisson(20, SIZE))), np.maximum(0, x + g.integers(-1, 2, SIZE))),
    "one value of each group, another now": lambda g: (np.repeat(amounts(g)[:SIDE], SIDE), np.repeat(amounts(g)[:SIDE], SIDE)),
    "means of the group": lambda g: ((x := amounts(g)), np.repeat(x.reshape(SIDE, SIDE).mean(axis=1), SIDE)),
    "cents": lambda g: (np.round(g.gamma(2, 30, SIZE), 2), np.round(g.gamma(2, 30, SIZE), 2)),
    "rounded cents": lambda g: ((x := np.round(g.gamma(2, 30, SIZE), 2)), np.round(x)),
    "clipped": lambda g: ((x := amounts(g)), np.minimum(x, np.sort(x)[SIZE // 2])),
    "the same amount for all": lambda g: ((x := amounts(g)), np.full(SIZE, x[7])),
    "running numbers": lambda g: (g.permutation(SIZE), g.permutation(SIZE)),
    "means of few": lambda g: (g.integers(0, 90, SIZE) / g.integers(1, 9, SIZE), g.integers(0, 90, SIZE) / g.integers(1, 9, SIZE)),
    "common values only": lambda g: (g.integers(0, 900, SIZE) / g.integers(1, 20, SIZE), g.integers(0, 60, SIZE) / 2),
    "counts": lambda g: (g.poisson(4, SIZE), g.poisson(4, SIZE)),
    "skewed counts": lambda g: (g.zipf(1.6, SIZE), g.zipf(1.6, SIZE)),
}  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_values_that_others_have_by_chance(name: str) -> None:
    for seed in SEEDS:
        for share in (0.01, 0.1, 1.0):
            for keys in (ids(), pairs_of_ids()):
                random = np.random.default_rng(seed)
                off, on = ALIKE[name](random)
                found = results(keys, {"x": off}, {"x": np.where(hit(random, share, SIZE), on, off)})["x"]
                assert "wrong_entity" not in codes(found), (seed, share, list(keys), found.causes)


def test_of_a_hundred_features_few_columns_are_held_against_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 9,900 pairs of columns only those that hashes of some rows have pointed at are compared row by row."""
    module = importlib.import_module("feast_skew.diagnosis.rules.swapped_feature")
    compared = []

    def counted(left: Any, right: Any, *rest: Any) -> Any:
        compared.append(len(left))
        return equal(left, right, *rest)

    monkeypatch.setattr(module, "equal", counted)
    random = np.random.default_rng(0)
    offline = {f"f{i}": amounts(random)[:3_000] for i in range(100)}
    online = {f"f{i}": offline[f"f{i ^ 1}"] for i in range(100)}
    found = results({"id": np.arange(3_000)}, offline, online)
    assert all(result.causes[0].evidence["feature"] == f"f{int(name[1:]) ^ 1}" for name, result in found.items())
    assert 100 <= len(compared) <= 800
