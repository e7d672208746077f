"""When a face moved and came back, as a network tells it: a bundle of kind "spotter".

The network tells short movements. What the face is compared with, how far it is from there, and longer
movements are the rule's (``edge.moments.rule``), whose measure it is told as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge import bundle as bundles
from edge import engine as engines
from edge.bundle import Bundle
from edge.bundle_files.sections import InputSpec, Layout, SpotRule
from edge.classify import in_batches, to_input
from edge.engine import Engine, EngineOptions
from edge.errors import ModelMismatch, UsageError
from edge.moments.decode import OUTPUTS, Decoder, Found
from edge.moments.history import LOOKED, MOVES, RATE, ROWS, History, picture
from edge.moments.motion import Motion
from edge.moments.regions import Floats
from edge.moments.rule import STRAY, RuleSpotter, Span
from edge.moments.tone import tone_of

SHIPPED = "spotter"
KEPT = 2.0  # seconds of moments beside those looked back to: frames may come seldom


class Telling(Protocol):
    """A network that is asked: ``window`` moments in, what it says of ``told`` of them out."""

    window: int
    told: int
    rule: SpotRule

    def __call__(self, levels: npt.NDArray[np.uint8]) -> Floats:
        """Of levels uint8 [ROWS, window] (``history.picture``): float32 [told, outputs], 0-1."""
        ...


class SpottingNetwork:
    """A spotter's bundle in an engine. See ``Telling``.

    Raises BundleInvalid, EngineError, ModelMismatch and UsageError.
    """

    def __init__(self, bundle: Bundle, engine: str = "auto", options: EngineOptions | None = None) -> None:
        if bundle.kind != "spotter" or bundle.spot is None:
            raise UsageError(
                f"bundle '{bundle.path}' is of kind {bundle.kind} and spots no movements: give one that does"
            )
        rows, self.window = bundle.input.shape
        name = engines.choose(engine if engine in bundle.files else "auto", bundle.files).name
        self.rule, self.engine = bundle.spot, name
        self._spec, self._layout = bundle.input, bundle.files[name].layout
        self._running = engines.load(name, bundle.model(name), options or EngineOptions())
        try:
            self.told = self._fitting(bundle, rows)
        except BaseException:
            self._running.close()
            raise

    def _fitting(self, bundle: Bundle, rows: int) -> int:
        """How many moments the network tells of. Raises ModelMismatch."""
        inputs, outputs = self._running.inputs, self._running.outputs
        many = outputs[0].shape[-1] if len(outputs) == 1 and len(outputs[0].shape) == 2 else None
        if len(inputs) != 1 or not many or many % len(OUTPUTS) or bundle.labels != OUTPUTS:
            raise ModelMismatch(
                f"bundle '{bundle.name}': a spotter's model tells {', '.join(OUTPUTS)} of moments in one row"
            )
        told = many // len(OUTPUTS)
        if any(len(row) != MOVES + 1 for row in self.rule.tones.values()):
            raise ModelMismatch(f"bundle '{bundle.name}': spot.tones must have {MOVES + 1} numbers each")
        if rows != ROWS or not told + self.rule.ahead <= self.window <= LOOKED:
            raise ModelMismatch(
                f"bundle '{bundle.name}': {told} moments cannot be told of from {rows} rows of "
                f"{self.window}, {self.rule.ahead} ahead: motion has {ROWS} rows, of {LOOKED} moments at most"
            )
        return told

    def __call__(self, levels: npt.NDArray[np.uint8]) -> Floats:
        """See ``Telling``."""
        told: Floats = told_of(ask(self._running, levels, self._spec, self._layout))[0]
        return told

    def close(self) -> None:
        """Free the engine; a second call does nothing."""
        self._running.close()


def open_network(
    where: str | Path = "", engine: str = "auto", threads: int = 0, trusted: Path | None = None
) -> SpottingNetwork:
    """The spotter's bundle ``where`` ("": the shipped one), signed by the key ``trusted`` if there is one.

    Raises FerliteError.
    """
    return SpottingNetwork(bundles.load(where or SHIPPED, trusted), engine, EngineOptions(threads))


def ask(running: Engine, levels: npt.NDArray[np.uint8], spec: InputSpec, layout: Layout) -> Floats:
    """Logits float32 [1, outputs * told] that a model gives for levels uint8 [ROWS, window]."""
    given = running.inputs[0]
    return in_batches(running, [to_input([levels], spec, layout, given.dtype)], given.shape[0])[0]


def told_of(logits: npt.NDArray[np.floating]) -> Floats:
    """What logits [N, outputs * told] say, float32 [N, told, outputs], 0-1."""
    rows = logits.reshape(len(logits), len(OUTPUTS), -1).transpose(0, 2, 1)
    return np.asarray(1 / (1 + np.exp(-np.clip(rows, -30, 30))), np.float32)


class NetworkSpotter:
    """Takes one face's motions in the order of time. See ``watch.Spotter``."""

    def __init__(self, network: Telling) -> None:
        self._network, self._rule, self._decoder = network, RuleSpotter(), Decoder(network.rule)
        self._history = History(LOOKED + round(KEPT * RATE))
        self._untold = 0
        self.rest, self.height = True, 0.0

    def restart(self) -> None:
        """The face was lost, or cannot be compared with what it was."""
        self._rule.restart()
        self._forget()

    def _forget(self) -> None:
        self._history.restart()
        self._decoder.restart()
        self._untold = 0
        self.rest, self.height = True, 0.0

    def __call__(self, time: float, motion: Motion) -> Sequence[Span]:
        """The motion at ``time`` in seconds, and the movements that are known to be over since it."""
        spans = [self._toned(span) for span in self._rule(time, motion) if not span.micro]
        if motion.lost:
            self._forget()
            return spans
        self._untold += self._history.take(time, motion, self._rule.height)
        while self._untold >= self._network.told:
            spans += self._ask()
            self._untold -= self._network.told
        self.rest, self.height = self._rule.rest, self._rule.height
        if self.rest:
            self._history.rest()
        return spans

    def _ask(self) -> list[Span]:
        """What the network says of the earliest moments that it was not asked of."""
        network, late = self._network, self._untold - self._network.told
        rows = self._history.last(LOOKED + late)[:LOOKED]
        last = round(self._history.time * RATE) - late - network.rule.ahead
        answers = enumerate(network(picture(rows, network.window)), last + 1 - network.told)
        return [span for moment, told in answers for span in self.heard(moment / RATE, told)]

    def heard(self, time: float, told: Floats) -> list[Span]:
        """The movement, if one is over by what was ``told``, float32 [outputs], of the moment at ``time``."""
        found = self._decoder(time, told)
        return [] if found is None else [self.span(found)]

    def span(self, found: Found) -> Span:
        """What was ``found``, with the parts that moved."""
        rows = self._history.between(found.onset, found.offset)
        rest, apex = rows[0], self._history.between(found.apex, found.apex)[0]
        parts = (apex - rest)[:MOVES].reshape(-1, 2)
        span = Span(found.onset, found.apex, found.offset, parts, float(rows[:, -1].max() / STRAY))
        talking = span.of_mouth and self._rule.mouth_moves_about(span)
        return self._toned(replace(span, talking=talking))

    def _toned(self, span: Span) -> Span:
        return replace(span, tone=tone_of(span.parts, self._network.rule.tones))
