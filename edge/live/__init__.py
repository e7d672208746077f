"""A run that goes on for weeks: its numbers, its ways out, what keeps it going. See docs/live.md."""
