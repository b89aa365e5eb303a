"""`python -m feast_skew` is the command `feast-skew`."""

from feast_skew.cli.main import main

main()
