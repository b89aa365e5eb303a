"""What a feature would be if it were computed again from its events, for any window, aggregate, lag or zone of its days."""
