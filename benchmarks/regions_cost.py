"""What the `regions` of a network cost at run time: CPU-ms and instructions a frame, with and without them.

    python -m benchmarks.regions_cost [--bundle BUNDLE] [--save benchmarks/records/regions_cost.json]

BUNDLE reads faces by the help of regions (docs/systems/map_net.md); without one, map_net's network is built
int8 and untrained: what it says is noise, what it costs is not. It runs with the shipped landmarks bundle,
and as on a board that has none, where the network takes what it learnt for that. Every face of every frame is
read, two a frame, found by the tests' tiny detector, so that little but the reading is counted. Instructions
are valgrind's, which knows no AVX-512: they are those of the AVX2 code.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # valgrind runs this file by its path

import edge  # noqa: E402
from benchmarks import instructions, turns  # noqa: E402
from benchmarks.record import origin, save  # noqa: E402
from edge import bundle as bundles  # noqa: E402
from edge import engine as engines  # noqa: E402
from edge.detect import DetectorOptions  # noqa: E402
from edge.engine import EngineOptions  # noqa: E402
from edge.extras import regions  # noqa: E402
from edge.landmarks import Landmarker  # noqa: E402
from edge.pipeline import Pipeline  # noqa: E402
from measure import machine  # noqa: E402

FRAMES, ROUNDS, CALLS, COUNTED = 60, 7, 300, 4
HOW = ("with landmarks", "without")


def untrained(out: Path) -> Path:
    """A bundle of map_net's network for ONNX Runtime, int8 as it would ship, with weights as they begin."""
    import numpy as np
    import torch

    from edge import strict
    from edge.bundle import Bundle
    from edge.bundle_files import writer
    from edge.bundle_files.sections import CropRule, DoubtRule
    from edge.errors import DataInvalid
    from faces.crop_rule import measured_rules
    from quantize import recipe as rungs
    from quantize.builder import Float, builder
    from quantize.network.export import export
    from quantize.network.source import Source
    from train import recipe
    from train.predict import input_spec
    from train.systems.system import system_of

    torch.manual_seed(1)
    chosen = recipe.load(ROOT / "train" / "recipes" / "systems" / "map_net.toml")
    system, spec = system_of(chosen), input_spec(chosen)
    source = Source(
        chosen.name,
        chosen.model.backbone,
        system.network().eval(),
        chosen.labels,
        spec,
        chosen.text,
        chosen.sha256,
        "",
        extras=system.extras,
        told=system.told(64),
    )
    makes, network = builder("onnx"), Float(chosen.name, export(source), spec, source.told)
    faces = np.random.default_rng(1).integers(0, 256, (64, spec.size, spec.size), np.uint8)
    int8 = makes.quantize(network, makes.plain(network), rungs.load("onnx-minmax"), faces)
    rules = measured_rules("fer2013")
    about = Bundle(
        path=out,
        name=chosen.name,
        description="map_net, untrained",
        labels=chosen.labels,
        input=spec,
        crop=strict.fill(CropRule, {**rules["crop"], "size": 48}, "crop", DataInvalid),
        temperature=1.0,
        doubt=strict.fill(DoubtRule, rules["doubt"], "doubt", DataInvalid),
        files={},
        extras=source.extras,
    )
    model = writer.Model(dict(int8.parts), int8.precision, int8.layout)
    writer.write(out, *writer.compose(about, {"onnx": model}))
    return out


def opened(bundle: str, engine: str, aided: bool, joint: Any = None) -> Pipeline:
    """The pipeline with one thread; not ``aided``: as where no landmarks bundle is."""
    told, regions.SHIPPED = regions.SHIPPED, regions.SHIPPED if aided else ""
    found = DetectorOptions(model=instructions.DATA / "tiny_yunet.onnx", engine="onnx")
    more = {"joint": joint} if joint else {}
    try:
        return edge.open_pipeline(
            bundle,
            engine,
            "yunet",
            engine_options=EngineOptions(threads=1),
            detector_options=found,
            pace=0,
            **more,
        )
    finally:
        regions.SHIPPED = told


def cpu_ms(bundle: str, engine: str) -> dict[str, float]:
    """CPU milliseconds a frame: of each way the median over rounds, in turns, of the mean of a round."""
    frame = instructions.picture()
    pipelines = {how: opened(bundle, engine, how == HOW[0]) for how in HOW}

    def reading(pipeline: Pipeline) -> Callable[[], object]:
        def call() -> None:
            readings = pipeline(frame)
            if len(readings) != instructions.FACES:
                raise SystemExit(f"{len(readings)} faces were read, not {instructions.FACES}")

        return call

    work = {how: reading(pipeline) for how, pipeline in pipelines.items()}
    taken = turns.cpu_ms(work, ROUNDS, FRAMES, FRAMES)
    for pipeline in pipelines.values():
        pipeline.close()
    return {how: round(statistics.median(each), 3) for how, each in taken.items()}


def face_ms() -> dict[str, dict[str, Any]]:
    """CPU milliseconds of the shipped landmarks bundle on one face, in every engine that is here."""
    import numpy as np

    loaded, found = bundles.load(regions.SHIPPED), {}
    crop = np.random.default_rng(3).integers(0, 256, (48, 48), np.uint8)
    for engine in loaded.files:
        landmarker = Landmarker(loaded, engine, EngineOptions(threads=1))
        kept = sorted(turns.cpu_ms({engine: partial(landmarker, [crop])}, CALLS, 1, 20)[engine])
        landmarker.close()
        version = engines.engine_class(engine).version()
        size = sum((loaded.path / part).stat().st_size for part in loaded.files[engine].parts)
        found[engine] = {
            "version": version,
            "bytes": size,
            "median_ms": round(statistics.median(kept), 3),
            "p95_ms": round(kept[int(0.95 * len(kept))], 3),
        }
    return found


def counted(bundle: str, engine: str, aided: bool, folder: Path) -> int:
    """Inside valgrind: frames through the pipeline, a mark at every joint."""
    import cv2

    marks: list[str] = []

    def joint(stage: str) -> None:
        marks.append(stage)
        os.getppid()

    cv2.setNumThreads(1)
    frame = instructions.picture()
    with opened(bundle, engine, aided, joint) as pipeline:
        for _ in range(instructions.WARM_UPS + COUNTED):
            joint("start")
            pipeline(frame)
            joint("judge")
    (folder / "marks.json").write_text(json.dumps(marks), encoding="utf-8")
    return 0


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--bundle", help="a bundle whose network wants regions (default: map_net's, untrained)"
    )
    parser.add_argument("--engine", default="onnx", help="engine that runs it (default: %(default)s)")
    parser.add_argument("--save", type=Path, help="write the record here")
    parser.add_argument("--without", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--counted", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    engine = arguments.engine
    if arguments.counted:
        return counted(arguments.bundle, engine, not arguments.without, arguments.counted)
    with tempfile.TemporaryDirectory() as folder:
        bundle = arguments.bundle or str(untrained(Path(folder) / "map_net"))
        record = measured(bundle, engine, bool(arguments.bundle), parser)
    print(json.dumps(record, indent=1))
    save(record, arguments.save)
    return 0


def measured(bundle: str, engine: str, trained: bool, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """The record, JSON-ready."""
    if "regions" not in [extra.source for extra in bundles.load(bundle).extras]:
        parser.error(f"the network of bundle '{bundle}' wants no regions")
    if shutil.which("valgrind") is None:
        parser.error("valgrind is not installed: sudo apt install valgrind")
    words = ["--bundle", bundle, "--engine", engine]
    asked = [*(["--bundle", bundle] if trained else []), "--engine", engine]
    ways = {HOW[0]: words, HOW[1]: [*words, "--without"]}
    faces, times = face_ms(), cpu_ms(bundle, engine)
    # Counts do not change with what else runs, so both are made at a time.
    with ThreadPoolExecutor(len(ways)) as pool:
        counts = list(pool.map(lambda given: instructions.count(Path(__file__), given), ways.values()))
    return {
        "schema": 1,
        "kind": "ferlite regions cost",
        **origin("benchmarks.regions_cost", asked),
        "machine": asdict(machine.here()),
        "versions": instructions.versions(),
        "bundle": Path(bundle).name + ("" if trained else ", untrained"),
        "faces_a_frame": instructions.FACES,
        "landmarks": faces,
        "cpu_ms_a_frame": times,
        "instructions_a_frame": dict(zip(ways, counts, strict=True)),
    }


if __name__ == "__main__":
    sys.exit(main())
