"""A real Redis-compatible server process for the demo and the tests."""
