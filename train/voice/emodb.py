"""EmoDB, packed: ten German actors say ten everyday sentences (Burkhardt et al., Interspeech 2005).

Boredom has no counterpart among our expressions and is left out; surprise was not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from train.voice.voice_set import VoiceSet, cut, gather

ARRAYS = ("pcm", "length", "name")
TERMS = "CC0 by its data card; the authors' page states no terms"
# The sixth letter of a name, by the German words: Wut, Ekel, Angst, Freude, Trauer, Langeweile.
LETTERS = {
    "W": "anger",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
    "L": None,
}


def read(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> VoiceSet:
    """The set in an .npz of ``pcm`` int16, 16 kHz, ``length`` and ``name`` (03a01Fa). Raises DataInvalid."""
    if arrays["pcm"].dtype != np.int16 or arrays["pcm"].ndim != 1:
        raise DataInvalid(f"'{path}': pcm must be int16 samples in a row")
    names = [str(name) for name in arrays["name"]]
    for name in names:
        if len(name) < 6 or name[5] not in LETTERS or not name[:2].isdigit():
            raise DataInvalid(f"'{path}': '{name}' is no name of EmoDB, such as 03a01Fa")
    sounds = cut(path, arrays["pcm"], arrays["length"])
    utterances = dict(zip(names, sounds, strict=True))
    return gather(path, "emodb", TERMS, utterances, lambda name: (LETTERS[name[5]], int(name[:2])))
