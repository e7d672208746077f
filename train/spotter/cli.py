"""``ferlite-train spotter``: make photographs move, learn when they did, judge on people never seen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.commands import command
from edge.commands.exits import INTERRUPTED, OK
from edge.files import refuse_same, write_json
from train import gathered
from train.verbs import options

if TYPE_CHECKING:
    from train.spotter.learn import Learnt
    from train.spotter.motion_set import MotionSet

HELP = "train the network that spots short movements, of 'run --moments'"

LEARN, CHOOSE, RECORD = "learn.npz", "choose.npz", "record.json"
# Seconds of a film and frames a second: to learn from, and to choose by.
LEARNT_FROM, CHOSEN_BY = (16.0, 50.0), (10.0, 100.0)
SHARE = 2 / 3  # people chosen by for each one learnt from
MOST_FALSE = 1.0  # false alarms a minute


def add(verb: command.Parser) -> None:
    """The options of the verb."""
    verb.add_argument(
        "recipe", nargs="?", type=command.filled, metavar="RECIPE", help="a .toml file (default: built in)"
    )
    verb.add_argument("--photos", type=Path, required=True, help="LFW with expressions, packed")
    verb.add_argument("--heads", type=Path, required=True, help="packed heads: ICT-FaceKit's")
    verb.add_argument("--mesh", type=Path, required=True, help="face_landmark.tflite")
    verb.add_argument("--out", type=Path, required=True, help="folder of the run")
    verb.add_argument(
        "--people",
        type=command.whole(1, 10_000),
        default=60,
        metavar="N",
        help="of how many to learn, and two thirds as many others to choose by (default: 60)",
    )
    command.threads(verb)


def run(arguments: argparse.Namespace) -> int:
    """Make what films are not there yet, train or go on, choose how to read the network, write the record."""
    from train import loop
    from train.checkpoint import CHECKPOINT
    from train.spotter import learn, recipe

    written = (LEARN, CHOOSE, RECORD, CHECKPOINT, learn.LEARNT, gathered.NAME)
    given = [arguments.photos, arguments.heads, arguments.mesh]
    refuse_same([arguments.out / name for name in written], [*given, *options.recipe_file(arguments)])
    loop.use_threads(arguments.threads)
    chosen = recipe.load(Path(arguments.recipe) if arguments.recipe else None)
    films, others = gather(arguments)
    if not learn.fit(chosen, films, arguments.out):
        return INTERRUPTED
    record = record_of(learn.load_learnt(arguments.out), films, others)
    write_json(arguments.out / RECORD, record)
    command.output(arguments, record, as_text(record))
    return OK


def gather(arguments: argparse.Namespace) -> tuple[MotionSet, MotionSet]:
    """The films to learn from, and those of other people to choose by; kept in the run's folder.

    People are of the data set's train and public split; those of its private one are left to
    ``benchmarks.moments``. Raises UsageError where they were made of other files or of so many others.
    """
    from train.lock import alone

    files = {f"--{name}": getattr(arguments, name) for name in ("photos", "heads", "mesh")}
    with alone(arguments.out):
        gathered.hold(arguments.out, (LEARN, CHOOSE), files, {"--people": arguments.people})
        return _films(arguments)


def _films(arguments: argparse.Namespace) -> tuple[MotionSet, MotionSet]:
    from faces import readers
    from train.spotter import gather, motion_set
    from train.synth.face_mesh import MeshReader
    from train.synth.families import load_heads

    paths = [arguments.out / name for name in (LEARN, CHOOSE)]
    if not all(path.is_file() for path in paths):
        photos = readers.read(arguments.photos, 96, search=False)
        head = load_heads(arguments.heads).head(0)
        few = max(1, round(arguments.people * SHARE))
        for path, part, people, (seconds, rate) in (
            (paths[0], photos.split("train"), arguments.people, LEARNT_FROM),
            (paths[1], photos.split("public"), few, CHOSEN_BY),
        ):
            if path.is_file():
                continue
            mesh = MeshReader(arguments.mesh)
            made = gather.gathered(part, mesh, head, people, seconds, 1, rate)
            mesh.close()
            motion_set.write(made, path)
    return motion_set.read(paths[0]), motion_set.read(paths[1])


def record_of(learnt: Learnt, films: MotionSet, others: MotionSet) -> dict[str, Any]:
    """How the network is to be read, and what it and the rule do on the ``others``; JSON-ready."""
    from dataclasses import asdict, replace

    from edge.moments.history import RATE
    from edge.moments.network import NetworkSpotter
    from edge.moments.rule import RuleSpotter
    from train.spotter import judge, tones

    best, tried = judge.choose(others, learnt, MOST_FALSE)
    best = replace(best, tones=tones.fit(films))
    asked = judge.Asked(learnt, best)
    net = learnt.recipe.network
    return {
        "schema": 1,
        "kind": "ferlite spotter",
        "model": {
            "recipe": learnt.recipe.name,
            "recipe_sha256": learnt.recipe.sha256,
            "parameters": sum(weight.numel() for weight in learnt.network.parameters()),
            "seen_s": net.seen / RATE,
            "ahead_s": net.ahead / RATE,
            "told_s": net.told / RATE,
        },
        "learnt_from": {"people": len(films), "seconds": films.seconds, **happened(films)},
        "chosen_by": {"people": len(others), "seconds": others.seconds, **happened(others)},
        "spot": asdict(best),
        "tried": tried,
        "tones": tones.judged(others, best.tones),
        "rates": {
            f"{RATE / apart:g}": {
                "rule": judge.measure(others, RuleSpotter, apart),
                "network": judge.measure(others, lambda: NetworkSpotter(asked), apart),
            }
            for apart in judge.APART
        },
    }


def happened(films: MotionSet) -> dict[str, int]:
    """How often each kind of thing happens in ``films``."""
    from train.spotter.motion_set import KINDS

    return {kind: int((films.kind == index).sum()) for index, kind in enumerate(KINDS)}


def as_text(record: dict[str, Any]) -> str:
    """The record as lines for a terminal."""
    from train.spotter.tones import right_and_wrong

    spot, people = record["spot"], record["chosen_by"]["people"]
    lines = [f"read from {spot['begin']:g} to {spot['end']:g}; on {people} people who were chosen by:"]
    for rate, row in record["rates"].items():
        for name, one in row.items():
            off = "" if one["apex_off_ms"] is None else f", apex off by {one['apex_off_ms']:.0f} ms"
            lines.append(
                f"{rate:>3} frames a second, {name}: F1 {one['f1']:.3f}, {one['false_a_minute']:.1f} false "
                f"a minute{off}"
            )
    tones = right_and_wrong(record["tones"]) if record["spot"]["tones"] else "none could be learnt"
    lines.append(f"tone: {tones}")
    return "\n".join(lines)
