"""The registry of states, and how a state goes to and from a plain record."""

from __future__ import annotations

import base64
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from feast_skew.statistics.binning import CategoryBins, NumericBins
from feast_skew.statistics.pairs import CategoryPairs, NumberPairs, Pairs

if TYPE_CHECKING:
    from typing_extensions import Self

Bins = NumericBins | CategoryBins


@dataclass(frozen=True, eq=False)
class State:
    """Base of all states; a subclass is a frozen dataclass whose fields have values that stand for no rows at all."""

    key: ClassVar[str]
    numbers: ClassVar[bool] = True
    categories: ClassVar[bool] = True

    @classmethod
    def zero(cls, bins: Bins) -> Self:
        """Give the state of no rows."""
        del bins
        return cls()

    @classmethod
    def of(cls, pairs: Any, bins: Bins) -> Self:
        """Build the state of some rows; states that do not count by bins do not look at them."""
        raise NotImplementedError

    def __add__(self, other: Self) -> Self:
        """Give the state of both sets of rows, which have no row in common."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.to_record() == other.to_record()

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    def thinned(self, size: int) -> Self | None:
        """Give the state with at most that many drawn rows, for keeping; None for one that says nothing without all it holds."""
        del size
        return self

    def to_record(self) -> dict[str, Any]:
        """Give the fields as plain JSON values."""
        return {field.name: encode(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Build a state from what `to_record` gave.

        Raises
        ------
        ValueError
            If the fields are not those of this state.
        """
        wanted = {field.name for field in fields(cls)}
        if set(record) != wanted:
            raise ValueError(f"a record of {cls.key} has the fields {sorted(wanted)}, not {sorted(record)}")
        return cls(**{name: decode(value) for name, value in record.items()})

    @classmethod
    def fits(cls, pairs: Pairs) -> bool:
        """Tell whether the state is one of such pairs."""
        return (cls.numbers and isinstance(pairs, NumberPairs)) or (cls.categories and isinstance(pairs, CategoryPairs))


_STATES: dict[str, type[State]] = {}
S = TypeVar("S", bound=type[State])


def state(key: str) -> Callable[[S], S]:
    """Enter a state class under its key."""

    def enter(cls: S) -> S:
        if key in _STATES:
            raise ValueError(f"there are two states {key!r}")
        cls.key = key
        _STATES[key] = cls
        return cls

    return enter


@cache
def states() -> Mapping[str, type[State]]:
    """Give every state by its key: those of the files in this folder."""
    package = importlib.import_module(__package__ or "")
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{found.name}")
    return dict(sorted(_STATES.items()))


def encode(value: Any) -> Any:
    """Give a value of a state as plain JSON, exactly; types that JSON does not have are named beside it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, Fraction):
        return {"fraction": [hex(value.numerator), hex(value.denominator)]}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, tuple):
        return {"items": [encode(item) for item in value]}
    if isinstance(value, np.ndarray):
        plain = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
        return {
            "array": base64.b64encode(plain.tobytes()).decode(),
            "type": plain.dtype.str,
            "shape": list(value.shape),
        }
    raise TypeError(f"a state cannot hold a {type(value).__name__}")


def decode(value: Any) -> Any:
    """Give back what `encode` was given."""
    if not isinstance(value, dict):
        return value
    if "float" in value:
        return float.fromhex(value["float"])
    if "fraction" in value:
        return Fraction(*(int(part, 16) for part in value["fraction"]))
    if "bytes" in value:
        return bytes.fromhex(value["bytes"])
    if "items" in value:
        return tuple(decode(item) for item in value["items"])
    plain = np.frombuffer(base64.b64decode(value["array"]), dtype=np.dtype(value["type"])).reshape(value["shape"])
    return plain.astype(plain.dtype.newbyteorder("="))
