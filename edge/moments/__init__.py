"""Movements of a face that last less than half a second: measured, spotted, named. Off unless asked for.

frame -> motion (how each part of the face moved) -> spotter (when) -> watch (what, and how sure)
"""
