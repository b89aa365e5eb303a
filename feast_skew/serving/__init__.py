"""What serving does beyond reading views, held against the same inputs: on-demand views, precomputed vectors."""
