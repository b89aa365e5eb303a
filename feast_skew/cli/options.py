"""Options that several commands share, so that one means the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def _size(value: str) -> int | str:
    """Read a number of entities, or all of them."""
    return "all" if value == "all" else int(click.IntRange(min=1)(value))


REPO = click.option(
    "--repo", default=".", show_default=True, metavar="DIR", help="Feast repository (with feature_store.yaml)."
)
CONFIG = click.option("--config", metavar="FILE", help="Settings.  [default: feast_skew.yaml in the repository]")
SAMPLE = click.option("--sample", type=_size, metavar="N|all", help="Entities per entity key set.  [default: 10000]")
SEED = click.option("--seed", type=int, metavar="N", help="Seed of the sample.  [default: 0]")
ENGINE = click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="Where the comparison runs.",
)
QUIET = click.option("--quiet", is_flag=True, help="Print nothing but errors and --output -.")
NO_PROGRESS = click.option("--no-progress", is_flag=True, help="Show no progress bars.")
DEBUG = click.option("--debug", is_flag=True, help="Show a traceback with an error.")


def outputs(text: str) -> Callable[[Command], Command]:
    """Give `--output FORMAT=PATH`, whose help names the formats."""
    return click.option("--output", "outputs", multiple=True, metavar="FORMAT=PATH", help=text)
