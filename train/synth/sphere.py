"""Motions as points on a sphere: the square root of a curve's velocity, of length 1.

A curve b has q = b' / sqrt(|b'|) (Srivastava et al., PAMI 2011), whose squared length is the curve's own: at
length 1 a motion keeps its course and its timing, and not where it began or how far it went. The sphere's
logarithm at a point makes vectors of its points, with which means and networks can be had; its exponential
leads back, and nowhere but onto the sphere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LEAST = 1e-12


def to_sphere(paths: npt.NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Points float64 [N, (T - 1) * P * 2] of length 1 for curves [N, T, P, 2], and the curves' lengths [N].

    A curve that stands still has no direction: its point is the first axis, its length 0.
    """
    velocity = np.diff(np.asarray(paths, np.float64), axis=1).reshape(len(paths), paths.shape[1] - 1, -1)
    speed = np.linalg.norm(velocity, axis=2, keepdims=True)
    roots = velocity / np.sqrt(np.maximum(speed, LEAST))
    flat = roots.reshape(len(paths), -1)
    still = speed.sum((1, 2)) <= LEAST
    flat[still] = 0
    flat[still, 0] = 1
    return unit(flat), speed.sum((1, 2))


def from_sphere(points: Floats, lengths: Floats, first: npt.NDArray[np.floating]) -> Floats:
    """Curves float64 [N, T, P, 2] that begin at ``first`` [N, P, 2] and are ``lengths`` [N] long."""
    count, marks = len(points), first.shape[1]
    roots = points.reshape(count, -1, marks * 2)
    velocity = roots * np.linalg.norm(roots, axis=2, keepdims=True) * lengths[:, None, None]
    start = np.asarray(first, np.float64).reshape(count, 1, -1)
    curves = start + np.concatenate([np.zeros_like(start), velocity.cumsum(1)], 1)
    return np.asarray(curves.reshape(count, -1, marks, 2), np.float64)


def unit(vectors: Floats) -> Floats:
    """``vectors`` [N, D] at length 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), LEAST))


def log(at: Floats, points: Floats) -> Floats:
    """Tangent vectors [N, D] at the point ``at`` [D] that lead to ``points`` [N, D]; as long as the way."""
    cosine = np.clip(points @ at, -1, 1)
    across = points - cosine[:, None] * at
    return np.asarray(np.arccos(cosine)[:, None] * unit(across))


def exp(at: Floats, tangents: Floats) -> Floats:
    """Where ``tangents`` [N, D] at the point ``at`` [D] lead: points [N, D] of the sphere.

    What of a vector does not lie in the tangent space is taken off it.
    """
    flat = tangents - (tangents @ at)[:, None] * at
    way = np.linalg.norm(flat, axis=1, keepdims=True)
    return unit(np.cos(way) * at + np.sinc(way / np.pi) * flat)


def mean(points: Floats, steps: int = 30) -> Floats:
    """Karcher's mean [D]: from where the logarithms of ``points`` [N, D] add up to nothing."""
    at: Floats = unit(points.mean(0, keepdims=True))[0]
    for _ in range(steps):
        move = log(at, points).mean(0, keepdims=True)
        at = exp(at, move)[0]
        if np.linalg.norm(move) < 1e-9:
            break
    return at


def spread(points: Floats) -> float:
    """The mean angle between two of ``points`` [N, D], in radians."""
    angles = np.arccos(np.clip(points @ points.T, -1, 1))
    return float(angles[np.triu_indices(len(points), 1)].mean())
