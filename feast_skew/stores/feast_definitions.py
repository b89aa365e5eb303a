"""Reads the definitions of a repository: its Python files, imported as Feast imports them for `plan` and `apply`."""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from feast import FeatureStore, Project
from feast.repo_contents import RepoContents
from feast.repo_operations import get_repo_files, parse_repo

from feast_skew.errors import ConfigError

_ADDED: list[str] = []
"""The repository that this process has put on the import path: one at a time, so that names of another are never found."""


@dataclass(frozen=True)
class Definitions:
    """What the Python files of a repository define; features and keys may still have to be inferred."""

    contents: RepoContents
    files: tuple[Path, ...]


def parse_definitions(store: FeatureStore, repo: Path, *, imported: bool = False) -> Definitions:
    """Import the Python files of a repository and give what they define.

    Parameters
    ----------
    store : FeatureStore
        Of that repository; it says how the project is called.
    repo : path
        The repository's directory. Definitions are imported in it, without command line arguments; what they print goes to standard error.
    imported : bool
        Whether this process has imported them already and goes on with them, as Feast's `apply` has; otherwise they are imported anew.

    Returns
    -------
    Definitions

    Raises
    ------
    ConfigError
        When a file raises, ends the process, or the repository defines another project or several, with the file and line.
    """
    root = repo.resolve()
    with _standing_in(root):
        files = tuple(get_repo_files(root))
        if not imported:
            _forget(root, files)
        try:
            contents = parse_repo(root)
        except SystemExit as error:
            raise ConfigError(
                f"{_place(error, root, files)}: the definitions end the process (exit code {error.code})",
                hint='what is a script belongs behind `if __name__ == "__main__":`',
            ) from error
        except Exception as error:
            text = " ".join(str(error).split())[:300]
            raise ConfigError(
                f"{_place(error, root, files)}: {type(error).__name__}: {text}"
                if text
                else f"{_place(error, root, files)}: {type(error).__name__}",
                hint="correct the definitions; `feast plan` stops at the same place",
            ) from error
    return Definitions(_of_project(store, contents, repo), files)


def _of_project(store: FeatureStore, contents: RepoContents, repo: Path) -> RepoContents:
    """Make sure that the definitions belong to the project of the settings, as Feast does."""
    names = [project.name for project in contents.projects]
    if len(names) > 1:
        raise ConfigError(
            f"{repo} defines {len(names)} projects ({', '.join(sorted(names))})",
            hint="Feast takes one for each repository; give each its own directory",
        )
    if names and names[0] != store.project:
        raise ConfigError(
            f"{repo} defines project {names[0]!r}, and its feature_store.yaml names {store.project!r}",
            hint="give both the same name",
        )
    if not names:
        contents.projects.append(Project(name=store.project, description=store.config.project_description or ""))
    return contents


@contextlib.contextmanager
def _standing_in(root: Path) -> Iterator[None]:
    """Import as Feast does from inside of the repository: its directory is the working directory, and on the path from now on.

    Code that is imported later, by a function of a definition, is found there, too.
    """
    here, arguments, writes = Path.cwd(), sys.argv, sys.dont_write_bytecode
    for path in _ADDED:
        with contextlib.suppress(ValueError):
            sys.path.remove(path)
    _ADDED[:] = [str(root)]
    sys.path.insert(0, str(root))
    os.chdir(root)
    sys.argv, sys.dont_write_bytecode = ["feast"], True
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.argv, sys.dont_write_bytecode = arguments, writes
        os.chdir(here)


def _forget(root: Path, files: tuple[Path, ...]) -> None:
    """Forget modules of the repository, and those of others by the names of its own, so that they are read as they are now."""
    linecache.clearcache()  # Feast takes the code of functions from there
    names = {".".join(file.relative_to(root).with_suffix("").parts) for file in files}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        inside = file is not None and Path(file).is_relative_to(root) and "site-packages" not in file
        if inside or name in names:
            del sys.modules[name]


def _place(error: BaseException, root: Path, files: tuple[Path, ...]) -> str:
    """Say in which file of the repository, and where in it, an error came up."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(root):
        return f"{Path(error.filename).relative_to(root)}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    known = {str(file) for file in files}
    for frame in reversed(frames):
        if frame.filename in known or Path(frame.filename).is_relative_to(root):
            return f"{Path(frame.filename).relative_to(root)}:{frame.lineno}"
    return str(root)
