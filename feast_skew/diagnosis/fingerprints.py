"""Hashes of all values of a view, by which equal ones are found without holding every column against every other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from feast_skew.core.pairs import FeaturePairs
from feast_skew.core.types import floats
from feast_skew.statistics.hashing import Hashes, label_hashes, mix, text_hashes

NO_VALUE = np.uint64(0)
"""The hash of a null; no value has it."""

Short = NDArray[np.uint32]


class Fingerprints:
    """The hashes of the values of some features, each made when it is first asked for.

    Arrays have one element per drawn entity of the view.
    """

    def __init__(self, pairs: Mapping[str, FeaturePairs]) -> None:
        self.pairs = pairs
        self._offline: dict[str, Hashes] = {}
        self._online: dict[str, Hashes] = {}
        self._wrong: tuple[list[str], NDArray[np.bool_]] | None = None
        self._tables: dict[str, tuple[list[str], NDArray[np.uint32]]] = {}

    def offline(self, name: str) -> Hashes:
        """Give the hash of each offline value of a feature, `NO_VALUE` for null."""
        if name not in self._offline:
            self._offline[name] = hashes(self.pairs[name].offline)
        return self._offline[name]

    def online(self, name: str) -> Hashes:
        """Give the hash of each online value of a feature, `NO_VALUE` for null."""
        if name not in self._online:
            self._online[name] = hashes(self.pairs[name].online)
        return self._online[name]

    def wrong_beside(self, name: str, rows: NDArray[np.int64]) -> list[tuple[str, int]]:
        """Count for the other features how many of some rows are wrong in them too, the most first."""
        if self._wrong is None:
            none = np.empty((0, 0), dtype=np.bool_)
            self._wrong = [*self.pairs], np.stack([one.wrong for one in self.pairs.values()]) if self.pairs else none
        names, table = self._wrong
        counts = np.count_nonzero(table[:, rows], axis=1)
        order = np.argsort(-counts, kind="stable")
        return [(names[i], int(counts[i])) for i in order if names[i] != name]

    def votes(self, name: str, rows: NDArray[np.int64]) -> list[tuple[str, int]]:
        """Count for the other features of the same sort in how many of some rows offline has the online value of this one.

        The hashes are those of float32 for numbers, so that a value is found in a feature of another width too: what is counted
        has to be verified. The most frequent come first; those without any row are left out.
        """
        online = self.pairs[name].online
        names, table = self._table(_sort_of(online.type))
        wanted = short_hashes(online.take(pa.array(rows)))
        counts = np.count_nonzero((table[:, rows] == wanted) & (wanted != 0), axis=1)
        order = np.argsort(-counts, kind="stable")
        return [(names[i], int(counts[i])) for i in order if counts[i] and names[i] != name]

    def _table(self, sort: str) -> tuple[list[str], NDArray[np.uint32]]:
        if sort not in self._tables:
            names = [name for name, pairs in self.pairs.items() if _sort_of(pairs.offline.type) == sort]
            columns = [short_hashes(self.pairs[name].offline) for name in names]
            self._tables[sort] = names, np.stack(columns) if columns else np.empty((0, 0), dtype=np.uint32)
        return self._tables[sort]


def _sort_of(arrow: pa.DataType) -> str:
    if pa.types.is_integer(arrow) or pa.types.is_floating(arrow) or pa.types.is_decimal(arrow):
        return "number"
    return str(arrow)


def hashes(column: pa.Array) -> Hashes:
    """Give a hash per value, `NO_VALUE` for null: equal for equal values of one type, whole numbers like doubles."""
    arrow = column.type
    if pa.types.is_list(arrow):
        return _of_lists(column)
    if pa.types.is_integer(arrow) or pa.types.is_timestamp(arrow):
        found = mix(np.asarray(pc.fill_null(column.cast(pa.int64()), 0)))
    elif pa.types.is_floating(arrow) or pa.types.is_boolean(arrow):
        found = mix(floats(column)[0])
    else:
        coded = column.dictionary_encode()
        labels = coded.dictionary
        texts = pa.types.is_string(labels.type) or pa.types.is_binary(labels.type)
        of_labels = text_hashes(labels.cast(pa.binary()).to_pylist()) if texts else label_hashes(labels.to_pylist())
        found = np.append(of_labels, NO_VALUE)[np.asarray(pc.fill_null(coded.indices, -1), dtype=np.int64)]
    if column.null_count:
        found = np.where(np.asarray(column.is_valid()), found, NO_VALUE)
    return found


def short_hashes(column: pa.Array) -> Short:
    """Give a shorter hash per value, 0 for null: equal for equal numbers of any type, in the precision of float32."""
    if _sort_of(column.type) != "number":
        return (hashes(column) >> np.uint64(32)).astype(np.uint32)
    values, valid = floats(column)
    with np.errstate(over="ignore"):
        narrow = (values.astype(np.float32) + np.float32(0)).view(np.uint32)
    # Zero's own bits are those of the null.
    return np.where(valid, narrow ^ np.uint32(0x5BD1E995), np.uint32(0))


def _of_lists(column: pa.Array) -> Hashes:
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0), dtype=np.int64)
    elements = hashes(column.flatten())
    starts = np.cumsum(lengths) - lengths
    place = np.arange(len(elements)) - np.repeat(starts, lengths)
    placed = mix(elements ^ mix(place, seed=1))
    found = mix(lengths, seed=2)
    some = np.flatnonzero(lengths)
    if len(some):
        found[some] ^= np.bitwise_xor.reduceat(placed, starts[some])
    return np.where(np.asarray(column.is_valid()), found, NO_VALUE)
