"""Where a frame's time goes, taken at the joints of the pipeline itself.

The pipeline that is timed is the one that ships: it tells its ``joint`` when a stage is done, and every
engine is wrapped as it is loaded (``EngineOptions.wrap``). A stage lasts from one joint to the next, so the
stages of a frame add up to the frame and nothing in between can hide.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from edge.engine import Array, Engine, Tensor

# "follow": looking where faces went since the last search, and at the frame of a search for the next one.
# "pace": who is who, and which faces changed. "judge": naming the expression, and doubting it.
STAGES = ("decode", "detect", "follow", "pace", "align", "classify", "judge", "output")
SEARCHED = "detect"


class Stopwatch:
    """Collects the current frame's stages in milliseconds.

    ``engine_ms`` is the share inside engines; ``searched``: the frame was searched for faces;
    ``search_engine``: that was ever done by an engine.
    """

    def __init__(self) -> None:
        self.stages = dict.fromkeys(STAGES, 0.0)
        self.engine_ms = 0.0
        self.searched = self.search_engine = False
        self._last = 0.0

    def start(self) -> None:
        """A frame begins."""
        self.stages = dict.fromkeys(STAGES, 0.0)
        self.engine_ms, self.searched = 0.0, False
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """What passed since the last joint belongs to ``stage``."""
        now = time.perf_counter()
        self.stages[stage] += (now - self._last) * 1e3
        self._last = now
        if stage == SEARCHED:
            self.searched = True
            self.search_engine |= self.engine_ms > 0

    def engine(self, inner: Engine) -> Engine:
        """``inner``, whose time is added to ``engine_ms``: what ``EngineOptions.wrap`` takes."""
        return _Timed(inner, self)


class _Timed:
    def __init__(self, inner: Engine, watch: Stopwatch) -> None:
        self._inner, self._watch = inner, watch

    @property
    def inputs(self) -> Sequence[Tensor]:
        return self._inner.inputs

    @property
    def outputs(self) -> Sequence[Tensor]:
        return self._inner.outputs

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        began = time.perf_counter()
        results = self._inner.run(arrays)
        self._watch.engine_ms += (time.perf_counter() - began) * 1e3
        return results

    def close(self) -> None:
        self._inner.close()
