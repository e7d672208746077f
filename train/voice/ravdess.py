"""RAVDESS's speech, packed as log-mel: 24 actors, English (Livingstone and Russo, PLOS ONE 2018).

Its terms allow no weights that ship: it is a test only, in another language. Calm is left out, it is
another word for what EmoDB calls neutral; so is surprise.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from train.voice.voice_set import VoiceSet, cut, gather

ARRAYS = ("mel", "length", "name")
TERMS = "CC BY-NC-SA 4.0: a test only"
NUMBERS = {
    "01": "neutral",
    "02": None,
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": None,
}


def read(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> VoiceSet:
    """The set in an .npz of ``mel`` uint8 [frames, 40] ((ln + 14) * 255 / 20), ``length`` and ``name``
    (modality-channel-emotion-intensity-statement-repetition-actor). Raises DataInvalid.
    """
    if arrays["mel"].dtype != np.uint8 or arrays["mel"].ndim != 2:
        raise DataInvalid(f"'{path}': mel must be uint8 [frames, bands]")
    names = [str(name) for name in arrays["name"]]
    for name in names:
        parts = name.split("-")
        if len(parts) != 7 or parts[2] not in NUMBERS or not parts[6].isdigit():
            raise DataInvalid(f"'{path}': '{name}' is no name of RAVDESS, such as 03-01-06-01-02-01-12")
    heard = [part.astype(np.float32) * 20 / 255 - 14 for part in cut(path, arrays["mel"], arrays["length"])]
    utterances = dict(zip(names, heard, strict=True))
    return gather(
        path,
        "ravdess",
        TERMS,
        utterances,
        lambda name: (NUMBERS[name.split("-")[2]], int(name.split("-")[6])),
    )
