"""Faces that are made, not photographed: rendered heads whose every expression is known. Start at ``render``.

Needs neither torch nor an engine. A rendered face is called so wherever it is counted, and never averaged
with real ones.
"""
