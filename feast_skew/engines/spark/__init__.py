"""The engine on Spark: executors read, compare and count; the driver merges what they counted."""
