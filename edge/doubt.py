"""When a reading should not be relied on, and why."""

from __future__ import annotations

from edge.align import Image, sharpness, turn_of
from edge.bundle_sections import DoubtRule
from edge.results import Face


def doubts(face: Face, crop: Image, top_weight: float, rule: DoubtRule) -> tuple[str, ...]:
    """Reasons for "uncertain", the most physical first; empty where there is none.

    ``face_px`` bounds the shorter side of the face's box, ``sharpness`` the crop's fine detail, ``turn``
    the nose's way off the middle, ``weight`` the heaviest expression's weight.
    """
    found = []
    side = min(face.box.width, face.box.height)
    if side < rule.face_px:
        found.append(f"face too small ({side:.0f} px)")
    detail = sharpness(crop)
    if detail < rule.sharpness:
        found.append(f"blurred ({detail:.2f})")
    turn = turn_of(face)
    if turn is not None and turn > rule.turn:
        found.append(f"turned ({turn:.2f})")
    if top_weight < rule.weight:
        found.append(f"low weight ({top_weight:.2f})")
    return tuple(found)
