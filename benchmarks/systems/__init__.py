"""How the survey's systems were measured: sweeps, and what joins their probes into a record."""
