"""Run `feast-skew validate` as a Spark application, by the engine on Spark; its exit code is the one of the command."""

from __future__ import annotations

import sys

from feast_skew.cli.main import main
from feast_skew.engines.spark.session import open_session


def run(arguments: list[str]) -> None:
    """Validate in the session of this application, which is in UTC while it lasts."""
    named = any(word.partition("=")[0] == "--engine" for word in arguments)
    sys.argv = ["feast-skew", "validate", *([] if named else ["--engine", "spark"]), *arguments]
    # What an offline store on Spark needs happens in this session, too, whichever engine is named.
    main(within=lambda: open_session("feast-skew validate"))


if __name__ == "__main__":
    run(sys.argv[1:])
