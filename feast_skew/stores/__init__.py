"""Adapters to the two stores: Feast's registry, online and offline interfaces, Redis keys, Parquet files, tables."""
