"""Sound to log-mel: how strong each of 40 bands of pitch is, every hundredth of a second.

Hann windows of 25 ms every 10 ms, a Fourier transform of 512 points, triangles on the mel scale from 60 to
7600 Hz (Stevens et al., 1937, in O'Shaughnessy's formula), the natural logarithm of their power.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

RATE = 16_000  # samples a second
WINDOW, HOP, POINTS = 400, 160, 512
BANDS, LOWEST, HIGHEST = 40, 60.0, 7600.0
LEAST = 1e-6  # power below which it is silence
FRAMES = 96  # of what a network hears at a time
SAMPLES = WINDOW + (FRAMES - 1) * HOP  # the same in samples: 0.975 s
SILENCE = float(np.log(LEAST))
STEPS = 12.75  # grey levels for each unit of the logarithm
MIDDLE = 128.0

Floats = npt.NDArray[np.float32]


def log_mel(sound: npt.NDArray[np.int16]) -> Floats:
    """Float32 [frames, 40] of samples int16 [N] at 16 kHz; one frame for each whole window, [0, 40] for
    none.
    """
    frames = max(0, 1 + (len(sound) - WINDOW) // HOP)
    if not frames:
        return np.zeros((0, BANDS), np.float32)
    scaled = sound.astype(np.float32) / 32768
    cut = np.lib.stride_tricks.sliding_window_view(scaled, WINDOW)[::HOP][:frames]
    power = np.abs(np.fft.rfft(cut * _hann(), POINTS)) ** 2
    return np.log(np.maximum(power @ _triangles().T, LEAST)).astype(np.float32)


def picture(heard: Floats) -> npt.NDArray[np.uint8]:
    """What the network hears of log-mel float32 [96, 40]: grey levels uint8 [40, 96], low bands first.

    The mean of all is taken out, so that a microphone's gain does not count.
    """
    levels = (heard - heard.mean()) * STEPS + MIDDLE
    return np.ascontiguousarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8).T)


def loudness(sound: npt.NDArray[np.int16]) -> float:
    """Decibels of the samples' mean square, 0 for the loudest that there can be; -120 for nothing."""
    square = float(np.mean((sound.astype(np.float64) / 32768) ** 2)) if len(sound) else 0.0
    return 10 * float(np.log10(max(square, 1e-12)))


@lru_cache(maxsize=1)
def _hann() -> Floats:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)


@lru_cache(maxsize=1)
def _triangles() -> Floats:
    """Float32 [40, 257]: each band's weight of each frequency, 1 at its middle."""
    mels = np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    there = np.arange(POINTS // 2 + 1) * RATE / POINTS
    low, middle, high = (edges[start : start + BANDS, None] for start in range(3))
    rising, falling = (there - low) / (middle - low), (high - there) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
