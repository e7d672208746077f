"""One file per kind of sink; ``table`` lists them. Beside them what they share: ``overlay``, ``lines``."""
