"""When a reading should not be relied on, and why."""

from __future__ import annotations

from collections.abc import Container

from edge.align import roll_of, turn_of
from edge.bundle_files.sections import DoubtRule
from edge.results import Face

# Degrees between the face's axis and the picture's. Of faces rolled by 30, 86 % are read as they are upright,
# of those rolled by 40, 78 % (benchmarks/rolled.py): as networks and detectors hardly saw any in training.
MOST_ROLL = 30.0
EASE = 0.1  # a doubt that stands is dropped only when its bound is kept by so much more: it would flicker


def doubts(
    face: Face, sharpness: float, top_weight: float, rule: DoubtRule, standing: Container[str] = ()
) -> dict[str, str]:
    """Reasons for "uncertain" by their kind, the most physical first; empty where there is none.

    ``face_px`` bounds the shorter side of the face's box, ``sharpness`` the crop's fine detail
    (edge.align.sharpness), ``turn`` the nose's way off the middle, ``weight`` the weight of the expression
    that is named. ``standing`` are the kinds that stood in the video's frame before.
    """
    found = {}
    side = min(face.box.width, face.box.height)
    if side < rule.face_px * (1 + EASE * ("face" in standing)):
        found["face"] = f"face too small ({side:.0f} px)"
    if sharpness < rule.sharpness * (1 + EASE * ("sharpness" in standing)):
        found["sharpness"] = f"blurred ({sharpness:.2f})"
    turn = turn_of(face)
    if turn is not None and turn > rule.turn * (1 - EASE * ("turn" in standing)):
        found["turn"] = f"turned ({turn:.2f})"
    roll = roll_of(face)
    if roll is not None and roll > MOST_ROLL * (1 - EASE * ("roll" in standing)):
        found["roll"] = f"rolled ({roll:.0f} degrees)"
    if top_weight < rule.weight * (1 + EASE * ("weight" in standing)):
        found["weight"] = f"low weight ({top_weight:.2f})"
    return found
