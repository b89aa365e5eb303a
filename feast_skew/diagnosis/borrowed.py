"""Which wrong online values are those of other entities, and what leads to these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.types import Kind, floats
from feast_skew.diagnosis.base import FEWEST_ROWS, FEWEST_VALUES, Case
from feast_skew.diagnosis.chance import LEAST_EVIDENCE, surprise, told_by_kinds
from feast_skew.diagnosis.entity_maps import EntityMaps
from feast_skew.diagnosis.fingerprints import NO_VALUE
from feast_skew.statistics.hashing import Hashes, mix

_NEAR_SHIFTS = (1, -1, 2, -2, 3, -3)
_VOTED = 2
_RARE = 3
"""A value that more entities have leads to none of them."""

_LEAST_SHARE = 0.05
_TIMES_CHANCE = 3.0
_TIMES_EXPECTED = 1.5
_NEARLY_ALL = 0.95
_BESIDE = 0.2
_MOST_BESIDE = 8
_FEWEST_CHECKED = 10
_VARIED = 0.3
_RELATED = 0.3
_SCREENED = 1_000
_HALF = 0.5
_AS_OFTEN = 0.8
_WHOLE = 0.98
_FAR_MORE = 1.25
_SEED = 0

Way = Callable[[Positions], Positions]


@dataclass(frozen=True)
class Borrowed:
    """Entities that have another one's value, as a mask over the case, and how that one is found.

    `pattern` is `shift`, `id`, `key_order`, `key_part` or `none`; `shift` counts places or ids, `keys` are the names in the other
    order, in the one that places are counted in when it is not the given one, or the part of the key, and `same` tells that all with the same part have one value. `checked` of the entities were looked up; of the others the other entity was not drawn. `features`
    are those by whose values together it was found.
    """

    explained: Mask
    pattern: str
    checked: int
    confidence: float
    parameters: int
    shift: int | None = None
    keys: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    same: bool = False


@dataclass(frozen=True)
class _Sides:
    """The hashes of all drawn entities offline and online, and the places of the wrong ones, all with an online value.

    `lost` are the places of those that have none.
    """

    offline: Hashes
    online: Hashes
    wrong: Positions
    lost: Positions
    features: tuple[str, ...]


@dataclass(frozen=True)
class _Try:
    """A way to another entity: the wrong values that are found there, of those for which there is one, and the share by chance.

    `chosen` of the wrong values had to be looked at to find the way, and prove nothing. `same` tells of a part of the key that all
    with the same one have one value. `way` leads from entities to the other ones where these are single ones.
    """

    hits: Mask
    known: Mask
    expected: float
    pattern: str
    shift: int | None = None
    keys: tuple[str, ...] = ()
    chosen: int = 0
    same: bool = False
    way: Way | None = None

    @property
    def share(self) -> float:
        """Of the wrong values whose other entity was drawn."""
        return float(np.count_nonzero(self.hits)) / max(1, int(np.count_nonzero(self.known)))

    @property
    def proof(self) -> float:
        """How much more this is than chance; 0 where it is too little, whatever the number of rows."""
        if self.share < min(_NEARLY_ALL, _TIMES_CHANCE * self.expected):
            return 0.0
        return float(np.count_nonzero(self.known) - self.chosen) * surprise(self.share, self.expected)


def find_borrowed(case: Case) -> Borrowed | None:
    """Give the entities of a case that have another entity's value, None where chance would give as many.

    Ways that the keys show are tried first: they need no rare values. Else a value has to be one that no more than one entity has,
    in this feature, or together with the features that are wrong for the same entities.
    """
    prints, maps = case.context.fingerprints, case.context.entity_maps
    name = case.feature.name
    if maps is None or name not in prints.pairs or np.count_nonzero(case.wrong) < FEWEST_ROWS:
        return None
    online, offline = prints.online(name), prints.offline(name)
    wrong = case.positions[case.wrong]
    different = wrong[online[wrong] != offline[wrong]]
    lost = online[different] == NO_VALUE
    own = _Sides(offline, online, different[~lost], different[lost], (name,))
    if len(own.wrong) < FEWEST_ROWS or len(np.unique(online[own.wrong])) < 2:
        return None
    by_keys = _by_keys(case, maps, own)
    if by_keys is None:
        return _by_value(case, own) or _by_value(case, _together(case, own))
    least = _FAR_MORE * np.count_nonzero(by_keys.explained)
    # Of a part alone a way is no more than a piece of a longer one, as where rows are sorted otherwise.
    by_value = _by_value(case, own) if least <= len(wrong) else None
    return by_value if by_value is not None and np.count_nonzero(by_value.explained) >= least else by_keys


def _together(case: Case, own: _Sides) -> _Sides | None:
    """Give the hashes of this feature and those that are wrong for the same entities; None without any."""
    prints = case.context.fingerprints
    wrong = own.wrong
    beside = prints.wrong_beside(own.features[0], wrong)[:_MOST_BESIDE]
    names = [name for name, count in beside if count >= _BESIDE * len(wrong)]
    if not names:
        return None
    offline, online = mix(own.offline), mix(own.online)
    for i, name in enumerate(names):
        offline = offline ^ mix(prints.offline(name), seed=i + 1)
        online = online ^ mix(prints.online(name), seed=i + 1)
    return _Sides(offline, online, wrong, own.lost, (*own.features, *names))


def _by_keys(case: Case, maps: EntityMaps, own: _Sides) -> Borrowed | None:
    tries = [*_shifts(case, maps, own), *_other_orders(maps, own), *_parts(maps, own)]
    proven = [one for one in tries if one.proof >= 2 * LEAST_EVIDENCE or _plain(one)]
    explained = [_with_undrawn(case, one) for one in proven]
    best = max(range(len(proven)), key=lambda i: (np.count_nonzero(explained[i]), proven[i].proof), default=None)
    if best is None:
        return None
    found, hits = proven[best], explained[best]
    nulls = _nulls(own, found)
    confidence = 0.99 if len(np.unique(own.online[own.wrong[hits]])) >= FEWEST_ROWS else 0.9
    return Borrowed(
        _mask(case, np.concatenate([own.wrong[hits], nulls])),
        found.pattern,
        int(np.count_nonzero(found.hits)) + len(nulls),
        confidence,
        1,
        found.shift,
        found.keys,
        own.features,
        found.same,
    )


def _with_undrawn(case: Case, found: _Try) -> Mask:
    """Give the hits, and those whose other entity was not drawn when (nearly) all others are hits."""
    drawn = case.context.whole or found.pattern not in ("id", "key_order")
    if not drawn and found.share >= _NEARLY_ALL and np.count_nonzero(found.known) >= _FEWEST_CHECKED:
        return found.hits | ~found.known
    return found.hits


def _nulls(own: _Sides, found: _Try) -> Positions:
    """Give the entities without an online value whose other one has none offline, when that is so about as often as for values."""
    there = found.way(own.lost) if found.way is not None else np.empty(0, dtype=np.int64)
    known = there >= 0
    nulls = own.lost[: len(there)][known][own.offline[there[known]] == NO_VALUE]
    return nulls if len(nulls) >= _AS_OFTEN * found.share * np.count_nonzero(known) else nulls[:0]


def _plain(found: _Try) -> bool:
    """Tell whether few rows are enough, as all of them are found and chance finds none."""
    return found.proof >= LEAST_EVIDENCE and found.share >= _NEARLY_ALL


def _mask(case: Case, places: Positions) -> Mask:
    found: Mask = np.isin(case.positions, places)
    return found


def _try(own: _Sides, way: Way, pattern: str, shift: int | None = None, keys: tuple[str, ...] = ()) -> _Try:
    there = way(own.wrong)
    known = (there >= 0) & (there != own.wrong)
    hits = known & (own.offline[there] == own.online[own.wrong])
    # What the same other entities give to anybody: the online values in another order.
    asked = np.flatnonzero(known)
    shuffled = np.random.default_rng(_SEED).permutation(asked)
    by_chance = np.count_nonzero(own.offline[there[asked]] == own.online[own.wrong[shuffled]])
    return _Try(hits, known, (by_chance + 0.5) / (len(asked) + 1), pattern, shift, keys, way=way)


def _shifts(case: Case, maps: EntityMaps, own: _Sides) -> Iterator[_Try]:
    """Give the best shift in the order of the keys, of those that are near or that rare values vote for.

    Of a sample whose ids are numbers it is counted in ids; of another one only what leads most of the wrong ones to their value is no
    chance, as the entity at the next place is not the next one.
    """
    voters, there = _rare(own)
    if not case.context.whole and maps.numbers is not None:
        votes = _frequent(maps.numbers[there] - maps.numbers[voters])
        ways = {shift: partial(maps.with_id, distance=shift) for shift in (*votes, *_NEAR_SHIFTS)}
        yield _best([_try(own, way, "id", shift) for shift, way in ways.items()])
        return
    names, votes = _sorted_by(maps, own, voters, there)
    keys = () if names == maps.sorts[0] else names
    places = {shift: partial(maps.following, shift=shift, names=names) for shift in (*votes, *_NEAR_SHIFTS)}
    best = _best([_try(own, way, "shift", shift, keys) for shift, way in places.items()])
    if case.context.whole or best.share >= _HALF:
        yield best


def _best(shifts: list[_Try]) -> _Try:
    best = max(shifts, key=lambda one: np.count_nonzero(one.hits))
    # Neighbours that are alike anyway are no proof of a shift: the others among them are what chance gives.
    hits = max((np.count_nonzero(one.hits) for one in shifts if one is not best), default=0)
    return replace(best, expected=max(best.expected, hits / max(1, int(np.count_nonzero(best.known)))))


def _sorted_by(maps: EntityMaps, own: _Sides, voters: Positions, there: Positions) -> tuple[tuple[str, ...], list[int]]:
    """Give the order of the key columns in which a shift leads to most values, as some of the wrong show, and the shifts voted for."""
    some = own.wrong[np.linspace(0, len(own.wrong) - 1, min(len(own.wrong), _SCREENED)).astype(np.int64)]
    found, most = (maps.sorts[0], [0]), (-1, 0)
    for names in maps.sorts:
        rank, _ = maps.sorted_by(names)
        votes = _frequent(rank[there] - rank[voters])
        for shift in (*votes, *_NEAR_SHIFTS) if len(maps.sorts) > 1 else (1,):
            others = maps.following(some, shift, names)
            hits = int(np.count_nonzero((others >= 0) & (own.offline[others] == own.online[some])))
            if (hits, -abs(shift)) > most:  # of those that show the same the nearest one
                found, most = (names, votes), (hits, -abs(shift))
    return found


def _other_orders(maps: EntityMaps, own: _Sides) -> Iterator[_Try]:
    for names, others in maps.orders.items():
        yield _try(own, others.__getitem__, "key_order", keys=names)


def _frequent(distances: np.ndarray) -> list[int]:
    values, counts = np.unique(distances, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_VOTED]
    return [int(value) for value in values[order] if value != 0]


def _rare(own: _Sides) -> tuple[Positions, Positions]:
    """Give pairs of a wrong entity and another one that has its online value, for values that few have."""
    order = np.argsort(own.offline, kind="stable")
    ordered = own.offline[order]
    first = np.searchsorted(ordered, own.online[own.wrong])
    last = np.searchsorted(ordered, own.online[own.wrong], side="right")
    voters, there = [], []
    for i in range(_RARE):
        usable = (last - first <= _RARE) & (first + i < last)
        voters.append(own.wrong[usable])
        there.append(order[first[usable] + i])
    return np.concatenate(voters), np.concatenate(there)


def _parts(maps: EntityMaps, own: _Sides) -> Iterator[_Try]:
    """Give the parts of the key by which an entity has the value of one with the same part, or all of these have one value.

    The first says enough where values are rare, the second also where many have them: then the first wrong entity of each group
    shows the value. By chance entities find it as those of other groups would, and as they do offline: values that go with the part
    of the key anyway are no proof.
    """
    shuffled = own.online[np.random.default_rng(_SEED).permutation(own.wrong)]
    online, offline = own.online[own.wrong], own.offline[own.wrong]
    known = np.ones(len(own.wrong), dtype=bool)
    for names, groups in maps.parts.items():
        group = groups[own.wrong]
        chosen = len(np.unique(group))
        for found, first in ((_in_group, 0), (_of_group, chosen)):
            hits = found(groups, own, online)
            if len(known) - first < FEWEST_ROWS or len(np.unique(online[hits])) < FEWEST_VALUES:
                continue
            others = [found(groups, own, values) for values in (shuffled, offline)]
            expected = (max(map(np.count_nonzero, others)) + 0.5) / (len(known) + 1)
            if found is _in_group and np.count_nonzero(hits) < _TIMES_CHANCE * expected * len(known):
                continue  # in a group of thousands nearly every value is somebody's
            same = _one_each(group[hits], online[hits])
            yield _Try(hits, known, float(expected), "key_part", keys=names, chosen=first, same=same)


def _one_each(group: np.ndarray, values: Hashes) -> bool:
    """Tell whether all of each group have one value."""
    return len(np.unique(mix(values) ^ mix(group, seed=1))) == len(np.unique(group)) < len(group)


def _in_group(groups: np.ndarray, own: _Sides, values: Hashes) -> Mask:
    """Tell which of some values of the wrong entities another entity of their group has offline."""
    known, counts = np.unique(mix(own.offline) ^ mix(groups, seed=1), return_counts=True)
    wanted = mix(values) ^ mix(groups[own.wrong], seed=1)
    there = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    found: Mask = (known[there] == wanted) & (counts[there] > (values == own.offline[own.wrong]))
    return found


def _of_group(groups: np.ndarray, own: _Sides, values: Hashes) -> Mask:
    """Tell which of some values of the wrong entities are the most frequent of their group, and offline that of one in it."""
    both = np.unique(np.concatenate([values, own.offline]), return_inverse=True)[1].reshape(-1)
    width = int(both.max(initial=0)) + 1
    pairs, place, counts = np.unique(
        groups[own.wrong] * width + both[: len(values)], return_inverse=True, return_counts=True
    )
    of_pair = pairs // width
    top = np.zeros(int(groups.max(initial=0)) + 1, dtype=np.int64)
    np.maximum.at(top, of_pair, counts)
    there = np.isin(pairs, groups * width + both[len(values) :])
    hits: Mask = (there & (counts == top[of_pair]) & (counts >= 2))[place.reshape(-1)]
    return hits


def _by_value(case: Case, own: _Sides | None) -> Borrowed | None:
    """Give the wrong entities whose online value exactly one other entity has offline, when chance finds fewer.

    How often a value of the same make would be one of those is told by how many values two entities share (Good, Turing).
    """
    if own is None:
        return None
    values, counts = np.unique(own.offline[own.offline != NO_VALUE], return_counts=True)
    size, rows, density = int(counts.sum()), len(own.wrong), _density(case, own)
    singles = int(np.count_nonzero(counts == 1))
    hits = np.isin(own.online[own.wrong], values[counts == 1])
    found = int(np.count_nonzero(hits))
    expected = max((2.0 * np.count_nonzero(counts == 2) + 1) / (size + 1), density)
    share = found / rows
    if len(np.unique(own.online[own.wrong[hits]])) < max(FEWEST_VALUES, _VARIED * found):
        return None
    held = np.isin(own.online[own.wrong], values)
    chance = (expected, max(1.0 - (singles + 0.5) / (size + 1), density))
    if (
        np.mean(held) >= _WHOLE
        and share >= max(_HALF * singles / (size + 1), _TIMES_EXPECTED * expected)
        and rows * told_by_kinds((share, float(np.mean(held))), chance) >= 2 * LEAST_EVIDENCE
    ):
        # Values are as varied as offline's, and all of them are there: those that many have are another one's as well.
        hits, nulls = held, _nulls_as_offline(own)
    elif (
        share >= max(_LEAST_SHARE, _TIMES_CHANCE * expected) and rows * surprise(share, expected) >= 2 * LEAST_EVIDENCE
    ):
        nulls = own.lost[:0]
    else:
        return None
    count = int(np.count_nonzero(hits)) + len(nulls)
    if found < FEWEST_ROWS or _related(case, own, hits):
        return None
    # Rows are few that the one value leads to by chance; some of them are among those that are explained.
    explained = _mask(case, np.concatenate([own.wrong[hits], nulls]))
    return Borrowed(explained, "none", count, 0.9, 2, features=own.features)


def _nulls_as_offline(own: _Sides) -> Positions:
    """Give the entities without an online value, when these are no more of the wrong ones than offline's nulls are of all."""
    valued = np.count_nonzero(own.offline[own.wrong] != NO_VALUE)
    nulls = float(np.mean(own.offline == NO_VALUE))
    return own.lost if len(own.lost) <= 2 * nulls * (valued + len(own.lost)) else own.lost[:0]


def _density(case: Case, own: _Sides) -> float:
    """Give the share of all whole numbers in their range that somebody has offline; 0 for other values.

    Ranks and running numbers are each somebody's, whatever they are.
    """
    if case.feature.declared.kind is not Kind.INTEGER or len(own.features) > 1:
        return 0.0
    numbers, known = floats(case.context.fingerprints.pairs[case.feature.name].offline)
    different = np.unique(numbers[known])
    return float(len(different) / (different[-1] - different[0] + 1)) if len(different) else 0.0


def _related(case: Case, own: _Sides, hits: Mask) -> bool:
    """Tell whether the online numbers go with the offline ones of the same entity: then these are what they come from."""
    pairs = case.context.fingerprints.pairs[case.feature.name]
    if not case.feature.declared.kind.is_number:
        return False
    take = pa.array(own.wrong[hits])
    (off, known), (on, _) = floats(pairs.offline.take(take)), floats(pairs.online.take(take))
    if np.count_nonzero(known) < FEWEST_ROWS:
        return False
    ranks = [np.argsort(np.argsort(side[known])).astype(np.float64) for side in (off, on)]
    correlation = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    return abs(correlation) > max(_RELATED, _TIMES_CHANCE / np.sqrt(len(ranks[0])))
