"""Proposes limits from runs that were clean, and says which known incidents they would have caught."""
