"""ferlite beside what a user would pick instead, on the same frames in one run."""
