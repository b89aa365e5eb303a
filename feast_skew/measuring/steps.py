"""How far offline itself moves: earlier rows of the entities whose rows share no timestamp with online."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT, EarlierSteps
from feast_skew.core.arrays import Instants, Mask
from feast_skew.core.columns import take_rows
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import FeaturePlan
from feast_skew.measuring.drawing import Measured
from feast_skew.measuring.history import pick_rows
from feast_skew.measuring.progress import Progress
from feast_skew.stores.base import RowSource

MOST_ENTITIES = 20_000
MOST_STEPS = 6


@dataclass
class Moment:
    """The values of the chosen entities at one instant each, `NO_INSTANT` where there is no row."""

    columns: dict[str, pa.Array]
    instants: Instants

    @property
    def present(self) -> Mask:
        """Where there is a row."""
        found: Mask = self.instants != NO_INSTANT
        return found


@dataclass
class Neighbours:
    """Unaligned entities with the offline rows around and before their online instant.

    `positions` are their places among the drawn rows. `online` and `before` hold what is compared; `steps` are pairs of a
    newer and an older offline row over gaps at least as long as the one between `before` and the online instant;
    `reach` is the share of the entities known offline that are unaligned.
    """

    positions: np.ndarray
    online: Moment
    before: Moment
    steps: list[tuple[Moment, Moment]]
    reach: float


def find_neighbours(
    measured: Measured, features: Sequence[FeaturePlan], offline: RowSource, progress: Progress
) -> Neighbours | None:
    """Find the neighbours of the unaligned entities that have an earlier offline row; None when there are none."""
    drawn = measured.drawn
    rows, source_rows = drawn.rows, drawn.source_rows
    positions = measured.unaligned()
    positions = positions[rows.before[positions] != NO_INSTANT][:MOST_ENTITIES]
    if not len(positions):
        return None
    entities = take_rows(drawn.entities, positions)
    before, after = rows.before[positions], rows.after[positions]
    gap = rows.online[positions] - before
    index = KeyIndex(entities)
    history = EarlierSteps(np.arange(len(positions)), len(positions))
    with progress.stage(f"{measured.view.name}: earlier offline rows", source_rows or None, "rows") as stage:
        for batch in offline.scan(measured.view, ()):
            history.add(batch.positions(index), batch.instants)
            stage.advance(len(batch.instants))
        earlier = history.steps(before, gap, MOST_STEPS)
        wanted = {"before": before, "after": after, **{f"step{i}": instants for i, instants in enumerate(earlier)}}
    with progress.stage(f"{measured.view.name}: earlier values", source_rows or None, "rows") as stage:
        held = pick_rows(measured.view, features, index, wanted, offline, stage.advance)
    moments = {role: Moment(found.columns, wanted[role]) for role, found in held.items()}
    take = pa.array(positions)
    online = Moment({f.name: drawn.pairs[f.name].online.take(take) for f in features}, rows.online[positions])
    chain = [moments["before"], *(moments[f"step{i}"] for i in range(len(earlier)))]
    steps = [(chain[i], chain[i + 1]) for i in range(len(chain) - 1)]
    # The rows around the online instant hold the same days' events: the best yardstick where there is one. Its gap
    # reaches from before to after, so it is never shorter than the one to the online row.
    steps.insert(0, (moments["after"], moments["before"]))
    usable = [(new, old) for new, old in steps if (new.present & old.present).any()]
    reach = measured.tally.unaligned / max(1, measured.tally.has_offline)
    return Neighbours(positions, online, moments["before"], usable, reach)
