"""Judging: from pairs to numbers, from numbers to verdicts, by the rules that docs/judging.md states."""
