"""CREMA-D's folder AudioWAV: 91 actors, twelve English sentences (Cao et al., IEEE TAFFC 2014).

For those who fetch it themselves: its terms (Open Database License) want what is made of it to say so. Its
raters named the intended emotion in 41 % by the voice alone.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from edge.files import reason
from edge.voice.mel import RATE
from train.voice.voice_set import VoiceSet, gather

TERMS = "Open Database License: say where it is from"
LABELS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "SAD": "sadness",
    "NEU": "neutral",
}


def read(folder: Path) -> VoiceSet:
    """The set in a folder of files such as 1001_DFA_ANG_XX.wav, 16 kHz, 16 bits. Raises DataInvalid."""
    files = {path.stem: path for path in sorted(folder.glob("*.wav"))}
    if not files:
        raise DataInvalid(f"'{folder}' has no .wav files: give CREMA-D's folder AudioWAV")
    for name in files:
        parts = name.split("_")
        if len(parts) != 4 or parts[2] not in LABELS or not parts[0].isdigit():
            raise DataInvalid(f"'{folder}': '{name}' is no name of CREMA-D, such as 1001_DFA_ANG_XX")
    return gather(
        folder,
        "crema-d",
        TERMS,
        {name: _samples(path) for name, path in files.items()},
        lambda name: (LABELS[name.split("_")[2]], int(name.split("_")[0])),
    )


def _samples(path: Path) -> npt.NDArray[np.int16]:
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getframerate(), file.getsampwidth(), file.getnchannels()) != (RATE, 2, 1):
                raise DataInvalid(f"'{path}' is not {RATE} samples a second of 16 bits in one channel")
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
    except OSError as error:
        raise DataInvalid(f"'{path}' cannot be read: {reason(error)}") from error
    except (wave.Error, EOFError) as error:
        raise DataInvalid(f"'{path}' is no WAV file: {error}") from error
