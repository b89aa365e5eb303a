"""`feast-skew repair`: options to the repair, its result to the outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feast_skew.cli.outputs import Output, deliver_texts, parse_outputs, terminal_width, use_colour
from feast_skew.cli.progress import progress_for
from feast_skew.core.moments import parse_moment

if TYPE_CHECKING:
    from feast_skew.repairing.result import Repair


def run_repair(options: Mapping[str, Any]) -> int:
    """Repair and deliver; give the exit code. An interrupted repair is told as well, and goes on to end the command."""
    from feast_skew.repairing.result import RepairInterrupted
    from feast_skew.repairing.texts import FORMATS

    outputs = parse_outputs(options["outputs"], FORMATS)
    as_of = parse_moment(options["as_of"], "--as-of") if options["as_of"] is not None else None
    progress = progress_for(not (options["quiet"] or options["no_progress"]))
    with progress.stage("loading Feast", None, ""):
        from feast_skew.stores.feast_import import import_feast_unchecked

        import_feast_unchecked()
        from feast_skew.repairing.asked import Asked
        from feast_skew.repairing.run import run_repair as repaired
    asked = Asked(
        repo=Path(options["repo"]),
        services=options["services"],
        views=options["views"],
        features=options["features"],
        sample=options["sample"],
        entities=options["entities"],
        seed=options["seed"],
        max_ops=options["max_ops"],
        as_of=as_of,
        config=options["config"],
        settings={"show_entities": True} if options["show_entities"] else {},
        report=options["report"],
        stale=options["stale"],
        unaligned=options["unaligned"],
    )
    try:
        found = repaired(asked, yes=options["yes"], progress=progress)
    except RepairInterrupted as ended:
        _deliver(ended.repair, outputs, quiet=options["quiet"])
        raise
    _deliver(found, outputs, quiet=options["quiet"])
    return found.exit_code


def _deliver(repair: Repair, outputs: Sequence[Output], *, quiet: bool) -> None:
    from feast_skew.repairing.texts import FORMATS, headline, render_text

    forms = {form: partial(render, repair) for form, render in FORMATS.items()}
    shown = partial(render_text, repair, colour=use_colour(), width=terminal_width())
    deliver_texts(forms, outputs, None if quiet else shown, headline(repair))
