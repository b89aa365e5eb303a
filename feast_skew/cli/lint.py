"""`feast-skew lint`: hazards from definitions and settings alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from feast_skew.cli.outputs import deliver_texts, parse_outputs, terminal_width, use_colour
from feast_skew.cli.progress import progress_for
from feast_skew.errors import EXIT_PASS, EXIT_SKEW


def run_lint(options: Mapping[str, Any]) -> int:
    """Lint and deliver; give the exit code."""
    from feast_skew.lint.texts import FORMATS, render_text

    outputs = parse_outputs(options["outputs"], FORMATS)
    progress = progress_for(not (options["quiet"] or options["no_progress"]))
    with progress.stage("loading Feast", None, ""):
        from feast_skew.linting import lint_repository
    linted = lint_repository(Path(options["repo"]), config=options["config"], disabled=options["disabled"])
    forms = {form: partial(render, linted) for form, render in FORMATS.items()}
    shown = partial(render_text, linted, colour=use_colour(), width=terminal_width())
    deliver_texts(forms, outputs, None if options["quiet"] else shown, f"lint found {len(linted.findings)} hazards")
    counted = ("fail", "warn") if options["fail_on"] == "warn" else ("fail",)
    return EXIT_SKEW if any(finding.severity in counted for finding in linted.findings) else EXIT_PASS
