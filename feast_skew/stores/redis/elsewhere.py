"""Where else Redis holds rows that are not under the keys that serving asks for: other ids, projects, orders, or names."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, permutations
from typing import Any

import numpy as np
import pyarrow as pa
import redis

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Instants, Positions
from feast_skew.core.keys import KEY_TYPE_CODES, JoinKey, KeySet
from feast_skew.core.model import ViewPlan
from feast_skew.core.types import key_type
from feast_skew.errors import InputError
from feast_skew.stores.base import Elsewhere
from feast_skew.stores.redis import faults, layout, resp, scan
from feast_skew.stores.redis.bulk import BulkHashes
from feast_skew.stores.redis.layout import KeyForm, Layout
from feast_skew.stores.redis.pace import Pace
from feast_skew.stores.redis.raw import words
from feast_skew.stores.redis.wire import timestamps

ID_TYPES = ("Int64", "Int32", "String")
_VERSIONS = (3, 2, 1)
_MOST_ORDERS = 24
_MOST_FORMS = 12
"""Kinds of keys of those that are really there which are tried, the most frequent ones."""

_SCANNED = 20_000
_STEPS = 400
_SECONDS = 3.0
_OPENED, _FIELDS = 32, 1_000
_NEARLY_ALL = 0.9


@dataclass
class Place:
    """A Redis to look into: how keys are made for serving, what reads hashes, and a client for single questions.

    `seen` counts the keys that a look through the store came upon, by how they are made.
    """

    layout: Layout
    hashes: BulkHashes
    connection: Any
    pace: Pace
    clock: Callable[[], float] = time.monotonic
    seen: Counter[KeyForm] = field(default_factory=Counter)


def retyped(entities: pa.Table, keys: KeySet, types: Sequence[str]) -> tuple[pa.Table, KeySet] | None:
    """Give entities with ids of other types, by the names of their keys in order; None where they do not fit them."""
    by_name = dict(zip(sorted(keys.names), types, strict=True))
    other = KeySet(tuple(JoinKey(key.name, key_type(by_name[key.name])) for key in keys.keys))
    try:
        columns = [entities.column(key.name).cast(key.declared.arrow) for key in other.keys]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return pa.table(columns, names=list(other.names)), other


def find(view: ViewPlan, name: str, others: Collection[str], entities: pa.Table, place: Place) -> list[Elsewhere]:
    """Look for entities under keys that are made differently, and under other names of the view; the most found first.

    `name` is that under which the view is kept, `others` those of other views. It stops where nearly all are found.

    Raises
    ------
    StoreUnavailable
        When the store does not answer.
    """
    own = _own_form(view, place.layout)
    found: dict[KeyForm, Instants] = {}
    enough = _NEARLY_ALL * entities.num_rows
    tried = {own}
    for forms in (_neighbours, _seen):
        for form in forms(own, place):
            if form in tried:
                continue
            tried.add(form)
            instants = _instants(view, name, form, entities, place)
            if instants is None:
                continue
            found[form] = instants
            # Of other projects all are asked: what several have tells nothing.
            if form.project == own.project and np.count_nonzero(instants != NO_INSTANT) >= enough:
                return [_told(own, form, instants)]
    projects = {form.project for form in found} - {own.project}
    told = [
        _told(
            own,
            form,
            instants,
            ambiguous=form.project != own.project and len(projects) > 1,
            beside_own=own in place.seen,
        )
        for form, instants in found.items()
    ]
    told += _renamed(view, name, others, entities, place)
    return sorted(told, key=lambda one: -one.held)


def _own_form(view: ViewPlan, stored: Layout) -> KeyForm:
    keys = sorted(view.keys.keys, key=lambda key: key.name)
    types = (key.declared.name if key.declared.name in KEY_TYPE_CODES else "String" for key in keys)
    names = tuple(key.name for key in keys)
    return KeyForm(stored.project, stored.serialization_version, names, tuple(types))


def _neighbours(own: KeyForm, place: Place) -> Iterator[KeyForm]:
    """Yield the forms that differ in one thing, of those which can be thought of beforehand."""
    del place
    for number in range(len(own.types)):
        for name in ID_TYPES:
            yield replace(own, types=(*own.types[:number], name, *own.types[number + 1 :]))
    if len(own.types) > 1:
        yield from (replace(own, types=(name,) * len(own.types)) for name in ID_TYPES)
    yield from (replace(own, serialization_version=version) for version in _VERSIONS)
    yield from (_reordered(own, order) for order in islice(permutations(own.names), _MOST_ORDERS))


def _reordered(form: KeyForm, order: Sequence[str]) -> KeyForm:
    types = dict(zip(form.names, form.types, strict=True))
    return replace(form, names=tuple(order), types=tuple(types[name] for name in order))


def _seen(own: KeyForm, place: Place) -> Iterator[KeyForm]:
    """Yield the forms of the keys with these join keys that are really there, as far as a look of a few seconds tells."""
    pattern = b"*" + scan.glob(own.names[0].encode()) + b"*"
    deadline = place.clock() + _SECONDS
    looked = 0
    try:
        for step in islice(scan.steps(place.connection, pattern, place.pace), _STEPS):
            looked += len(step)
            place.seen.update(form for raw in step if (form := layout.form_of(raw, own.names)) is not None)
            if looked >= _SCANNED or place.clock() > deadline:
                break
    except redis.exceptions.NoPermissionError:
        return
    except redis.RedisError as error:
        raise faults.unavailable("redis", error) from faults.printable(error)
    # Of equally frequent ones the same in every run: a scan gives keys in any order.
    seen = sorted(place.seen.items(), key=lambda one: (-one[1], repr(one[0])))
    yield from (form for form, _ in seen[:_MOST_FORMS])


class _Dates:
    """Notes the event timestamps of rows that have any of the other fields, if any is asked for; has the port `question.Taker`."""

    def __init__(self, rows: int) -> None:
        self.instants = np.full(rows, NO_INSTANT, dtype=np.int64)

    def take(self, buffer: np.ndarray, replies: resp.Replies, positions: Positions) -> None:
        """Take replies; see `question.Taker`."""
        starts, lengths = replies.starts[-1], replies.lengths[-1]
        there = lengths > 0
        if len(replies.lengths) > 1:
            there &= (replies.lengths[:-1] >= 0).any(axis=0)
        seconds, nanos, sound = timestamps(words(buffer), starts[there], lengths[there])
        # What is written in no usual way is there all the same, at no moment that could be told.
        self.instants[positions[there]] = np.where(sound, seconds * 10**9 + nanos, 0)


def _instants(view: ViewPlan, name: str, form: KeyForm, entities: pa.Table, place: Place) -> Instants | None:
    """Give the event timestamps of the rows under keys of a form; None where no entity has one, or their ids do not fit it."""
    types = dict(zip(form.names, form.types, strict=True))
    cast = retyped(entities, view.keys, [types[key] for key in sorted(types)])
    if cast is None:
        return None
    stored = replace(place.layout, project=form.project, serialization_version=form.serialization_version)
    try:
        keys = stored.keys(*cast, order=form.names)
    except InputError:  # ids that do not fit
        return None
    return _dates(keys, name, [], place)


def _dates(keys: pa.Array, name: str, features: Sequence[str], place: Place) -> Instants | None:
    found = _Dates(len(keys))
    place.hashes.read(keys, layout.fields(name, features), found)
    return found.instants if (found.instants != NO_INSTANT).any() else None


def _told(
    own: KeyForm, form: KeyForm, instants: Instants, *, ambiguous: bool = False, beside_own: bool = False
) -> Elsewhere:
    own_types, types = (dict(zip(one.names, one.types, strict=True)) for one in (own, form))
    differences = [
        (what, expected, found)
        for what, expected, found in (
            ("id type", _list(own_types), _list({key: types[key] for key in own_types})),
            ("key serialization", f"version {own.serialization_version}", f"version {form.serialization_version}"),
            ("project", own.project, form.project),
            ("join key order", ", ".join(own.names), ", ".join(form.names)),
        )
        if expected != found
    ]
    what, expected, found = (" and ".join(texts) for texts in zip(*differences, strict=True))
    return Elsewhere(what, expected, found, instants, ambiguous, beside_own)


def _list(types: dict[str, str]) -> str:
    return ", ".join(types.values()) if len(types) == 1 else ", ".join(f"{key} {name}" for key, name in types.items())


def _renamed(
    view: ViewPlan, name: str, others: Collection[str], entities: pa.Table, place: Place
) -> Iterator[Elsewhere]:
    """Yield the names under which the features of the view stand in the hashes of the entities, if it is none of another view."""
    keys = place.layout.keys(entities, view.keys)
    features = [feature.name for feature in view.features]
    counted: Counter[str] = Counter()
    for raw in keys[:_OPENED].to_pylist():
        place.pace.admit(1)
        try:
            # One step: all fields of a usual hash, and no long work on one that others fill up.
            _, there = place.connection.hscan(raw, match=layout.ANY_TIMESTAMP, count=_FIELDS)
        except redis.exceptions.NoPermissionError:
            return
        except redis.RedisError as error:
            if faults.is_wrong_type(error):
                continue
            raise faults.unavailable("redis", error) from faults.printable(error)
        counted.update(set(layout.views_of(there)) - {name, *others})
    for other, _ in counted.most_common(3):
        instants = _dates(keys, other, features, place)
        if instants is not None:
            yield Elsewhere("view name", name, other, instants, leftover=_is_version(other, view.name))


def _is_version(name: str, of: str) -> bool:
    return name == of or (name.startswith(f"{of}_v") and name.removeprefix(f"{of}_v").isdigit())
