"""Voices with labels: log-mel of whole utterances, who speaks, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from edge.voice.mel import BANDS, log_mel

# What is heard of a voice: surprise is in no set that may be learnt from.
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "neutral")


@dataclass(frozen=True)
class VoiceSet:
    """Utterances. ``mel``: float32 [frames, 40] each; ``labels`` int64 [N] indexes CLASSES, ``speaker`` int64
    [N] is the same number for the same person. ``sound``: int16 samples at 16 kHz each, empty where only
    log-mel is there.
    """

    name: str
    mel: tuple[npt.NDArray[np.float32], ...]
    labels: npt.NDArray[np.int64]
    speaker: npt.NDArray[np.int64]
    terms: str
    sound: tuple[npt.NDArray[np.int16], ...] = ()

    def __len__(self) -> int:
        return len(self.mel)

    def take(self, which: npt.NDArray[Any]) -> VoiceSet:
        """The utterances that a mask [N] or an index array selects."""
        chosen = np.arange(len(self))[which]
        return replace(
            self,
            mel=tuple(self.mel[index] for index in chosen),
            labels=self.labels[chosen],
            speaker=self.speaker[chosen],
            sound=tuple(self.sound[index] for index in chosen) if self.sound else (),
        )


def cut(path: Path, rows: npt.NDArray[Any], lengths: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Utterances that lie in a row, one by one. Raises DataInvalid where the lengths are not theirs."""
    whole = lengths.ndim == 1 and lengths.dtype.kind in "iu" and (len(lengths) == 0 or lengths.min() > 0)
    if not whole or int(lengths.sum()) != len(rows):
        raise DataInvalid(f"'{path}': the lengths of the utterances do not sum to what there is of them")
    return np.split(rows, np.cumsum(lengths)[:-1])


def gather(
    path: Path,
    name: str,
    terms: str,
    utterances: Mapping[str, npt.NDArray[Any]],
    told: Callable[[str], tuple[str | None, int]],
) -> VoiceSet:
    """A set of ``utterances`` by name: int16 samples, or float32 [frames, 40]. ``told`` gives a name's label
    (None: left out) and speaker. Raises DataInvalid.
    """
    kept = [(told(each), sound) for each, sound in utterances.items()]
    kept = [each for each in kept if each[0][0] is not None]
    if not kept:
        raise DataInvalid(f"'{path}' has no utterance of {', '.join(CLASSES)}")
    heard = [content for _, content in kept]
    sounds = heard[0].ndim == 1
    mel = tuple(log_mel(each) if sounds else each.astype(np.float32) for each in heard)
    if any(each.shape[1:] != (BANDS,) or not len(each) for each in mel):
        raise DataInvalid(f"'{path}' has an utterance that is too short, or has not {BANDS} bands")
    labels = [CLASSES.index(str(label)) for (label, _), _ in kept]
    speakers = [speaker for (_, speaker), _ in kept]
    return VoiceSet(
        name,
        mel,
        np.array(labels, np.int64),
        np.array(speakers, np.int64),
        terms,
        tuple(heard) if sounds else (),
    )
