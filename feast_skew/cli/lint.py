"""`feast-skew lint`: hazards from definitions and settings alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from feast_skew.cli.outputs import deliver_texts, parse_outputs, terminal_width, use_colour
from feast_skew.cli.progress import progress_for
from feast_skew.errors import EXIT_PASS, EXIT_SKEW, ConfigError, SkewError


def run_lint(options: Mapping[str, Any]) -> int:
    """Lint and deliver; give the exit code."""
    from feast_skew.lint.texts import FORMATS, render_text

    outputs = parse_outputs(options["outputs"], FORMATS)
    progress = progress_for(not (options["quiet"] or options["no_progress"]))
    with progress.stage("loading Feast", None, ""):
        from feast_skew.stores.feast_import import import_feast_unchecked

        import_feast_unchecked()  # half of the time of a large repository; wrong types of arguments are for feast apply to tell
        from feast_skew.linting import lint_repository
    try:
        linted = lint_repository(Path(options["repo"]), config=options["config"], disabled=options["disabled"])
    except SkewError:
        raise
    except Exception as error:  # what Feast's checks would have told of, and anything else that definitions can hold
        text = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"the definitions cannot be read: {type(error).__name__}: {text}",
            hint="`feast plan` names the argument that is wrong; --debug shows where it was met",
        ) from error
    forms = {form: partial(render, linted) for form, render in FORMATS.items()}
    shown = partial(render_text, linted, colour=use_colour(), width=terminal_width())
    deliver_texts(forms, outputs, None if options["quiet"] else shown, f"lint found {len(linted.findings)} hazards")
    counted = ("fail", "warn") if options["fail_on"] == "warn" else ("fail",)
    return EXIT_SKEW if any(finding.severity in counted for finding in linted.findings) else EXIT_PASS
