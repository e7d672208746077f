"""What of a made picture is not the person: how the head is turned, light, background, camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from train.synth.render import Light, View

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Camera:
    """``sigma`` of blur in pixels of the crop, ``noise`` in grey levels, JPEG ``quality``, ``gain``."""

    sigma: float = 0.0
    noise: float = 0.0
    quality: int = 95
    gain: float = 1.0


def draw_view(rng: np.random.Generator, yaw: float) -> View:
    """A turn of at most ``yaw`` degrees to either side, with a little of the rest."""
    return View(
        float(rng.uniform(-yaw, yaw)), float(np.clip(rng.normal(0, 6), -18, 18)), float(rng.normal(0, 4))
    )


def draw_light(rng: np.random.Generator) -> Light:
    """From an even room to a lamp at one side."""
    return Light(
        azimuth=float(rng.uniform(-60, 60)),
        elevation=float(rng.uniform(-5, 55)),
        lamp=float(rng.uniform(0.55, 1.0)),
        around=float(rng.uniform(0.2, 0.5)),
        shine=float(rng.uniform(0.02, 0.12)),
    )


def draw_background(rng: np.random.Generator, size: int) -> Grey:
    """Something out of focus, uint8 [size, size]: patches of light and dark, finer or coarser."""
    cells = int(rng.integers(2, 10))
    coarse = rng.uniform(0, 255, (cells, cells)).astype(np.float32) * rng.uniform(0.3, 1)
    return np.asarray(
        np.clip(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), 0, 255), np.uint8
    )


def draw_camera(rng: np.random.Generator) -> Camera:
    """A webcam's or phone's failings, mostly small."""
    return Camera(
        sigma=float(max(0.0, rng.uniform(-0.6, 0.7))),
        noise=float(4 * rng.random() ** 2),
        quality=int(rng.integers(60, 97)),
        gain=float(rng.uniform(0.8, 1.25)),
    )


def photograph(crop: Grey, camera: Camera, rng: np.random.Generator) -> Grey:
    """``crop`` uint8 [S, S] as ``camera`` would have taken it."""
    values: npt.NDArray[np.floating] = crop.astype(np.float32) * camera.gain
    if camera.sigma > 0.15:
        values = np.asarray(
            cv2.GaussianBlur(values, (0, 0), camera.sigma, borderType=cv2.BORDER_REPLICATE), np.float32
        )
    values = values + rng.normal(0, camera.noise, crop.shape) if camera.noise else values
    taken = np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
    _, coded = cv2.imencode(".jpg", taken, [cv2.IMWRITE_JPEG_QUALITY, camera.quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
