"""A bundle's network in one engine, without detector and frames, and faces to give it."""

from __future__ import annotations

import numpy as np

from edge import bundle as bundles
from edge import engine as engines
from edge.align import Image
from edge.classify import Classifier, Weights
from edge.engine import EngineOptions
from measure.request import Order


class FaceReader:
    """The order's bundle in its first engine. Raises FerliteError where it does not load."""

    def __init__(self, order: Order) -> None:
        loaded = bundles.load(order.bundle)
        name = order.engines[0]
        options = EngineOptions(threads=order.threads, device=order.device)
        running = engines.load(name, loaded.model(name), options)
        try:
            self._classifier = Classifier(loaded, running, loaded.files[name].layout)
        except BaseException:
            running.close()
            raise
        self._shape: tuple[int, ...] = loaded.input.shape
        if loaded.input.channels > 1:
            self._shape += (loaded.input.channels,)

    def __call__(self, crops: list[Image]) -> Weights:
        """Weights of the crops, as the pipeline asks for them."""
        return self._classifier(crops)

    def faces(self, count: int) -> list[Image]:
        """Crops of random grey levels: a network's time does not depend on what it sees."""
        random = np.random.default_rng(1)
        return [random.integers(0, 256, self._shape, np.uint8) for _ in range(count)]

    def __enter__(self) -> FaceReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._classifier.close()
