"""``ferlite-train``: a thin face on ``train.loop`` and ``train.evaluate``.

Results go to standard output and nothing else does; messages and progress go to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import FAILED, INTERRUPTED, OK
from edge.errors import FerliteError, UsageError
from edge.files import refuse_same, write_text
from train import fairness_cli, mark, outside_cli, probe_cli, spotting_cli
from train.landmarks import cli as landmarks_cli
from train.synth import cli as synth_cli
from train.synth import clips_cli
from train.voice import cli as voice_cli

PROGRAM = "ferlite-train"


def main(argv: list[str] | None = None) -> int:
    """Run ``argv`` (default: the process's own arguments) and return the exit code."""
    return command.main(PROGRAM, parser, argv)


def parser() -> Parser:
    """The whole command line."""
    top, verbs = command.program(PROGRAM, "Train and judge expression classifiers.")
    run = command.verb(verbs, "run", "train a recipe, or go on with a run that was stopped", _run)
    run.add_argument("recipe", help="a built-in recipe's name or a .toml file")
    _data_options(run)
    _threads(run)
    run.add_argument("--out", type=Path, required=True, help="folder of the run")
    _beginning(run)
    run.add_argument("--teacher", type=Path, action="append", default=[], help="a trained run to distil")
    run.add_argument("--second", type=Path, help="another data set, for a recipe with data.second_share")
    run.add_argument("--soft-labels", type=Path, help="an .npz of what others' networks say of --data")
    run.add_argument(
        "--second-soft-labels", type=Path, help="an .npz of what they say of --second, see the verb ask"
    )
    run.add_argument("--device", default="auto", help="auto, cpu or cuda (default: cuda where there is one)")
    data = command.verb(
        verbs, "data", "describe a data set, and look for faces that repeat across splits", _data
    )
    _data_options(data)
    data.add_argument(
        "--side",
        type=command.whole(16, 512),
        default=48,
        metavar="PX",
        help="pixels to bring pictures to (default: 48)",
    )
    sweep = command.verb(
        verbs, "sweep", "train recipes with several settings and seeds, on a cluster", _sweep
    )
    sweep.add_argument("sweep", metavar="SWEEP", type=Path, help="file that says what is varied (.toml)")
    _data_options(sweep)
    sweep.add_argument(
        "--on",
        default="local:1",
        type=command.filled,
        metavar="CLUSTER",
        help="local:N, tcp://SCHEDULER:PORT or ssh:HOSTS.txt (default: local:1)",
    )
    _beginning(sweep)
    sweep.add_argument("--out", type=Path, required=True, help="folder of all runs, the record and the page")
    sweep.add_argument(
        "--threads",
        type=command.whole(1, 256),
        default=1,
        metavar="N",
        help="CPU threads of each run (default: 1)",
    )
    sweep.add_argument(
        "--device", default="auto", help="auto, cpu or cuda (default: cuda where there is one)"
    )
    synth_cli.add(command.verb(verbs, "synth", "make a data set of rendered faces", synth_cli.run))
    clips_cli.add(
        command.verb(verbs, "clips", "make clips of rendered heads or moved photographs", clips_cli.run)
    )
    mark.add(command.verb(verbs, "mark", "find FER2013's landmarks by a face mesh", mark.run))
    probe_cli.add(command.verb(verbs, "probe", "measure what a run's features know", probe_cli.run))
    landmarks = command.verb(
        verbs, "landmarks", "train the landmark network: 68 points and what can be seen", landmarks_cli.run
    )
    landmarks_cli.add(landmarks)
    voice_cli.add(command.verb(verbs, "voice", "train the voice network of 'run --voice'", voice_cli.run))
    command.verb(verbs, "recipes", "list the built-in recipes", _recipes)
    _add_verbs_for_trained(verbs)
    return top


def _add_verbs_for_trained(verbs: Any) -> None:
    evaluate = command.verb(
        verbs, "evaluate", "measure a run's best network, or a bundle, on a test split", _evaluate
    )
    evaluate.add_argument("model", type=Path, help="folder of a run, its best.pt, or a bundle")
    _data_options(evaluate)
    _threads(evaluate)
    evaluate.add_argument(
        "--split", choices=("public", "private"), default="public", help="which test split (default: public)"
    )
    evaluate.add_argument("--engine", default="auto", help="engine that runs a bundle")
    evaluate.add_argument(
        "--flip", action="store_true", help="mean with the mirrored face, at twice the cost"
    )
    evaluate.add_argument("--corruptions", action="store_true", help="measure on worsened faces too: slow")
    evaluate.add_argument("--record", type=Path, help="file to write the record to, as JSON")
    domains = command.verb(verbs, "domains", "measure a bundle on other people and worse pictures", _domains)
    domains.add_argument("bundle", help="a folder, a .zip or the name of a shipped bundle")
    domains.add_argument("--data", type=Path, required=True, help="FER2013 with FER+")
    domains.add_argument(
        "--domain",
        type=Path,
        action="append",
        default=[],
        help="another data set: LFW, CK+, JAFFE, RAF-DB, AffectNet, folders",
    )
    domains.add_argument(
        "--mesh", type=Path, help="face_landmark.tflite: adds FER2013 and LFW turned by it, to 60 degrees"
    )
    domains.add_argument("--rendered", type=Path, help="a pack of drawn faces ('train synth')")
    domains.add_argument(
        "--split",
        choices=("public", "private"),
        default="public",
        help="which of FER2013's test splits (default: public)",
    )
    domains.add_argument("--engine", default="auto", help="engine that runs the bundle")
    domains.add_argument("--record", type=Path, help="file to write the record to, as JSON")
    _threads(domains)
    fairness = command.verb(
        verbs, "fairness", "measure whether a bundle reads heads of other groups otherwise", fairness_cli.run
    )
    fairness_cli.add(fairness)
    spotting_cli.add(
        command.verb(
            verbs, "spotting", "measure how short movements are spotted in marked films", spotting_cli.run
        )
    )
    outside_cli.add(
        command.verb(verbs, "ask", "ask face-api's network for soft labels of faces", outside_cli.run)
    )
    report = command.verb(verbs, "report", "draw evaluation records as one HTML page", _report)
    report.add_argument("records", type=Path, nargs="+", help="records of 'evaluate' and 'probe'")
    report.add_argument("--out", type=Path, required=True, help="HTML file to write")
    card = command.verb(verbs, "card", "write the model card of a bundle, from its evaluation records", _card)
    card.add_argument("bundle", type=Path, help="folder of the bundle")
    card.add_argument(
        "records", type=Path, nargs="+", help="records of 'evaluate', 'probe' and 'fairness' on this bundle"
    )
    card.add_argument(
        "--data-report",
        type=Path,
        help="record of 'data --json' of the training set, for those of 'evaluate'",
    )
    export = command.verb(verbs, "export", "write a run's best network as a calibrated ONNX bundle", _export)
    export.add_argument("model", type=Path, help="folder of a run, or its best.pt")
    _data_options(export)
    _threads(export)
    export.add_argument("--out", type=Path, required=True, help="the bundle: a folder, or a .zip")
    export.add_argument(
        "--evaluation",
        type=Path,
        action="append",
        default=[],
        help="a record of 'evaluate --json' to include",
    )
    export.add_argument(
        "--batch",
        type=command.whole(0, 4096),
        default=0,
        metavar="N",
        help="fix the batch size (default: any)",
    )
    export.add_argument("--crop", default="fer2013", help="crop rule: a data set's name")
    blend = command.verb(verbs, "blend", "write weights between a start and what a run made of it", _blend)
    blend.add_argument("model", type=Path, help="folder of a run, or its best.pt")
    _data_options(blend)
    _threads(blend)
    blend.add_argument("--start", type=Path, required=True, help="the weights that the run began with")
    blend.add_argument(
        "--share", type=command.number(0, 1), required=True, help="how far to go from them, 0-1"
    )
    blend.add_argument("--out", type=Path, required=True, help="file to write, .pt or .pt.xz (compressed)")
    pack = command.verb(
        verbs, "pack", "write a run's best network in half the bytes, if nothing is lost", _pack
    )
    pack.add_argument("model", type=Path, help="folder of a run, or its best.pt")
    _data_options(pack)
    _threads(pack)
    pack.add_argument("--out", type=Path, required=True, help="file to write, .pt or .pt.xz (compressed)")


def _stream(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not name or not path:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=DATA, as in target=lfw.npz")
    return name, Path(path)


def _beginning(verb: Parser) -> None:
    verb.add_argument("--init", type=Path, help="public weights to start from (torchvision's names)")
    verb.add_argument(
        "--stream",
        type=_stream,
        action="append",
        default=[],
        metavar="NAME=DATA",
        help="faces that a system learns from beside the labelled ones",
    )


def _threads(verb: Parser) -> None:
    verb.add_argument(
        "--threads", type=command.whole(0, 256), default=0, metavar="N", help="CPU threads (default: all)"
    )


def _data_options(verb: Parser) -> None:
    verb.add_argument("--data", type=Path, required=True, help="a data set: file or folder")
    verb.add_argument("--layout", default="auto", help="how it is laid out (default: found out)")


def _run(arguments: argparse.Namespace) -> int:
    from faces import readers
    from train import loop, recipe, soft_labels
    from train.checkpoint import load_run
    from train.teaching import SoftLabels

    chosen = recipe.load(arguments.recipe)
    if arguments.second_soft_labels and not arguments.second:
        raise UsageError("--second-soft-labels are of --second, which is missing")
    found = readers.read(arguments.data, chosen.model.input_size, arguments.layout)
    second = (
        readers.read(arguments.second, chosen.model.input_size, search=False).split("train")
        if arguments.second
        else None
    )
    outcome = loop.fit(
        chosen,
        found.split("train"),
        found.split("public"),
        arguments.out,
        threads=arguments.threads,
        init=arguments.init,
        teachers=[load_run(path) for path in arguments.teacher],
        device=arguments.device,
        second=second,
        soft_labels=SoftLabels(
            soft_labels.read(arguments.soft_labels, chosen.data.soft_labels, arguments.data)
            if arguments.soft_labels
            else {},
            soft_labels.read_second(arguments.second_soft_labels, chosen.data.second_soft_labels, second)
            if arguments.second_soft_labels and second
            else {},
        ),
        streams={
            name: readers.read(path, chosen.model.input_size, search=False).split("train")
            for name, path in arguments.stream
        },
    )
    result = {
        "recipe": chosen.name,
        "out": str(arguments.out),
        "steps": outcome.steps,
        "total_steps": outcome.total_steps,
        "finished": outcome.finished,
        "best_public_accuracy": outcome.best_accuracy,
    }
    best = (
        "no epoch ended" if outcome.best_accuracy is None else f"{outcome.best_accuracy:.2%} on public test"
    )
    command.output(arguments, result, f"{chosen.name}: {best}, step {outcome.steps} of {outcome.total_steps}")
    if outcome.finished:
        return OK
    print(f"{PROGRAM}: stopped; the same command goes on from here", file=sys.stderr)
    return INTERRUPTED


def _sweep(arguments: argparse.Namespace) -> int:
    from cluster import spec
    from train import sweep

    found = sweep.variants(sweep.load(arguments.sweep), arguments.sweep.parent)
    options = ["--data", str(arguments.data.resolve()), "--layout", arguments.layout]
    options += ["--threads", str(arguments.threads), "--device", arguments.device]
    options += ["--init", str(arguments.init.resolve())] if arguments.init else []
    for name, path in arguments.stream:
        options += ["--stream", f"{name}={path.resolve()}"]
    try:
        done = sweep.run(found, spec.parse(arguments.on), arguments.out, options, _complain)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped; the same command goes on from here", file=sys.stderr)
        raise
    write_text(arguments.out / sweep.PAGE, sweep.page(done))
    command.output(arguments, sweep.record(done), sweep.as_text(list(sweep.groups(done))))
    return OK if all(each.finished for each in done) else FAILED


def _complain(error: FerliteError) -> None:
    print(f"{PROGRAM}: {error}", file=sys.stderr)


def _evaluate(arguments: argparse.Namespace) -> int:
    from faces import readers
    from train import evaluate, loop
    from train.checkpoint import network_files
    from train.classifier import open_subject

    refuse_same([arguments.record], [*network_files(arguments.model), arguments.data])
    loop.use_threads(arguments.threads)
    subject = open_subject(arguments.model, arguments.engine, arguments.threads, arguments.flip)
    # Pictures come at the size of the network, as the runtime's crops do.
    found = readers.read(arguments.data, subject.describe()["input_size"], arguments.layout, search=False)
    record = evaluate.evaluate(
        subject, found.split(arguments.split), found.split("public"), corruptions=arguments.corruptions
    )
    if arguments.record:
        write_text(arguments.record, json.dumps(record, indent=2) + "\n")
    command.output(arguments, record, evaluate.as_text(record))
    return OK


def _domains(arguments: argparse.Namespace) -> int:
    from edge.bundle import files_of, load
    from train import domains
    from train.classifier import BundleSubject

    others = [Path(each) for each in arguments.domain]
    read = [*files_of(arguments.bundle), arguments.data, arguments.rendered, *others]
    refuse_same([arguments.record], read)
    bundle = load(arguments.bundle)
    subject = BundleSubject(bundle, arguments.engine, arguments.threads)
    side = max(bundle.input.size, bundle.crop.size)
    found = domains.gather(
        arguments.data, arguments.domain, arguments.rendered, arguments.split, side, arguments.mesh
    )
    record = domains.measure(subject, found)
    if arguments.record:
        write_text(arguments.record, json.dumps(record, indent=1) + "\n")
    command.output(arguments, record, domains.as_text(record))
    return OK


def _report(arguments: argparse.Namespace) -> int:
    from train import report

    refuse_same([arguments.out], arguments.records)
    records, probes, _ = _records_of(arguments.records)
    write_text(arguments.out, report.page(records, probes))
    result = {"report": str(arguments.out), "records": len(arguments.records)}
    command.output(arguments, result, str(arguments.out))
    return OK


def _records_of(paths: list[Path]) -> tuple[list[dict[str, Any]], ...]:
    """Evaluation records, those of 'probe' and those of 'fairness', apart."""
    from edge.files import read_json
    from train import evaluate, fairness, probe

    kinds = {path: _kind(read_json(path)) for path in paths}
    reads = {probe.KIND: probe.read, fairness.KIND: fairness.read}
    others = [evaluate.read_record(path) for path, kind in kinds.items() if kind not in reads]
    apart = [[read(path) for path in paths if kinds[path] == kind] for kind, read in reads.items()]
    return others, *apart


def _kind(record: Any) -> Any:
    return record.get("kind") if isinstance(record, dict) else None


def _card(arguments: argparse.Namespace) -> int:
    from edge.bundle import load
    from pages.card import FILE
    from train import card

    records, probes, fairness = _records_of(arguments.records)
    if records and not arguments.data_report:
        raise UsageError("records of 'evaluate' go with what was trained on: add --data-report FILE")
    out = arguments.bundle / FILE
    before = out.read_text(encoding="utf-8") if out.is_file() else ""
    data = card.read_data_report(arguments.data_report) if arguments.data_report else None
    text = card.write(load(arguments.bundle), records, data, before, probes, fairness)
    write_text(out, text)
    command.output(arguments, {"card": str(out)}, str(out))
    return OK


def _export(arguments: argparse.Namespace) -> int:
    from faces import metrics, readers
    from train import evaluate, export, loop, predict
    from train.checkpoint import load_run, network_files

    loop.use_threads(arguments.threads)
    refuse_same([arguments.out], [*network_files(arguments.model), arguments.data, *arguments.evaluation])
    trained = load_run(arguments.model)
    records = [each for path in arguments.evaluation for each in evaluate.accuracy_records(path, trained)]
    found = readers.read(arguments.data, trained.recipe.model.input_size, arguments.layout, search=False)
    public = found.split("public")
    logits = predict.predict(trained.model, public.faces, trained.recipe)
    temperature = metrics.fit_temperature(logits, public.labels)
    bundle = export.export(
        trained,
        arguments.out,
        temperature,
        records,
        arguments.crop,
        side=public.faces.shape[1],
        batch=arguments.batch,
    )
    result = {"bundle": str(bundle.path), "name": bundle.name, "temperature": bundle.temperature}
    command.output(
        arguments, result, f"{bundle.path}: {bundle.description}, temperature {bundle.temperature}"
    )
    return OK


def _blend(arguments: argparse.Namespace) -> int:
    from faces import readers
    from train import blend, loop
    from train.checkpoint import load_run, network_files

    loop.use_threads(arguments.threads)
    networks = [*network_files(arguments.model), *network_files(arguments.start)]
    refuse_same([arguments.out], [*networks, arguments.data])
    tuned, start = load_run(arguments.model), load_run(arguments.start)
    found = readers.read(arguments.data, tuned.recipe.model.input_size, arguments.layout, search=False)
    blend.write_blend(start, tuned, arguments.share, found.split("public"), arguments.out)
    result = {"schema": 1, "out": str(arguments.out), "share": arguments.share}
    command.output(arguments, result, f"{arguments.out}: {arguments.share:g} of the way from the start")
    return OK


def _pack(arguments: argparse.Namespace) -> int:
    from faces import readers
    from train import loop, pack
    from train.checkpoint import load_run, network_files

    loop.use_threads(arguments.threads)
    refuse_same([arguments.out], [*network_files(arguments.model), arguments.data])
    trained = load_run(arguments.model)
    found = readers.read(arguments.data, trained.recipe.model.input_size, arguments.layout, search=False)
    packed = pack.pack(trained, found.split("public"), arguments.out)
    result = {"out": str(arguments.out), **asdict(packed)}
    text = f"{arguments.out}: {packed.bytes / 1e6:.2f} MB; {packed.changed} of {packed.faces} answers changed"
    command.output(arguments, result, text)
    return OK


def _data(arguments: argparse.Namespace) -> int:
    from faces import readers

    found = readers.read(arguments.data, arguments.side, arguments.layout, search=True)
    report = readers.describe(found)
    command.output(arguments, report, readers.as_text(report))
    return OK


def _recipes(arguments: argparse.Namespace) -> int:
    from train import recipe

    found = {name: recipe.load(name) for name in recipe.built_in()}
    listing = {
        name: {"backbone": each.model.backbone, "input_size": each.model.input_size, "sha256": each.sha256}
        for name, each in found.items()
    }
    lines = [f"{name:28} {each.model.backbone}, {each.model.input_size} px" for name, each in found.items()]
    command.output(arguments, {"recipes": listing}, "\n".join(lines))
    return OK


if __name__ == "__main__":
    raise SystemExit(main())
