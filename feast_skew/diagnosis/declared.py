"""The declared events of a view's features, read when a rule asks for them, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from feast_skew.core.arrays import Instants, Positions
from feast_skew.core.columns import take_rows
from feast_skew.core.definition import Definition
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan
from feast_skew.core.types import Kind
from feast_skew.errors import SkewError, TooMuchData
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.view import ViewMeasurement
from feast_skew.replay.events import Events
from feast_skew.replay.recipe import Recipe
from feast_skew.replay.search import Target
from feast_skew.replay.values import Coded, coded
from feast_skew.report import Finding
from feast_skew.stores.base import EventRows, EventSource

_Where = tuple[str, tuple[tuple[str, str], ...], str, str | None]


@dataclass
class Declared:
    """The events that a feature is declared to be computed from, of the drawn entities, and the recipe that it is declared to be.

    `naive` tells that the events' times have no zone;
    `broken` counts events that were left out for want of a key or a time.
    """

    feature: FeaturePlan
    definition: Definition
    recipe: Recipe
    events: Events
    values: Coded
    view: DeclaredEvents
    broken: int = 0
    naive: bool = False

    def target(self, column: pa.Array, entity: Positions, instants: Instants) -> Target:
        """Give values that a store holds for some of the drawn entities in rising order, to be found again in the events."""
        numbers, valid = self.values.of_feature(column, self.feature.declared)
        tolerance = self.feature.tolerance
        narrow = 1e-6 if self.feature.declared.kind is Kind.FLOAT32 else 1e-9
        return Target(entity, instants, numbers, valid, max(tolerance.rtol, narrow), tolerance.atol)

    @property
    def name(self) -> str:
        """The events as people know them: the file without its folders, or the source."""
        return self.definition.events.rstrip("/").rpartition("/")[2]

    def note(self, code: str, severity: str, detail: str, remedy: str) -> None:
        """Say something about the events or the definition in the findings of the run."""
        self.view.note(code, severity, f"{self.feature.name}: {detail}", remedy)


@dataclass
class DeclaredEvents:
    """Reads the events of the drawn entities of a view, each source at most once, and only for a feature that asks.

    Only those of entities that differ in a feature with events, or whose rows share no timestamp, are read. `findings` are what users
    should know of them, once they were asked for.
    """

    rows: ViewMeasurement
    source: EventSource
    progress: Progress
    findings: list[Finding] = field(default_factory=list)
    _read: dict[tuple[_Where, tuple[str, ...]], EventRows | None] = field(default_factory=dict)
    _found: dict[str, Declared | None] = field(default_factory=dict)

    def __call__(self, feature: FeaturePlan) -> Declared | None:
        """Give the events of a feature; None where none are declared, or they cannot be used, which a finding then says."""
        if feature.name not in self._found:
            self._found[feature.name] = self._declared(feature)
        return self._found[feature.name]

    def note(self, code: str, severity: str, detail: str, remedy: str) -> None:
        """Add a finding, once."""
        found = Finding(code, severity, self.rows.view.name, detail, remedy)
        if found not in self.findings:
            self.findings.append(found)

    def _declared(self, feature: FeaturePlan) -> Declared | None:
        definition = feature.definition
        if definition is None:
            return None
        rows = self._rows(definition)
        if rows is None:
            return None
        column = None if definition.value is None else rows.values.column(definition.value)
        try:
            values = coded(column, len(rows.positions), feature.declared)
        except pa.ArrowException as error:
            self.note(
                "FS404",
                "warn",
                f"{feature.name}: values of {definition.events}: {definition.value} cannot be replayed as "
                f"{feature.declared.name}: {type(error).__name__}",
                "declare the value column that the feature is computed from, or correct its type",
            )
            return None
        if definition.aggregate not in values.aggregates:
            held = "no value" if column is None else str(column.type)
            self.note(
                "FS404",
                "warn",
                f"{feature.name}: the {definition.aggregate} of {held} is no {feature.declared.name}",
                "correct the aggregate or the value column of the definition",
            )
            return None
        if rows.created is not None:
            self._note_late(definition, rows)
        events = Events(rows.positions, rows.instants, values.numbers, values.valid)
        return Declared(feature, definition, Recipe.declared(definition), events, values, self, rows.broken, rows.naive)

    def _rows(self, definition: Definition) -> EventRows | None:
        """Read the events of a definition, together with what other features of the view need of them."""
        missing = set(self.rows.view.keys.names) ^ {name for name, _ in definition.keys}
        if missing:
            self.note(
                "FS401",
                "warn",
                f"the events {definition.events} are declared with keys {_listed(name for name, _ in definition.keys)}, and the "
                f"view has {_listed(self.rows.view.keys.names)}",
                "name a column for every join key, and for nothing else",
            )
            return None
        beside = [one.definition for one in self.rows.view.features if one.definition is not None]
        together = [one for one in beside if _where(one) == _where(definition)]
        wanted = sorted({one.value for one in together if one.value is not None})
        own = [] if definition.value is None else [definition.value]
        for values in (wanted, own):
            place = (_where(definition), tuple(values))
            if place not in self._read:
                self._read[place] = self._try(definition, values)
            rows = self._read[place]
            if rows is not None and (definition.value is None or definition.value in rows.values.column_names):
                return rows
            if values == own:
                break
        if rows is not None:
            self._note_unread(definition, f"{definition.events} has no column {definition.value!r}")
        return None

    def _try(self, definition: Definition, values: list[str]) -> EventRows | None:
        wanted = self._wanted()
        index = KeyIndex(take_rows(self.rows.entities, wanted))
        try:
            with self.progress.stage(f"{self.rows.view.name}: events of {definition.events}", None, "events") as stage:
                rows = self.source.read(self.rows.view, definition, values, index, stage.advance)
        except TooMuchData as error:
            self._note_unread(definition, error.one_line())
            return None
        except SkewError as error:
            self._note_unread(definition, error.one_line())
            return None
        # Once for all features: events that are in order need not be sorted again.
        order = np.lexsort((rows.instants, rows.positions))
        rows.positions, rows.instants = wanted[rows.positions[order]], rows.instants[order]
        rows.created = None if rows.created is None else rows.created[order]
        rows.values = take_rows(rows.values, order)
        return rows

    def _wanted(self) -> Positions:
        """Give the places of the entities whose events may be asked for."""
        differ = self.rows.rows.unaligned
        for feature in self.rows.features:
            if feature.definition is not None:
                differ = differ | self.rows.pairs[feature.name].wrong
        return np.flatnonzero(differ)

    def _note_unread(self, definition: Definition, why: str) -> None:
        self.note(
            "FS401",
            "warn",
            f"the declared events cannot be read, so that nothing was recomputed: {why}",
            f"correct `definition` ({definition.events}), or the file",
        )

    def _note_late(self, definition: Definition, rows: EventRows) -> None:
        assert rows.created is not None  # noqa: S101  asked by the caller
        delay = rows.created - rows.instants
        late = delay > 24 * 3600 * 10**9
        if late.any():
            self.note(
                "FS403",
                "info",
                f"{definition.events}: {np.count_nonzero(late):,} of {len(late):,} events were written more than a day after "
                f"they happened, up to {delay.max() / 86400e9:.3g} days; rows computed before that do not know them",
                "compute such rows again, or leave late events out on both sides",
            )


def _where(definition: Definition) -> _Where:
    return definition.events, definition.keys, definition.timestamp, definition.created


def _listed(names: object) -> str:
    return ", ".join(map(str, names)) or "none"  # type: ignore[call-overload]
