"""How faces move: curves, moments, blinks and gaze, and the clip that comes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from train.synth import actions, motion, skin
from train.synth.families import load_heads
from train.synth.render import Light

ICT = Path(__file__).parents[4] / "shared" / "data" / "ict_face.npz"
FINE = np.arange(0, 6, 0.005)


def draw(expression: str, seed: int, still: bool = False) -> motion.Motion:
    return motion.draw_motion(expression, 0.9, 3.0, np.random.default_rng(seed), still)


def test_a_curve_rises_holds_and_falls_without_a_jump() -> None:
    curve = motion.Curve(1.0, 0.4, 0.5, 0.8, 0.7)
    values = np.array([curve.at(time) for time in FINE])
    assert values[FINE <= 1.0].max() == 0 and values[curve.end <= FINE].max() == 0
    np.testing.assert_allclose(values[(FINE >= 1.41) & (FINE <= 1.89)], 0.7)
    assert (np.diff(values[FINE < 1.5]) >= 0).all() and (np.diff(values[FINE > 1.8]) <= 0).all()
    # The steepest a smooth step gets is 1.5 of its mean slope.
    assert np.abs(np.diff(values)).max() <= 1.5 * 0.7 / 0.4 * 0.005 + 1e-9


@pytest.mark.parametrize("expression", [name for name in actions.EXPRESSIONS if name != "neutral"])
def test_onset_apex_and_offset_are_where_the_strength_says(expression: str) -> None:
    for seed in range(5):
        moved = draw(expression, seed)
        onset, apex, offset = moved.moments
        values = np.array([moved.strength(time) for time in FINE])
        assert 0 <= onset < apex < offset and onset <= 1.5
        assert values[onset >= FINE].max(initial=0) == 0 and values[offset <= FINE].max(initial=0) == 0
        assert values.max() > 0.9


def test_actions_begin_one_after_the_other_and_all_before_the_first_is_up() -> None:
    starts = [curve.start for curve in draw("fear", 2).curves.values()]
    first = min(draw("fear", 2).curves.values(), key=lambda curve: curve.start)
    assert len(set(starts)) == len(starts) and max(starts) < first.start + first.rise


def test_a_neutral_face_has_no_moments_and_still_blinks() -> None:
    moved = [draw("neutral", seed) for seed in range(20)]
    assert all(each.moments == (0, 0, 0) and each.strength(1) == 0 for each in moved)
    assert sum(len(each.blinks) for each in moved) >= 5


def test_a_blink_shuts_both_lids_and_is_over_in_a_third_of_a_second() -> None:
    moved = motion.Motion("neutral", {}, (motion.Curve(1.0, motion.CLOSE, 0.02, motion.OPEN),))
    shut = np.array([moved.units(time)["eyeBlink_L"] for time in FINE])
    assert shut.max() > 0.99 and (FINE[shut > 0] <= 1.34).all() and (FINE[shut > 0] >= 1.0).all()
    assert moved.units(1.1)["eyeBlink_R"] == moved.units(1.1)["eyeBlink_L"]


def test_both_eyes_look_the_same_way() -> None:
    moved = motion.Motion("neutral", {}, gaze=((0.0, 0.0, 0.0), (1.0, -0.5, 0.2)))
    before, after = moved.units(0.5), moved.units(1.5)
    assert not any(name.startswith("eyeLook") for name in before)
    looking = {name: weight for name, weight in after.items() if name.startswith("eyeLook")}
    assert looking == {"eyeLookOut_L": 0.5, "eyeLookIn_R": 0.5, "eyeLookUp_L": 0.2, "eyeLookUp_R": 0.2}


def test_drift_is_slow_and_bounded() -> None:
    moved = draw("anger", 4)
    yaws = np.array([moved.view_at(time).yaw for time in FINE])
    assert moved.drift is not None
    assert np.abs(yaws - moved.view.yaw).max() <= sum(moved.drift[0].amplitude) + 1e-9
    assert np.abs(np.diff(yaws)).max() / 0.005 < 2 * np.pi * motion.DRIFT_HZ[1] * 4.1


def test_a_still_motion_moves_nothing_else_and_the_same_draw_is_the_same_motion() -> None:
    moved = draw("surprise", 5, still=True)
    assert not moved.blinks and not moved.gaze and moved.view_at(0) == moved.view_at(2)
    assert draw("surprise", 5) == draw("surprise", 5) != draw("surprise", 6)


def test_frames_of_any_rate_show_the_same_motion() -> None:
    assert len(motion.times(1.28, 12.5)) == 16 and motion.times(1.28, 12.5)[1] == pytest.approx(0.08)
    np.testing.assert_allclose(motion.times(0.96, 200)[::16], motion.times(0.96, 12.5))


def test_a_filmed_surprise_opens_the_mouth_and_shuts_it_again() -> None:
    if not ICT.is_file():
        pytest.skip("ict_face.npz is not beside the project")
    head = load_heads(ICT).head(3)
    who, painted = skin.draw_complexion(np.random.default_rng(1)), skin.paint(head)
    moved = draw("surprise", 1, still=True)
    onset, apex, offset = moved.moments
    frames = motion.film(head, painted, who, moved, np.array([onset, apex, offset]), light=Light(), size=64)
    gap = [frame.landmarks[66, 1] - frame.landmarks[62, 1] for frame in frames]
    assert gap[1] > gap[0] + 2 and gap[2] == pytest.approx(gap[0])
    assert np.abs(frames[0].picture.astype(int) - frames[1].picture).max() > 40
