"""Maps, structs and JSON: one text for equal contents, tolerance inside of them, and where they differ."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.equality import EXACT, Tolerance, default_tolerance, equal
from feast_skew.core.nested import canonical_text, decimal_content, json_text, plain_content, read_content
from feast_skew.core.paths import MOST_ROWS, PathDifference, differing_paths
from feast_skew.core.shapes import shaped
from feast_skew.core.types import Kind, declared_type

NAMES = st.sampled_from(["a", "b", "city", "a b", "ä", "it's", ""])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([0.5, 1e300, 2.0**60, math.inf]),
    st.sampled_from(["", "1", "x"]),
)
CONTENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
DEFAULT = default_tolerance(declared_type("Json"))


def texts(*contents: Any) -> pa.Array:
    return pa.array(
        [None if one is ... else canonical_text(plain_content(one, keep_nulls=True)) for one in contents], pa.string()
    )


def same(one: Any, other: Any, tolerance: Tolerance = DEFAULT) -> bool:
    found = equal(texts(one), texts(other), tolerance, Kind.NESTED)
    assert found.tolist() == equal(texts(other), texts(one), tolerance, Kind.NESTED).tolist()
    return bool(found[0])


def flat(content: Any, path: str = "$") -> dict[str, Any]:
    """Every leaf, empty container included, by its full path: the plain twin of equality by path."""
    if isinstance(content, dict) and content:
        return {key: leaf for name, inner in content.items() for key, leaf in flat(inner, f"{path}/{name!r}").items()}
    if isinstance(content, list) and content:
        return {key: leaf for i, inner in enumerate(content) for key, leaf in flat(inner, f"{path}/{i}").items()}
    return {path: content}


def oracle(one: Any, other: Any, tolerance: Tolerance) -> bool:
    a, b = flat(one), flat(other)
    if a.keys() != b.keys():
        return False
    for path, left in a.items():
        right = b[path]
        numbers = all(isinstance(leaf, (int, float)) and not isinstance(leaf, bool) for leaf in (left, right))
        if numbers and left != right:
            whole = all(float(leaf).is_integer() and abs(leaf) < 2**53 for leaf in (left, right))
            if whole and not tolerance.whole:
                return False
            bound = tolerance.atol + tolerance.rtol * max(abs(left), abs(right))
            if math.isinf(left) or math.isinf(right) or abs(left - right) > (math.floor(bound) if whole else bound):
                return False
        elif not numbers and (type(left) is not type(right) or left != right):
            return False
    return True


@given(CONTENTS, CONTENTS, st.sampled_from([EXACT, DEFAULT, Tolerance(0.0, 1.5), Tolerance(0.0, 0.5)]))
def test_contents_are_equal_by_path(one: Any, other: Any, tolerance: Tolerance) -> None:
    assert same(one, one, tolerance)
    assert same(one, other, tolerance) is oracle(one, other, tolerance)


@given(CONTENTS)
def test_the_text_says_what_the_content_is(content: Any) -> None:
    text = canonical_text(plain_content(content, keep_nulls=True))
    assert same(read_content(text), content)
    assert json_text(json.dumps(content, indent=2)) == text == json_text(text)


@given(CONTENTS, st.floats(-1e15, 1e15).filter(lambda x: x == 0 or abs(x) > 1e-6), st.sampled_from([-1, 1]))
def test_noise_inside_is_no_difference_and_more_than_noise_is(around: Any, value: float, sign: int) -> None:
    value = value + 0.1 if float(value).is_integer() else value
    noisy, moved = value * (1 + sign * 1e-12), value * (1 + sign * 1e-6)
    for wrap in (lambda x: {"x": x, "y": around}, lambda x: [around, x], lambda x: {"s": {"t": [x]}}):
        assert same(wrap(value), wrap(noisy))
        assert not same(wrap(value), wrap(moved))
        assert not same(wrap(value), wrap(noisy), EXACT) or value == noisy


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 0.0}, {"a": -0.0}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": None}, {}, False),
        ({"a": []}, {"a": None}, False),
        ({"a": {}}, {"a": []}, False),
        ([1, 2], [2, 1], False),
        ([1, 2], [1], False),
        ({"a": math.nan}, {"a": None}, True),
        ({"a": math.inf}, {"a": math.inf}, True),
        ({"a": math.inf}, {"a": 1e308}, False),
        ({"a": math.inf}, {"a": -math.inf}, False),
        # Epoch seconds and ids are not measures; 2**53 is where doubles stop telling them apart.
        ({"a": 1_700_000_000}, {"a": 1_700_000_001}, False),
        ({"a": 2**53 + 1}, {"a": 2**53}, False),
        ({"a": 10**400}, {"a": 10**400 + 1}, False),
        ({"a": 10**400}, {"a": 0.5}, False),
        ({"a": 1e17}, {"a": 1e17 + 16}, True),
        (5, "5", False),
        ("null", None, False),
    ],
)
def test_special_values_inside(one: Any, other: Any, expected: bool) -> None:
    assert same(one, other) is expected


def test_a_configured_tolerance_holds_for_integers_too() -> None:
    assert same({"n": 5}, {"n": 6}, Tolerance(0.0, 1.0))
    assert not same({"n": 5}, {"n": 7}, Tolerance(0.0, 1.0))


def test_nulls_and_text_that_is_no_json() -> None:
    offline = pa.array([None, None, "{", "{", json_text('{"a": 1'), json_text("[1, 2 ]")])
    online = pa.array([None, "{}", "{", "[", '{"a":1', "[1,2]"])
    assert equal(offline, online, DEFAULT, Kind.NESTED).tolist() == [False, False, True, False, False, True]


def test_json_of_no_good_will() -> None:
    """Too deep, too long a number, half a character: compared as text, and nothing breaks."""
    deep = "[" * 200_000 + "]" * 200_000
    assert json_text(deep) == deep
    for depth in (300, 400, 500, 600, 900, 990):
        one, other = ("[" * depth + leaf + "]" * depth for leaf in ("1.5", "2.5"))
        columns = [pa.array([json_text(text)]) for text in (one, other)]
        assert equal(*columns, DEFAULT, Kind.NESTED).tolist() == [False]
        assert differing_paths(*columns, np.array([0]), DEFAULT)[0].differ == 1
    digits = "9" * 10_000
    assert json_text(digits) == digits
    assert pa.array([json_text('{"a": "\\ud800"}')]).to_pylist() == ['{"a":"\\ud800"}']
    assert json_text('{"a": 1, "a": 2}') == '{"a":2}'


def test_values_of_python_are_written_once() -> None:
    moment = datetime(2024, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))
    found = plain_content(
        {"t": moment, "n": moment.replace(tzinfo=None), "s": {3, 1, 2}, "b": b"\x01", 1.0: True, "z": None}
    )
    assert found == {
        "t": "2024-01-01T12:00:00+00:00",
        "n": "2024-01-01T13:00:00+00:00",
        "s": [1, 2, 3],
        "b": "01",
        "1": True,
    }
    long = "1.23456789012345678901"
    assert [decimal_content(Decimal(text)) for text in ("1.50", "2.0", long, "NaN", "1e500", "-Infinity")] == [
        1.5, 2, long, None, "1E+500", -math.inf,
    ]  # fmt: skip


def test_declared_parts_are_compared_as_such() -> None:
    declared = declared_type(
        "Struct({f: Float32, u: Uuid, d: Decimal, s: Set(Float64), l: Array(Struct({f: Float32}))})"
    )
    one = {
        "f": 0.1,
        "u": "ABCDEF00-1234-5678-1234-567812345678",
        "d": "1.10",
        "s": [2, 1, 2],
        "l": [{"f": 1e300}],
        "o": 0.1,
    }
    expected = {
        "f": 0.1, "u": "abcdef00-1234-5678-1234-567812345678", "d": 1.1, "s": [1, 2], "l": [{"f": math.inf}], "o": 0.1,
    }  # fmt: skip
    assert shaped(one, declared) == expected
    assert shaped({**one, "f": float(np.float32(0.1))}, declared) == expected
    odd = {"f": "x", "u": 5, "d": "no number", "s": {}, "l": None}
    assert shaped(odd, declared) == odd
    assert shaped([3, [1]], declared) == [3, [1]]
    assert shaped({"f": 10**400}, declared) == {"f": 10**400}
    assert shaped([[2, 1, 2]], declared_type("Array(Set(Int64))")) == [[1, 2]]
    assert shaped([[2], [1], [2]], declared_type("Set(Array(Int64))")) == [[1], [2]]
    assert (
        declared_type("Array(Struct({a: Array(Int64), b: Struct({c: Bool})}))").parts[0][1].parts[1][1].name
        == "Struct({c: Bool})"
    )


def paths(one: list[Any], other: list[Any], **options: Any) -> tuple[PathDifference, ...]:
    return differing_paths(texts(*one), texts(*other), np.arange(len(one)), DEFAULT, **options)


def test_paths_are_counted_in_rows() -> None:
    offline = [
        {"address": {"city": "a", "zip": 1}, "tags": [1, 2]},
        {"address": {"city": "b"}, "tags": [1]},
        {"x y": 1},
        ...,
    ]
    online = [{"address": {"city": "A"}, "tags": [3, 4]}, {"address": {"city": "B"}, "tags": [1, 2]}, {"x y": "1"}, {}]
    assert paths(offline, online) == (
        PathDifference("$.address.city", 2, 2, 0, 0, 0),
        PathDifference("$.tags[*]", 2, 1, 0, 1, 0),
        PathDifference("$", 1, 0, 0, 1, 3),
        PathDifference("$.address.zip", 1, 0, 1, 0, 0),
        PathDifference("$['x y']", 1, 1, 0, 0, 2),
    )
    assert [one.path for one in paths(offline, online, most=1)] == ["$.address.city"]
    assert paths([], []) == ()
    assert differing_paths(texts({"a": 1}), texts({"a": 2}), np.array([], dtype=np.int64), DEFAULT) == ()
    lists = pa.array([[1.0, 2.0]]), pa.array([[1.0, 3.0]])
    assert differing_paths(*lists, np.array([0]), DEFAULT) == (PathDifference("$[*]", 1, 1, 0, 0, 0),)


def test_names_are_quoted() -> None:
    names = ["it's", 'say "x"', "", "1a", "ä", "a.b", "line\n"]
    found = {one.path for one in paths([dict.fromkeys(names, 1)], [{}])}
    assert found == {r"$['it\'s']", """$['say "x"']""", "$['']", "$['1a']", "$.ä", "$['a.b']", r"$['line\n']"}


@given(st.dictionaries(NAMES, CONTENTS, max_size=4), CONTENTS)
def test_a_path_that_is_added_is_found(content: dict[str, Any], value: Any) -> None:
    more = {**content, "added": value}
    (found,) = paths([content], [more])
    assert found == PathDifference("$.added", 1, 0, 0, 1, 0)
    (found,) = paths([{"in": [more]}], [{"in": [content]}])
    assert found == PathDifference("$.in[*].added", 1, 0, 1, 0, 0)


@given(st.lists(st.tuples(CONTENTS, CONTENTS), max_size=6), st.booleans())
def test_both_sides_see_the_same_paths(pairs: list[tuple[Any, Any]], wrong_only: bool) -> None:
    """A row has a path exactly when it is a mismatch, and the sides can be exchanged."""
    one, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    there, back = paths(one, other, most=1000), paths(other, one, most=1000)
    turned = [PathDifference(p.path, p.rows, p.differ, p.online_only, p.offline_only, p.example) for p in back]
    assert list(there) == turned
    differ = [i for i, pair in enumerate(pairs) if not same(*pair)]
    assert bool(there) == bool(differ)
    counted: Counter[str] = Counter()
    for i in differ:
        row = paths([one[i]], [other[i]], most=1000)
        assert row
        counted.update(found.path for found in row)
    assert {p.path: p.rows for p in there} == counted
    rows = np.array(differ if wrong_only else range(len(pairs)), dtype=np.int64)
    assert differing_paths(texts(*one), texts(*other), rows[::-1], DEFAULT, most=1000) == there


def test_only_the_first_rows_are_looked_into() -> None:
    size = MOST_ROWS + 500
    found = differing_paths(texts(*[{"a": 1}] * size), texts(*[{"a": 2}] * size), np.arange(100, size), DEFAULT)
    assert found == (PathDifference("$.a", MOST_ROWS, MOST_ROWS, 0, 0, 100),)
