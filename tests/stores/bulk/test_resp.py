"""Replies are found for what they are, wherever a buffer ends and whatever the values look like."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feast_skew.stores.redis import resp

ERROR = b"WRONGTYPE Operation against a key holding the wrong kind of value"
LIKE_A_REPLY = b"*3\r\n$1\r\na\r\n*3\r\n$-1\r\n$-1\r\n$-1\r\n-ERR no\r\n$5\r\n*2\r\n"

values = st.one_of(
    st.none(),
    st.binary(max_size=20),
    st.sampled_from([LIKE_A_REPLY, LIKE_A_REPLY[:-1], b"\r\n", b"\r\n-ERR\r\n", b"*", b"$"]),
    st.sampled_from([9, 10, 99, 100, 9_999, 10_000, 99_999, 100_000, 100_001]).map(lambda size: b"x" * size),
)


@st.composite
def streams(draw: st.DrawFn, mixed: bool = False) -> tuple[int, list[list[bytes | None] | bytes]]:
    fields = draw(st.integers(1, 12))
    lengths = st.integers(0, 12) if mixed else st.just(fields)
    row = lengths.flatmap(lambda size: st.lists(values, min_size=size, max_size=size))
    return fields, draw(st.lists(st.one_of(row, row, row, st.just(ERROR)), max_size=8))


def written(rows: list[list[bytes | None] | bytes]) -> list[bytes]:
    return [b"-" + row + b"\r\n" if isinstance(row, bytes) else resp.reply(row) for row in rows]


def buffer_of(raw: bytes, rest: bytes = b"") -> np.ndarray:
    """Give a buffer that holds something older behind its end, as a used one does."""
    behind = (rest + b"$9\r\n" * resp.PADDING)[: max(resp.PADDING, len(rest))]
    return np.frombuffer(raw + behind, dtype=np.uint8)


def values_of(buffer: np.ndarray, found: resp.Replies, row: int) -> list[bytes | None]:
    pairs = zip(found.starts[:, row].tolist(), found.lengths[:, row].tolist(), strict=True)
    return [None if length < 0 else buffer[start : start + length].tobytes() for start, length in pairs]


def hold(fields: int, rows: list[list[bytes | None] | bytes], cut: int, most: int, mixed: bool = False) -> None:
    parts = written(rows)
    raw = b"".join(parts)
    end = min(cut, len(raw))
    buffer = buffer_of(raw[:end], raw[end:])
    found = resp.scan(buffer, 0, end, fields, most, mixed)
    ends = np.cumsum([len(part) for part in parts])
    assert found.rows == min(most, int(np.count_nonzero(ends <= end)))
    assert found.consumed == (0 if not found.rows else ends[found.rows - 1])
    assert found.needed > end
    for row in range(found.rows):
        given_row = rows[row]
        if isinstance(given_row, bytes):
            assert found.errors[row] == given_row
        elif len(given_row) != fields:
            assert (row in found.others) == bool(given_row)
            assert values_of(buffer, found, row) == [None] * fields
        else:
            assert row not in found.others
            assert row not in found.errors
            assert values_of(buffer, found, row) == given_row


@given(stream=streams(), data=st.data())
def test_replies_are_found_wherever_the_buffer_ends(stream: tuple[int, list], data: st.DataObject) -> None:
    fields, rows = stream
    whole = len(b"".join(written(rows)))
    hold(fields, rows, whole, max(len(rows), 1))
    hold(fields, rows, data.draw(st.integers(0, whole)), data.draw(st.integers(1, 10)))


@given(stream=streams(mixed=True), data=st.data())
def test_replies_of_other_lengths_are_passed_over(stream: tuple[int, list], data: st.DataObject) -> None:
    fields, rows = stream
    whole = len(b"".join(written(rows)))
    hold(fields, rows, whole, max(len(rows), 1), mixed=True)
    hold(fields, rows, data.draw(st.integers(0, whole)), data.draw(st.integers(1, 10)), mixed=True)


@settings(max_examples=40)
@given(stream=streams(), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_a_stream_read_bit_by_bit_gives_each_reply_once(stream: tuple[int, list], sizes: list[int]) -> None:
    fields, rows = stream
    raw = b"".join(written(rows))
    begin, end, seen = 0, 0, 0
    while end < len(raw):
        # About two hundred steps, however long the stream is.
        end = min(len(raw), end + sizes[end % len(sizes)] * (1 + len(raw) // 2_000))
        found = resp.scan(buffer_of(raw[:end], raw[end:]), begin, end, fields, 10)
        begin, seen = found.consumed, seen + found.rows
    assert (begin, seen) == (len(raw), len(rows))


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 40,
        b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n" + b" " * 30,
        b"*2\r\n$1\r\na\r\n:5\r\n" + b" " * 30,
        b"*2\r\n$x\r\na\r\n$1\r\nb\r\n" + b" " * 30,
        b"*2\r\n$1\r\na\r\n$1\r\nb\r\n+OK\r\n" + b" " * 30,
        b"-ERR " + b"x" * 70_000,
    ],
)
def test_what_is_no_reply_is_refused(raw: bytes) -> None:
    with pytest.raises(resp.ProtocolError):
        resp.scan(buffer_of(raw), 0, len(raw), 2, 10)


def test_a_large_value_tells_how_much_is_still_to_come() -> None:
    """So that a value of 100 MB is not looked through at every packet."""
    raw = b"*2\r\n$1\r\na\r\n$104857600\r\nxxxx\r\n"
    assert resp.scan(buffer_of(raw), 0, len(raw), 2, 1).needed > 100 << 20


def test_commands_are_what_redis_py_sends() -> None:
    from redis.connection import PythonRespSerializer

    keys = [b"", b"a", b"\r\n*$", bytes(range(256)) * 5]
    ours = resp.commands(b"HMGET", pa.array(keys, pa.binary()), [b"\x00\r\n$", b"_ts:view"])
    pack = PythonRespSerializer(6000, lambda value: value).pack
    assert ours.to_pylist() == [b"".join(pack(b"HMGET", key, b"\x00\r\n$", b"_ts:view")) for key in keys]
    raw, ends = resp.pipeline(ours.slice(1, 2))
    assert bytes(raw) == b"".join(ours.to_pylist()[1:3])
    assert ends.tolist() == np.cumsum([0, *(len(one) for one in ours.to_pylist()[1:3])]).tolist()
