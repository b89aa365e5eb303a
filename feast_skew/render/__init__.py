"""Reports as text: each renderer turns a report into a string, and knows nothing of where it goes."""
