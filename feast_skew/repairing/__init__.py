"""Repairing: exactly the wrong rows of a run are written again online, from the offline rows, and verified."""
