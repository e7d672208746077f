"""Input that somebody made to do harm: bundles with one bit changed, files that are not what they were."""
