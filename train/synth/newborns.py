"""Four states of newborns as facial actions, for drawings of MakeHuman's babies.

Signs are those of the Neonatal Facial Coding System (Grunau and Craig, Pain 1987): brow bulge (4), eyes
squeezed shut (6, 7, 43), a deep nasolabial furrow (9, 10), lips open (25), a mouth stretched wide (20) or
tall (27). Pursed lips, a taut tongue and a quivering chin are left out: no unit moves so, and a still picture
cannot quiver. How strong a sign is in which state is ours, no measurement; none of it is for decisions about
care.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from faces.labels import NEONATAL
from train.synth.actions import Expression

SIGNS = (4, 6, 7, 9, 10, 20, 25, 27, 43)
STATES: Mapping[str, Expression] = {
    "calm": Expression({}, {43: (0.5, 0.9), 25: (0.3, 0.4), 12: (0.15, 0.4), 1: (0.15, 0.3)}),
    "cry": Expression(
        {27: 0.9, 25: 0.9, 15: 0.6, 4: 0.45}, {43: (0.7, 0.7), 6: (0.5, 0.5), 20: (0.4, 0.4), 10: (0.3, 0.4)}
    ),
    "mild_pain": Expression(
        {4: 0.5, 7: 0.45}, {43: (0.6, 0.6), 9: (0.6, 0.4), 25: (0.5, 0.5), 20: (0.3, 0.4)}
    ),
    "severe_pain": Expression(
        {4: 1.0, 7: 0.9, 43: 0.9, 6: 0.7, 9: 0.9, 10: 0.8, 20: 0.9, 25: 0.8}, {27: (0.5, 0.5)}
    ),
}
# What every picture has of every sign, at random: without it no two states would be alike in anyone.
STRAY = 0.2


def draw(state: str, strength: float, rng: np.random.Generator) -> dict[int, float]:
    """Actions of one baby in ``state`` at ``strength`` 0-1, as babies differ; ``calm`` knows no strength."""
    how = STATES[state]
    drawn = {action: mean * strength * rng.uniform(0.6, 1.25) for action, mean in how.always.items()}
    for action, (share, mean) in how.maybe.items():
        if rng.random() < share:
            drawn[action] = mean * rng.uniform(0.6, 1.25)
    for sign in rng.choice(SIGNS, 3, replace=False):
        drawn[int(sign)] = max(drawn.get(int(sign), 0.0), float(rng.uniform(0, STRAY)))
    return {action: float(np.clip(value, 0, 1)) for action, value in drawn.items()}


def in_pain(strength: float) -> dict[int, float]:
    """The signs of pain, all in proportion: nothing at 0, those of severe pain at 1."""
    return {action: mean * strength for action, mean in STATES["severe_pain"].always.items()}


assert tuple(STATES) == NEONATAL
