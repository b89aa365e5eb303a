"""What `feast-skew plan` and `feast plan` say of edits that change meaning and of harmless ones; fills the table of docs/gate.md."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import re
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "gate"), str(ROOT)]

from edits import HARMLESS, MEANING, Edit  # noqa: E402  of the tests
from shop import FILES, Shop, make_shop  # noqa: E402
from tables import show  # noqa: E402
from test_edits import applied  # noqa: E402

DOCUMENT = ROOT / "docs" / "gate.md"
STOPS = "stops with"
BATCH = "batched"
_TYPES = ("feature view", "on demand feature view", "stream feature view", "feature service", "label view")


def ours(shop: Shop) -> set[str]:
    """Give the names that `feast-skew plan` says mean something else."""
    from feast_skew.gate.reading import Asked
    from feast_skew.gate.run import detect

    return {change.name for change in detect(Asked(shop.path))}


def theirs(shop: Shop, *, batch: bool = False) -> set[str]:
    """Give the views and services that `feast plan` shows; its error where it stops with one.

    It stops at every batch view with code of its own, edited or not, so that view is left out unless it is what was edited.
    """
    from feast import FeatureStore

    from feast_skew.stores.feast_definitions import parse_definitions

    store = FeatureStore(repo_path=str(shop.path))
    contents = parse_definitions(store, shop.path).contents
    if not batch:
        contents.feature_views[:] = [view for view in contents.feature_views if view.name != BATCH]
    try:
        diff, _, _ = store.plan(contents)
    except Exception as error:  # noqa: BLE001  whatever it is, a user sees it
        return {f"{STOPS} {type(error).__name__}"}
    lines = [_plain(line) for line in diff.to_string().splitlines()]
    kinds = {one.name: one.feast_object_type.value for one in diff.feast_object_diffs}
    return {
        name
        for name, kind in kinds.items()
        if (batch or name != BATCH)
        and kind in _TYPES
        and any(re.match(rf"(Created|Updated|Deleted) {kind} {re.escape(name)}$", line.strip()) for line in lines)
    }


def _plain(line: str) -> str:
    """Take colours off a line."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def found(shop: Shop, edit: Edit, ask: Any) -> set[str]:
    """Make an edit, and ask."""
    shop.write(edit.apply(FILES))
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            result: set[str] = ask(shop)
        return result
    finally:
        shop.write(FILES)


def cell(edit: Edit, said: set[str]) -> str:
    """Say what became of an edit."""
    stopped = next((name for name in said if name.startswith(STOPS)), "")
    return stopped or ("caught" if edit.catches in said else "**missed**")


def main() -> None:
    """Print both tables, and write them into the document when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the tables into docs/gate.md")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            shop = applied(make_shop(Path(folder).resolve() / "shop"), gate=True)
        meaning, harmless = [], []
        caught = [0, 0]
        for edit in MEANING:
            asks = (ours, partial(theirs, batch=edit.catches == BATCH))
            both = [found(shop, edit, ask) for ask in asks]
            caught = [count + (edit.catches in said) for count, said in zip(caught, both, strict=True)]
            meaning.append([edit.name, f"`{edit.catches}`", *(cell(edit, said) for said in both)])
        alarms = [0, 0]
        for edit in HARMLESS:
            both_said = [found(shop, edit, ask) for ask in (ours, theirs)]
            alarms = [count + bool(said) for count, said in zip(alarms, both_said, strict=True)]
            harmless.append([edit.name, *(", ".join(f"`{one}`" for one in sorted(said)) or "-" for said in both_said)])
    head = f"of {len(MEANING)}"
    meaning.append([f"**all {len(MEANING)}**", "", *(f"**{count} {head}**" for count in caught)])
    harmless.append([f"**runs with an alarm, of {len(HARMLESS)}**", *(f"**{count}**" for count in alarms)])
    shown = {
        "meaning": (["edit", "of", "feast-skew plan", "feast plan"], meaning),
        "harmless": (["edit", "feast-skew plan shows", "feast plan shows"], harmless),
    }
    show(shown, DOCUMENT, write=chosen.write)


if __name__ == "__main__":
    main()
