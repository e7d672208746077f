"""How well voices are read, whole utterances by the mean of their windows; and the split by speakers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from train.voice.change import pictures, windows
from train.voice.voice_set import CLASSES, VoiceSet

# Windows uint8 [N, 40, 96] to logits float32 [N, labels].
Ask = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
# EmoDB's speakers, a man and a woman at a time: left out of training together.
FOLDS = ((3, 8), (10, 9), (11, 13), (12, 14), (15, 16))


def logits(voices: VoiceSet, ask: Ask) -> npt.NDArray[np.float32]:
    """Of whole utterances, float32 [N, labels]: the mean over their windows."""
    cut = [windows(mel) for mel in voices.mel]
    answers = ask(pictures(np.concatenate(cut)))
    ends = np.cumsum([len(each) for each in cut])[:-1]
    return np.stack([part.mean(0) for part in np.split(answers, ends)])


def left_out(voices: VoiceSet, fold: int) -> npt.NDArray[np.bool_]:
    """Which utterances, bool [N], the ``fold``, from 0, leaves out of training."""
    return np.isin(voices.speaker, FOLDS[fold])


def refuse_unfolded(voices: VoiceSet) -> None:
    """Raise DataInvalid unless every speaker is left out once, and every fold leaves one out."""
    folded = [speaker for fold in FOLDS for speaker in fold]
    strangers = sorted(set(voices.speaker.tolist()) - set(folded))
    if strangers:
        more = f" and {len(strangers) - 1} others" if strangers[1:] else ""
        raise DataInvalid(
            f"'{voices.name}' has speaker {strangers[0]}{more}, whom nobody would judge: give --data EmoDB, "
            f"whose speakers are {', '.join(map(str, sorted(folded)))}"
        )
    for fold in range(len(FOLDS)):
        if not left_out(voices, fold).any():
            missing = " or ".join(map(str, FOLDS[fold]))
            raise DataInvalid(f"'{voices.name}' has no utterance of speaker {missing}: give all of EmoDB")


def figures(answers: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy, its 95 % interval's half, balanced accuracy, recall and precision of each; JSON-ready."""
    named = answers.argmax(1)
    right = named == labels
    share = float(right.mean())
    recall = [float(right[labels == label].mean()) for label in np.unique(labels)]
    precision = {
        name: round(float(right[named == label].mean()), 4) if (named == label).any() else None
        for label, name in enumerate(CLASSES)
    }
    return {
        "utterances": len(labels),
        "accuracy": round(share, 4),
        "within": round(1.96 * float(np.sqrt(share * (1 - share) / len(labels))), 4),
        "balanced_accuracy": round(float(np.mean(recall)), 4),
        "recall": {
            CLASSES[label]: round(value, 4) for label, value in zip(np.unique(labels), recall, strict=True)
        },
        "precision": precision,
    }


def temperature(answers: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """What logits are best divided by, so that weights are as surely right as they say (Guo et al., 2017)."""
    tried = np.exp(np.linspace(np.log(0.2), np.log(5), 200))
    losses = []
    for each in tried:
        scaled = answers / each
        lost = np.logaddexp.reduce(scaled, 1) - scaled[np.arange(len(labels)), labels]
        losses.append(float(lost.mean()))
    return round(float(tried[int(np.argmin(losses))]), 3)
