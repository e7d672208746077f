"""Expressions as facial actions, and actions as the units of a mesh.

Actions are those of the Facial Action Coding System (FACS; Ekman and Friesen, 1978).
Each expression has the actions of its PROTOTYPES always, and beside them those that Du, Tao and Martinez saw
in photographs of 230 people ("Compound facial expressions of emotion", PNAS 2014, table 1): what nearly all
showed always, the rest with the share of people who did. How strong an action is, and which units of a mesh
make it, is ours, set by looking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

# A unit's weight may go past what its sculptor called full: people's brows do.
LEAST, MOST = -1.0, 2.0
# What an action does to a mesh: unit -> weight at the action's full strength. _ stands for both sides.
ACTIONS: dict[int, dict[str, float]] = {
    1: {"browInnerUp_": 1.4},
    2: {"browOuterUp_": 1.0},
    4: {"browDown_": 2.0, "browInnerUp_": -1.0, "browOuterUp_": 0.2, "noseSneer_": 0.3, "eyeSquint_": 0.2},
    5: {"eyeWide_": 1.4},
    6: {"cheekSquint_": 0.9, "cheekRaiser_": 0.5},
    7: {"eyeSquint_": 1.1},
    9: {"noseSneer_": 1.5, "browDown_": 0.1, "cheekSquint_": 0.4, "eyeSquint_": 0.5},
    10: {"mouthUpperUp_": 1.2, "noseSneer_": 0.25},
    12: {"mouthSmile_": 1.2, "cheekSquint_": 0.2},
    14: {"mouthDimple_": 1.0},
    15: {"mouthFrown_": 1.6},
    16: {"mouthLowerDown_": 1.0},
    17: {"mouthShrugLower": 0.9, "mouthShrugUpper": 0.35},
    20: {"mouthStretch_": 1.7},
    23: {"mouthRollLower": 0.5, "mouthRollUpper": 0.5, "mouthPress_": 0.4},
    24: {"mouthPress_": 1.2, "mouthRollLower": 0.5, "mouthRollUpper": 0.4},
    25: {"mouthLowerDown_": 0.45, "mouthUpperUp_": 0.25, "jawOpen": 0.06},
    26: {"jawOpen": 0.35},
    27: {"jawOpen": 0.75},
    43: {"eyeBlink_": 1.0},
}


@dataclass(frozen=True)
class Expression:
    """``always``: actions with their mean strength 0-1; ``maybe``: action -> (share of people, strength)."""

    always: Mapping[int, float]
    maybe: Mapping[int, tuple[float, float]] = field(default_factory=dict)


# The best known prototypes of the six (EMFACS; Ekman and Friesen). Where several are given for an expression,
# that which its photographs show most; of anger's 23 or 24 both are lips pressed together.
PROTOTYPES: dict[str, tuple[int, ...]] = {
    "anger": (4, 5, 7, 24),
    "disgust": (9, 15),
    "fear": (1, 2, 4, 5, 7, 20, 26),
    "happiness": (6, 12),
    "sadness": (1, 4, 15),
    "surprise": (1, 2, 5, 26),
    "neutral": (),
}
# From neither source: lids that droop (43, in part) in sadness, a wide open mouth (27) in surprise and fear,
# a dropped jaw (26) in happiness, and how often these and 16 are shown.
EXPRESSIONS: dict[str, Expression] = {
    "anger": Expression(
        {4: 1.0, 5: 0.5, 7: 0.7, 24: 0.8}, {10: (0.26, 0.6), 17: (0.52, 0.7), 23: (0.29, 0.8)}
    ),
    "disgust": Expression(
        {9: 1.0, 10: 0.9, 15: 0.3, 17: 0.5}, {4: (0.31, 0.6), 16: (0.3, 0.5), 24: (0.26, 0.5)}
    ),
    "fear": Expression({1: 1.0, 2: 0.5, 4: 0.5, 5: 1.0, 7: 0.3, 20: 1.0, 25: 0.8, 26: 0.3}, {27: (0.2, 0.5)}),
    "happiness": Expression({6: 0.6, 12: 0.9, 25: 0.9}, {26: (0.3, 0.5)}),
    "sadness": Expression({1: 1.0, 4: 0.5, 15: 1.0}, {6: (0.5, 0.4), 17: (0.67, 0.8), 43: (0.6, 0.35)}),
    "surprise": Expression({1: 1.0, 2: 1.0, 5: 0.8, 25: 0.6, 26: 1.0}, {27: (0.5, 0.8)}),
    "neutral": Expression({}),
}


def units_of(actions: Mapping[int, float], lopsided: float = 0.0) -> dict[str, float]:
    """Unit weights, LEAST to MOST, of ``actions`` (number -> strength 0-1).

    ``lopsided`` -1 to 1: how much the person's left (positive) outdoes the right. Actions that no unit makes
    (11, 22, ...) are left out; where two actions use a unit, it gets the sum.
    """
    weights: dict[str, float] = {}
    for action, strength in actions.items():
        for name, share in ACTIONS.get(action, {}).items():
            sides = (("L", 1 + lopsided), ("R", 1 - lopsided)) if name.endswith("_") else (("", 1.0),)
            for side, factor in sides:
                weight = weights.get(name + side, 0.0) + strength * share * factor
                weights[name + side] = float(np.clip(weight, LEAST, MOST))
    return weights


def draw(expression: str, strength: float, rng: np.random.Generator) -> dict[int, float]:
    """Actions of one person's ``expression`` at ``strength`` 0-1, as people differ in showing it."""
    how = EXPRESSIONS[expression]
    actions = {action: mean * rng.uniform(0.75, 1.15) for action, mean in how.always.items()}
    for action, (share, mean) in how.maybe.items():
        if rng.random() < share:
            actions[action] = mean * rng.uniform(0.6, 1.2)
    drawn = {action: float(np.clip(value * strength, 0, 1)) for action, value in actions.items()}
    # Nobody's face is quite still: what else moves, little.
    for action in rng.choice((1, 2, 4, 7, 12, 14, 15, 17, 25), 2, replace=False):
        drawn[int(action)] = max(drawn.get(int(action), 0.0), float(rng.uniform(0, 0.12)))
    return drawn
