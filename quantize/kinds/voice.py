"""A trained voice network to a bundle of kind "voice": exported, made int8, held against the network.

Every fold's network is made int8 as the one that ships is, and its two speakers, whom it never heard, judge
it: so each utterance of the set tells what int8 costs, and nobody judges what learnt from them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edge import engine as engines
from edge.bundle import Bundle
from edge.bundle_files import writer
from edge.bundle_files.sections import AccuracyRecord, InputSpec
from edge.classify import Classifier, in_batches
from edge.engine import EngineOptions, ModelFile
from edge.voice.mel import BANDS, FRAMES
from faces.corruptions import STRENGTHS, corrupt
from faces.crop_rule import crop_rule_of
from faces.face_set import FaceSet
from quantize.builder import Built, Float, builder
from quantize.kinds.shared import face_rules, parts_of, sha256
from quantize.network.export import export
from quantize.network.source import Source
from quantize.recipe import load as load_recipe
from train.voice import judge
from train.voice.change import pictures, windows
from train.voice.cli import WHOLE, folder
from train.voice.judge import Ask
from train.voice.learn import LEARNT, Learnt, load_learnt
from train.voice.network import VoiceNetwork
from train.voice.voice_set import CLASSES, VoiceSet

# The rung of each engine's ladder that is taken: the plainest.
RECIPES = {"onnx": "onnx-minmax", "tflite": "tflite-static", "openvino": "openvino-minmax"}
MOST_DROP = 0.01  # of accuracy that int8 may lose; an engine in which it loses more gets the float network
WORSE = ("dark", "mask")
SIDE = 5  # of the square that holds all shapes of the first filters


def plain(network: VoiceNetwork) -> VoiceNetwork:
    """The same function with nothing that an engine may lack in int8: one square filter for the branches,
    whose outputs need no joining then, and no groups.
    """
    made: VoiceNetwork = copy.deepcopy(network).eval()
    squares = []
    for branch in made.branches:
        fused = fuse_conv_bn_eval(branch[0], branch[1])
        high, wide = fused.kernel_size
        rows, columns = (SIDE - high) // 2, (SIDE - wide) // 2
        around = (columns, columns, rows, rows)
        squares.append((nn.functional.pad(fused.weight.data, around), fused.bias.data))
    first = made.branches[0][0]
    joined = nn.Conv2d(1, sum(len(bias) for _, bias in squares), SIDE, first.stride, SIDE // 2)
    joined.weight.data = torch.cat([weight for weight, _ in squares])
    joined.bias.data = torch.cat([bias for _, bias in squares])
    made.branches = nn.ModuleList([nn.Sequential(joined, nn.ReLU())])
    for parent in list(made.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and child.groups > 1:
                setattr(parent, name, ungrouped(child))
    return made


def ungrouped(grouped: nn.Conv2d) -> nn.Conv2d:
    """The same convolution in one group: zeros where groups do not look."""
    whole = nn.Conv2d(
        grouped.in_channels,
        grouped.out_channels,
        grouped.kernel_size,
        grouped.stride,
        grouped.padding,
        bias=grouped.bias is not None,
    )
    whole.weight.data.zero_()
    inside, outside = grouped.in_channels // grouped.groups, grouped.out_channels // grouped.groups
    for group in range(grouped.groups):
        rows = slice(group * outside, (group + 1) * outside)
        whole.weight.data[rows, group * inside : (group + 1) * inside] = grouped.weight.data[rows]
    if grouped.bias is not None:
        whole.bias.data = grouped.bias.data
    return whole.eval()


def spec_of(learnt: Learnt) -> InputSpec:
    """What the network wants to hear."""
    return InputSpec(BANDS, "grey", (learnt.recipe.mean,), (learnt.recipe.std,), width=FRAMES)


def quantized(learnt: Learnt, voices: VoiceSet, names: Sequence[str]) -> dict[str, Built]:
    """The int8 model of each engine, calibrated on ``voices``. Raises BuildFailed and RecipeInvalid."""
    return {name: int8 for name, (_, int8) in built(learnt, voices, names).items()}


def built(learnt: Learnt, voices: VoiceSet, names: Sequence[str]) -> dict[str, tuple[Built, Built]]:
    """The float and the int8 model of each engine. Raises BuildFailed and RecipeInvalid."""
    recipe = learnt.recipe
    source = Source(
        recipe.name,
        "voice",
        plain(learnt.network),
        CLASSES,
        spec_of(learnt),
        recipe.text,
        recipe.sha256,
        "",
    )
    network = Float(recipe.name, export(source, program="tflite" in names), source.input)
    heard = pictures(np.concatenate([windows(mel) for mel in voices.mel]))
    models = {}
    for name in names:
        how, makes = load_recipe(RECIPES[name]), builder(name)
        spread = np.linspace(0, len(heard) - 1, min(how.calibration.faces, len(heard))).astype(np.int64)
        plainly = makes.plain(network)
        models[name] = plainly, makes.quantize(network, plainly, how, heard[spread])
    return models


def asker(built: Built, engine: str, spec: InputSpec) -> Ask:
    """``built`` in its engine, to be judged."""
    running = engines.load(engine, ModelFile("voice", built.parts), EngineOptions(threads=1))
    grey = running.inputs[0].dtype == "uint8"

    def ask(heard: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        x = heard[:, None].astype(np.float32)
        x = x if grey else (x - spec.mean[0]) / spec.std[0]
        x = x.transpose(0, 2, 3, 1) if built.layout == "NHWC" else x
        x = np.ascontiguousarray(x.astype(running.inputs[0].dtype))
        return np.asarray(in_batches(running, [x], running.inputs[0].shape[0])[0], np.float32)

    return ask


def folds(run: Path, voices: VoiceSet, names: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
    """Logits [N, labels] of every utterance by the network that never heard its speaker: in float ("float"),
    and int8 in each engine.
    """
    answers = {name: np.zeros((len(voices), len(CLASSES)), np.float32) for name in ("float", *names)}
    for fold in range(len(judge.FOLDS)):
        learnt, out = load_learnt(folder(run, fold)), judge.left_out(voices, fold)
        test = voices.take(out)
        answers["float"][out] = judge.logits(test, learnt.ask)
        for name, built in quantized(learnt, voices.take(~out), names).items():
            answers[name][out] = judge.logits(test, asker(built, name, spec_of(learnt)))
    return answers


def build(
    run: Path, voices: VoiceSet, out: Path, names: Sequence[str], face: Mapping[str, float]
) -> dict[str, Any]:
    """Judge int8 on the folds of the trained ``run``, write the bundle ``out`` of the network that heard all.

    ``face``: how often a face's reading is right, by expression. The record, JSON-ready. Raises BuildFailed,
    DataInvalid, RecipeInvalid, StorageFailed and UsageError.
    """
    writer.refuse_output(out)
    answers = folds(run, voices, names)
    record: dict[str, Any] = {"float": judge.figures(answers["float"], voices.labels), "engines": {}}
    learnt = load_learnt(run / WHOLE)
    models: dict[str, Built] = {}
    forms = built(learnt, voices, names)
    warmth = judge.temperature(answers["float"], voices.labels)
    accuracy = []
    for name in names:
        figures = judge.figures(answers[name], voices.labels)
        lost = record["float"]["accuracy"] - figures["accuracy"]
        models[name] = forms[name][lost <= MOST_DROP]
        same = float((answers[name].argmax(1) == answers["float"].argmax(1)).mean())
        version = engines.engine_class(name).version()
        record["engines"][name] = {
            "recipe": RECIPES[name],
            "version": version,
            "ships": models[name].precision,
            "bytes": models[name].size,
            "agreement": round(same, 4),
            **figures,
        }
        kept = figures["accuracy"] if lost <= MOST_DROP else record["float"]["accuracy"]
        accuracy.append(
            AccuracyRecord(
                f"{voices.name}, speakers left out",
                len(voices),
                kept,
                name,
                library=version,
                precision=models[name].precision,
                fp32_accuracy=record["float"]["accuracy"],
                agreement=round(same, 4) if lost <= MOST_DROP else 1.0,
            )
        )
    record["temperature"] = warmth
    heard = {label: value or 0.0 for label, value in record["float"]["precision"].items()}
    about = Bundle(
        path=out,
        name=learnt.recipe.name,
        description=f"a second of voice, log-mel {BANDS} x {FRAMES}, from {voices.name} ({voices.terms})",
        labels=CLASSES,
        input=spec_of(learnt),
        temperature=warmth,
        files={},
        accuracy=tuple(accuracy),
        made_by={
            "train": {
                "recipe": learnt.recipe.name,
                "sha256": learnt.recipe.sha256,
                "weights_sha256": sha256(run / WHOLE / LEARNT),
            },
            "recipe": learnt.recipe.text,
        },
        kind="voice",
        reliability={"voice": heard, "face": dict(face)},
        **face_rules(),
    )
    bundle, content = writer.compose(about, parts_of(models))
    extra = {"CARD.md": card(record, voices).encode(), "voice.toml": learnt.recipe.text.encode()}
    writer.write(out, bundle, {**content, **extra})
    return record


def card(record: Mapping[str, Any], voices: VoiceSet) -> str:
    """What the bundle is, what it was measured to do, and what it must not be used for; Markdown."""
    rows = [f"| float | {record['float']['accuracy']:.1%} | {record['float']['balanced_accuracy']:.1%} |"]
    for name, row in record["engines"].items():
        kept = "int8" if row["ships"] == "int8" else "int8 (float ships)"
        rows.append(f"| {name}, {kept} | {row['accuracy']:.1%} | {row['balanced_accuracy']:.1%} |")
    table = "\n".join(["| | accuracy | balanced |", "|---|---|---|", *rows])
    many = len(np.unique(voices.speaker))
    return f"""# A second of voice: {", ".join(CLASSES)}

Log-mel of 0.975 s ({BANDS} bands, {FRAMES} moments) to a weight for each of six
expressions, for `ferlite run --voice`.

**Learnt from** {voices.name}: {len(voices)} utterances of {many} speakers. Terms: {voices.terms}.

**Measured** on every utterance by a network that never heard its speaker; the network here heard all of them.

{table}

**Limits.** Actors in a studio, one language, acted as nobody speaks. In another language it is far worse
(docs/systems/audio_visual.md). Surprise was not recorded and is not among the labels. What somebody feels is
not in a voice, and this is not for any decision about a person.
"""


def precision_of_faces(classifier: Classifier, faces: FaceSet) -> dict[str, float]:
    """How often a face's reading is right when it names an expression, each as common as any other.

    Of the faces as they are and, as often, dark and masked ones: cameras see those too.
    """
    rule, many = crop_rule_of("fer2013"), len(faces.classes)
    named = np.zeros((many, many))
    for kind in ("", *WORSE):
        shown = corrupt(faces.faces, kind, STRENGTHS - 1, rule) if kind else faces.faces
        for start in range(0, len(faces), 64):
            answers = classifier(list(shown[start : start + 64])).argmax(1)
            np.add.at(named, (faces.labels[start : start + 64], answers), 1)
    named /= named.sum(1, keepdims=True)
    right = np.diag(named) / np.maximum(named.sum(0), 1e-9)
    return {name: round(float(value), 4) for name, value in zip(faces.classes, right, strict=True)}
