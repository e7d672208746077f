"""What int8 costs a network with a memory, and what the memory costs a frame (survey system 14).

    python -m benchmarks.systems.tfen_int8 runs/TCN-1 --clips CLIPS --test rendered.npz --test morphed.npz \\
        --bundle tfen --save benchmarks/records/systems-tfen-int8.json

For each engine the first recipe of its ladder whose balanced accuracy on every test is within a point of the
float network's, the clips being remembered in order. Calibrated on the last frames of clips that train, with
their own memories. --bundle writes what passed as a bundle.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.record import origin, save
from benchmarks.systems.tfen import balanced
from edge import bundle as bundles
from edge import engine as engines
from edge.bundle_files import writer
from edge.classify import in_batches, to_input, with_absent
from edge.engine import EngineOptions, ModelFile
from edge.errors import BuildFailed, DataInvalid, FerliteError
from faces import readers
from faces.clip_set import ClipSet
from quantize.builder import Built, Float, builder
from quantize.network.export import export
from quantize.network.load import load_source
from quantize.recipe import load as load_recipe
from train import export as train_export
from train.checkpoint import Trained, load_run
from train.evaluate import environment
from train.predict import input_spec
from train.systems.tfen import Tfen, TfenNetwork

LADDERS = {
    "onnx": ("onnx-minmax", "onnx-percentile", "onnx-mixed"),
    "openvino": ("openvino-minmax", "openvino-mixed"),
    "tflite": ("tflite-static", "tflite-mixed"),
}
MOST_LOST = 0.01
CALIBRATED = 64  # clips whose last frames, with what came before them, are calibrated on
ROUNDS = 150  # of a face alone, after a tenth as many that do not count
Floats = npt.NDArray[np.float32]


class Asked:
    """A built model in its engine."""

    def __init__(self, built: Built, engine: str, trained: Trained) -> None:
        self._built, self._system = built, Tfen(trained.recipe)
        self._running = engines.load(engine, ModelFile("tfen", built.parts), EngineOptions(threads=1))
        self._spec = input_spec(trained.recipe)

    def logits(self, faces: npt.NDArray[np.uint8], told: Sequence[Floats | None]) -> Floats:
        """Of faces uint8 [N, H, W], told [N, *shape] each, or None."""
        first = self._running.inputs[0]
        x = to_input(list(faces), self._spec, self._built.layout, first.dtype)
        arrays = [x, *with_absent(self._system.extras, told, len(faces))]
        return np.asarray(in_batches(self._running, arrays, first.shape[0])[0], np.float32)

    def against(self, trunk: engines.Engine) -> tuple[float, float]:
        """Median milliseconds of a face, with whatever it is told, and of the trunk alone, in turns."""
        spent: tuple[list[float], list[float]] = ([], [])
        pair = [(each, one_of(each)) for each in (self._running, trunk)]
        for round_ in range(ROUNDS + ROUNDS // 10):
            for kept, (running, one) in zip(spent, pair, strict=True):
                began = time.perf_counter()
                running.run(one)
                if round_ >= ROUNDS // 10:
                    kept.append(1000 * (time.perf_counter() - began))
        return statistics.median(spent[0]), statistics.median(spent[1])


def one_of(running: engines.Engine) -> list[npt.NDArray[Any]]:
    """An input of one face for a network."""
    return [
        np.full([size or 1 for size in each.shape], 1 if each.dtype == "uint8" else 0.5, each.dtype)
        for each in running.inputs
    ]


def told_of(trained: Trained, clips: ClipSet) -> list[Floats | None]:
    """The memories of clips in order, and no calm face."""
    assert isinstance(trained.model, TfenNetwork)
    return [Tfen(trained.recipe).rows(trained.model, clips)[:, :-1], None]


def shares(asked: Asked, trained: Trained, tests: Sequence[ClipSet]) -> dict[str, dict[str, float]]:
    """By test, the balanced accuracy with the memory and without."""
    found: dict[str, dict[str, float]] = {}
    for test in tests:
        told = told_of(trained, test)
        chosen = {"memory": asked.logits(test.faces, told), "nothing": asked.logits(test.faces, [None, None])}
        found[test.making] = {
            name: balanced(np.asarray(logits.argmax(1), np.int64), test.labels, test.classes)
            for name, logits in chosen.items()
        }
    return found


def climbed(
    engine: str,
    ladder: Sequence[str],
    network: Float,
    trained: Trained,
    faces: ClipSet,
    tests: Sequence[ClipSet],
) -> Any:
    """What ships for ``engine``, and its row of the record: the first rung that passes, or float."""
    makes = builder(engine)
    plain = makes.plain(network)
    held = Asked(plain, engine, trained)
    of_float = shares(held, trained, tests)
    shipped = bundles.load("mobilenetv2")
    trunk = engines.load(engine, shipped.model(engine), EngineOptions(threads=1))
    rungs: list[dict[str, Any]] = []
    built = plain
    for rung in ladder:
        try:
            tried = makes.quantize(network, plain, load_recipe(rung), faces.faces)
        except BuildFailed as error:
            rungs.append({"recipe": rung, "failed": str(error)})
            continue
        ask = Asked(tried, engine, trained)
        own = shares(ask, trained, tests)
        lost = max(of_float[name][how] - own[name][how] for name in own for how in own[name])
        ours, alone = ask.against(trunk)
        rungs.append(
            {
                "recipe": rung,
                "accuracy": own,
                "most_lost": round(lost, 5),
                "passed": lost <= MOST_LOST,
                "bytes": tried.size,
                "ms_a_face": round(ours, 3),
                "ms_a_face_of_the_trunk": round(alone, 3),
            }
        )
        print(engine, rungs[-1], file=sys.stderr, flush=True)
        if lost <= MOST_LOST:
            built = tried
            break
    trunk.close()
    library = engines.engine_class(engine).version()
    return built, {"library": library, "float": of_float, "rungs": rungs, "ships": built.precision}


def markdown(record: dict[str, Any]) -> str:
    """A row for each recipe that was tried: float and int8, and a face's time beside the trunk's alone."""
    names = list(next(iter(record["engines"].values()))["float"])
    rows = [
        f"| engine | recipe | {' | '.join(f'{name}: float, int8' for name in names)} | most lost "
        "| within a point | size | ms a face | of the trunk alone |",
        "|---" * (len(names) + 7) + "|",
    ]
    for engine, row in record["engines"].items():
        for rung in (each for each in row["rungs"] if "accuracy" in each):
            pairs = [(row["float"][name]["memory"], rung["accuracy"][name]["memory"]) for name in names]
            cells = [engine, rung["recipe"], *(f"{ours:.1%}, {theirs:.1%}" for ours, theirs in pairs)]
            cells += [f"{100 * rung['most_lost']:.1f}", "yes" if rung["passed"] else "no"]
            cells += [f"{rung['bytes'] / 1e6:.2f} MB"]
            cells += [f"{rung['ms_a_face']:.2f}", f"{rung['ms_a_face_of_the_trunk']:.2f}"]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([*rows, "", f"{record['date']}, one thread, `{record['command']}`"])


def main() -> int:
    """Build, measure, print, save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.systems.tfen_int8", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("run", type=Path, help="a run of the recipe tfen")
    parser.add_argument("--clips", type=Path, required=True, help="folder of packs that it learnt from")
    parser.add_argument("--test", type=Path, action="append", required=True, help="a pack that judges")
    parser.add_argument("--engine", action="append", choices=tuple(LADDERS), help="default: all")
    parser.add_argument("--rungs", type=int, default=9, help="of each ladder, at most so many")
    parser.add_argument("--bundle", type=Path, help="write the bundle here")
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    names = arguments.engine or list(LADDERS)
    try:
        trained, source = load_run(arguments.run), load_source(arguments.run)
        train = readers.read(arguments.clips, 48).split("train")
        tests = [readers.read(path, 48).split("private") for path in arguments.test]
        shown = [test for test in tests if isinstance(test, ClipSet)]
        if len(shown) < len(tests) or not isinstance(train, ClipSet):
            raise DataInvalid("--clips and every --test must be packs of clips")
        few = train.take(np.linspace(0, len(train) - 1, min(len(train), CALIBRATED)).astype(int))
        rows = told_of(trained, few)[0]
        assert rows is not None
        told = dict(source.told) | {"memory": rows}
        exported = export(source, program="tflite" in names)
        network = Float(source.name, exported, source.input, told)
        models, record_of = {}, {}
        for engine in names:
            built, record_of[engine] = climbed(
                engine, LADDERS[engine][: arguments.rungs], network, trained, few, shown
            )
            models[engine] = writer.Model(dict(built.parts), built.precision, built.layout)
        if arguments.bundle:
            about = train_export.describe(trained, arguments.bundle, 1.0, (), "fer2013", side=48)
            writer.write(arguments.bundle, *writer.compose(about, models))
    except FerliteError as error:
        print(f"tfen_int8: {error}", file=sys.stderr)
        return 1
    record = {
        "schema": 1,
        "kind": "ferlite tfen int8",
        **origin("benchmarks.systems.tfen_int8"),
        "environment": environment(),
        "weights_sha256": trained.sha256,
        "engines": record_of,
    }
    print(markdown(record))
    save(record, arguments.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
