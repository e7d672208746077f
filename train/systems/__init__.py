"""What is trained, and on what losses: a system a file, all listed in ``table``."""
