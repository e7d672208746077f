"""When a reading should not be relied on, and why."""

from __future__ import annotations

from edge.align import Image, roll_of, sharpness, turn_of
from edge.bundle_sections import DoubtRule
from edge.results import Face

# Degrees between the face's axis and the picture's. Of faces rolled by 30, 86 % are read as they are upright,
# of those rolled by 40, 78 % (benchmarks/rolled.py): as networks and detectors hardly saw any in training.
MOST_ROLL = 30.0


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
    roll = roll_of(face)
    if roll is not None and roll > MOST_ROLL:
        found.append(f"rolled ({roll:.0f} degrees)")
    if top_weight < rule.weight:
        found.append(f"low weight ({top_weight:.2f})")
    return tuple(found)
