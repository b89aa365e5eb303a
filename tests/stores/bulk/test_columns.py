"""Values by column are what the protobuf library reads, for sound bytes and for any garbage."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feast_skew.core.types import declared_type
from feast_skew.stores.redis import resp
from feast_skew.stores.redis.columns import Values, column_of
from feast_skew.stores.redis.raw import words
from feast_skew.stores.value_messages import value_class

NUMBERS = {
    "Int32": ("int32_val", st.integers(-(2**31), 2**31 - 1)),
    "Int64": ("int64_val", st.integers(-(2**63), 2**63 - 1)),
    "Float32": ("float_val", st.floats(width=32, allow_nan=False)),
    "Float64": ("double_val", st.floats(allow_nan=False)),
    "Bool": ("bool_val", st.booleans()),
    "String": ("string_val", st.text()),
    "Bytes": ("bytes_val", st.binary()),
    "UnixTimestamp": ("unix_timestamp_val", st.integers(-(2**40), 2**40)),
}


@cache
def classes() -> tuple[Any, Any]:
    """Give Feast's own class of values, and the one that is made of its description where Feast is not installed."""
    from feast.protos.feast.types.Value_pb2 import DESCRIPTOR, Value

    return Value, value_class(DESCRIPTOR.serialized_pb)


def decoded(raw: Sequence[bytes | None], name: str) -> tuple[list[Any], list[bool]]:
    """Read values as they come out of replies, by both classes of values, between which there must be no difference."""
    ours, made = (read_by(value, raw, name) for value in classes())
    assert ours == made
    return ours


def read_by(value: Any, raw: Sequence[bytes | None], name: str) -> tuple[list[Any], list[bool]]:
    """Read values in two parts and in a shuffled order of rows."""
    column = column_of(declared_type(name), len(raw), value)
    order = np.random.default_rng(len(raw)).permutation(len(raw))
    for rows in np.array_split(order, 2):
        text = b"".join(resp.reply([raw[row]]) for row in rows)
        buffer = np.frombuffer(text + bytes(resp.PADDING), dtype=np.uint8)
        found = resp.scan(buffer, 0, len(text), 1, max(len(rows), 1))
        assert found.rows == len(rows)
        column.add(Values(buffer, words(buffer), found.starts[0], found.lengths[0], rows))
    values, corrupt = column.finish()
    assert values.type == declared_type(name).arrow or name == "Int32"
    return plain(values), corrupt.tolist()


def by_the_library(raw: Sequence[bytes | None], name: str) -> tuple[list[Any], list[bool]]:
    from feast.protos.feast.types.Value_pb2 import Value
    from google.protobuf.message import DecodeError

    from feast_skew.stores.value_messages import decode_column

    cells, broken = [], np.zeros(len(raw), dtype=bool)
    for i, one in enumerate(raw):
        cell = Value()
        try:
            cell.ParseFromString(one or b"")
        except DecodeError:
            cell, broken[i] = Value(), True
        cells.append(cell)
    values, wrong = decode_column(cells, declared_type(name))
    return plain(values), (broken | wrong).tolist()


def plain(values: pa.Array) -> list[Any]:
    """Give values in Python; moments as their seconds, of which Python's own are too few."""
    found: list[Any] = (values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values).to_pylist()
    return found


def serialized(name: str, value: Any) -> bytes:
    from feast.protos.feast.types.Value_pb2 import Value

    return bytes(Value(**{NUMBERS[name][0]: value}).SerializeToString())


@pytest.mark.parametrize("name", NUMBERS)
@given(data=st.data())
def test_sound_values(name: str, data: st.DataObject) -> None:
    given_values = data.draw(st.lists(st.one_of(st.none(), NUMBERS[name][1]), max_size=12))
    raw = [None if value is None else serialized(name, value) for value in given_values]
    assert decoded(raw, name) == by_the_library(raw, name)
    assert not any(decoded(raw, name)[1])


@pytest.mark.parametrize("name", NUMBERS)
@given(data=st.data())
def test_garbage_in_any_position(name: str, data: st.DataObject) -> None:
    """Never a crash, and never another number than the library's: what it refuses is corrupt."""
    raw: list[bytes] = []
    for value in data.draw(st.lists(NUMBERS[name][1], min_size=1, max_size=6)):
        sound = serialized(name, value)
        place = data.draw(st.integers(0, len(sound)))
        cut = data.draw(st.integers(place, len(sound)))
        raw.append(sound[:place] + data.draw(st.binary(max_size=4)) + sound[cut:])
    assert decoded(raw, name) == by_the_library(raw, name)


@pytest.mark.parametrize("name", NUMBERS)
@given(raw=st.lists(st.binary(max_size=14), max_size=8))
def test_nothing_but_garbage(name: str, raw: list[bytes]) -> None:
    assert decoded(raw, name) == by_the_library(raw, name)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("other", NUMBERS)
def test_values_of_another_type(name: str, other: str) -> None:
    examples = {"String": "5", "Bytes": b"5", "Bool": True}
    raw = [serialized(other, examples.get(other, number)) for number in (0, 1, 5)]
    assert decoded(raw, name) == by_the_library(raw, name)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x18\x80\x80\x80\x80\x10",  # an Int32 of 33 bits
        b"\x18" + b"\xff" * 9 + b"\x7f",  # more than 64 bits
        b"\x20\x80\x00",  # a zero of two bytes
        b"\x20\x05\x20\x06",  # twice: the last one counts
        b"\x98\x01\x00",  # null_val
        b"\x29\x00\x00\x00\x00\x00\x00\xf8\x7f",  # NaN
        b"\x38\x02",
        b"\x12\x02\xff\xfe",  # no UTF-8
        b"\x12\x81\x00a",  # a length of two bytes that needs one
        b"",
    ],
)
@pytest.mark.parametrize("name", NUMBERS)
def test_what_writers_never_write(name: str, raw: bytes) -> None:
    assert decoded([raw, None, raw], name) == by_the_library([raw, None, raw], name)


@pytest.mark.parametrize("name", ["String", "Bytes"])
@pytest.mark.parametrize("length", [126, 127, 128, 16_382, 16_383, 16_384, 2_097_151, 2_097_152])
def test_lengths_at_the_edges_of_a_varint(name: str, length: int) -> None:
    content = "ü" * (length // 2) + "a" * (length % 2)
    raw = [serialized(name, content if name == "String" else content.encode()), None]
    assert decoded(raw, name) == by_the_library(raw, name)


def test_broken_text_across_two_values_is_not_joined() -> None:
    values, corrupt = decoded([b"\x12\x01\xc3", b"\x12\x01\xa9", b"\x12\x01a"], "String")
    assert values == [None, None, "a"]
    assert corrupt == [True, True, False]


@given(
    seconds=st.one_of(st.integers(-(10**11), 10**11), st.integers(-(2**63), 2**63 - 1)),
    nanos=st.integers(-(2**31), 2**31 - 1),
)
def test_timestamps_as_the_library_reads_them(seconds: int, nanos: int) -> None:
    from google.protobuf.timestamp_pb2 import Timestamp

    from feast_skew.stores.redis.wire import timestamps

    raw = Timestamp(seconds=seconds, nanos=nanos).SerializeToString()
    if not raw:
        return
    buffer = np.frombuffer(b"x" + raw + bytes(resp.PADDING), dtype=np.uint8)
    found, fine, sound = timestamps(words(buffer), np.array([1]), np.array([len(raw)]))
    if seconds in range(2**56):
        assert sound[0] or nanos < 0
    if sound[0]:
        assert (found[0], fine[0]) == (seconds, nanos)


@given(raw=st.binary(min_size=1, max_size=14))
@example(raw=bytes.fromhex("08fba6e98801109792b0a22e"))  # nanoseconds of more than 32 bits
def test_garbage_is_no_moment(raw: bytes) -> None:
    from google.protobuf.message import DecodeError
    from google.protobuf.timestamp_pb2 import Timestamp

    from feast_skew.stores.redis.wire import timestamps

    buffer = np.frombuffer(raw + bytes(resp.PADDING), dtype=np.uint8)
    found, fine, sound = timestamps(words(buffer), np.array([0]), np.array([len(raw)]))
    if sound[0]:
        moment = Timestamp()
        try:
            moment.ParseFromString(raw)
        except DecodeError:
            pytest.fail(f"read {found}, {fine} from what the library refuses")
        assert (found[0], fine[0]) == (moment.seconds, moment.nanos)


def test_rows_that_never_came_are_null() -> None:
    for name in [*NUMBERS, "Array(Int64)", "Map"]:
        values, corrupt = column_of(declared_type(name), 3, classes()[0]).finish()
        assert values.to_pylist() == [None] * 3
        assert not corrupt.any()
        assert isinstance(values, pa.Array)
