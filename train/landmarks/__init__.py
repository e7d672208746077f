"""A landmark network of our own: 68 points of a face, and which of them can be seen. Start at ``learn``."""
