"""``ferlite-quantize``: a thin face on ``quantize.build`` and ``quantize.proof.verify``.

Results go to standard output and nothing else does; messages and progress go to standard error.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import FAILED, OK
from edge.errors import FerliteError, UsageError
from edge.files import refuse_same, write_text
from quantize.sizes import cli

if TYPE_CHECKING:
    from edge.bundle_files.golden import Outcome
    from quantize.build import Ahead
    from quantize.proof.verify import Check

PROGRAM = "ferlite-quantize"


def main(argv: list[str] | None = None) -> int:
    """Run ``argv`` (default: the process's own arguments) and return the exit code."""
    return command.main(PROGRAM, parser, argv)


def parser() -> Parser:
    """The whole command line."""
    top, verbs = command.program(PROGRAM, "Trained classifiers to proved int8 bundles.")
    build = command.verb(verbs, "build", "quantize a training run, prove it and write a bundle", _build)
    build.add_argument("run", type=Path, help="folder of a training run, or its best.pt")
    build.add_argument(
        "--data", type=Path, required=True, help="packed FER2013 (.npz), or faces of the run's other labels"
    )
    build.add_argument(
        "--domain", type=Path, action="append", default=[], help="other labelled faces that int8 is held on"
    )
    build.add_argument("-o", "--out", type=Path, required=True, help="the bundle: a folder, or a .zip")
    build.add_argument("--engines", default="onnx", help="engines to build for, with commas (default: onnx)")
    build.add_argument(
        "--ladder", default="default", help="recipes to try in order: a built-in name or a .toml"
    )
    build.add_argument("--crop", default="fer2013", help="crop rule: a data set's name or a .json file")
    build.add_argument(
        "--crop-size",
        type=command.whole(0, 1024),
        default=0,
        metavar="PX",
        help="side of a live face's crop (default: the crop rule's, or that of the test faces)",
    )
    build.add_argument("--name", default="", help="the bundle's name (default: the training recipe's)")
    build.add_argument(
        "--max-drop",
        type=command.number(0, 100),
        metavar="POINTS",
        help="percentage points of accuracy int8 may lose",
    )
    build.add_argument(
        "--min-agreement",
        type=command.number(0, 1),
        metavar="0-1",
        help="share of faces that must keep their answer",
    )
    build.add_argument(
        "--max-ratio",
        type=command.number(0, 1000),
        metavar="RATIO",
        help="int8 time over float time that is still accepted",
    )
    build.add_argument(
        "--on",
        type=command.filled,
        metavar="CLUSTER",
        help="let a cluster build the rungs: local:N, tcp://SCHEDULER:PORT or ssh:HOSTS.txt",
    )
    _threads(build)
    marks = command.verb(
        verbs, "landmarks", "the landmark network of 'train landmarks' to a bundle", _landmarks
    )
    marks.add_argument("run", type=Path, help="folder of its run, with the faces it gathered")
    marks.add_argument("-o", "--out", type=Path, required=True, help="the bundle: a folder, or a .zip")
    marks.add_argument("--engines", default="onnx", help="engines to build for, with commas (default: onnx)")
    marks.add_argument("--record", type=Path, help="file to write the record to, as JSON")
    voice = command.verb(verbs, "voice", "the voice network of 'train voice' to a bundle", _voice)
    voice.add_argument("run", type=Path, help="folder of its run")
    voice.add_argument("--data", type=Path, required=True, help="the voices it learnt from: EmoDB, packed")
    voice.add_argument(
        "--domain", type=Path, required=True, help="FER2013: how far faces are to be believed beside it"
    )
    voice.add_argument("-o", "--out", type=Path, required=True, help="the bundle: a folder, or a .zip")
    voice.add_argument("--engines", default="onnx", help="engines to build for, with commas (default: onnx)")
    voice.add_argument("--record", type=Path, help="file to write the record to, as JSON")
    spotter = command.verb(verbs, "spotter", "the network of 'train spotter' to a bundle", _spotter)
    spotter.add_argument("run", type=Path, help="folder of its run, with the films it made")
    spotter.add_argument("-o", "--out", type=Path, required=True, help="the bundle: a folder, or a .zip")
    spotter.add_argument(
        "--engines", default="onnx", help="engines to build for, with commas (default: onnx)"
    )
    spotter.add_argument("--record", type=Path, help="file to write the record to, as JSON")
    verify = command.verb(
        verbs, "verify", "measure a bundle again and hold it against its own record", _verify
    )
    verify.add_argument("bundle", help="a folder, a .zip or the name of a shipped bundle")
    verify.add_argument("--data", type=Path, required=True, help="packed FER2013 (.npz)")
    verify.add_argument("--engines", default="", help="only these, with commas (default: all in the bundle)")
    _threads(verify)
    sign = command.verb(verbs, "sign", "sign a bundle, for ferlite run --require-signature", _sign)
    sign.add_argument("bundle", help="a folder or a .zip")
    sign.add_argument("--key", type=Path, required=True, metavar="FILE", help="private Ed25519 key in PEM")
    sign.add_argument(
        "--version",
        type=command.whole(1, 2**31),
        metavar="N",
        help="a board takes no lower one (default: one more)",
    )
    sign.add_argument("--expires", metavar="DATE", help="the last day, as in 2027-06-30 (default: none)")
    cli.add(
        command.verb(verbs, "sizes", "accuracy per millisecond of networks at several input sizes", cli.run)
    )
    command.verb(verbs, "recipes", "list the built-in recipes and ladders", _recipes)
    return top


def _threads(verb: Parser) -> None:
    verb.add_argument(
        "--threads", type=command.whole(0, 256), default=0, metavar="N", help="CPU threads (default: all)"
    )


def _build(arguments: argparse.Namespace) -> int:
    from quantize import recipe
    from quantize.build import Order, build
    from quantize.proof import build_record, table
    from quantize.proof.bundling import read_framing
    from train.checkpoint import BEST

    refuse_same([arguments.out], [arguments.run, arguments.run / BEST, arguments.data])
    ladder = recipe.load_ladder(arguments.ladder)
    settings = {
        "drop": arguments.max_drop,
        "agreement": arguments.min_agreement,
        "ratio": arguments.max_ratio,
    }
    asked = {name: value for name, value in settings.items() if value is not None}
    ladder = dataclasses.replace(ladder, gate=dataclasses.replace(ladder.gate, **asked))
    order = Order(
        run=arguments.run,
        data=arguments.data,
        out=arguments.out,
        engines=_words(arguments.engines),
        ladder=ladder,
        framing=read_framing(arguments.crop).of_size(arguments.crop_size),
        name=arguments.name,
        domains=arguments.domain,
        command=as_typed(arguments),
        threads=arguments.threads,
    )
    try:
        outcome = build(order, _ahead(arguments.on))
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped; the same command goes on from here", file=sys.stderr)
        raise
    told = build_record.of_table(outcome.record, "this build")
    command.output(arguments, outcome.record, table.text(told))
    if outcome.passed:
        return OK
    failed = [engine for engine, climb in outcome.record["engines"].items() if not climb["passed"]]
    print(
        f"{PROGRAM}: no int8 recipe passed the gate for {', '.join(failed)}: "
        f"'{arguments.out}' ships the float model there",
        file=sys.stderr,
    )
    return FAILED


def _ahead(on: str | None) -> Ahead:
    """What is done before the climb: nothing, or the rungs by the cluster that was typed."""
    if not on:
        return lambda order, setting: None
    from cluster import spec
    from quantize.spread import prepare

    cluster = spec.parse(on)

    def complain(error: FerliteError) -> None:
        print(f"{PROGRAM}: {error}", file=sys.stderr)

    return lambda order, setting: prepare(order, setting, cluster, complain)


def as_typed(arguments: argparse.Namespace) -> str:
    """The command as it may be written into a bundle: files by their names, not by where they lay here."""
    words = [PROGRAM, "build", arguments.run.name, "--data", arguments.data.name, "-o", arguments.out.name]
    words += ["--engines", arguments.engines]
    words += [word for path in arguments.domain for word in ("--domain", path.name)]
    for option, value, usual in (
        ("--ladder", Path(arguments.ladder).name, "default"),
        ("--crop", Path(arguments.crop).name, "fer2013"),
        ("--crop-size", arguments.crop_size, 0),
        ("--name", arguments.name, ""),
        ("--max-drop", arguments.max_drop, None),
        ("--min-agreement", arguments.min_agreement, None),
        ("--max-ratio", arguments.max_ratio, None),
    ):
        if value != usual:
            words += [option, str(value)]
    return shlex.join(words)


def _landmarks(arguments: argparse.Namespace) -> int:
    from quantize import landmarks
    from train.landmarks import judge, marked
    from train.landmarks.cli import LEARN, TEST
    from train.landmarks.learn import LEARNT

    kept = [arguments.run / name for name in (LEARN, TEST, LEARNT)]
    refuse_same([arguments.out, arguments.record], [arguments.run, *kept])
    names = arguments.engines.split(",")
    unknown = [name for name in names if name not in landmarks.LADDERS]
    if unknown:
        raise UsageError(f"--engines '{unknown[0]}': choose {', '.join(landmarks.LADDERS)}")
    faces, test = (marked.read(arguments.run / name) for name in (LEARN, TEST))
    words = ["ferlite", "quantize", "landmarks", arguments.run.name, "--out", arguments.out.name]
    typed = shlex.join([*words, "--engines", arguments.engines])
    record = landmarks.build(arguments.run, faces, test, arguments.out, names, typed)
    if arguments.record:
        write_text(arguments.record, json.dumps(record, indent=1) + "\n")
    lines = [judge.as_text(record)]
    for name, row in record["engines"].items():
        verdict = "the gate passed" if row["passed"] else "no int8 recipe passed the gate"
        size = f"{row['bytes'] / 1e6:.2f} MB, {row['ships']}"
        lines.append(f"{name}: {size}, mean error {row['error']:.2%}, {verdict}")
    command.output(arguments, record, "\n".join(lines))
    return OK if all(row["passed"] for row in record["engines"].values()) else FAILED


def _voice(arguments: argparse.Namespace) -> int:
    from edge import bundle as bundles
    from edge.classify import load_classifier
    from edge.engine import EngineOptions
    from faces.face_set import load_fer2013
    from quantize import voice
    from train.voice import readers
    from train.voice.cli import WHOLE, folder
    from train.voice.judge import FOLDS
    from train.voice.learn import LEARNT

    folds = [folder(arguments.run, fold) for fold in range(len(FOLDS))]
    kept = [each / LEARNT for each in (*folds, arguments.run / WHOLE)]
    refuse_same([arguments.out, arguments.record], [arguments.run, *kept, arguments.data, arguments.domain])
    names = arguments.engines.split(",")
    unknown = [name for name in names if name not in voice.RECIPES]
    if unknown:
        raise UsageError(f"--engines '{unknown[0]}': choose {', '.join(voice.RECIPES)}")
    voices, faces = readers.read(arguments.data), load_fer2013(arguments.domain, "public")
    beside = load_classifier(bundles.load(), names[0], EngineOptions(threads=1), "balanced")
    believed = voice.precision_of_faces(beside, faces)
    beside.close()
    record = voice.build(arguments.run, voices, arguments.out, names, believed)
    if arguments.record:
        write_text(arguments.record, json.dumps(record, indent=1) + "\n")
    lines = [f"float: {record['float']['accuracy']:.1%} of {len(voices)} utterances, speakers left out"]
    for name, row in record["engines"].items():
        ships = "" if row["ships"] == "int8" else ", so float ships"
        lines.append(f"{name}: {row['bytes'] / 1e6:.2f} MB, int8 {row['accuracy']:.1%}{ships}")
    command.output(arguments, record, "\n".join(lines))
    return OK


def _spotter(arguments: argparse.Namespace) -> int:
    from quantize import spotter
    from train.spotter import cli as trained
    from train.spotter.learn import LEARNT

    kept = [arguments.run / name for name in (trained.LEARN, trained.CHOOSE, trained.RECORD, LEARNT)]
    refuse_same([arguments.out, arguments.record], [arguments.run, *kept])
    names = arguments.engines.split(",")
    unknown = [name for name in names if name not in spotter.LADDERS]
    if unknown:
        raise UsageError(f"--engines '{unknown[0]}': choose {', '.join(spotter.LADDERS)}")
    words = ["ferlite", "quantize", "spotter", arguments.run.name, "--out", arguments.out.name]
    typed = shlex.join([*words, "--engines", arguments.engines])
    record = spotter.build(arguments.run, arguments.out, names, typed)
    if arguments.record:
        write_text(arguments.record, json.dumps(record, indent=1) + "\n")
    lines = [trained.as_text(record)]
    for name, row in record["engines"].items():
        verdict = "the gate passed" if row["passed"] else "no int8 recipe passed the gate"
        lines.append(f"{name}: {row['bytes'] / 1e3:.0f} kB, {row['ships']}, F1 {row['f1']:.3f}, {verdict}")
    command.output(arguments, record, "\n".join(lines))
    return OK if all(row["passed"] for row in record["engines"].values()) else FAILED


def _verify(arguments: argparse.Namespace) -> int:
    from quantize.proof import verify

    only = _words(arguments.engines)
    checks = verify.verify(arguments.bundle, arguments.data, only, arguments.threads)
    golden = verify.answers(arguments.bundle, only)
    listing = [{**dataclasses.asdict(check), "holds": check.holds} for check in checks]
    told = {engine: dataclasses.asdict(each) if each else None for engine, each in golden.items()}
    facts = {"bundle": arguments.bundle, "checks": listing, "golden": told}
    command.output(arguments, facts, "\n".join(_checks_text(checks, golden)))
    wrong = [f"{check.engine} on {check.data}" for check in checks if not check.holds]
    wrong += [
        f"{engine}'s golden answers" for engine, each in golden.items() if each and each.state == "other"
    ]
    if wrong:
        print(f"{PROGRAM}: the bundle's record is not borne out: {', '.join(wrong)}", file=sys.stderr)
    return FAILED if wrong else OK


def _sign(arguments: argparse.Namespace) -> int:
    from datetime import date

    from quantize.proof.sign import sign

    try:
        expires = date.fromisoformat(arguments.expires) if arguments.expires else None
    except ValueError as error:
        raise UsageError(
            f"--expires is '{arguments.expires}', and must be a date as in 2027-06-30"
        ) from error
    signed = sign(arguments.bundle, arguments.key, arguments.version, expires)
    until = f" until {signed.expires}" if signed.expires else ""
    text = f"'{arguments.bundle}' is signed as version {signed.version}{until} with the key {signed.key[:16]}"
    command.output(arguments, dataclasses.asdict(signed), text)
    return OK


def _checks_text(checks: list[Check], golden: Mapping[str, Outcome | None]) -> list[str]:
    lines = []
    for check in checks:
        said = "no record" if check.recorded is None else f"recorded {check.recorded:.2%}"
        lines.append(
            f"{check.engine:9}{check.data:17}{check.accuracy:.2%} of {check.images} ({said}), macro-F1 "
            f"{check.macro_f1:.3f}, ECE {check.ece:.2%}{'' if check.holds else ': DIFFERS'}"
        )
    for engine, each in golden.items():
        if each is None:
            lines.append(f"{engine:9}golden answers   none in the bundle")
        else:
            how = {"same": "bit for bit", "close": "within rounding", "other": "DIFFER"}[each.state]
            lines.append(f"{engine:9}golden answers   {how}: weights up to {each.largest:.4f} off")
    return lines


def _recipes(arguments: argparse.Namespace) -> int:
    from quantize import recipe

    recipes = [recipe.load(name) for name in recipe.built_in()]
    ladders = [recipe.load_ladder(name) for name in recipe.built_in(recipe.LADDERS)]
    listing = {
        "recipes": {each.name: {"engine": each.engine, "sha256": each.sha256} for each in recipes},
        "ladders": {
            each.name: {engine: [one.name for one in rungs] for engine, rungs in each.engines.items()}
            for each in ladders
        },
    }
    lines = [f"recipe {each.name:24}{each.engine}" for each in recipes]
    lines += [
        f"ladder {ladder.name:24}{engine}: {', '.join(one.name for one in rungs)}"
        for ladder in ladders
        for engine, rungs in ladder.engines.items()
    ]
    command.output(arguments, listing, "\n".join(lines))
    return OK


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


if __name__ == "__main__":
    raise SystemExit(main())
