"""A repair as text for a terminal, and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping

from feast_skew.render.harmless import harmless_json, harmless_text
from feast_skew.render.terminal import COLOURS
from feast_skew.render.wording import clean, one_line, short
from feast_skew.repairing.result import REASONS, Repair, ViewRepair
from feast_skew.report import Verdict

_SHOWN = 5


def render_text(repair: Repair, *, colour: bool = False, width: int = 100) -> str:
    """Give a repair for a terminal of that width: what it comes to first, then each view."""
    verdict = Verdict.PASS if not repair.exit_code else Verdict.ERROR if repair.exit_code > 1 else Verdict.FAIL
    head = clean(headline(repair))
    lines = [f"\x1b[{COLOURS[verdict]}m{head}\x1b[0m" if colour else head]
    for view in repair.views:
        lines += ["", clean(f"{short(view.view)}: {_what_of(view)}")]
        for name, text in _facts(view):
            lines += textwrap.wrap(
                one_line(text), width, initial_indent=f"  {name:<9}", subsequent_indent=" " * 11, break_long_words=False
            )
    others = [f"could not be measured: {one['view']}: {one['reason']}" for one in repair.unread]
    others += [f"skipped {one['view']}: {one['reason']}" for one in repair.skipped]
    others += repair.notes
    if others:
        lines.append("")
    for text in others:
        lines += textwrap.wrap(one_line(text), width, subsequent_indent="  ", break_long_words=False)
    if repair.rows and not repair.yes:
        lines += ["", "nothing was written; --yes writes these rows"]
    return harmless_text(lines)


def render_json(repair: Repair) -> str:
    """Give a repair as JSON."""
    return harmless_json(repair.to_dict(), default=str)


FORMATS: Mapping[str, Callable[[Repair], str]] = {"text": render_text, "json": render_json}


def headline(repair: Repair) -> str:
    """Say what a repair comes to in one line."""
    as_of = f", as of {repair.as_of}"
    if repair.interrupted:
        return f"{repair.project}: interrupted when {_rows(repair.written)} had been written; a further run writes the rest"
    if not repair.open:
        return f"{repair.project}: nothing to repair{as_of}"
    if not repair.yes:
        left = f", {repair.open - repair.rows:,} more that cannot be written" if repair.open > repair.rows else ""
        return f"{repair.project}: {_rows(repair.rows)} to repair{left}{as_of}"
    done = f"repaired {repair.open - repair.still_wrong:,} of {repair.open:,}"
    still = f"; {_rows(repair.still_wrong)} still wrong" if repair.still_wrong else ""
    return f"{repair.project}: {done}{still}{as_of}"


def _what_of(view: ViewRepair) -> str:
    where = f"of {view.compared:,} compared entities ({view.population:,} in all)"
    if view.written is None:
        return f"{_rows(view.rows)} to repair, {where}"
    if view.still_wrong is None:
        return f"{view.written:,} of {_rows(view.rows)} written, {where}"
    return f"repaired {view.open - view.still_wrong:,} of {view.open:,}, {where}"


def _facts(view: ViewRepair) -> Iterator[tuple[str, str]]:
    yield "classes", ", ".join(f"{name} {count:,}" for name, count in view.classes.items())
    if view.cause:
        yield "cause", view.cause
    if view.rows:
        fates = ((view.kept, "under the same event timestamp"), (view.moved, "under a later one"), (view.new, "new"))
        parts = ", ".join(f"{count:,} {what}" for count, what in fates if count)
        features = "feature" if view.features == 1 else "features"
        yield (
            "writes" if view.written is None else "wrote",
            f"{view.features} {features} and the event timestamp of each row: {parts}",
        )
    for reason, count in view.left.items():
        yield "left", f"{_rows(count)}: {REASONS[reason]}"
    for one in view.entities[:_SHOWN]:
        key = ", ".join(f"{name}={value}" for name, value in one["key"].items()) or "the one row"
        yield "row", f"{key}: {one['class']}, {one['outcome']}"
    if len(view.entities) > _SHOWN:
        yield "row", f"and {len(view.entities) - _SHOWN:,} more, all of them in --output json"


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
