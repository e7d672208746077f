"""Counterfactual fairness on rendered heads: the same face in all but one thing, and whether it is read so.

A head of MakeHuman's is rendered, then rendered anew with only its ancestry, sex, age or skin changed: the
shape that is its own, the units of its expression, light, pose, background and camera stay. How often the
reading changes is told beside two controls: another draw of the camera's noise, and another person of the
same kind. The question is that of Kusner et al. ("Counterfactual fairness", NeurIPS 2017), asked of pictures.

What it does not show: how people of any group are read. The heads are rendered, and how a group's faces move,
how it dresses, and how often cameras expose it wrongly are not in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.classify import softmax
from edge.commands.progress import Progress
from edge.errors import DataInvalid
from edge.files import read_record
from faces import metrics
from faces.crop_rule import crop_rule_of
from faces.labels import EXPRESSIONS, refuse_other
from train.classifier import BundleSubject
from train.evaluate import environment
from train.synth import actions, dataset, scene, skin
from train.synth.families import load_heads
from train.synth.makehuman import ANCESTRIES, SEXES, MakeHumanHeads, Person
from train.synth.render import render

KIND, SCHEMA = "ferlite-fairness", 1
SOURCE = "rendered MakeHuman"
AGES = ("child", "young", "old")
SKINS = {"dark": 0.2, "middle": 0.4, "light": 0.65}  # reflectance, as far apart as synth draws it
GROUPS = {"ancestry": ANCESTRIES, "sex": SEXES, "age": AGES, "skin": tuple(SKINS)}
NOISE, OTHER = "camera's noise alone", "another person like them"
CONTROLS = (NOISE, OTHER)
SIDE = 48  # pixels: the side at which the shipped networks were taught
YAW, STRENGTH = 15.0, 1.0
NOT_SHOWN = (
    "Rendered heads are not people: this shows what a network does when a drawn shape or tone alone changes, "
    "not how any group of people is read"
)


class Kind(NamedTuple):
    """Who is rendered: one of each of GROUPS."""

    ancestry: str
    sex: str
    age: str
    skin: str


@dataclass(frozen=True)
class Twins:
    """N faces and those that differ from them in one thing.

    ``faces`` uint8 [N, S, S]; ``label`` int64 [N] of EXPRESSIONS; ``kind``: who each is; ``base`` int64 [N]:
    the face that each was changed from, its own index where it was not; ``changed``: the name of what was,
    "" for a base.
    """

    faces: npt.NDArray[np.uint8]
    label: npt.NDArray[np.int64]
    kind: tuple[Kind, ...]
    base: npt.NDArray[np.int64]
    changed: tuple[str, ...]


def make(path: Path, people: int, side: int) -> Twins:
    """Twins of ``people`` heads in ``path`` (MakeHuman's), with every expression each, ``side`` pixels.

    Raises DataInvalid.
    """
    heads = load_heads(path)
    if not isinstance(heads, MakeHumanHeads):
        raise DataInvalid(f"'{path}' holds heads without ancestry, sex and age: give MakeHuman's")
    faces: list[npt.NDArray[np.uint8]] = []
    label: list[int] = []
    kinds: list[Kind] = []
    base: list[int] = []
    changed: list[str] = []
    painted = skin.paint(heads.head(0))
    with Progress("rendering", people * len(EXPRESSIONS), "expressions") as progress:
        for number in range(people):
            studio = _Studio(heads, painted, number, side)
            for which, expression in enumerate(EXPRESSIONS):
                first = len(faces)
                for kind, what, face in studio.twins(expression):
                    faces.append(face)
                    label.append(which)
                    kinds.append(kind)
                    base.append(first)
                    changed.append(what)
                progress.advance()
    return Twins(np.stack(faces), np.array(label), tuple(kinds), np.array(base), tuple(changed))


class _Studio:
    """One person, lit and photographed the same way whatever is changed of them."""

    def __init__(self, heads: MakeHumanHeads, painted: skin.Paint, number: int, side: int) -> None:
        rng = np.random.default_rng([81, number])
        self._heads, self._number, self._side = heads, number, side
        self.kind = Kind(*(str(rng.choice(groups)) for groups in GROUPS.values()))
        self._who = skin.draw_complexion(rng)
        self._painted, self._rule = painted, crop_rule_of("fer2013")

    def twins(self, expression: str) -> Iterator[tuple[Kind, str, npt.NDArray[np.uint8]]]:
        """The person as they are, changed in each thing, and controls: who, what was changed, the face."""
        crop, camera = self._rendered(expression, self.kind)
        yield self.kind, "", self._photographed(crop, camera)
        for what, groups in GROUPS.items():
            for group in groups:
                if group != getattr(self.kind, what):
                    other = self.kind._replace(**{what: group})
                    yield other, what, self._photographed(*self._rendered(expression, other))
        yield self.kind, NOISE, self._photographed(crop, camera, noise=1)
        yield self.kind, OTHER, self._photographed(*self._rendered(expression, self.kind, shape=1))

    def _photographed(
        self, crop: npt.NDArray[np.uint8], camera: scene.Camera, noise: int = 0
    ) -> npt.NDArray[np.uint8]:
        return scene.photograph(crop, camera, np.random.default_rng([84, self._number, noise]))

    def _rendered(
        self, expression: str, kind: Kind, shape: int = 0
    ) -> tuple[npt.NDArray[np.uint8], scene.Camera]:
        person = Person({kind.ancestry: 1.0}, float(SEXES.index(kind.sex)), {kind.age: 1.0})
        head = self._heads.head_of(person, np.random.default_rng([82, self._number, shape]))
        # All that is drawn is drawn anew from the same seed, so that nothing but ``kind`` can differ.
        rng = np.random.default_rng([83, self._number, EXPRESSIONS.index(expression)])
        units = actions.units_of(actions.draw(expression, STRENGTH, rng))
        fine = max(96, round(self._side * 1.8))
        taken = render(
            head,
            head.able(units),
            self._painted,
            # A beard would tell the sex without any change of shape.
            replace(self._who, skin=SKINS[kind.skin], beard=0.0),
            view=scene.draw_view(rng, YAW),
            light=scene.draw_light(rng),
            size=fine,
            behind=scene.draw_background(rng, 2 * fine),
        )
        face, _ = dataset.cut(taken, self._rule, self._side)
        return face, scene.draw_camera(rng)


def measure(subject: BundleSubject, twins: Twins) -> dict[str, Any]:
    """What the bundle says of ``twins``, JSON-ready.

    Raises DataInvalid for a bundle of other labels than the seven expressions.
    """
    refuse_other(f"bundle '{subject.bundle.path}'", subject.labels, "rendered heads", EXPRESSIONS)
    weights = softmax(subject.logits(twins.faces).astype(np.float32), subject.scaling(""))
    answer = weights.argmax(1)
    moved = 0.5 * np.abs(weights - weights[twins.base]).sum(1)
    flipped = answer != answer[twins.base]
    changed = np.array(twins.changed)
    rows = [_row(what, changed == what, flipped, moved, twins.label) for what in (*GROUPS, *CONTROLS)]
    return {
        "model": subject.describe(),
        "prior": subject.bundle.prior,
        "changed": rows,
        "read_as": _by_group(twins, answer, changed),
    }


def record(twins: Twins, rows: Sequence[dict[str, Any]], command: str) -> dict[str, Any]:
    """The record of one or more bundles on ``twins``, which ``command`` measured; JSON-ready."""
    bases = twins.changed.count("")
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "command": command,
        "environment": environment(),
        "source": SOURCE,
        "real": False,
        "not_shown": NOT_SHOWN,
        "people": bases // len(EXPRESSIONS),
        "faces": len(twins.faces),
        "bundles": list(rows),
    }


def _row(
    what: str,
    chosen: npt.NDArray[np.bool_],
    flipped: npt.NDArray[np.bool_],
    moved: npt.NDArray[np.floating],
    label: npt.NDArray[np.int64],
) -> dict[str, Any]:
    pairs = int(chosen.sum())
    low, high = metrics.wilson_interval(float(flipped[chosen].mean()), pairs) if pairs else (0.0, 1.0)
    return {
        "what": what,
        "control": what in CONTROLS,
        "pairs": pairs,
        "otherwise": _share(flipped[chosen]),
        "interval": (round(low, 4), round(high, 4)),
        "moved": _share(moved[chosen]),
        "per_class": {
            name: _share(flipped[chosen & (label == number)]) for number, name in enumerate(EXPRESSIONS)
        },
    }


def _by_group(
    twins: Twins, answer: npt.NDArray[np.int64], changed: npt.NDArray[np.str_]
) -> dict[str, dict[str, Any]]:
    """Of each group, how often its faces are named as they were made, and what the neutral ones are called.

    The same heads are in every group of a row: a base, and those that were changed from it in this thing.
    """
    found: dict[str, dict[str, Any]] = {}
    for what, groups in GROUPS.items():
        alike = (changed == what) | (changed == "")
        found[what] = {}
        for group in groups:
            of_it = alike & np.array([getattr(kind, what) == group for kind in twins.kind])
            calm = of_it & (twins.label == EXPRESSIONS.index("neutral"))
            named = np.bincount(answer[calm], minlength=len(EXPRESSIONS)) / max(1, int(calm.sum()))
            found[what][group] = {
                "faces": int(of_it.sum()),
                "as_made": _share(answer[of_it] == twins.label[of_it]),
                "neutral_called": {
                    EXPRESSIONS[number]: round(float(share), 4) for number, share in enumerate(named) if share
                },
            }
    return found


def read(path: Path) -> dict[str, Any]:
    """A record of ``ferlite-train fairness --record``. Raises DataInvalid."""
    return read_record(path, KIND, SCHEMA, "ferlite-train fairness --record")


HEADINGS = ("", "pairs", "read otherwise", "weight moved", *EXPRESSIONS)


def cells(found: dict[str, Any]) -> Iterator[list[str]]:
    """The rows of a bundle's table, below HEADINGS."""
    for row in found["changed"]:
        low, high = row["interval"]
        yield [
            f"rendered, {row['what']}" + (" (control)" if row["control"] else " changed"),
            str(row["pairs"]),
            f"{row['otherwise']:.0%} ({low:.0%} to {high:.0%})",
            f"{row['moved']:.2f}",
            *(f"{row['per_class'][label]:.0%}" for label in EXPRESSIONS),
        ]


def about_groups(found: dict[str, Any]) -> list[str]:
    """A line for each thing: how often each group's rendered faces are named as they were made."""
    return [
        f"{what}: " + ", ".join(f"{group} {row['as_made']:.0%}" for group, row in groups.items())
        for what, groups in found["read_as"].items()
    ]


def as_text(whole: dict[str, Any]) -> str:
    """The record for a terminal of 80 columns."""
    lines = []
    for found in whole["bundles"]:
        lines += [
            f"{found['model']['name']}, {found['model']['engine']}",
            f"{'rendered, changed':32}{'pairs':>6}{'read otherwise':>22}{'weight moved':>14}",
        ]
        for name, pairs, share, moved, *_ in cells(found):
            what = name.removeprefix("rendered, ").removesuffix(" changed")
            lines.append(f"{what:32}{pairs:>6}{share:>22}{moved:>14}")
        lines += ["named as made, " + each for each in about_groups(found)]
    return "\n".join([*lines, f"{whole['people']} rendered heads. {whole['not_shown']}."])


def _share(values: npt.NDArray[Any]) -> float:
    return round(float(values.mean()), 4) if len(values) else 0.0
