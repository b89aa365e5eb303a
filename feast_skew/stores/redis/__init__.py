"""Redis, read in bulk: Feast's layout in it, its wire, its deployments, and the reader over all of them."""
