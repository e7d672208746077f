"""``ferlite-train``: a thin face on ``train.loop`` and ``train.evaluate``.

Results go to standard output and nothing else does; messages and progress go to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.exits import INTERRUPTED, OK, guard


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
    run.add_argument("--data", type=Path, required=True, help="packed FER2013 (.npz)")
    run.add_argument("--out", type=Path, required=True, help="folder of the run")
    run.add_argument("--init", type=Path, help="public weights to start from (torchvision's names)")
    evaluate = _verb(verbs, "evaluate", _evaluate, "measure a run's best network on a test split")
    evaluate.add_argument("model", type=Path, help="folder of a run, or its best.pt")
    evaluate.add_argument("--data", type=Path, required=True, help="packed FER2013 (.npz)")
    evaluate.add_argument("--split", choices=("public", "private"), default="public")
    export = _verb(verbs, "export", _export, "write a run's best network as a calibrated ONNX bundle")
    export.add_argument("model", type=Path, help="folder of a run, or its best.pt")
    export.add_argument("--data", type=Path, required=True, help="packed FER2013 (.npz)")
    export.add_argument("--out", type=Path, required=True, help="folder of the bundle")
    export.add_argument(
        "--evaluation",
        type=Path,
        action="append",
        default=[],
        help="a record of 'evaluate --json' to include",
    )
    _verb(verbs, "recipes", _recipes, "list the built-in recipes")
    return parser


def _verb(
    verbs: Any, name: str, do: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    verb.set_defaults(do=do)
    verb.add_argument("--json", action="store_true", help="print the result as JSON")
    verb.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    return verb


def _run(arguments: argparse.Namespace) -> int:
    from train import data, loop, recipe

    chosen = recipe.load(arguments.recipe)
    outcome = loop.fit(
        chosen,
        data.load_fer2013(arguments.data, "train"),
        data.load_fer2013(arguments.data, "public"),
        arguments.out,
        threads=arguments.threads,
        init=arguments.init,
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
    from train import data, evaluate, loop
    from train.checkpoint import load_run

    loop.use_threads(arguments.threads)
    trained = load_run(arguments.model)
    public = data.load_fer2013(arguments.data, "public")
    test = public if arguments.split == "public" else data.load_fer2013(arguments.data, arguments.split)
    record = evaluate.evaluate(trained, test, public)
    _print(arguments, record, evaluate.as_text(record))
    return OK


def _export(arguments: argparse.Namespace) -> int:
    from train import data, evaluate, export, loop, metrics, predict
    from train.checkpoint import load_run

    loop.use_threads(arguments.threads)
    trained = load_run(arguments.model)
    records = [evaluate.accuracy_record(path, trained) for path in arguments.evaluation]
    public = data.load_fer2013(arguments.data, "public")
    logits = predict.predict(trained.model, public.faces, trained.recipe)
    temperature = metrics.fit_temperature(logits, public.labels)
    bundle = export.export(trained, arguments.out, temperature, records, "fer2013")
    result = {"schema": 1, "bundle": str(bundle.path), "name": bundle.name, "temperature": bundle.temperature}
    _print(arguments, result, f"{bundle.path}: {bundle.description}, temperature {bundle.temperature}")
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
