"""What the defaults of the search for faces rest on: ``python -m benchmarks.detection``."""
