"""Hazards of skew that definitions and settings show by themselves, before any data is read; one file for each in `hazards`."""
