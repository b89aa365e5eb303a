"""A provider that has a plain `feast apply` pass the gate: `provider: feast_skew.SkewProvider` in feature_store.yaml.

It is whatever provider was configured before (`provider:` in the `feast_skew:` block, `local` by default), which does everything; beside
that it judges the definitions at the one point that stops Feast's apply for registries in files and in SQL databases alike, when the
data sources are validated, before anything is written.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from feast.importer import import_class
from feast.infra.provider import PROVIDERS_CLASS_FOR_TYPE, Provider

from feast_skew.errors import EXIT_NOT_MEASURED, ConfigError, SkewError
from feast_skew.gate.passing import is_inside

if TYPE_CHECKING:
    from feast import RepoConfig
    from typing_extensions import Self

    from feast_skew.gate.proposal import Proposal


class Refused(click.ClickException):
    """The gate does not let the definitions through; Feast's command line shows the one line and exits with the code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code: int = exit_code  # type: ignore[misc]  # click reads it from the instance as from the class

    def show(self, file: Any = None) -> None:
        """Print it as every other error of feast-skew."""
        click.echo(f"feast-skew: {self.format_message()}", file=file or sys.stderr)


class SkewProvider(Provider):
    """The configured provider with the gate of feast-skew before `feast apply`.

    Made with the settings of a repository, it is an object of a class that inherits from the provider it wraps, so that whoever asks
    for that one finds it.

    Raises
    ------
    ConfigError
        When the provider to wrap is not known, or is this one again; `Refused` in Feast's own command line, which shows it as one line.
    """

    _judged: bool
    _let_through: Proposal | None

    def __new__(cls, config: RepoConfig) -> Self:
        """Make an object of this class and of the wrapped provider's; see the class."""
        try:
            wrapped = _wrapped(config)
        except ConfigError as error:
            if _is_feast(click.get_current_context(silent=True)):
                raise Refused(error.one_line(), error.exit_code) from error
            raise
        both: type[Self] = type(cls.__name__, (cls, wrapped), {"__module__": cls.__module__})
        found = object.__new__(both)
        found._judged, found._let_through = False, None
        return found

    def validate_data_source(self, config: RepoConfig, data_source: Any) -> None:
        """Let the wrapped provider validate the source, then judge the repository, once.

        Raises
        ------
        Refused
            When a change makes skew, or could not be measured, and nobody approved it.
        """
        super().validate_data_source(config, data_source)  # type: ignore[safe-super]  # the wrapped provider's
        self._pass(config)

    def update_infra(
        self,
        project: str,
        tables_to_delete: Sequence[Any],
        tables_to_keep: Sequence[Any],
        entities_to_delete: Sequence[Any],
        entities_to_keep: Sequence[Any],
        partial: bool,
    ) -> None:
        """Judge the repository where no source was validated, then let the wrapped provider set up what is needed.

        A registry in a file is not written yet by then; one in a database is.

        Raises
        ------
        Refused
            As when a source is validated.
        """
        self._pass(self.repo_config)
        super().update_infra(  # type: ignore[safe-super]  # the wrapped provider's
            project, tables_to_delete, tables_to_keep, entities_to_delete, entities_to_keep, partial
        )
        if self._let_through is not None:
            from feast_skew.gate.applying import remember

            remember(self._let_through, Path(str(self.repo_config.repo_path)))

    def _pass(self, config: RepoConfig) -> None:
        command = click.get_current_context(silent=True)
        name = command.info_name if command is not None else None
        if self._judged or is_inside() or config.repo_path is None or name not in ("apply", "plan"):
            return
        self._judged = True
        params = command.params if command is not None else {}
        self._let_through = _judge(Path(config.repo_path), params, only_told=name == "plan")


def _judge(repo: Path, params: dict[str, Any], *, only_told: bool) -> Proposal | None:
    """Judge a repository, say what its definitions would change where that is anything, and give what is to be applied."""
    from feast_skew.gate.reading import Asked
    from feast_skew.gate.run import propose
    from feast_skew.gate.texts import next_step, refused_names, render_text
    from feast_skew.render.wording import one_line

    views = bool(params.get("skip_feature_view_validation"))
    try:
        proposal = propose(Asked(repo, skip_source_validation=True, skip_view_validation=views, imported=True))
    except SkewError as error:
        if only_told:
            click.echo(f"feast-skew: {one_line(error.one_line())}", err=True)
            return None
        raise Refused(error.one_line(), error.exit_code) from error
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        step = f"run `feast-skew plan --repo {shlex.quote(str(repo))} --debug` to see where"
        raise Refused(f"unexpected {type(error).__name__}: {text}; {step}", EXIT_NOT_MEASURED) from error
    if proposal.changes:
        click.echo(render_text(proposal), err=True, nl=False)
    if only_told:
        return None
    if proposal.exit_code:
        why = "could not be measured" if proposal.exit_code == EXIT_NOT_MEASURED else "makes skew"
        says, command = next_step(proposal, "plan")
        raise Refused(
            one_line(
                f"nothing was applied: the change of {refused_names(proposal)} {why}; {says} `{command}` and apply again"
            ),
            proposal.exit_code,
        )
    return proposal


def _is_feast(command: click.Context | None) -> bool:
    """Tell whether this is Feast's own command line, which shows a traceback of every error that is none of click's."""
    callback = command.find_root().command.callback if command is not None else None
    return getattr(callback, "__module__", "").partition(".")[0] == "feast"


def _wrapped(config: RepoConfig) -> type[Any]:
    """Give the class of the provider that a repository's settings name."""
    block = getattr(config, "feast_skew", None)
    name = str((block or {}).get("provider") or "local") if isinstance(block or {}, dict) else "local"
    path = PROVIDERS_CLASS_FOR_TYPE.get(name, name)
    module, _, last = path.rpartition(".")
    if not module or not last:
        raise _unwrappable(name, "")
    try:
        found: type[Any] = import_class(module, last, "Provider")
    except Exception as error:
        why = error.__cause__ or error  # Feast says that it could not import a module, and the cause says why
        raise _unwrappable(name, f" ({type(why).__name__}: {' '.join(str(why).split())[:200]})") from error
    if issubclass(found, SkewProvider):
        raise _unwrappable(name, " (it is this one again)")
    return found


def _unwrappable(name: str, why: str) -> ConfigError:
    known = ", ".join(PROVIDERS_CLASS_FOR_TYPE)
    return ConfigError(
        f"feast_skew: provider {name!r} is none that can be wrapped{why}",
        hint=f"name one of {known}, or module.Class",
    )
