"""Mergeable states: what a statistic needs to know of the rows, and nothing that was derived from it.

A state is frozen and has an identity. ``of`` builds it from pairs, ``+`` adds two of them, and any split of the rows, in any order,
gives the same state to the last bit. Each file but ``base`` and ``exact_sums`` is one state.
"""
