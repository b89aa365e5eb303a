"""Measuring: the sample, both reads, alignment and pairs of a view, over any pair of readers."""
