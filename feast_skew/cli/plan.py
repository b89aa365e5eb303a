"""`feast-skew plan`: what the definitions would change, judged before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feast_skew.cli.outputs import Output, deliver_texts, parse_outputs, terminal_width, use_colour
from feast_skew.cli.progress import progress_for

if TYPE_CHECKING:
    from feast_skew.gate.proposal import Proposal


def run_plan(options: Mapping[str, Any]) -> int:
    """Plan and deliver; give the exit code."""
    from feast_skew.gate.texts import FORMATS

    outputs = parse_outputs(options["outputs"], FORMATS)
    proposal = proposed(options)
    show(proposal, outputs, quiet=options["quiet"])
    return proposal.exit_code


def show(proposal: Proposal, outputs: Sequence[Output], *, quiet: bool) -> None:
    """Deliver a plan to its outputs and to the terminal.

    Raises
    ------
    UnwritableOutput
        After everything else was delivered.
    """
    from feast_skew.gate.texts import FORMATS, render_text

    forms = {form: partial(render, proposal) for form, render in FORMATS.items()}
    shown = partial(render_text, proposal, colour=use_colour(), width=terminal_width())
    deliver_texts(forms, outputs, None if quiet else shown, f"the plan is {proposal.verdict.value}")


def proposed(options: Mapping[str, Any]) -> Proposal:
    """Judge what the definitions of the repository that the options name would change."""
    progress = progress_for(not (options["quiet"] or options["no_progress"]))
    with progress.stage("loading Feast", None, ""):
        from feast_skew.stores.feast_import import import_feast_unchecked

        import_feast_unchecked()
        from feast_skew.gate.run import Asked, propose
    settings = {name: options[name] for name in ("sample", "seed") if options[name] is not None}
    return propose(
        Asked(
            repo=Path(options["repo"]),
            config=options["config"],
            settings=settings,
            engine=options["engine"],
            skip_source_validation=options["skip_source_validation"],
            skip_view_validation=options["skip_feature_view_validation"],
        ),
        progress=progress,
    )
