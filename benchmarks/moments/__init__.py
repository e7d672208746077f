"""What spotting movements that come and go is worth, and costs: ``python -m benchmarks.moments``."""
