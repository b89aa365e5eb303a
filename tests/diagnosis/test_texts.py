"""`truncated` and `encoding` on skew that was planted, and silent on what looks alike."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew import compare
from feast_skew.report import FeatureResult
from tests.diagnosis.two_sides import Random, codes, hit, of_one, only

SIZE = 10_000
SEVERITIES = (0.005, 0.05, 1.0)
SEEDS = (0, 1, 2)
PORTS = ("EWR", "JFK", "LGA", "BOS", "ORD", "ATL", "LAX")
CITIES = ("São Paulo", "New York", "Zürich", "Kraków", "La Paz", "Lima", "Åre")


def chosen(random: Random, of: Any, size: int = SIZE) -> np.ndarray:
    return np.array(of, dtype=object)[random.integers(0, len(of), size)]


def names(size: int = SIZE) -> np.ndarray:
    return np.array([f"user {i * 7919 % 100_003} née {i}" for i in range(size)], dtype=object)


def changed(values: np.ndarray, change: Callable[[Any], Any]) -> np.ndarray:
    found = np.empty(len(values), dtype=object)
    found[:] = [change(value) for value in values]
    return found


def part(random: Random, share: float, values: np.ndarray, others: np.ndarray) -> np.ndarray:
    found = values.copy()
    which = hit(random, share, len(values))
    found[which] = others[which]
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", SEVERITIES)
def test_a_length_in_characters(share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = names()
    cause = only(of_one(values, part(random, share, values, changed(values, lambda v: v[:8]))), "truncated")
    assert cause.evidence == {"length": 8, "unit": "characters", "entities": round(share * SIZE)}
    assert cause.parameters == 0
    # Few values, each many times: still the length, and no code for each of them.
    ports = chosen(random, PORTS)
    cause = only(of_one(ports, part(random, share, ports, changed(ports, lambda v: v[:2]))), "truncated")
    assert (cause.evidence["length"], cause.evidence["unit"]) == (2, "characters")


@pytest.mark.parametrize("share", SEVERITIES)
def test_a_length_in_bytes(share: float) -> None:
    """A column of so many bytes cuts a text of accents after fewer characters."""
    random = np.random.default_rng(0)
    values = changed(names(), lambda v: "éà"[: int(v[5]) % 3] + v)
    online = part(random, share, values, changed(values, lambda v: v.encode()[:12].decode("utf-8", "ignore")))
    cause = only(of_one(values, online), "truncated")
    assert (cause.evidence["length"], cause.evidence["unit"]) == (12, "bytes")
    assert "UTF-8" in cause.detail
    raw = changed(values, str.encode)
    cause = only(of_one(raw, part(random, share, raw, changed(raw, lambda v: v[:5]))), "truncated")
    assert (cause.evidence["length"], cause.evidence["unit"]) == (5, "bytes")


@pytest.mark.parametrize("share", SEVERITIES)
def test_a_list_that_keeps_its_first_elements(share: float) -> None:
    random = np.random.default_rng(0)
    values = [list(random.normal(size=random.integers(0, 9))) for _ in range(SIZE)]
    which = hit(random, share, SIZE)
    online = [value[:3] if cut else value for value, cut in zip(values, which, strict=True)]
    arrow = pa.list_(pa.float64())
    cause = only(of_one(pa.array(values, arrow), pa.array(online, arrow)), "truncated")
    assert (cause.evidence["length"], cause.evidence["unit"]) == (3, "elements")


NOT_TRUNCATED: Mapping[str, Callable[[Random, np.ndarray], np.ndarray]] = {
    "any length": lambda g, v: np.array(
        [s[:k] for s, k in zip(v, g.integers(0, 9, len(v)), strict=True)], dtype=object
    ),
    "the last word lost": lambda _, v: changed(v, lambda s: s.rsplit(" ", int(s[5]) % 3 + 1)[0]),
    "the end kept": lambda _, v: changed(v, lambda s: s[-4:]),
    "other texts": lambda g, v: changed(g.permutation(v), lambda s: s[-6:-1]),
}


@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("name", NOT_TRUNCATED)
def test_what_is_not_truncated(name: str, share: float) -> None:
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        values = names(3_000)
        found = of_one(values, part(random, share, values, NOT_TRUNCATED[name](random, values)))
        assert not {"truncated", "encoding"} & set(codes(found)), found.causes


SPELLINGS: Mapping[str, tuple[Any, Callable[[str], str], str, str]] = {
    "upper": (CITIES, str.upper, "upper case", "online"),
    "lower": (PORTS, str.lower, "lower case", "online"),
    "title": (["new york", "la paz", "são paulo", "lima"], str.title, "title case", "online"),
    "offline upper": (["EWR", "JFK", "LGA"], lambda s: {"EWR": "eWr", "JFK": "jFK", "LGA": "Lga"}[s], "upper case", "offline"),
    "stripped": ([" a ", "b  ", " c"], str.strip, "white space stripped", "online"),
    "blanks added": (PORTS, lambda s: f"{s}   ", "white space stripped", "offline"),
    "decomposed": (["São Paulo", "Zürich", "Kraków"], lambda s: unicodedata.normalize("NFD", s), "Unicode NFD", "online"),
    "without accents": (["São Paulo", "Zürich", "Kraków"], lambda s: s.translate({227: "a", 252: "u", 243: "o"}), "accents removed", "online"),
    "mojibake": (["São Paulo", "Zürich", "Kraków"], lambda s: s.encode().decode("latin-1"), "UTF-8 read as Latin-1", "online"),
    "quoted": (PORTS, lambda s: f'"{s}"', "double quotes added", "online"),
    "prefix": (PORTS, lambda s: f"port:{s}", "prefix added", "online"),
    "prefix lost": ([f"port:{s}" for s in PORTS], lambda s: s[5:], "prefix added", "offline"),
    "joined": (["New York", "La Paz", "Sao Paulo"], lambda s: s.lower().replace(" ", "_"), "lower case, words joined by _", "online"),
    "doubles": ([str(i) for i in range(30)], lambda s: f"{s}.0", "whole numbers as decimals", "online"),
    "padded": ([str(i) for i in range(0, 3000, 7)], lambda s: s.zfill(6), "leading zeros removed", "offline"),
    "truth": (["true", "false"], lambda s: str(int(s == "true")), "truth as 0 and 1", "online"),
    "hashed": ([f"u{i}" for i in range(5000)], lambda s: hashlib.sha256(s.encode()).hexdigest(), "SHA-256", "online"),
}  # fmt: skip


@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("name", SPELLINGS)
def test_another_spelling(name: str, share: float) -> None:
    texts, change, spelled, side = SPELLINGS[name]
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        values = chosen(random, texts)
        online = part(random, share, values, changed(values, change))
        cause = only(of_one(values, online), "encoding")
        assert (cause.evidence["spelling"], cause.evidence["side"]) == (spelled, side)
        assert all(change(off) == on for off, on in cause.evidence["mapping"])
        assert len(cause.evidence["mapping"]) == min(20, cause.evidence["categories"])


def renamed(values: np.ndarray, before: Any, after: Any) -> np.ndarray:
    table = dict(zip(before, after, strict=True))
    return changed(values, lambda v: table.get(v, v))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", SEVERITIES)
def test_another_name_or_code(share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    ports = chosen(random, PORTS)
    for after in (("Newark", "Kennedy", "Guardia", "Boston", "Chicago", "Atlanta", "L.A."), (*PORTS[2:], *PORTS[:2])):
        found = of_one(ports, part(random, share, ports, renamed(ports, PORTS, after)))
        assert_code(found, dict(zip(PORTS, after, strict=True)), share)
    numbers = random.integers(0, 8, SIZE)
    other = np.array([3, 7, 1, 0, 6, 2, 5, 4])
    found = of_one(numbers, part(random, share, numbers, other[numbers]))
    assert_code(found, dict(enumerate(other.tolist())), share)


def assert_code(found: FeatureResult, code: Mapping[Any, Any], share: float) -> None:
    """Of fifty rows some may be the only ones with their category, which proves nothing of it."""
    cause = found.causes[0]
    assert cause.code == "encoding", found.causes
    assert cause.evidence["spelling"] is None
    mapping = dict(cause.evidence["mapping"])
    assert mapping.items() <= code.items()
    assert len(mapping) >= (6 if share == SEVERITIES[0] else len(code))
    assert cause.share >= (0.9 if share == SEVERITIES[0] else 1.0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", SEVERITIES)
def test_a_spelling_of_one_name_is_not_the_code_of_all(share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    airlines = {"UA": "United", "B6": "JetBlue", "DL": "Delta", "US": "US Airways", "AA": "American", "WN": "Southwest"}
    carriers = chosen(random, [*airlines])
    online = part(random, share, carriers, renamed(carriers, airlines.keys(), airlines.values()))
    assert_code(of_one(carriers, online), airlines, share)


@pytest.mark.parametrize("share", SEVERITIES[1:])
def test_a_spelling_beside_values_without_any(share: float) -> None:
    """Rows of noise have no code, and leave to the spelling what it explains."""
    random = np.random.default_rng(0)
    cities = chosen(random, ("New York", "La Paz", "Lima", "Oslo", "Bern"))
    noise = changed(np.arange(SIZE), lambda i: f"x{i}")
    wrong = np.where(random.random(SIZE) < 0.6, changed(cities, str.lower), noise)
    found = of_one(cities, part(random, share, cities, wrong))
    assert codes(found) == ["encoding", "unknown"]
    assert found.causes[0].evidence["spelling"] == "lower case"


def test_one_category_of_many_that_has_another_name() -> None:
    random = np.random.default_rng(0)
    ports = chosen(random, PORTS)
    cause = only(of_one(ports, renamed(ports, ["LGA"], ["LaGuardia"])), "encoding")
    assert cause.evidence["mapping"] == [["LGA", "LaGuardia"]]


def test_truth_the_other_way_round() -> None:
    random = np.random.default_rng(0)
    flags = random.random(SIZE) < 0.2
    cause = only(of_one(flags, ~flags), "encoding")
    assert sorted(cause.evidence["mapping"]) == [[False, True], [True, False]]
    # Any wrong truth is the other one: that some are tells nothing of why.
    for share in (0.005, 0.5):
        assert codes(of_one(flags, flags ^ hit(random, share, SIZE))) == ["unknown"]


CHANCE: Mapping[str, Callable[[Random], tuple[Any, Any]]] = {
    "permuted": lambda g: ((x := chosen(g, PORTS, 3000)), g.permutation(x)),
    "mostly one": lambda g: (g.random(3000) < 0.05, g.random(3000) < 0.07),
    "two of three": lambda g: (chosen(g, list("aab"), 3000), chosen(g, list("abc"), 3000)),
    "many categories": lambda g: (chosen(g, [f"c{i}" for i in range(2500)], 3000), chosen(g, [f"c{i}" for i in range(2500)], 3000)),
    "some categories": lambda g: (chosen(g, [f"c{i}" for i in range(60)], 3000), chosen(g, [f"c{i}" for i in range(60)], 3000)),
    "codes": lambda g: (g.integers(0, 12, 3000), g.integers(0, 12, 3000)),
    "ratings up or down": lambda g: ((x := g.integers(1, 6, 3000)), np.clip(x + g.choice([-1, 1], 3000), 1, 5)),
    "counts": lambda g: (g.poisson(2, 3000), g.poisson(3, 3000)),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANCE)
def test_categories_that_changed_at_random_have_no_code(name: str) -> None:
    for seed in range(6):
        for share in SEVERITIES:
            random = np.random.default_rng(seed)
            off, on = CHANCE[name](random)
            found = of_one(off, np.where(hit(random, share, len(off)), on, off))
            assert codes(found) in ([], ["unknown"]), (share, seed, found.causes)


def test_a_formula_is_no_code() -> None:
    """Numbers with few values are other rules' business when a constant or a rising function gives them."""
    random = np.random.default_rng(0)
    ratings = random.integers(1, 6, SIZE)
    assert codes(of_one(ratings, ratings + 1)) == ["offset"]
    assert codes(of_one(ratings, ratings * 20)) == ["scale"]
    assert "encoding" not in codes(of_one(ratings, ratings**2))
    assert "encoding" not in codes(of_one(ratings, np.minimum(ratings, 3)))
    assert "encoding" not in codes(of_one(ratings, 11 - 2 * ratings))


def test_several_categories_that_became_one_are_no_code() -> None:
    random = np.random.default_rng(0)
    ports = chosen(random, PORTS)
    assert codes(of_one(ports, renamed(ports, PORTS[:4], ["other"] * 4))) == ["default_fill"]


def test_an_encoding_beside_other_causes() -> None:
    random = np.random.default_rng(0)
    ports = chosen(random, PORTS)
    online = changed(ports, str.lower)
    online[hit(random, 0.2, SIZE)] = None
    found = of_one(ports, online)
    assert codes(found) == ["encoding", "null_fill"]
    assert found.causes[0].share == pytest.approx(0.8)
    online = renamed(ports, PORTS, (*PORTS[1:], PORTS[0]))
    online[hit(random, 0.4, SIZE)] = "unknown"
    assert codes(of_one(ports, online)) == ["encoding", "default_fill"]


def test_unaligned_categories_without_a_code_say_so() -> None:
    random = np.random.default_rng(3)
    offline = pa.table(
        {
            "id": np.tile(np.arange(400), 4),
            "event_timestamp": np.repeat(
                np.arange("2026-05-01", "2026-05-05", dtype="datetime64[D]").astype("M8[us]"), 400
            ),
            "x": np.tile(chosen(random, PORTS, 400), 4),
        }
    )
    online = pa.table(
        {
            "id": np.arange(400),
            "event_timestamp": np.full(400, np.datetime64("2026-05-04T09:30:00", "us")),
            "x": chosen(random, PORTS, 400),
        }
    )
    (cause,) = compare(offline, online, ["id"]).features[0].causes
    assert cause.code == "unknown"
    assert "unaligned" in cause.detail
