"""The wire, by column: commands for many keys at once, and where each value of their replies lies (RESP2).

Source: the Redis serialization protocol, https://redis.io/docs/latest/develop/reference/protocol-spec/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feast_skew.stores.redis.raw import WORD, words

PADDING = 16
"""Bytes that a buffer of replies has behind its end, so that words can be read at its last bytes."""

_LONGEST_ERROR = 65_536
_LONG_HEADER = 24  # "$", a 64-bit number and the line's end


_MOST_VALUES = 4_096
"""A reply of another number of values than was asked for is passed over when it has no more than so many."""


class TooMany(Exception):
    """A reply has far more values than was asked for."""


class ProtocolError(Exception):
    """What came is no reply to what was asked."""


@dataclass(frozen=True)
class Replies:
    """The whole replies in a buffer, row i for command i: where the values of each field begin and how long they are.

    `starts` and `lengths` are of shape (fields, rows), a length of -1 stands for nil; `errors` holds by row the text of
    replies that are an error, whose values count as nil; `others` are the rows of replies with another number of values,
    which are passed over. `consumed` is where the first reply that is not whole begins,
    `needed` the end of the buffer before which another look is in vain.
    """

    starts: np.ndarray
    lengths: np.ndarray
    errors: dict[int, bytes]
    consumed: int
    needed: int
    others: tuple[int, ...] = ()

    @property
    def rows(self) -> int:
        """Number of whole replies."""
        return int(self.starts.shape[1])

    def without(self, values: np.ndarray) -> Replies:
        """Give the replies with some values as nils, without errors; `values` is a mask of shape (fields, rows)."""
        return Replies(self.starts, np.where(values, -1, self.lengths), {}, self.consumed, self.needed)

    def only(self, which: np.ndarray) -> Replies:
        """Give the replies that a mask picks, without errors."""
        return Replies(self.starts[:, which], self.lengths[:, which], {}, self.consumed, self.needed)


def commands(name: bytes, keys: pa.Array, arguments: Sequence[bytes]) -> pa.Array:
    """Write one command per key, all with the same further arguments, as the bytes to be sent; one binary value per row."""
    head = b"*%d\r\n$%d\r\n%s\r\n$" % (2 + len(arguments), len(name), name)
    tail = b"\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(one), one) for one in arguments)
    lengths = pc.binary_length(keys).cast(pa.string()).cast(pa.binary())
    head_, line, tail_, nothing = (pa.scalar(one, pa.binary()) for one in (head, b"\r\n", tail, b""))
    return pc.binary_join_element_wise(head_, lengths, line, keys, tail_, nothing)


def pipeline(written: pa.Array) -> tuple[memoryview, np.ndarray]:
    """Give commands as the bytes in which they lie behind one another, without a copy, and where each begins, with the end."""
    places = np.frombuffer(written.buffers()[1], dtype=np.int32)[written.offset : written.offset + len(written) + 1]
    raw = memoryview(written.buffers()[2])
    return raw[int(places[0]) : int(places[-1])], places - places[0]


def reply(values: Sequence[bytes | None]) -> bytes:
    """Write the reply that holds these values, None for nil: what a client library took apart can be read here again."""
    parts = [b"*%d\r\n" % len(values)]
    parts.extend(b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value) for value in values)
    return b"".join(parts)


def scan(buffer: np.ndarray, begin: int, end: int, fields: int, most: int, mixed: bool = False) -> Replies:
    """Find the values of up to `most` replies of `fields` values each in the bytes `begin` to `end` of a buffer.

    The buffer has at least `PADDING` bytes behind `end`, which may hold anything. All places that look like the beginning
    of a reply are walked at once, field by field; a reply is one whose beginning is the end of the one before, which the
    first one's is known to be, so values that look like replies mislead nobody. With `mixed` some of them may have another
    number of values; one without any is one of nils.

    Raises
    ------
    ProtocolError
        When something stands there that is neither a reply of that many values nor an error.
    TooMany
        With `mixed`, when one of them has thousands of other values.
    """
    marker = b"*%d\r\n" % fields
    candidates = _places(buffer, begin, end, marker)
    walked = _walk(buffer, candidates, fields, len(marker))
    rows = walked.linked_rows(begin, end, most)
    if rows < 0:
        return _chain(buffer, begin, end, most, walked, mixed)
    consumed = int(walked.ends[rows - 1]) if rows else begin
    if rows < most and consumed < end and (rows == len(candidates) or not walked.sound[rows]):
        # What is left is no reply that only waits for its rest: an error, or the beginning of a header.
        return _chain(buffer, begin, end, most, walked, mixed)
    needed = int(walked.ends[rows]) if rows < min(most, len(candidates)) else 0
    return Replies(walked.starts[:, :rows], walked.lengths[:, :rows], {}, consumed, max(needed, end + 1))


@dataclass(frozen=True)
class _Walk:
    """Walks from all places that look like the beginning of a reply.

    `ends` is where each walk ended, and `sound` whether it met a header at every value.
    """

    begins: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    ends: np.ndarray
    sound: np.ndarray

    def linked_rows(self, begin: int, end: int, most: int) -> int:
        """Give how many whole replies follow one another from the begin, at most so many; -1 where a link is missing."""
        count = len(self.begins)
        if not count:
            return 0
        whole = self.sound & (self.ends <= end)
        linked = whole[:-1] & (self.ends[:-1] == self.begins[1:])
        if self.begins[0] != begin or not linked[: most - 1].all():
            return -1
        return min(most, count - 1 + int(whole[-1])) if linked.all() else most if whole[most - 1] else -1

    def is_broken(self, row: int, end: int) -> bool:
        """Tell whether a walk failed although all that it looked at had come."""
        return bool(not self.sound[row] and self.ends[row] + _LONG_HEADER <= end)


def _chain(buffer: np.ndarray, begin: int, end: int, most: int, walked: _Walk, mixed: bool) -> Replies:
    """Follow the replies one after the other: the way for errors among them, and for values that look like replies."""
    index = {int(place): row for row, place in enumerate(walked.begins)}
    picked: list[int] = []
    errors: dict[int, bytes] = {}
    others: list[int] = []
    place, needed = begin, end + 1
    while place < end and len(picked) < most:
        row = index.get(place)
        if row is not None and walked.sound[row]:
            if walked.ends[row] > end:
                needed = int(walked.ends[row])
                break
            picked.append(row)
            place = int(walked.ends[row])
        elif buffer[place] == ord("-"):
            text = _error_line(buffer, place, end)
            if text is None:
                break
            errors[len(picked)] = text
            picked.append(-1)
            place += len(text) + 3
        elif mixed and row is None and buffer[place] == ord("*"):
            values, behind = _skip(buffer, place, end)
            if behind > end:
                needed = behind
                break
            if values:
                others.append(len(picked))
            picked.append(-1)
            place = behind
        elif _may_become_one(buffer, place, end) if row is None else not walked.is_broken(row, end):
            break
        else:
            raise ProtocolError("neither a reply of that many values nor an error")
    rows = np.array(picked, dtype=np.int64)
    if not len(walked.begins):
        nothing = np.full((len(walked.starts), len(rows)), -1, dtype=np.int64)
        return Replies(nothing, nothing, errors, place, needed, tuple(others))
    lengths = walked.lengths[:, rows]
    lengths[:, rows < 0] = -1
    return Replies(walked.starts[:, rows], lengths, errors, place, needed, tuple(others))


def _skip(buffer: np.ndarray, place: int, end: int) -> tuple[int, int]:
    """Walk over one reply; give the number of its values and where it ends, beyond the buffer's end when it is not whole."""
    values, at = _number(buffer, place, end, b"*")
    if values > _MOST_VALUES:
        raise TooMany
    for _ in range(max(values, 0)):
        length, at = _number(buffer, at, end, b"$")
        at += 0 if length < 0 else length + 2
    return values, at


def _number(buffer: np.ndarray, place: int, end: int, kind: bytes) -> tuple[int, int]:
    """Read one header: its number, and where the next thing begins; a header that is not whole ends beyond the buffer."""
    line, found, _ = buffer[place : min(end, place + _LONG_HEADER)].tobytes().partition(b"\r\n")
    if place >= end or (not found and end - place < _LONG_HEADER):
        return -1, end + 1
    if not found or line[:1] != kind or not line[1:].removeprefix(b"-").isdigit():
        raise ProtocolError("neither a reply nor an error")
    return int(line[1:]), place + len(line) + 2


def _may_become_one(buffer: np.ndarray, place: int, end: int) -> bool:
    """Tell whether a few bytes may be the beginning of a reply whose header has not come yet."""
    return bool(buffer[place] == ord("*")) and end - place < _LONG_HEADER


def _error_line(buffer: np.ndarray, place: int, end: int) -> bytes | None:
    """Give the text of an error that begins here; None when its end has not come.

    Raises
    ------
    ProtocolError
        When it is longer than any error.
    """
    line = buffer[place : min(end, place + _LONGEST_ERROR)].tobytes()
    length = line.find(b"\r\n")
    if length < 0 and len(line) == _LONGEST_ERROR:
        raise ProtocolError("an error without an end")
    return None if length < 0 else line[1:length]


def _places(buffer: np.ndarray, begin: int, end: int, marker: bytes) -> np.ndarray:
    """Give all places in the buffer at which the whole marker stands."""
    places = np.flatnonzero(buffer[begin:end] == marker[0]) + begin
    head = int.from_bytes(marker[:WORD], "little")
    mask = np.uint64((1 << 8 * min(len(marker), WORD)) - 1)
    places = places[places + len(marker) <= end]
    return places[(words(buffer)[places] & mask) == np.uint64(head)]


def _walk(buffer: np.ndarray, begins: np.ndarray, fields: int, header: int) -> _Walk:
    """Walk from every begin over so many values.

    A walk that runs beyond the end reads what is left there from earlier; its own end then lies beyond it, too.
    """
    at = words(buffer)
    last = len(at) - 1
    starts = np.empty((fields, len(begins)), dtype=np.int64)
    lengths = np.empty((fields, len(begins)), dtype=np.int64)
    sound = np.ones(len(begins), dtype=bool)
    cursor = begins + header
    for field in range(fields):
        length, size, good = _headers(buffer, at[np.minimum(cursor, last)], cursor)
        if good is not None:
            # One that went astray stays where it is, so that its end tells how far it had looked.
            sound &= good
            length, size = np.where(sound, length, -1), np.where(sound, size, 0)
            starts[field] = cursor + size
            cursor = np.where(sound, starts[field] + np.where(length < 0, 0, length + 2), cursor)
        else:
            starts[field] = cursor + size
            cursor = starts[field] + length + 2
        lengths[field] = length
    return _Walk(begins, starts, lengths, cursor, sound)


def _digits(count: int) -> tuple[np.uint64, np.uint64]:
    """Give the mask and the pattern of `$`, so many digits, and the line's end."""
    place = 8 * (count + 1)
    return np.uint64(0xFF | 0xFFFF << place), np.uint64(0x24 | 0x0A0D << place)


_PATTERNS = {count: _digits(count) for count in range(1, 6)}
_NIL_MASK, _NIL = np.uint64(0xFFFFFFFFFF), np.uint64(int.from_bytes(b"$-1\r\n", "little"))
_HEAD = np.uint64(0xFFFFFFFF)
_BYTE, _ZERO, _NINE, _TEN = np.uint64(0xFF), np.uint64(48), np.uint64(9), np.uint64(10)


def _headers(
    buffer: np.ndarray, word: np.ndarray, cursor: np.ndarray
) -> tuple[np.ndarray | int, np.ndarray | int, np.ndarray | None]:
    """Read the headers of values: their lengths (-1 for nil), how long the headers are, and which of them are none.

    None in place of the mask means that all of them are sound and none is nil.
    """
    mask, pattern = _PATTERNS[1]
    head = word & _HEAD
    if len(head) and (head[0] & mask) == pattern and (head == head[0]).all():
        digit = int(head[0] >> np.uint64(8) & _BYTE) - 48  # doubles and timestamps are all of one length
        if 0 <= digit <= 9:
            return digit, 4, None
    one = (head & mask) == pattern
    first = (word >> np.uint64(8) & _BYTE) - _ZERO  # below zero it wraps around and is no digit
    good = one & (first <= _NINE)
    if good.all():
        return first.view(np.int64), 4, None
    length, size = np.where(good, first, 0).astype(np.int64), np.full(len(word), 4, dtype=np.int64)
    left = np.flatnonzero(~good)
    nil = (word[left] & _NIL_MASK) == _NIL
    nils = left[nil]
    length[nils], size[nils], good[nils] = -1, 5, True
    left = left[~nil]
    for count in range(2, 6):
        if not len(left):
            break
        mask, pattern = _PATTERNS[count]
        here = word[left]
        fits = (here & mask) == pattern
        rows, here = left[fits], here[fits]
        total = np.zeros(len(rows), dtype=np.uint64)
        digits = np.ones(len(rows), dtype=bool)
        for place in range(1, count + 1):
            digit = (here >> np.uint64(8 * place) & _BYTE) - _ZERO
            digits &= digit <= _NINE
            total = total * _TEN + digit
        length[rows], size[rows], good[rows] = total.astype(np.int64), count + 3, digits
        left = left[~fits]
    for row in left:  # values of 100,000 bytes and more
        found = _long_header(buffer, int(cursor[row]))
        if found is not None:
            length[row], size[row], good[row] = *found, True
    return length, size, good


def _long_header(buffer: np.ndarray, place: int) -> tuple[int, int] | None:
    line, found, _ = buffer[place : place + _LONG_HEADER].tobytes().partition(b"\r\n")
    if not found or line[:1] != b"$" or not line[1:].isdigit():
        return None
    return int(line[1:]), len(line) + 2
