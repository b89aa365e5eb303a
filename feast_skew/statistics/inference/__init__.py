"""Inference from pairs: chances under an exchange of the two sides, and bounds for the population that a sample stands for.

Paired differences are mostly zeros with heavy tails, where t and F tests do not keep their promises. What is here does, or withholds its
answer: docs/coverage.md shows it by simulation.
"""
