"""UUIDs, decimals and moments with a zone, in any spelling."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feast_skew.core.equality import EXACT, Tolerance, equal
from feast_skew.core.plain import plain
from feast_skew.core.scalars import zoned_text
from feast_skew.core.types import declared_type, floats, key_type, to_declared

DECIMAL, UUID, ZONED = (declared_type(name) for name in ("Decimal", "Uuid", "ZonedTimestamp"))


@given(st.uuids())
def test_a_uuid_is_the_same_in_every_spelling_that_feast_reads(value: uuid.UUID) -> None:
    text = str(value)
    spellings = [text, text.upper(), value.hex, "{" + text + "}", f"urn:uuid:{text}"]
    assert {uuid.UUID(one) for one in spellings} == {value}
    assert to_declared(pa.array([*spellings, None]), UUID).to_pylist() == [text] * 5 + [None]
    raw = pa.array([value.bytes, None], pa.binary(16))
    assert to_declared(raw, UUID).to_pylist() == [text, None]


def test_what_is_no_uuid_stays_text() -> None:
    given_texts = ["", "abc", "12345678-1234-5678-1234-56781234567", None]
    assert to_declared(pa.array(given_texts), UUID).to_pylist() == given_texts


def test_join_keys_keep_their_spelling() -> None:
    """Feast's key bytes hold the id as it was written."""
    upper = "ABCDEF00-1234-5678-1234-567812345678"
    assert to_declared(pa.array([upper]), key_type("Uuid")).to_pylist() == [upper]
    assert to_declared(pa.array(["1.10"]), key_type("Decimal")).to_pylist() == ["1.10"]
    assert key_type("Int64") == declared_type("Int64")


DIGITS = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**15), max_value=10**15)


@given(st.lists(st.tuples(DIGITS, st.integers(0, 3)), min_size=1))
def test_decimals_are_equal_by_value(rows: list[tuple[Decimal, int]]) -> None:
    """With zeros at the end, as text, as Arrow decimals of some scale; and as the nearest doubles for statistics."""
    texts = pa.array([f"{value:f}" + "0" * zeros for value, zeros in rows])
    column = to_declared(texts, DECIMAL)
    assert column.to_pylist() == [value for value, _ in rows]
    native = to_declared(pa.array([value for value, _ in rows], pa.decimal128(30, 9)), DECIMAL)
    assert equal(column, native, EXACT).all()
    numbers, valid = floats(column)
    assert numbers.tolist() == [float(value) for value, _ in rows]
    assert valid.all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array(["1e3", "-0.0", "1E-38", None]), ["1000", "0", "1e-38", None]),
        (pa.array(["1e-39", "1.5", "1e-999999999"]), ["0", "1.5", "0"]),
        (pa.array(["NaN", "nan", "sNaN"]), [None, None, None]),
        (pa.array([0.1, 2.0, float("nan")]), ["0.1", "2", None]),
        (pa.array([7, None], pa.int32()), ["7", None]),
        (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
        (pa.array([Decimal("1." + "1" * 60)], pa.decimal256(61, 60)), ["1." + "1" * 38]),
        (pa.array(["9" * 38 + "." + "9" * 38]), ["9" * 38 + "." + "9" * 38]),
    ],
)
def test_decimals_of_other_makes(values: pa.Array, expected: list[str | None]) -> None:
    assert to_declared(values, DECIMAL).to_pylist() == [None if one is None else Decimal(one) for one in expected]


@pytest.mark.parametrize(
    "bad", ["Infinity", "-inf", "", "abc", "1,5", "1e38", "1e999999999", "9" * 38 + "." + "9" * 39]
)
def test_what_no_decimal_can_be_is_refused_without_naming_it(bad: str) -> None:
    with pytest.raises(pa.ArrowInvalid, match="no finite decimal number") as refused:
        to_declared(pa.array(["1", bad]), DECIMAL)
    assert not bad or bad not in str(refused.value)
    with pytest.raises(pa.ArrowInvalid):
        to_declared(pa.array([True]), DECIMAL)


def test_decimals_have_tolerances_and_show_their_own_digits() -> None:
    offline, online = (to_declared(pa.array([text]), DECIMAL) for text in ("1.10", "1.11"))
    assert equal(offline, online, Tolerance(0.0, 0.01)).tolist() == [True]
    assert equal(offline, online, Tolerance(0.0, 0.009)).tolist() == [False]
    assert [plain(offline[0].as_py()), plain(Decimal("100.00")), plain([Decimal("0.50")])] == ["1.1", "100", ["0.5"]]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("", "UTC", True),
        ("GMT", "UTC", True),
        ("+00:00", "", True),
        ("UTC-07:00", "-0700", True),
        ("UTC-07:00", "-07:00", True),
        ("-07:00", "+07:00", False),
        ("America/Denver", "-07:00", False),
        ("Europe/Zurich", "Europe/Berlin", False),
    ],
)
def test_zones_are_the_same_by_name_or_offset(one: str, other: str, same: bool) -> None:
    assert (zoned_text(0, one) == zoned_text(0, other)) is same


def test_moments_with_a_zone() -> None:
    noon = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
    before = datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=timezone.utc)
    column: Any = pa.array([noon, before, None], pa.timestamp("us", "Europe/Zurich"))
    texts = ["2024-01-01T12:00:00Z[Europe/Zurich]", "1969-12-31T23:59:59Z[Europe/Zurich]", None]
    assert to_declared(column, ZONED).to_pylist() == texts
    assert to_declared(pa.array([0], pa.int64()).cast(pa.timestamp("s")), ZONED).to_pylist() == [
        "1970-01-01T00:00:00Z[UTC]"
    ]
    assert zoned_text(2**62, "UTC").endswith("Z[UTC]")
    with pytest.raises(pa.ArrowInvalid, match="no timestamps"):
        to_declared(pa.array([1.5]), ZONED)
