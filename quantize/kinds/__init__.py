"""Bundles of other kinds than "expression": landmarks, voice, spotter. A file each, and what they share."""
