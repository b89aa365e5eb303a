"""All states of one feature over some rows: what its metrics are computed from, and what days, partitions and machines add up."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from feast_skew.statistics.binning import CategoryBins, NumericBins, counted_bins, numeric_bins
from feast_skew.statistics.pairs import NumberPairs, Pairs
from feast_skew.statistics.states.base import Bins, State, decode, encode, states
from feast_skew.statistics.states.category_sample import CategorySample, Confusion
from feast_skew.statistics.states.counts import Counts
from feast_skew.statistics.states.number_sample import NumberSample

VERSION = 1
_MAGIC = b"feast-skew profile "
NUMERIC_BINS, CATEGORIES = 10, 20

_SAMPLES = (NumberSample.key, CategorySample.key, Confusion.key)

Sample = NumberSample | CategorySample


def draw_sample(pairs: Pairs) -> Sample:
    """Draw the hash sample of some rows; samples of all parts are added before bins are cut."""
    return NumberSample.of(pairs) if isinstance(pairs, NumberPairs) else CategorySample.of(pairs)


def cut_bins(sample: Sample, rtol: float = 0.0, atol: float = 0.0) -> Bins:
    """Cut the bins of a feature from the offline values of its sample: ten for numbers, the twenty most frequent categories.

    `rtol` and `atol` are the tolerance of the feature: values this close to a heavy one share its bin.
    """
    if isinstance(sample, NumberSample):
        return numeric_bins(sample.offline[np.isfinite(sample.offline)], NUMERIC_BINS, rtol=rtol, atol=atol)
    return counted_bins(sample.offline_counts(), CATEGORIES)


@dataclass(frozen=True)
class Profile:
    """The bins of a feature and its states by key.

    Profiles of rows that have none in common are added with ``+``; the result is the same, to the last bit, for any split.
    """

    bins: Bins
    states: Mapping[str, State]

    @classmethod
    def of(cls, pairs: Pairs, bins: Bins, sample: Sample | None = None) -> Profile:
        """Compute every state of some rows; `sample`, when it was drawn from the same rows before, is taken over."""
        drawn = {} if sample is None else {sample.key: sample}
        found = {
            key: drawn[key] if key in drawn else kind.of(pairs, bins)
            for key, kind in states().items()
            if kind.fits(pairs)
        }
        return cls(bins, found)

    @classmethod
    def counted(cls, pairs: Pairs, bins: Bins) -> Profile:
        """Compute the states of some rows that count all of them; `sampled` adds those that are samples of rows."""
        found = {
            key: kind.of(pairs, bins) for key, kind in states().items() if kind.fits(pairs) and key not in _SAMPLES
        }
        return cls(bins, found)

    def sampled(self, drawn: Pairs) -> Profile:
        """Add the samples, drawn from pairs among which are those with the smallest hashes of all and of all that differ."""
        counts = self.states[Counts.key]
        assert isinstance(counts, Counts)  # noqa: S101  for the type checker
        rows = dict.fromkeys(_SAMPLES, counts.rows) | {Confusion.key: counts.rows - counts.match - counts.null_both}
        kinds = {key: kind for key, kind in states().items() if key in _SAMPLES and kind.fits(drawn)}
        samples: dict[str, State] = {}
        for key, kind in kinds.items():
            sample: Any = kind.of(drawn, self.bins)
            samples[key] = replace(sample, rows=rows[key])
        return Profile(self.bins, dict(sorted({**self.states, **samples}.items())))

    @classmethod
    def zero(cls, bins: Bins) -> Profile:
        """Give the profile of no rows."""
        numeric = isinstance(bins, NumericBins)
        kinds = {key: kind for key, kind in states().items() if (kind.numbers if numeric else kind.categories)}
        return cls(bins, {key: kind.zero(bins) for key, kind in kinds.items()})

    def __add__(self, other: Profile) -> Profile:
        """Give the profile of both sets of rows.

        Raises
        ------
        ValueError
            If the bins are not the same.
        """
        if self.bins != other.bins:
            raise ValueError(
                "profiles with different bins cannot be added; cut the bins once, from the samples of all parts"
            )
        return Profile(self.bins, {key: own + other.states[key] for key, own in self.states.items()})

    def thinned(self, size: int) -> Profile:
        """Give the profile for keeping: counts of all rows, and samples of at most that many pairs."""
        kept = {key: own.thinned(size) for key, own in self.states.items()}
        return Profile(self.bins, {key: own for key, own in kept.items() if own is not None})

    def to_bytes(self) -> bytes:
        """Write the profile in a form that later versions read; equal profiles give equal bytes."""
        record = {
            "bins": _numeric_record(self.bins) if isinstance(self.bins, NumericBins) else _category_record(self.bins),
            "kind": self.kind,
            "states": {key: own.to_record() for key, own in self.states.items()},
        }
        content = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return _MAGIC + b"%d\n" % VERSION + zlib.compress(content.encode("ascii"), 6)

    @classmethod
    def from_bytes(cls, content: bytes) -> Profile:
        """Read a profile that `to_bytes` wrote.

        Raises
        ------
        ValueError
            If it is none, is damaged, or is of a later version.
        """
        head, _, packed = content.partition(b"\n")
        if not head.startswith(_MAGIC):
            raise ValueError("these bytes are no profile of feast-skew")
        version = head[len(_MAGIC) :].decode("ascii", "replace")
        if version != str(VERSION):
            raise ValueError(
                f"a profile of version {version} cannot be read by this version of feast-skew, which writes {VERSION}"
            )
        try:
            record = json.loads(zlib.decompress(packed))
            known = states()
            found = {key: known[key].from_record(own) for key, own in record["states"].items()}
            return cls(_read_bins(record["kind"], record["bins"]), found)
        except (zlib.error, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this profile of feast-skew is damaged: {error}") from error

    @property
    def kind(self) -> str:
        """`numeric` or `category`."""
        return "numeric" if isinstance(self.bins, NumericBins) else "category"


def _numeric_record(bins: NumericBins) -> dict[str, Any]:
    return {name: encode(getattr(bins, name)) for name in ("edges", "atoms", "rtol", "atol")}


def _category_record(bins: CategoryBins) -> dict[str, Any]:
    known = sorted(bins.known, key=lambda label: (type(label).__name__, str(label)))
    return {"categories": encode(bins.categories), "known": encode(tuple(known))}


def _read_bins(kind: str, record: Mapping[str, Any]) -> Bins:
    fields = {name: decode(value) for name, value in record.items()}
    if kind == "numeric":
        return NumericBins(**fields)
    return CategoryBins(fields["categories"], frozenset(fields["known"]))
