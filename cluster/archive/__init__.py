"""``ferlite run --on``: readings of many files, as Parquet."""
