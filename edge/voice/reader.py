"""A window of sound to a weight per expression, and how far a voice is there at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge import bundle as bundles
from edge import engine as engines
from edge.bundle import Bundle
from edge.classify import load_classifier
from edge.engine import EngineOptions
from edge.errors import ModelMismatch
from edge.results import VoiceReading
from edge.voice.mel import BANDS, FRAMES, Floats, log_mel, loudness, picture
from edge.voice.sound import Samples

SHIPPED = "voice"
# Decibels between the loud and the quiet moments of a window: steady noise has about two, speech 20 and more.
NO_VOICE_DB, SURE_VOICE_DB = 4.0, 20.0
SILENT_DB = -70.0  # loudness under which there is nothing to hear


class VoiceReader:
    """A bundle of kind "voice" in an engine. Raises BundleInvalid, EngineError, ModelMismatch and
    UsageError.
    """

    def __init__(self, bundle: Bundle, engine: str = "auto", options: EngineOptions | None = None) -> None:
        if bundle.kind == "voice" and bundle.input.shape != (BANDS, FRAMES):
            raise ModelMismatch(
                f"bundle '{bundle.name}': a voice is heard in {BANDS} bands and {FRAMES} moments, "
                f"not in {bundle.input.shape}"
            )
        name = engines.choose(engine if engine in bundle.files else "auto", bundle.files).name
        self.bundle, self.labels = bundle, bundle.labels
        self._network = load_classifier(bundle, name, options or EngineOptions(), kind="voice")

    def __call__(self, sound: Samples) -> VoiceReading:
        """The reading of samples int16 [15600]."""
        heard, loud = log_mel(sound), loudness(sound)
        there = presence(heard) if loud > SILENT_DB else 0.0
        row = self._network([picture(heard)])[0]
        return VoiceReading(dict(zip(self.labels, map(float, row), strict=True)), there, loud)

    def close(self) -> None:
        """Free the engine; a second call does nothing."""
        self._network.close()


def open_reader(where: str | Path = "", engine: str = "auto", trusted: Path | None = None) -> VoiceReader:
    """The voice bundle ``where`` ("": the shipped one), signed by the key ``trusted`` if there is one.

    Raises FerliteError.
    """
    return VoiceReader(bundles.load(where or SHIPPED, trusted), engine)


def presence(heard: Floats) -> float:
    """How far log-mel float32 [96, 40] has a voice in it, 0-1, by how much louder some moments are than
    others.
    """
    power = 10 / np.log(10) * np.logaddexp.reduce(heard.astype(np.float64), 1)
    quiet, loud = np.percentile(power, (10, 90))
    return float(np.clip((loud - quiet - NO_VOICE_DB) / (SURE_VOICE_DB - NO_VOICE_DB), 0, 1))
