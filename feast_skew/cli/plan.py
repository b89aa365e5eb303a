"""`feast-skew plan` and `apply`: what the definitions would change, judged before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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


def run_apply(options: Mapping[str, Any], flags: Sequence[str]) -> int:
    """Plan, and have Feast apply what is let through; `flags` go to Feast. Give the exit code."""
    from feast_skew.gate.texts import FORMATS

    outputs = parse_outputs(options["outputs"], FORMATS)
    validation = ("skip_source_validation", "skip_feature_view_validation")
    flags = [*(f"--{name.replace('_', '-')}" for name in validation if options[name]), *flags]
    _load(options)
    from feast_skew.gate.applying import apply_definitions, check_apply

    check_apply(flags)
    proposal = proposed(options)
    show(proposal, outputs, quiet=options["quiet"])
    if not proposal.exit_code:
        apply_definitions(Path(options["repo"]), proposal, flags)
    return proposal.exit_code


def show(proposal: Proposal, outputs: Sequence[Output], *, quiet: bool) -> None:
    """Deliver a plan to its outputs and to the terminal; a refusal is one line of standard error where all else is quiet.

    Raises
    ------
    UnwritableOutput
        After everything else was delivered.
    """
    from feast_skew.gate.texts import FORMATS, refusal, render_text

    forms = {form: partial(render, proposal) for form, render in FORMATS.items()}
    shown = partial(render_text, proposal, colour=use_colour(), width=terminal_width())
    deliver_texts(forms, outputs, None if quiet else shown, f"the plan is {proposal.verdict.value}")
    if quiet and proposal.exit_code:
        click.echo(f"feast-skew: {refusal(proposal)}", err=True)


def proposed(options: Mapping[str, Any]) -> Proposal:
    """Judge what the definitions of the repository that the options name would change, with the approvals that they give."""
    from feast_skew.gate.approving import approve, check_approval

    check_approval(options["approved"], options["reason"])
    _load(options)
    from feast_skew.gate.reading import Asked
    from feast_skew.gate.run import propose

    progress = progress_for(not (options["quiet"] or options["no_progress"]))
    settings = {name: options[name] for name in ("sample", "seed") if options[name] is not None}
    repo = Path(options["repo"])
    proposal = propose(
        Asked(
            repo=repo,
            config=options["config"],
            settings=settings,
            engine=options["engine"],
            entities=options["entities"],
            skip_source_validation=options["skip_source_validation"],
            skip_view_validation=options["skip_feature_view_validation"],
        ),
        progress=progress,
    )
    return approve(proposal, repo, options["approved"], options["reason"])


def _load(options: Mapping[str, Any]) -> None:
    """Import Feast, with its checks of types: here definitions are written, and wrong arguments are to be told of."""
    progress = progress_for(not (options["quiet"] or options["no_progress"]))
    with progress.stage("loading Feast", None, ""):
        import feast_skew.stores.feast_repository  # noqa: F401
