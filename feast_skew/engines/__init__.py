"""Engines: where a run finds its population, reads and measures: in this process, or on the executors of Spark."""
