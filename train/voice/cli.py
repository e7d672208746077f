"""``ferlite-train voice``: the voice network without two speakers at a time, and with all of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.commands import command
from edge.commands.exits import INTERRUPTED, OK
from edge.files import refuse_same, write_json
from train.verbs import options

if TYPE_CHECKING:
    from train.voice.voice_set import VoiceSet

HELP = "train the voice network of 'run --voice'"

RECORD, WHOLE = "record.json", "all"


def add(verb: command.Parser) -> None:
    """The options of the verb."""
    verb.add_argument(
        "recipe", nargs="?", type=command.filled, metavar="RECIPE", help="a .toml file (default: built in)"
    )
    verb.add_argument("--data", type=Path, required=True, help="EmoDB, packed")
    verb.add_argument(
        "--domain", type=Path, help="RAVDESS, packed, or CREMA-D's folder: another language to be held on"
    )
    verb.add_argument("--out", type=Path, required=True, help="folder of the run")
    command.threads(verb)


def run(arguments: argparse.Namespace) -> int:
    """Train, or go on; judge each utterance by the network that never heard its speaker; write the record."""
    from train import loop
    from train.checkpoint import CHECKPOINT
    from train.voice import judge, learn, readers, recipe

    folders = [*(folder(arguments.out, fold) for fold in range(len(judge.FOLDS))), arguments.out / WHOLE]
    written = [each / name for each in folders for name in (CHECKPOINT, learn.LEARNT)]
    given = [arguments.data, arguments.domain, *options.recipe_file(arguments)]
    refuse_same([arguments.out / RECORD, *written], given)
    loop.use_threads(arguments.threads)
    chosen = recipe.load(Path(arguments.recipe) if arguments.recipe else None)
    voices = readers.read(arguments.data)
    judge.refuse_unfolded(voices)
    others = readers.read(arguments.domain) if arguments.domain else None
    for fold in range(len(judge.FOLDS)):
        heard = voices.take(~judge.left_out(voices, fold))
        if not learn.fit(chosen, heard, folder(arguments.out, fold), f"speakers left out {fold + 1}"):
            return INTERRUPTED
    if not learn.fit(chosen, voices, arguments.out / WHOLE, "all speakers"):
        return INTERRUPTED
    record = record_of(arguments.out, voices, others)
    write_json(arguments.out / RECORD, record)
    command.output(arguments, record, as_text(record))
    return OK


def folder(out: Path, fold: int) -> Path:
    """Where the network without the fold's speakers is kept."""
    return out / f"without-{fold + 1}"


def record_of(out: Path, voices: VoiceSet, others: VoiceSet | None) -> dict[str, Any]:
    """What the networks of a run do on speakers whom they never heard; JSON-ready."""
    import numpy as np

    from train.voice import judge, learn
    from train.voice.voice_set import CLASSES

    answers = np.zeros((len(voices), len(CLASSES)), np.float32)
    for fold in range(len(judge.FOLDS)):
        chosen = judge.left_out(voices, fold)
        answers[chosen] = judge.logits(voices.take(chosen), learn.load_learnt(folder(out, fold)).ask)
    whole = learn.load_learnt(out / WHOLE)
    record = {
        "schema": 1,
        "kind": "ferlite voice",
        "model": {
            "recipe": whole.recipe.name,
            "recipe_sha256": whole.recipe.sha256,
            "parameters": sum(weight.numel() for weight in whole.network.parameters()),
        },
        "temperature": judge.temperature(answers, voices.labels),
        "speakers left out": {"data": voices.name, **judge.figures(answers, voices.labels)},
    }
    if others is not None:
        told = judge.figures(judge.logits(others, whole.ask), others.labels)
        record["another language"] = {"data": others.name, **told}
    return record


def as_text(record: dict[str, Any]) -> str:
    """The record as lines for a terminal."""
    lines = []
    for where in ("speakers left out", "another language"):
        if where in record:
            one = record[where]
            lines.append(
                f"{one['data']}, {where}: {one['accuracy']:.1%} ({one['within']:.1%} either way) of "
                f"{one['utterances']} utterances, balanced {one['balanced_accuracy']:.1%}"
            )
    return "\n".join(lines)
