"""Tells owners what is new, worse or resolved: one message for each owner and run, sent once, kept while a channel is down."""
