"""Clips of rendered heads: calm at the first frame, an expression of known strength at the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.bundle_files.sections import CropRule
from edge.commands.progress import Progress
from faces.clip_set import FRAMES, RATE, Clip
from train.synth import actions, scene, skin
from train.synth.dataset import cut
from train.synth.mesh import Head, Heads
from train.synth.motion import Motion, draw_motion, film, times

SECONDS = FRAMES / RATE
# Of the expression's own strength: so little of it is there at the first frame, so much at the last.
CALM, THERE = 0.1, 0.8
DRAWS = 200  # motions that are drawn until one fits; nine of ten fit within 30


@dataclass(frozen=True)
class Wish:
    """What to make: clips of ``size`` pixels of these ``people``, each with every expression.

    ``strengths``: each expression is shown at each of them; none: at one between ``weakest`` and 1.
    """

    people: Sequence[int]
    size: int = 48
    strengths: tuple[float, ...] = ()
    weakest: float = 0.25

    @property
    def count(self) -> int:
        """How many clips that makes."""
        return len(self.people) * len(actions.EXPRESSIONS) * max(1, len(self.strengths))


def make(heads: Heads, wish: Wish, rule: CropRule) -> list[Clip]:
    """Render what ``wish`` asks for, cut by ``rule``: the same pixels for the same wish."""
    painted = skin.paint(heads.head(0))
    made = []
    with Progress("rendering", wish.count, "clips") as progress:
        for person in wish.people:
            head = heads.head(person)
            who = skin.draw_complexion(np.random.default_rng([2, person]))
            who = skin.newborn(who) if heads.newborn else who
            for label, expression in enumerate(actions.EXPRESSIONS):
                for turn in range(max(1, len(wish.strengths))):
                    rng = np.random.default_rng([9, person, label, turn])
                    drawn = float(rng.uniform(wish.weakest, 1))
                    strength = wish.strengths[turn] if wish.strengths else drawn
                    motion = fitting_motion(expression, strength, rng)
                    made.append(_shot(head, who, painted, motion, person, strength, wish.size, rule, rng))
                    progress.advance()
    return made


def fitting_motion(expression: str, strength: float, rng: np.random.Generator) -> Motion:
    """A motion of ``SECONDS`` that begins calm and whose last frame shows the expression.

    Of those drawn, the first that fits; where none does, the last.
    """
    for _ in range(DRAWS):
        motion = draw_motion(expression, strength, SECONDS, rng)
        last = SECONDS - 1 / RATE
        if not motion.curves or (motion.strength(0.0) <= CALM and motion.strength(last) >= THERE):
            break
    return motion


def _shot(
    head: Head,
    who: skin.Complexion,
    painted: skin.Paint,
    motion: Motion,
    person: int,
    strength: float,
    size: int,
    rule: CropRule,
    rng: np.random.Generator,
) -> Clip:
    fine = round(size * 1.8)
    taken = film(
        head,
        painted,
        who,
        motion,
        times(SECONDS, RATE),
        light=scene.draw_light(rng),
        size=fine,
        behind=scene.draw_background(rng, 2 * fine),
    )
    camera = scene.draw_camera(rng)
    cuts = [cut(each, rule, size) for each in taken]
    return Clip(
        np.stack([scene.photograph(face, camera, rng) for face, _ in cuts]),
        motion.expression,
        person,
        strength if motion.curves else 0.0,
        motion.moments,
        np.stack([landmarks for _, landmarks in cuts]),
    )
