"""Online rows of entities that offline does not know, among the keys that a scan of the online store found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feast_skew.core.alignment import NO_INSTANT
from feast_skew.core.arrays import Mask
from feast_skew.core.keys import KeyIndex
from feast_skew.core.model import ViewPlan
from feast_skew.errors import SkewError
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.sampling import Known
from feast_skew.measuring.view import read_online
from feast_skew.stores.base import KeyScan, OnlineReader

SCAN_KEYS = 200_000
SCAN_SECONDS = 10.0
_READ = 5_000


@dataclass(frozen=True)
class Orphans:
    """What a scan of the online store's keys found for one view; `complete` tells whether all keys were looked at."""

    scanned: int
    found: int
    complete: bool


def scan_keys(view: ViewPlan, online: OnlineReader, progress: Progress) -> KeyScan:
    """Look through the online keys of the view's entity key set; trouble is a reason, not an error."""
    try:
        with progress.stage(f"keys online ({view.keys})", None, "keys") as stage:
            found = online.scan_keys(view, SCAN_KEYS, SCAN_SECONDS)
            stage.advance(found.scanned)
        return found
    except SkewError as error:
        return KeyScan(None, reason=error.one_line())


def unknown_keys(entities: pa.Table, known: Known) -> Mask:
    """Tell which of some entities offline does not know."""
    # The scanned keys are few beside the known ones, so those are looked up among these.
    index = KeyIndex(entities)
    unknown: Mask = np.ones(entities.num_rows + 1, dtype=bool)
    unknown[index.positions(known.entities)] = False
    if known.later is not None:
        unknown[index.positions(known.later)] = False
    return unknown[:-1]


def count_orphans(
    view: ViewPlan, scan: KeyScan, unknown: Mask, online: OnlineReader, progress: Progress
) -> Orphans | None:
    """Read the scanned keys that offline does not know, to tell which of them hold a row of this view."""
    if scan.entities is None:
        return None
    positions = np.flatnonzero(unknown)
    if not len(positions):
        return Orphans(scan.scanned, 0, scan.complete)
    chosen = scan.entities.take(pa.array(positions[:_READ]))
    rows = read_online(view, view.features[:1], chosen, online, progress, f"{view.name}: keys unknown offline")
    present = int(np.count_nonzero(rows.instants != NO_INSTANT))
    return Orphans(scan.scanned, present, scan.complete and len(positions) <= _READ)
