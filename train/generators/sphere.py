"""A conditional Wasserstein GAN of motions on a sphere (after Otberdout et al., TPAMI; arXiv 1907.10087).

The generator makes tangent vectors at the mean of the motions it learns from, in their main directions; the
sphere's exponential makes motions of them, so that all lie on it whatever it learnt. The critic looks at the
same vectors: within half the sphere the logarithm takes the exponential back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from edge.errors import DataInvalid
from train.losses.adversarial import gradient_penalty
from train.synth import sphere

Space = Literal["sphere", "flat"]
NOISE, HIDDEN, DIRECTIONS = 32, 128, 20
CRITIC_STEPS, PENALTY, RATE, BATCH = 5, 10.0, 1e-3, 64


@dataclass(frozen=True)
class Chart:
    """How points [N, D] become coordinates [N, K] and back: about ``middle`` [D], along ``axes`` [K, D],
    in units of ``scale``. ``space`` "flat" leaves the sphere out, for ablation."""

    middle: npt.NDArray[np.float64]
    axes: npt.NDArray[np.float64]
    scale: float
    space: Space

    def coordinates(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Of points, float32 [N, K]."""
        return np.asarray(self._away(points) @ self.axes.T / self.scale, np.float32)

    def rest(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """What the coordinates of points leave out of them, float64 [N, D]."""
        away = self._away(points)
        return np.asarray(away - away @ self.axes.T @ self.axes)

    def _away(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return sphere.log(self.middle, points) if self.space == "sphere" else points - self.middle

    def points(
        self, coordinates: npt.NDArray[np.floating], rest: npt.NDArray[np.float64] | float = 0.0
    ) -> npt.NDArray[np.float64]:
        """Of coordinates, and of the ``rest`` that they leave out, float64 [N, D]."""
        away = np.asarray(coordinates, np.float64) * self.scale @ self.axes + rest
        if self.space == "sphere":
            return sphere.exp(self.middle, away)
        return np.asarray(self.middle + away)


def chart_of(points: npt.NDArray[np.float64], space: Space = "sphere", most: int = DIRECTIONS) -> Chart:
    """The chart at the mean of ``points`` [N, D], along their at most ``most`` main directions."""
    middle = sphere.mean(points) if space == "sphere" else points.mean(0)
    away = sphere.log(middle, points) if space == "sphere" else points - middle
    axes = np.linalg.svd(away - away.mean(0), full_matrices=False)[2][: min(most, len(points) - 1)]
    scale = float((away @ axes.T).std()) or 1.0
    return Chart(middle, axes, scale, space)


class Conditional(nn.Module):
    """Two hidden layers; the class stands beside the input as a one-hot."""

    def __init__(self, inputs: int, classes: int, outputs: int) -> None:
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(
            nn.Linear(inputs + classes, HIDDEN),
            nn.LeakyReLU(0.2),
            nn.Linear(HIDDEN, HIDDEN),
            nn.LeakyReLU(0.2),
            nn.Linear(HIDDEN, outputs),
        )

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """``[N, inputs]`` and int64 [N] to ``[N, outputs]``."""
        given: torch.Tensor = self.layers(torch.cat([x, F.one_hot(labels, self.classes).to(x)], 1))
        return given


@dataclass(frozen=True)
class MotionMaker:
    """A trained generator and the chart that it makes coordinates of.

    What the main directions leave out is that of a motion learnt from, whichever: ``rest`` float64 [M, D].
    """

    generator: Conditional
    chart: Chart
    rest: npt.NDArray[np.float64]

    def __call__(self, labels: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.float64]:
        """A motion of each class in ``labels`` [N]: points float64 [N, D]."""
        noise = torch.randn(len(labels), NOISE, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            made = self.generator(noise, torch.from_numpy(labels))
        others = np.random.default_rng(seed).integers(0, len(self.rest), len(labels))
        return self.chart.points(made.numpy(), self.rest[others])


def fit(
    points: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    classes: int,
    *,
    steps: int = 300,
    seed: int = 1,
    space: Space = "sphere",
) -> MotionMaker:
    """Learn to make motions like ``points`` float64 [N, D] of the classes ``labels`` int64 [N].

    The same weights for the same arguments on the same machine. Raises DataInvalid for too few.
    """
    if len(points) < 2 * classes:
        raise DataInvalid(f"{len(points)} motions are too few of {classes} classes: give two of each or more")
    chart = chart_of(points, space)
    real, truth = torch.from_numpy(chart.coordinates(points)), torch.from_numpy(labels)
    width = real.shape[1]
    # The caller's generator is left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, critic = Conditional(NOISE, classes, width), Conditional(width, classes, 1)
        how: dict[str, Any] = {"lr": RATE, "betas": (0.5, 0.9)}
        of_generator = torch.optim.Adam(generator.parameters(), **how)
        of_critic = torch.optim.Adam(critic.parameters(), **how)
        for step in range(steps * (CRITIC_STEPS + 1)):
            chosen = torch.randint(len(real), (BATCH,))
            labels_ = truth[chosen]
            made = generator(torch.randn(BATCH, NOISE), labels_)
            if step % (CRITIC_STEPS + 1) < CRITIC_STEPS:
                made = made.detach()
                worth = critic(made, labels_).mean() - critic(real[chosen], labels_).mean()
                penalty = gradient_penalty(partial(_judged, critic, labels_), real[chosen], made)
                _step(of_critic, worth + PENALTY * penalty)
            else:
                _step(of_generator, -critic(made, labels_).mean())
    return MotionMaker(generator.eval(), chart, chart.rest(points))


def _judged(critic: Conditional, labels: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    worth: torch.Tensor = critic(x, labels)
    return worth


def _step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
