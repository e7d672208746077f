"""Movements that were marked or spotted in films: sheets of annotations, and how well they agree."""
