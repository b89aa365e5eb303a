"""What executors run: functions from batches to batches, which need neither Feast nor Spark to be imported.

Each is the body of a `mapInArrow`. A task that is repeated gives its rows anew, and Spark keeps those of one attempt, so that
nothing is counted twice.
"""
