"""Naming the cause: one rule a file, each from the pairs of one feature to a cause with its proof."""
