"""Metrics: from the profile of a feature to one number each, with what belongs to it.

Each file but ``base`` is one metric. What cannot be computed is `Undefined` with its reason; no metric gives NaN.
"""
