"""The proof by events: which recipe gives the online values, and which one gives the offline ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Mask, Positions
from feast_skew.core.pairs import PairClass
from feast_skew.diagnosis.base import FEWEST_ROWS, Case, Explanation, share_text
from feast_skew.diagnosis.declared import Declared
from feast_skew.replay.candidates import ZONES
from feast_skew.replay.edges import clock_offsets
from feast_skew.replay.recipe import DAY, HOUR, Recipe
from feast_skew.replay.search import Found, Target, find_recipe, matches
from feast_skew.report import Cause

_NEARLY_ALL = 0.9
_HALF = 0.5
_CLOCK = 0.99
_LAGGED = 2


@dataclass(frozen=True)
class Proof:
    """The declared recipe and those of both stores, the entities whose online value that of online gives, and where the events are.

    `reproduced` is the share of the offline values that the recipe of offline gives.
    """

    declared: Recipe
    offline: Recipe
    online: Recipe
    explained: Mask
    reproduced: float
    events: str

    @property
    def code(self) -> str:
        """The cause that the difference of the recipes is; empty when there is none."""
        changed = self.online.changes(self.offline)
        if not changed:
            return ""
        if "aggregate" in changed:
            return "aggregate"
        return "window" if changed != ("zone",) else "timezone"


def proof_of(case: Case) -> Proof | None:
    """Give what the declared events prove of a case; None without events, or when they prove nothing."""
    return case.once(_replayed).proof


def decided(case: Case) -> bool:
    """Tell whether there are declared events that give offline's values: then what they do not prove is not so."""
    return case.once(_replayed).decided


@dataclass(frozen=True)
class _Replayed:
    """What became of the events of a case."""

    decided: bool = False
    proof: Proof | None = None


def _replayed(case: Case) -> _Replayed:
    declared = case.context.declared(case.feature) if _asks(case) else None
    return _Replayed() if declared is None else _prove(case, declared)


def _asks(case: Case) -> bool:
    return case.feature.definition is not None and int(np.count_nonzero(_concerned(case))) >= FEWEST_ROWS


def _concerned(case: Case) -> Mask:
    """Wrong entities with a readable row in both stores."""
    rows = case.rows
    both: Mask = rows.has_online & (rows.held != NO_INSTANT)
    return case.wrong & both & ~case.pairs.mask(PairClass.CORRUPT)


def _prove(case: Case, declared: Declared) -> _Replayed:
    positions = np.flatnonzero(_concerned(case))
    offline = _offline_recipe(declared, _target(case, declared, positions, online=False))
    if declared.naive:
        declared.view.note(
            "FS404",
            "info",
            f"{declared.definition.events}: {declared.definition.timestamp} has no time zone; it was taken as UTC, as Feast takes it",
            "store it with its time zone",
        )
    if offline is None:
        return _Replayed()
    share = float(offline.same.mean())
    if share < _NEARLY_ALL:  # where events are missing, the others still prove what online is
        positions = positions[offline.same]
    target = _target(case, declared, positions, online=True)
    found = find_recipe(declared.events, offline.recipe, target, declared.values.aggregates)
    if found is None or found.recipe == offline.recipe:
        return _Replayed(decided=True)
    explained = case.marked(positions[found.same])
    proof = Proof(declared.recipe, offline.recipe, found.recipe, explained, share, declared.name)
    return _Replayed(decided=True, proof=proof)


def _target(case: Case, declared: Declared, positions: Positions, *, online: bool) -> Target:
    """Give what a store holds for some entities, each at the instant of its own row."""
    column = case.pairs.online if online else case.pairs.offline
    instants = case.rows.online if online else case.rows.held
    return declared.target(column.take(pa.array(positions)), case.positions[positions], instants[positions])


def _offline_recipe(declared: Declared, target: Target) -> Found | None:
    """Give the recipe that makes offline's values: the declared one as a rule, and a finding where it is not.

    None where no recipe gives half of them: then nothing is proven.
    """
    own = Found(declared.recipe, matches(declared.events, declared.recipe, target))
    if own.same.all():
        return own
    if declared.naive:
        own = _by_clock(declared, target, own)
        if own.same.all():
            return own
    other = find_recipe(declared.events, declared.recipe, target, declared.values.aggregates)
    best = own if other is None or other.same.sum() <= own.same.sum() else other
    share = float(best.same.mean())
    if best is own and share >= _NEARLY_ALL:
        return own
    if share >= _NEARLY_ALL and best.recipe == replace(declared.recipe, once=True):
        _note_repeated(declared, best)
        return best
    said = f"the declared definition, the {recipe_text(declared.recipe, best.recipe)}, gives {_given(own)} of the offline values that "
    said += "differ from online"
    if best is not own:
        said += f", the {recipe_text(best.recipe, declared.recipe)} {_given(best)}"
    if share < _HALF:
        said += ", and no other one was found that gives them, so that nothing is proven by these events"
    if declared.broken:
        said += f"; {declared.broken:,} events without a key or a time were left out"
    declared.note(
        "FS403",
        "warn",
        said,
        "correct the definition or the offline pipeline, or look for events that are missing, late or were changed since",
    )
    return best if share >= _HALF else None


def _by_clock(declared: Declared, target: Target, own: Found) -> Found:
    """Take events without a time zone for those of a clock elsewhere, when that gives nearly all of offline's values and UTC fewer."""
    for zone in ZONES:
        try:
            events = declared.events.by_clock(zone)
        except pa.ArrowInvalid:  # this machine does not know the zone
            continue
        same = matches(events, declared.recipe, target)
        if same.sum() > own.same.sum() and same.mean() >= _CLOCK:
            declared.events, declared.naive, own = events, False, Found(declared.recipe, same)
            declared.note(
                "FS404",
                "warn",
                f"the events of {declared.name} have no time zone, and give {_given(own)} of the offline values when it is "
                f"{zone}, which was taken",
                "store their times with a time zone",
            )
            if same.all():
                break
    return own


def _given(found: Found) -> str:
    return share_text(int(found.same.sum()), len(found.same))


def _note_repeated(declared: Declared, found: Found) -> None:
    count = int(declared.events.repeated.sum())
    declared.note(
        "FS402",
        "warn",
        f"{count:,} of {len(declared.events):,} events of {declared.name} repeat another one; offline counts each once "
        f"({_given(found)} of the values)",
        "remove the repeated events, or count them on both sides alike",
    )


def proven(case: Case, code: str) -> Explanation | None:
    """Give the cause of that code where the events prove it."""
    proof = proof_of(case)
    if proof is None or proof.code != code:
        return None
    count, wrong = case.total(proof.explained), case.total(case.wrong)
    online, offline = recipe_text(proof.online, proof.offline), recipe_text(proof.offline, proof.online)
    return Explanation(
        Cause(
            code,
            "what",
            count / wrong,
            0.99 if proof.reproduced >= _NEARLY_ALL else 0.9,
            f"online is the {online} for {share_text(count, wrong)} of the wrong values, offline the {offline}; "
            f"recomputed from {proof.events}",
            {**_evidence(proof), "entities": count, "events": proof.events, "proven": True},
            _remedy(case, proof),
            # A lag is also what rows of an earlier time look like: what names these comes first.
            parameters=_LAGGED if proof.online.lag != proof.offline.lag else 0,
        ),
        proof.explained,
    )


def _remedy(case: Case, proof: Proof) -> str:
    if proof.online == proof.declared:
        wanted = recipe_text(proof.online, proof.offline)
        return f"online is what is declared: bring the offline pipeline back to the {wanted}, or declare what is meant"
    wanted = recipe_text(proof.offline, proof.online)
    return (
        f"compute the feature once for both stores, or bring the online pipeline to the {wanted}; then materialize view "
        f"{case.view.name} again"
    )


def _evidence(proof: Proof) -> dict[str, object]:
    on, off = proof.online, proof.offline
    found: dict[str, object] = {}
    for side, recipe, other in (("offline", off, on), ("online", on, off)):
        found[f"{side}_window"] = recipe.window_text
        found[f"{side}_aggregate"] = recipe.aggregate_text(other)
        if isinstance(recipe.window, int):
            found[f"{side}_window_seconds"] = recipe.window / 10**9
    if on.lag != off.lag:
        found["lag_seconds"] = (on.lag - off.lag) / 10**9
    if "edges" in on.changes(off):
        found["offline_edges"], found["online_edges"] = _edges_text(off), _edges_text(on)
    if "zone" in on.changes(off):
        found["offset_seconds"] = (_offset(on) - _offset(off)) // 10**9
        found["offline_zone"], found["online_zone"] = _zone_text(off), _zone_text(on)
    return found


def recipe_text(recipe: Recipe, other: Recipe) -> str:
    """Say what a recipe computes, beside another one, such as `mean over 7 days`."""
    text = f"{recipe.aggregate_text(other)} {_over(recipe.window)}"
    if recipe.lag:
        text += f", {_length(recipe.lag)} behind"
    if (recipe.start_inclusive, recipe.end_inclusive) != (False, True):
        text += f" with {_edges_text(recipe)}"
    if recipe.midnight:
        text += f" before the last midnight of {_zone_text(recipe)}"
    elif recipe.offset or recipe.zone:
        text += f" in days of {_zone_text(recipe)}"
    return text


def _over(window: int | str | None) -> str:
    if window is None:
        return "over all history"
    return f"of the {window}" if isinstance(window, str) else f"over {_length(window)}"


def _length(nanoseconds: int) -> str:
    for unit, length in (("day", DAY), ("hour", HOUR), ("minute", 60 * 10**9), ("second", 10**9)):
        if nanoseconds % length == 0:
            count = nanoseconds // length
            return f"{count:,} {unit}" + ("" if count == 1 else "s")
    return f"{nanoseconds / 10**9:g} seconds"


def _edges_text(recipe: Recipe) -> str:
    start = "inclusive" if recipe.start_inclusive else "exclusive"
    return f"{start} start, {'inclusive' if recipe.end_inclusive else 'exclusive'} end"


def _zone_text(recipe: Recipe) -> str:
    if recipe.zone:
        return recipe.zone
    minutes = abs(recipe.offset) // (60 * 10**9)
    if not minutes:
        return "UTC"
    sign = "+" if recipe.offset > 0 else "-"
    return f"UTC{sign}{minutes // 60}" + (f":{minutes % 60:02}" if minutes % 60 else "")


def _offset(recipe: Recipe) -> int:
    """Give how far the days of a recipe are ahead of UTC; those of a named zone by its standard time, or summer time if that is UTC."""
    if not recipe.zone:
        return recipe.offset
    year = np.datetime64("2024-01-01", "ns").astype(np.int64) + np.arange(12, dtype=np.int64) * 30 * DAY
    offsets = clock_offsets(recipe.zone, year)
    least = int(offsets.min())
    return least or int(offsets.max())
