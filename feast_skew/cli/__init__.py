"""The command line: parses, calls the public functions, prints, and chooses the exit code."""
