"""Expressions as facial actions, and actions as the units of a mesh.

Actions are those of the Facial Action Coding System (FACS; Ekman and Friesen, 1978). An expression has the
actions of its PROTOTYPES always, and beside them those that were SEEN in photographs, in as many people. How
strong an action is, and which units of a mesh make it, is ours, set by looking.

Held against public texts on 2026-11-29, a test holds the tables to each other:

- SEEN is table 1 of Du, Tao and Martinez, "Compound facial expressions of emotion" (PNAS 111, E1454, 2014),
  by a transcript of it in a public program that codes actions; its text says what the percentages are.
- happiness 6 + 12, sadness 1 + 4 + 15, surprise 1 + 2 + 5 + 26, fear 1 + 2 + 4 + 5 + 7 + 20 + 26 and disgust
  9 + 15 + 16 are the sets after EMFACS that OpenDBM's manual and Kavanagh, Whitehouse and Waller (Scientific
  Reports 14, 12798, 2024, figure 7) give. Both have 23 in anger: 4 + 5 + 7 + 23.
- anger 4 + 5 + 7 + 24, sadness and surprise stand so in FACS's own table 11-1, whose most intense rows
  Methods of Psychological Research Online (issue 4, article 3) quotes. Of disgust it takes 10 + 17 + 4; its
  fear has 25 in place of 7 and 26.
- disgust has 9, 10 or both in FACS's edition of 2002 (table 10-1, quoted by Pochedly, Widen and Russell,
  Emotion, 2012).

None of them says that people who feel so look so: actors' faces vary far more (Le Mau et al., Nature
Communications 12, 2021). What the tables draw are the faces that people call by these words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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


# Of the several that are published for an expression: see above.
PROTOTYPES: dict[str, tuple[int, ...]] = {
    "anger": (4, 5, 7, 24),
    "disgust": (9, 15, 16),
    "fear": (1, 2, 4, 5, 7, 20, 26),
    "happiness": (6, 12),
    "sadness": (1, 4, 15),
    "surprise": (1, 2, 5, 26),
    "neutral": (),
}
# Of 230 people who posed: what more than 70 % showed, and what share of them showed the others.
SEEN: dict[str, tuple[tuple[int, ...], dict[int, float]]] = {
    "anger": ((4, 7, 24), {10: 0.26, 17: 0.52, 23: 0.29}),
    "disgust": ((9, 10, 17), {4: 0.31, 24: 0.26}),
    "fear": ((1, 4, 20, 25), {2: 0.57, 5: 0.63, 26: 0.33}),
    "happiness": ((12, 25), {6: 0.51}),
    "sadness": ((4, 15), {1: 0.6, 6: 0.5, 11: 0.26, 17: 0.67}),
    "surprise": ((1, 2, 25, 26), {5: 0.66}),
    "neutral": ((), {}),
}
# From neither source, with shares of ours: lids that droop (43, in part), a mouth opened wide (27), a dropped
# jaw (26).
OURS: dict[str, tuple[int, ...]] = {"sadness": (43,), "surprise": (27,), "fear": (27,), "happiness": (26,)}
EXPRESSIONS: dict[str, Expression] = {
    "anger": Expression(
        {4: 1.0, 5: 0.5, 7: 0.7, 24: 0.8}, {10: (0.26, 0.6), 17: (0.52, 0.7), 23: (0.29, 0.8)}
    ),
    "disgust": Expression({9: 1.0, 10: 0.9, 15: 0.3, 16: 0.3, 17: 0.5}, {4: (0.31, 0.6), 24: (0.26, 0.5)}),
    "fear": Expression({1: 1.0, 2: 0.5, 4: 0.5, 5: 1.0, 7: 0.3, 20: 1.0, 25: 0.8, 26: 0.3}, {27: (0.2, 0.5)}),
    "happiness": Expression({6: 0.6, 12: 0.9, 25: 0.9}, {26: (0.3, 0.5)}),
    "sadness": Expression({1: 1.0, 4: 0.5, 15: 1.0}, {6: (0.5, 0.4), 17: (0.67, 0.8), 43: (0.6, 0.35)}),
    "surprise": Expression({1: 1.0, 2: 1.0, 5: 0.8, 25: 0.6, 26: 1.0}, {27: (0.5, 0.8)}),
    "neutral": Expression({}),
}


# The three classes of the recognition challenge of 2019 (See et al., MEGC 2019).
TONE_OF = {"happiness": "positive", "surprise": "surprise"} | dict.fromkeys(
    ("anger", "disgust", "fear", "sadness"), "negative"
)
CLEAR = 0.6  # of all likelihood


def tone_of_actions(actions: Iterable[int]) -> str:
    """The tone of the expressions that have all of ``actions``, as common as they are in each; "" where two
    tones share them.
    """
    chosen, likely = set(actions), dict.fromkeys(TONE_OF.values(), 0.0)
    for name, tone in TONE_OF.items():
        each = EXPRESSIONS[name]
        shares = {**{action: share * mean for action, (share, mean) in each.maybe.items()}, **each.always}
        likely[tone] += math.prod(shares.get(action, 0.0) for action in chosen)
    best = max(likely, key=likely.__getitem__)
    return best if chosen and likely[best] > CLEAR * sum(likely.values()) else ""


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
