"""``ferlite-train``: a thin face on ``train.loop`` and ``train.evaluate``.

Results go to standard output and nothing else does; messages and progress go to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.errors import UsageError
from edge.exits import INTERRUPTED, OK, guard
from edge.files import write_text


def main(argv: list[str] | None = None) -> int:
    """Run ``argv`` (default: the process's own arguments) and return the exit code."""
    arguments = _parser().parse_args(argv)
    return guard("ferlite-train", lambda: int(arguments.do(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ferlite-train", description="Train and judge expression classifiers."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    run = _verb(verbs, "run", _run, "train a recipe, or go on with a run that was stopped")
    run.add_argument("recipe", help="a built-in recipe's name or a .toml file")
    _data_options(run)
    run.add_argument("--out", type=Path, required=True, help="folder of the run")
    run.add_argument("--init", type=Path, help="public weights to start from (torchvision's names)")
    run.add_argument("--teacher", type=Path, action="append", default=[], help="a trained run to distil")
    run.add_argument("--device", default="auto", help="auto, cpu or cuda (default: cuda where there is one)")
    data = _verb(verbs, "data", _data, "describe a data set, and look for faces that repeat across splits")
    _data_options(data)
    data.add_argument("--side", type=int, default=48, help="pixels to bring pictures to (default: 48)")
    _verb(verbs, "recipes", _recipes, "list the built-in recipes")
    _add_verbs_for_trained(verbs)
    return parser


def _add_verbs_for_trained(verbs: Any) -> None:
    evaluate = _verb(
        verbs, "evaluate", _evaluate, "measure a run's best network, or a bundle, on a test split"
    )
    evaluate.add_argument("model", type=Path, help="folder of a run, its best.pt, or a bundle")
    _data_options(evaluate)
    evaluate.add_argument("--split", choices=("public", "private"), default="public")
    evaluate.add_argument("--engine", default="auto", help="engine that runs a bundle")
    evaluate.add_argument(
        "--flip", action="store_true", help="mean with the mirrored face, at twice the cost"
    )
    evaluate.add_argument("--corruptions", action="store_true", help="measure on worsened faces too: slow")
    evaluate.add_argument("--record", type=Path, help="file to write the record to, as JSON")
    report = _verb(verbs, "report", _report, "draw evaluation records as one HTML page")
    report.add_argument("records", type=Path, nargs="+", help="records of 'evaluate --record'")
    report.add_argument("--out", type=Path, required=True, help="HTML file to write")
    card = _verb(verbs, "card", _card, "write the model card of a bundle, from its evaluation records")
    card.add_argument("bundle", type=Path, help="folder of the bundle")
    card.add_argument("records", type=Path, nargs="+", help="records of 'evaluate --record' on this bundle")
    card.add_argument(
        "--data-report", type=Path, required=True, help="record of 'data --json' of the training set"
    )
    export = _verb(verbs, "export", _export, "write a run's best network as a calibrated ONNX bundle")
    export.add_argument("model", type=Path, help="folder of a run, or its best.pt")
    _data_options(export)
    export.add_argument("--out", type=Path, required=True, help="folder of the bundle")
    export.add_argument(
        "--evaluation",
        type=Path,
        action="append",
        default=[],
        help="a record of 'evaluate --json' to include",
    )
    export.add_argument("--batch", type=int, default=0, help="fix the batch size (default: any)")
    export.add_argument("--crops", default="fer2013", help="data set whose measured crop rule applies")
    pack = _verb(verbs, "pack", _pack, "write a run's best network in half the bytes, if nothing is lost")
    pack.add_argument("model", type=Path, help="folder of a run, or its best.pt")
    _data_options(pack)
    pack.add_argument("--out", type=Path, required=True, help="file to write, .pt or .pt.xz (compressed)")


def _verb(
    verbs: Any, name: str, do: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    verb.set_defaults(do=do)
    verb.add_argument("--json", action="store_true", help="print the result as JSON")
    verb.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    return verb


def _data_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--data", type=Path, required=True, help="a data set: file or folder")
    verb.add_argument("--layout", default="auto", help="how it is laid out (default: found out)")


def _run(arguments: argparse.Namespace) -> int:
    from faces import readers
    from train import loop, recipe
    from train.checkpoint import load_run

    chosen = recipe.load(arguments.recipe)
    found = readers.read(arguments.data, chosen.model.input_size, arguments.layout)
    outcome = loop.fit(
        chosen,
        found.split("train"),
        found.split("public"),
        arguments.out,
        threads=arguments.threads,
        init=arguments.init,
        teachers=[load_run(path) for path in arguments.teacher],
        device=arguments.device,
    )
    result = {
        "schema": 1,
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
    _print(arguments, result, f"{chosen.name}: {best}, step {outcome.steps} of {outcome.total_steps}")
    if outcome.finished:
        return OK
    print("ferlite-train: stopped; the same command goes on from here", file=sys.stderr)
    return INTERRUPTED


def _evaluate(arguments: argparse.Namespace) -> int:
    from faces import readers
    from train import evaluate, loop
    from train.classifier import open_subject

    loop.use_threads(arguments.threads)
    subject = open_subject(arguments.model, arguments.engine, arguments.threads, arguments.flip)
    # Pictures come at the size of the network, as the runtime's crops do.
    found = readers.read(arguments.data, subject.describe()["input_size"], arguments.layout, search=False)
    record = evaluate.evaluate(
        subject, found.split(arguments.split), found.split("public"), corruptions=arguments.corruptions
    )
    if arguments.record:
        write_text(arguments.record, json.dumps(record, indent=2) + "\n")
    _print(arguments, record, evaluate.as_text(record))
    return OK


def _report(arguments: argparse.Namespace) -> int:
    from train import evaluate, report

    records = [evaluate.read_record(path) for path in arguments.records]
    write_text(arguments.out, report.page(records))
    _print(
        arguments, {"schema": 1, "report": str(arguments.out), "records": len(records)}, str(arguments.out)
    )
    return OK


def _card(arguments: argparse.Namespace) -> int:
    from edge.bundle import load
    from train import card, evaluate

    records = [evaluate.read_record(path) for path in arguments.records]
    out = arguments.bundle / card.FILE
    before = out.read_text(encoding="utf-8") if out.is_file() else ""
    text = card.write(load(arguments.bundle), records, card.read_data_report(arguments.data_report), before)
    write_text(out, text)
    _print(arguments, {"schema": 1, "card": str(out)}, str(out))
    return OK


def _export(arguments: argparse.Namespace) -> int:
    from faces import metrics, readers
    from train import evaluate, export, loop, predict
    from train.checkpoint import load_run

    if not 0 <= arguments.batch <= 4096:
        raise UsageError(f"--batch {arguments.batch}: give 1 to 4096 faces, or 0 for any number")
    loop.use_threads(arguments.threads)
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
        arguments.crops,
        side=public.faces.shape[1],
        batch=arguments.batch,
    )
    result = {"schema": 1, "bundle": str(bundle.path), "name": bundle.name, "temperature": bundle.temperature}
    _print(arguments, result, f"{bundle.path}: {bundle.description}, temperature {bundle.temperature}")
    return OK


def _pack(arguments: argparse.Namespace) -> int:
    from faces import readers
    from train import loop, pack
    from train.checkpoint import load_run

    loop.use_threads(arguments.threads)
    trained = load_run(arguments.model)
    found = readers.read(arguments.data, trained.recipe.model.input_size, arguments.layout, search=False)
    packed = pack.pack(trained, found.split("public"), arguments.out)
    result = {"schema": 1, "out": str(arguments.out), **asdict(packed)}
    text = f"{arguments.out}: {packed.bytes / 1e6:.2f} MB; {packed.changed} of {packed.faces} answers changed"
    _print(arguments, result, text)
    return OK


def _data(arguments: argparse.Namespace) -> int:
    from faces import readers

    if not 16 <= arguments.side <= 512:
        raise UsageError(f"--side {arguments.side}: give 16 to 512 pixels")
    found = readers.read(arguments.data, arguments.side, arguments.layout, search=True)
    report = readers.describe(found)
    _print(arguments, report, readers.as_text(report))
    return OK


def _recipes(arguments: argparse.Namespace) -> int:
    from train import recipe

    found = {name: recipe.load(name) for name in recipe.built_in()}
    listing = {
        name: {"backbone": each.model.backbone, "input_size": each.model.input_size, "sha256": each.sha256}
        for name, each in found.items()
    }
    lines = [f"{name:28} {each.model.backbone}, {each.model.input_size} px" for name, each in found.items()]
    _print(arguments, {"schema": 1, "recipes": listing}, "\n".join(lines))
    return OK


def _print(arguments: argparse.Namespace, result: dict[str, Any], text: str) -> None:
    print(json.dumps(result, indent=2) if arguments.json else text)


if __name__ == "__main__":
    raise SystemExit(main())
