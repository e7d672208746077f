"""The families of heads that there are: a file says by its arrays which it is."""

from __future__ import annotations

from pathlib import Path

from edge.errors import DataInvalid
from train.synth.makehuman import MakeHumanHeads
from train.synth.mesh import Heads, IctHeads, arrays_of


def load_heads(path: Path, ages: tuple[str, ...] = ()) -> Heads:
    """The family of heads in a packed .npz; ``ages`` (default: its own) of a family that has them.

    Raises DataInvalid.
    """
    if "macro" in arrays_of(path):
        return MakeHumanHeads(path, ages) if ages else MakeHumanHeads(path)
    if ages:
        raise DataInvalid(f"'{path}' holds ICT-FaceKit's heads, which have no ages: give MakeHuman's")
    return IctHeads(path)
