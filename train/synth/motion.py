"""How a face moves in time: an expression comes, stays and goes, each action a little apart; blinks, gaze,
drift.

Start at ``draw_motion``. Times are seconds, strengths 0-1. A motion is a function of time, so the same one
can be photographed at any frame rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from train.synth import actions
from train.synth.mesh import Head
from train.synth.render import Grey, Light, Rendered, View, render
from train.synth.skin import Complexion, Paint

RISE, HOLD, FALL = (0.15, 0.7), (0.1, 2.0), (0.25, 1.0)  # seconds, of what people do on purpose or not
DELAY = 0.25  # of the rise: so much later than the first action the last one may begin
# Lids close faster than they open; at rest people blink every four seconds (Bentivoglio et al., 1997: 17 a
# minute).
CLOSE, OPEN, BETWEEN = 0.09, 0.17, 3.5
GAZE_HOLD, GAZE_REACH = 1.2, 0.35  # seconds between two looks, in the mean; how far, 1 being all the way
DRIFT_HZ = (0.05, 0.45)


@dataclass(frozen=True)
class Curve:
    """0 until ``start``, smoothly up to ``strength`` in ``rise`` s, there for ``hold``, down in ``fall``."""

    start: float
    rise: float
    hold: float
    fall: float
    strength: float = 1.0

    @property
    def end(self) -> float:
        """When it is back at 0."""
        return self.start + self.rise + self.hold + self.fall

    def at(self, time: float) -> float:
        """The strength at ``time``; the slope is 0 at both ends of rise and fall."""
        up = _smooth((time - self.start) / self.rise)
        down = _smooth((time - self.end + self.fall) / self.fall)
        return self.strength * up * (1 - down)


@dataclass(frozen=True)
class Wander:
    """A slow sum of sines: ``amplitude``, ``hertz`` and ``phase`` of each."""

    amplitude: tuple[float, ...]
    hertz: tuple[float, ...]
    phase: tuple[float, ...]

    def at(self, time: float) -> float:
        """The value at ``time``, at most the sum of the amplitudes."""
        waves = zip(self.amplitude, self.hertz, self.phase, strict=True)
        return float(sum(a * np.sin(2 * np.pi * (f * time) + p) for a, f, p in waves))


@dataclass(frozen=True)
class Motion:
    """What a face does: a curve per action, blinks, where it looks, and how the head drifts.

    ``gaze`` holds (time from which, right-left -1 to 1, up-down -1 to 1) in the order of time; ``drift``
    wanders in degrees of yaw, pitch and roll about ``view``.
    """

    expression: str
    curves: Mapping[int, Curve]
    blinks: Sequence[Curve] = ()
    gaze: Sequence[tuple[float, float, float]] = ()
    drift: tuple[Wander, Wander, Wander] | None = None
    view: View = field(default_factory=View)
    lopsided: float = 0.0

    @property
    def moments(self) -> tuple[float, float, float]:
        """Onset, apex and offset: the first action begins, the last is up, the last is gone.

        A face that does nothing has them all at 0.
        """
        if not self.curves:
            return 0.0, 0.0, 0.0
        curves = self.curves.values()
        return (
            min(curve.start for curve in curves),
            max(curve.start + curve.rise for curve in curves),
            max(curve.end for curve in curves),
        )

    def strength(self, time: float) -> float:
        """Mean strength of the expression's actions, 0-1 of their full one."""
        shares = [curve.at(time) / curve.strength for curve in self.curves.values() if curve.strength]
        return float(np.mean(shares)) if shares else 0.0

    def units(self, time: float) -> dict[str, float]:
        """Unit weights at ``time``: the expression's, lids and eyes."""
        shown = {action: curve.at(time) for action, curve in self.curves.items()}
        weights = actions.units_of(shown, self.lopsided)
        shut = max((blink.at(time) for blink in self.blinks), default=0.0)
        for side in "LR":
            name = f"eyeBlink_{side}"
            weights[name] = max(weights.get(name, 0.0), shut)
        return weights | _looking(self.gaze, time)

    def view_at(self, time: float) -> View:
        """How the head is turned at ``time``."""
        if self.drift is None:
            return self.view
        yaw, pitch, roll = (wander.at(time) for wander in self.drift)
        return View(self.view.yaw + yaw, self.view.pitch + pitch, self.view.roll + roll)


def draw_motion(
    expression: str, strength: float, seconds: float, rng: np.random.Generator, still: bool = False
) -> Motion:
    """A motion of ``expression`` whose onset lies in the first half of ``seconds``; it may end after them.

    ``still``: no blinks, gaze or drift, for tests that must see nothing else.
    """
    rise, hold, fall = (float(rng.uniform(*bounds)) for bounds in (RISE, HOLD, FALL))
    onset = float(rng.uniform(0, seconds / 2))
    drawn = actions.draw(expression, strength, rng)
    wanted = set(actions.EXPRESSIONS[expression].always) | set(actions.EXPRESSIONS[expression].maybe)
    curves = {
        action: Curve(
            onset + float(rng.uniform(0, DELAY)) * rise,
            rise * float(rng.uniform(0.8, 1.25)),
            hold * float(rng.uniform(0.8, 1.2)),
            fall * float(rng.uniform(0.8, 1.25)),
            much,
        )
        for action, much in drawn.items()
        if action in wanted and much > 0
    }
    lopsided = float(np.clip(rng.normal(0, 0.1), -0.4, 0.4))
    if still:
        return Motion(expression, curves, lopsided=lopsided)
    reach = float(rng.uniform(0.5, 4))
    return Motion(
        expression,
        curves,
        _draw_blinks(seconds, rng),
        _draw_gaze(seconds, rng),
        (_draw_wander(reach, rng), _draw_wander(0.6 * reach, rng), _draw_wander(0.4 * reach, rng)),
        View(float(rng.uniform(-15, 15)), float(rng.normal(0, 4)), float(rng.normal(0, 3))),
        lopsided,
    )


def times(seconds: float, rate: float) -> npt.NDArray[np.float64]:
    """When the frames of ``seconds`` at ``rate`` a second are taken, float64 [T], the first at 0."""
    return np.arange(max(1, round(seconds * rate))) / rate


def film(
    head: Head,
    painted: Paint,
    who: Complexion,
    motion: Motion,
    when: npt.NDArray[np.float64],
    *,
    light: Light,
    size: int = 96,
    behind: Grey | None = None,
) -> list[Rendered]:
    """The frames of ``motion`` at the times ``when`` [T], each a square of ``size`` pixels."""
    return [
        render(
            head,
            head.able(motion.units(float(time))),
            painted,
            who,
            view=motion.view_at(float(time)),
            light=light,
            size=size,
            behind=behind,
        )
        for time in when
    ]


def _smooth(share: float) -> float:
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


def _looking(gaze: Sequence[tuple[float, float, float]], time: float) -> dict[str, float]:
    """Eye units of the last look begun by ``time``."""
    begun = [look for look in gaze if look[0] <= time]
    if not begun:
        return {}
    _, right, up = begun[-1]
    # To the person's left the left eye turns out and the right one in.
    ways = {"Out_L": -right, "In_R": -right, "In_L": right, "Out_R": right}
    ways |= {f"{way}_{side}": much for side in "LR" for way, much in (("Up", up), ("Down", -up))}
    return {f"eyeLook{way}": much for way, much in ways.items() if much > 0}


def _draw_blinks(seconds: float, rng: np.random.Generator) -> tuple[Curve, ...]:
    found, time = [], float(rng.exponential(BETWEEN))
    while time < seconds:
        found.append(Curve(time, CLOSE, 0.02, OPEN))
        time += CLOSE + OPEN + 0.3 + float(rng.exponential(BETWEEN))
    return tuple(found)


def _draw_gaze(seconds: float, rng: np.random.Generator) -> tuple[tuple[float, float, float], ...]:
    """Looks in jumps: mostly at the camera, now and then beside it."""
    looks, time = [(0.0, 0.0, 0.0)], float(rng.exponential(GAZE_HOLD))
    while time < seconds:
        away = rng.random() < 0.5
        right, up = rng.normal(0, GAZE_REACH, 2).clip(-1, 1) * away
        looks.append((time, float(right), float(0.6 * up)))
        time += 0.2 + float(rng.exponential(GAZE_HOLD))
    return tuple(looks)


def _draw_wander(reach: float, rng: np.random.Generator) -> Wander:
    share = rng.dirichlet((1.0, 1.0, 1.0)) * reach
    hertz, phase = rng.uniform(*DRIFT_HZ, 3), rng.uniform(0, 2 * np.pi, 3)
    return Wander(*(tuple(each.tolist()) for each in (share, hertz, phase)))
