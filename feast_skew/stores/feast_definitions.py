"""Reads the definitions of a repository: its Python files, as `feast plan` imports them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from feast.repo_contents import RepoContents


@dataclass(frozen=True)
class Definitions:
    """What the Python files of a repository define."""

    contents: RepoContents


def parse_definitions(repo: Path) -> Definitions:
    """Import the Python files of a repository as Feast does."""
    import contextlib
    import os
    import sys

    from feast.repo_config import load_repo_config
    from feast.repo_operations import _get_repo_contents

    root = repo.resolve()
    sys.path.insert(0, str(root))
    before = Path.cwd()
    os.chdir(root)
    try:
        config = load_repo_config(root, root / "feature_store.yaml")
        with contextlib.redirect_stdout(sys.stderr):
            return Definitions(_get_repo_contents(root, config.project, config))
    finally:
        os.chdir(before)
        sys.path.remove(str(root))
