"""Where the comparison runs, other than in this process alone."""
