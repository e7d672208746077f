"""Golden answers: whether a model answers here what it answered where it was built.

bundle.json keeps, per engine, the answers to a few drawn faces (``files.ENGINE.golden``): the sha256 of the
logits, and the weights. ``check`` gives them again and compares:

- "same": bit for bit. TFLite's int8 arithmetic is integer throughout, where no layer was left in float, and
  gives this on every processor.
- "close": no weight is off by more than ``CLOSE``. Float arithmetic rounds differently from one processor to
  the next, and so does ONNX Runtime's int8: it adds branches and averages maps in float.
- "other": the model does not do here what was measured. ONNX Runtime's int8 sums saturate on x86 processors
  without VNNI, for one, where weights have all their eight bits (``reduce_range`` in a recipe).

    for engine in bundle.files:
        print(engine, golden.check(bundle, engine))

Needs numpy, OpenCV and the engine's library: no toolchain, no data set, no random generator.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge import engine as engines
from edge.bundle import Bundle
from edge.bundle_files.sections import Golden, InputSpec
from edge.classify import softmax, to_input, with_absent
from edge.engine import EngineOptions, ModelFile
from edge.errors import BundleInvalid, ModelMismatch

COUNT = 8
# Between what other processors' rounding does to a weight (0.01 and less) and what saturation does (0.2).
CLOSE = 0.05
_FINE = 1024  # coordinates are counted in parts of the side: no float, so every machine draws the same


def faces(spec: InputSpec) -> npt.NDArray[np.uint8]:
    """``COUNT`` drawn faces uint8 [COUNT, S, S], or [COUNT, S, S, 3] for a colour model; always the same.

    Integers alone: a head on a background, eyes and a mouth that open and move from face to face, and grain
    of a linear congruential generator, so that every layer has something to see.
    """
    drawn: npt.NDArray[np.uint8] = np.stack([_face(number, spec.size) for number in range(COUNT)])
    return drawn if spec.channels == 1 else np.repeat(drawn[..., None], spec.channels, axis=3)


@dataclass(frozen=True)
class Outcome:
    """How this machine's answers compare. ``largest``: the most that a weight (0-1) is off."""

    state: Literal["same", "close", "other"]
    largest: float


def check(bundle: Bundle, engine: str, options: EngineOptions | None = None) -> Outcome | None:
    """This machine's answers against the bundle's; None where bundle.json has none for the engine.

    Raises BundleInvalid, EngineError and ModelMismatch.
    """
    golden = bundle.files[engine].golden if engine in bundle.files else None
    if golden is None:
        return None
    if len(golden.weights) != COUNT:
        raise BundleInvalid(
            f"bundle '{bundle.path}': 'files.{engine}.golden' has {len(golden.weights)} answers, not {COUNT}"
        )
    given = answers(bundle, engine, bundle.model(engine), options)
    weights = softmax(given, bundle.scaling_of(engine))
    largest = float(np.abs(weights - np.array(golden.weights)).max())
    if _digest(given) == golden.sha256:
        return Outcome("same", largest)
    # Written so that an answer which is not a number is "other".
    return Outcome("close" if largest <= CLOSE else "other", largest)


def take(bundle: Bundle, engine: str, model: ModelFile, options: EngineOptions | None = None) -> Golden:
    """The answers that ``model`` gives here, as bundle.json keeps them: weights to four decimals.

    Raises EngineError and ModelMismatch.
    """
    given = answers(bundle, engine, model, options)
    weights = softmax(given, bundle.scaling_of(engine)).round(4)
    return Golden(_digest(given), tuple(tuple(map(float, row)) for row in weights))


def answers(
    bundle: Bundle, engine: str, model: ModelFile, options: EngineOptions | None = None
) -> npt.NDArray[np.float32]:
    """Logits float32 [COUNT, labels] of ``faces``, fed one at a time in their order.

    Raises EngineError and ModelMismatch.
    """
    running = engines.load(engine, model, options or EngineOptions(threads=1))
    layout, dtype = bundle.files[engine].layout, running.inputs[0].dtype
    given = np.zeros((COUNT, len(bundle.labels)), np.float32)
    told = with_absent(bundle.extras, (), 1)
    try:
        for number, face in enumerate(faces(bundle.input)):
            given[number] = running.run([to_input([face], bundle.input, layout, dtype), *told])[0].reshape(-1)
    except ValueError as error:
        raise ModelMismatch(
            f"bundle '{bundle.name}': engine '{engine}' does not give a logit per label"
        ) from error
    finally:
        running.close()
    return given


def _digest(logits: npt.NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(logits, "<f4").tobytes()).hexdigest()


def _face(number: int, size: int) -> npt.NDArray[np.uint8]:
    steps = (np.arange(size, dtype=np.int64) * 2 + 1) * _FINE // (2 * size)
    x, y = steps[None, :], steps[:, None]
    picture = 60 + number * 11 + (x + y) // 32
    picture = np.where(_inside(x, y, 512, 520, 330, 430), 150 + number * 7 - abs(x - 512) // 8, picture)
    for side in (-1, 1):
        middle = 512 + side * (150 + number * 3)
        picture = np.where(_inside(x, y, middle, 430, 70, 18 + number * 6), 225, picture)
        picture = np.where(_inside(x, y, middle + number * 4 - 14, 430, 26, 26), 30, picture)
        brow = 330 + side * (number - 4) * 8 * (x - middle) // 100 - number * 4
        picture = np.where((abs(y - brow) < 14) & (abs(x - middle) < 90), 50, picture)
    # The corners of the mouth rise, lie level or fall, and it opens.
    bend = 720 + (number - 3) * (x - 512) * (x - 512) // 1800
    picture = np.where((abs(y - bend) < 12 + number * 5) & (abs(x - 512) < 150 + number * 6), 70, picture)
    levels: npt.NDArray[np.uint8] = np.clip(picture + _grain(number, size), 0, 255).astype(np.uint8)
    return levels


def _inside(
    x: npt.NDArray[np.int64], y: npt.NDArray[np.int64], at_x: int, at_y: int, wide: int, high: int
) -> npt.NDArray[np.bool_]:
    return ((x - at_x) * high) ** 2 + ((y - at_y) * wide) ** 2 < (wide * high) ** 2


def _grain(number: int, size: int) -> npt.NDArray[np.int64]:
    """Grey levels -8 to 7 [S, S], of the generator that Numerical Recipes has for quick use, modulo 2**32."""
    state, levels = number + 1, []
    for _ in range(size * size):
        state = (state * 1664525 + 1013904223) % 2**32
        levels.append((state >> 28) - 8)
    return np.array(levels, np.int64).reshape(size, size)
