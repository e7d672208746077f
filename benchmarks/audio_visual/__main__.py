"""What a voice adds to a face, by how bad each is. Writes records/audio_visual.json.

    python -m benchmarks.audio_visual RUN --data fer2013.npz --voices emodb_pcm.npz

RUN is a run of 'ferlite train voice'. Each utterance of EmoDB is read by the network that never heard its
speaker, and paired BY LABEL with faces of FER2013's private split, which the shipped default bundle reads:
nobody was recorded speaking with such a face. So their errors are independent, which those of a real voice
and its face are not, and what is gained here is more than a real recording would gain. The moments and
their joining are the runtime's own (edge.voice). How often either is right when it names an expression, by
which they are joined, is taken from other speakers, and from FER2013's public split.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.audio_visual.table import FACES, VOICES, alone, grid_table, parts
from benchmarks.record import origin, save
from edge import bundle as bundles
from edge.bundle_files.sections import Scaling
from edge.classify import Classifier, load_classifier, softmax
from edge.engine import EngineOptions
from edge.results import VoiceReading
from edge.voice.fuse import APART_S, MOMENTS, POWER, Fuser, Moment
from edge.voice.mel import FRAMES, HOP, RATE, log_mel, loudness, picture
from edge.voice.reader import SILENT_DB, presence
from faces.corruptions import corrupt
from faces.crop_rule import crop_rule_of
from faces.face_set import FaceSet, load_fer2013
from quantize.kinds.voice import precision_of_faces
from train.voice import judge, readers
from train.voice.cli import folder
from train.voice.learn import load_learnt
from train.voice.voice_set import CLASSES, VoiceSet

RECORD = Path(__file__).parents[1] / "records" / "audio_visual.json"
KINDS = {"dark": ("dark", 2), "masked": ("mask", 2)}
PAIRS = 2  # faces for each utterance
STEP = round(APART_S * RATE / HOP)  # frames of log-mel between two moments
Heard = list[list[VoiceReading | None]]
Seen = list[list[dict[str, float] | None]]


@dataclass(frozen=True)
class Pairs:
    """Utterances and faces of the same label: row ``utterance[k]`` with row ``face[k]``."""

    utterance: npt.NDArray[np.int64]
    face: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]


def paired(voices: VoiceSet, faces: FaceSet) -> Pairs:
    """Each utterance with PAIRS faces of its label, drawn from a fixed seed."""
    rng, rows = np.random.default_rng(1), []
    for label, name in enumerate(CLASSES):
        those = rng.permutation(np.flatnonzero(faces.labels == faces.classes.index(name)))
        spoken = np.repeat(np.flatnonzero(voices.labels == label), PAIRS)
        rows += [(one, those[number % len(those)], label) for number, one in enumerate(spoken)]
    return Pairs(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))


def noisy(sound: npt.NDArray[np.int16], over_db: float, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Samples with noise that falls by 3 dB an octave, ``over_db`` under the utterance."""
    if np.isinf(over_db):
        return sound
    spectrum = np.fft.rfft(rng.normal(size=len(sound)))
    noise = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 50), len(sound))
    power = float(np.mean(sound.astype(np.float64) ** 2)) / 10 ** (over_db / 10)
    mixed = sound + noise / noise.std() * np.sqrt(power)
    return np.clip(mixed, -32768, 32767).astype(np.int16)


def heard(run: Path, voices: VoiceSet, over_db: float | None, warmth: float) -> Heard:
    """What every utterance says at its moments to the network that never heard its speaker."""
    readings: Heard = [[None] * MOMENTS for _ in range(len(voices))]
    if over_db is None:
        return readings
    scaling = Scaling.of_temperature(warmth, len(CLASSES))
    for fold in range(len(judge.FOLDS)):
        learnt = load_learnt(folder(run, fold))
        for index in np.flatnonzero(judge.left_out(voices, fold)):
            sound = noisy(voices.sound[index], over_db, np.random.default_rng([1, int(index)]))
            mel = log_mel(sound)
            cut = [mel[start : start + FRAMES] for start in range(0, MOMENTS * STEP, STEP)]
            cut = [each for each in cut if len(each) == FRAMES]
            weights = softmax(learnt.ask(np.stack([picture(each) for each in cut])), scaling)
            loud = loudness(sound)
            for number, (each, row) in enumerate(zip(cut, weights, strict=True)):
                there = presence(each) if loud > SILENT_DB else 0.0
                named = dict(zip(CLASSES, map(float, row), strict=True))
                readings[index][number] = VoiceReading(named, there, loud)
    return readings


def seen(classifier: Classifier, faces: FaceSet, chosen: npt.NDArray[np.int64], kind: str) -> Seen:
    """What every chosen face says at its moments, each a pixel elsewhere and with noise of its own."""
    if kind == "none":
        return [[None] * MOMENTS for _ in chosen]
    rng = np.random.default_rng(2)
    rows: list[Any] = []
    for _ in range(MOMENTS):
        moved = np.stack([np.roll(face, rng.integers(-1, 2, 2), (0, 1)) for face in faces.faces[chosen]])
        if kind in KINDS:
            moved = corrupt(moved, *KINDS[kind], crop_rule_of("fer2013"))
        grain = np.clip(moved + rng.normal(0, 3, moved.shape), 0, 255).astype(np.uint8)
        parts = [classifier(list(grain[start : start + 64])) for start in range(0, len(grain), 64)]
        rows.append(np.concatenate(parts))
    labels = classifier.labels
    return [[dict(zip(labels, map(float, row), strict=True)) for row in each] for each in np.stack(rows, 1)]


def read(
    faces: Seen,
    voices: Heard,
    pairs: Pairs,
    reliability: Sequence[Mapping[str, Mapping[str, float]]],
    *,
    key_moments: bool = True,
    power: float = POWER,
    between: Seen | None = None,
) -> float:
    """The share of pairs that are read as labelled, of all by the runtime's own joining; None where there
    is neither.

    ``between``: faces that stand, silent, in the place of every other moment.
    """
    right = 0
    for number, utterance in enumerate(pairs.utterance):
        fuser = Fuser(reliability[utterance], key_moments, power)
        weights: Mapping[str, float] | None = None
        for moment in range(MOMENTS):
            face, voice = faces[number][moment], voices[utterance][moment]
            if between is not None and moment % 2:
                face, voice = between[number][moment], None
            weights = fuser(Moment(moment * APART_S, face, voice))
        # Where there is neither nothing is named, and that is not right.
        right += (
            weights is not None and max(weights, key=weights.__getitem__) == CLASSES[pairs.labels[number]]
        )
    return round(right / len(pairs.labels), 4)


def reliabilities(
    run: Path, voices: VoiceSet, face: Mapping[str, float]
) -> list[Mapping[str, Mapping[str, float]]]:
    """For each utterance how far face and voice are to be believed, its own speakers left out."""
    answers = np.zeros((len(voices), len(CLASSES)), np.float32)
    for fold in range(len(judge.FOLDS)):
        out = judge.left_out(voices, fold)
        answers[out] = judge.logits(voices.take(out), load_learnt(folder(run, fold)).ask)
    found: list[Mapping[str, Mapping[str, float]]] = [{}] * len(voices)
    for fold in range(len(judge.FOLDS)):
        out = judge.left_out(voices, fold)
        told = judge.figures(answers[~out], voices.labels[~out])["precision"]
        both = {"face": dict(face), "voice": {name: value or 0.0 for name, value in told.items()}}
        for index in np.flatnonzero(out):
            found[index] = both
    return found


def grid(run: Path, voices: VoiceSet, faces: FaceSet, public: FaceSet, plain: Path | None) -> dict[str, Any]:
    """The record's cells and ablations, JSON-ready."""
    bundle = bundles.load()
    classifier = load_classifier(bundle, "onnx", EngineOptions(threads=1), "balanced")
    pairs = paired(voices, faces)
    believed = reliabilities(run, voices, precision_of_faces(classifier, public))
    warmth = float(json.loads((run / "record.json").read_text())["temperature"])
    by_voice = {name: heard(run, voices, over, warmth) for name, over in VOICES.items()}
    by_face = {kind: seen(classifier, faces, pairs.face, kind) for kind in FACES}
    nothing: Heard = [[None] * MOMENTS for _ in range(len(voices))]
    nobody: Seen = [[None] * MOMENTS for _ in pairs.face]
    alone = {kind: read(each, nothing, pairs, believed) for kind, each in by_face.items()}
    said = {name: read(nobody, each, pairs, believed) for name, each in by_voice.items()}
    cells = []
    for voice, told in by_voice.items():
        for face, looks in by_face.items():
            if voice == face == "none":
                continue
            both = read(looks, told, pairs, believed)
            single = max(said[voice], alone[face])
            summed = read(looks, told, pairs, believed, power=1.0)
            cells.append(
                {"voice": voice, "face": face, "fused": both, "best single": single, "plain sum": summed}
            )
    calm = np.flatnonzero(faces.labels == faces.classes.index("neutral"))
    rest = np.random.default_rng(3).choice(calm, len(pairs.face))
    between = seen(classifier, faces, rest, "clean")
    moments = {
        word: read(by_face["clean"], by_voice["clean"], pairs, believed, key_moments=on, between=between)
        for word, on in (("key moments", True), ("all moments alike", False))
    }
    record: dict[str, Any] = {
        "pairs": len(pairs.labels),
        "utterances": len(voices),
        "bundle": bundle.name,
        "voice": said,
        "face": alone,
        "cells": cells,
        "half of the moments silent and neutral": moments,
    }
    if plain is not None:
        runs = {"attention": run, "no attention": plain}
        told = {word: json.loads((where / "record.json").read_text()) for word, where in runs.items()}
        record["attention"] = {
            word: {key: each["speakers left out"][key] for key in ("accuracy", "balanced_accuracy")}
            | {"parameters": each["model"]["parameters"]}
            for word, each in told.items()
        }
    return record


def networks(run: Path, built: Path | None) -> dict[str, Any]:
    """What the voice networks do alone: in float, on another language, and in int8."""
    trained = json.loads((run / "record.json").read_text())
    found = {"EmoDB, speakers left out, float": trained["speakers left out"]}
    if built is not None:
        for engine, row in json.loads(built.read_text())["engines"].items():
            kept = "" if row["ships"] == "int8" else ": float ships"
            found[f"EmoDB, speakers left out, {engine} int8{kept}"] = row
    if "another language" in trained:
        found["RAVDESS, in English, float"] = trained["another language"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--plain", type=Path, help="a run without attention")
    parser.add_argument("--built", type=Path, help="a record of 'ferlite quantize voice'")
    parser.add_argument("--data", type=Path, required=True, help="FER2013")
    parser.add_argument("--voices", type=Path, required=True, help="EmoDB, packed")
    arguments = parser.parse_args()
    faces, public = load_fer2013(arguments.data, "private"), load_fer2013(arguments.data, "public")
    record = {
        "schema": 1,
        "kind": "audio-visual, paired by label",
        **origin("benchmarks.audio_visual"),
        **grid(arguments.run, readers.read(arguments.voices), faces, public, arguments.plain),
    }
    record["voice networks"] = networks(arguments.run, arguments.built)
    save(record, RECORD)
    print(alone(record), grid_table(record), parts(record), sep="\n\n")


if __name__ == "__main__":
    main()
