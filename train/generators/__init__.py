"""Networks that make what classifiers learn from."""
