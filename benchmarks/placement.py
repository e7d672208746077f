"""Which operators int8 should leave in float, per engine: int8's CPU time over float's.

    python -m benchmarks.placement -o benchmarks/records/placement.json

Networks with random weights, quantized by the toolchain's own builders, raced in turns in one process, so
that whatever else the machine does falls on all. The figure is CPU time of the process, not time on the
clock: it stands still while other work runs.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import turns
from benchmarks.record import origin, save
from edge import engine as engines
from edge.bundle_files.sections import InputSpec
from edge.classify import to_input
from edge.engine import EngineOptions, ModelFile
from faces.labels import EXPRESSIONS
from measure import machine
from quantize.builder import Built, Float, builder
from quantize.network.export import export
from quantize.network.source import Source
from quantize.recipe import parse
from train import backbones
from train.recipe import ModelRecipe

FACES, ROUNDS, RUNS, WARM_UPS = 8, 20, 5, 5
NETWORKS = ("mobilenet_v3_small", "efficientnet_b0")
ENDS = {"onnx": "", "openvino": "", "tflite": 'activations = "int8"\nuint8_input = false'}
PLACEMENTS = {
    "onnx": (
        "",
        'float_operators = ["Sigmoid", "HardSwish", "HardSigmoid"]',
        'float_operators = ["Mul", "Sigmoid", "HardSwish", "HardSigmoid"]',
    ),
    "openvino": ("", 'float_operators = ["Multiply"]', 'keep_float = ["*.fc1", "*.fc2"]'),
    "tflite": ("", 'float_operators = ["HARD_SWISH"]', 'float_operators = ["MUL"]'),
}


@dataclass(frozen=True)
class Result:
    """One placement's milliseconds of CPU per face (tenth percentile), over float's in the same rounds."""

    network: str
    engine: str
    settings: str
    ms: float
    float_ms: float
    bytes: int

    @property
    def ratio(self) -> float:
        """Int8's CPU time over float's."""
        return self.ms / self.float_ms


def random_network(name: str, size: int) -> tuple[Source, Float]:
    """A backbone with random weights for grey faces of ``size``."""
    torch.manual_seed(0)
    model = backbones.build(ModelRecipe(backbone=name, input_size=size), len(EXPRESSIONS)).eval()
    spec = InputSpec(size, "grey", (127.5,), (64.0,))
    source = Source(name, name, model, EXPRESSIONS, spec, "", "", "")
    return source, Float(name, export(source), spec)


def measure(network: Float, engine: str) -> list[Result]:
    """Every placement of ``engine``, raced against float."""
    make = builder(engine)
    side = network.input.size
    faces = np.random.default_rng(0).integers(0, 256, (FACES, side, side), np.uint8)
    plain = make.plain(network)
    models = {"float": plain}
    for settings in PLACEMENTS[engine]:
        text = (
            f'schema = 1\nname = "p"\nengine = "{engine}"\n[calibration]\nfaces = {FACES}\n'
            f"[quantize]\n{ENDS[engine]}\n{settings}\n"
        )
        models[settings] = make.quantize(network, plain, parse(text, Path("placement")), faces)
    times = race(engine, models, network, faces[0])
    return [
        Result(network.name, engine, key or "all in int8", times[key], times["float"], models[key].size)
        for key in PLACEMENTS[engine]
    ]


def race(engine: str, models: dict[str, Built], network: Float, face: Any) -> dict[str, float]:
    """Milliseconds of CPU per face of each model: the tenth percentile of the rounds."""
    loaded = {
        key: engines.load(engine, ModelFile(key, built.parts), EngineOptions(threads=1))
        for key, built in models.items()
    }
    inputs = {
        key: to_input([face], network.input, models[key].layout, each.inputs[0].dtype)
        for key, each in loaded.items()
    }
    work = {key: partial(each.run, [inputs[key]]) for key, each in loaded.items()}
    times = turns.cpu_ms(work, ROUNDS, RUNS, WARM_UPS)
    for each in loaded.values():
        each.close()
    return {key: float(np.percentile(each, 10)) for key, each in times.items()}


def main() -> int:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--engines", default=",".join(PLACEMENTS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in given.networks.split(","):
        _, network = random_network(name, given.size)
        for engine in given.engines.split(","):
            for each in measure(network, engine):
                print(
                    f"{each.network:20}{each.engine:10}{each.settings:66}{each.ratio:6.2f}", file=sys.stderr
                )
                rows.append({**each.__dict__, "ratio": round(each.ratio, 3)})
    record = {
        "schema": 1,
        "kind": "ferlite-placement",
        **origin("benchmarks.placement"),
        "machine": asdict(machine.here()),
        "libraries": {each: engines.engine_class(each).version() for each in given.engines.split(",")},
        "size": given.size,
        "results": rows,
    }
    save(record, given.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
