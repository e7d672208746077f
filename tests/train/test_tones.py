"""Which way the parts of a face go in a positive, a negative and a surprised movement."""

from __future__ import annotations

import numpy as np
import pytest

from edge.bundle_files.sections import OTHER, TONES, TONES_AND_OTHER
from edge.moments.history import MOVES, ROWS
from edge.moments.regions import REGIONS
from edge.moments.tone import direction, tone_of
from train.spotter import motion_set, tones
from train.spotter.motion_set import Event, MotionSet
from train.synth import actions
from train.synth.moments import SETS

# Right and down, in distances between the eyes, of what each class of made movement moves.
WAYS = {
    "positive": {"right mouth corner": (-0.02, -0.02), "left mouth corner": (0.02, -0.02)},
    "negative": {"right brow": (0.01, 0.03), "left brow": (-0.01, 0.03), "between the brows": (0.0, 0.02)},
    "surprise": {"right brow": (0.0, -0.03), "left brow": (0.0, -0.03)},
    OTHER: {"chin": (0.0, 0.03), "lower lip": (0.0, 0.02)},
}


def films(count: int, seed: int = 0, kinds: tuple[str, ...] = tuple(WAYS)) -> MotionSet:
    """Films of one movement each, of every kind in turn, otherwise far and noisy each time."""
    rng, made = np.random.default_rng(seed), []
    for index in range(count):
        tone = kinds[index % len(kinds)]
        rows = rng.normal(0, 0.001, (100, ROWS))
        for name, way in WAYS[tone].items():
            part = REGIONS.index(name)
            rows[50, 2 * part : 2 * part + 2] += np.multiply(way, rng.uniform(0.5, 2))
        happened: list[Event] = [("micro", 0.3, 0.5, 0.7, 0.03, tone), ("blink", 0.8, 0.85, 0.9, 0.0, OTHER)]
        made.append((rows.astype(np.float16), happened))
    return motion_set.joined(made)


def test_what_was_learnt_on_some_tells_the_tone_of_others_however_far_they_go() -> None:
    learnt, others = tones.fit(films(80)), films(40, seed=1)
    counts = tones.judged(others, learnt)
    assert tuple(learnt) == TONES_AND_OTHER and {len(row) for row in learnt.values()} == {MOVES + 1}
    assert all(row[name] >= 9 and sum(row.values()) == 10 for name, row in counts.items())
    far = films(4, seed=2)
    for parts in tones.ways(far)[0]:
        np.testing.assert_allclose(direction(parts), direction(3 * parts), rtol=1e-5)


def test_a_tone_is_told_only_where_it_is_sure() -> None:
    learnt = tones.fit(films(80))
    smile, scowl = (tones.ways(films(1, 3, (kind,)))[0][0] for kind in ("positive", "negative"))
    assert tone_of(smile, learnt) == "positive" and tone_of(scowl, learnt) == "negative"
    doubtful = {name: tuple(value / 50 for value in row) for name, row in learnt.items()}
    assert tone_of(smile, doubtful) is None and tone_of(scowl, doubtful) is None
    assert tone_of(smile, {}) is None


def test_a_class_that_was_never_shown_leaves_nothing_to_tell() -> None:
    assert tones.fit(films(20, kinds=("positive", "negative", OTHER))) == {}


def test_a_movement_during_which_the_face_was_lost_counts_for_nothing() -> None:
    some = films(8)
    some.rows[0, 50] = np.nan
    assert len(tones.ways(some)[0]) == 7


@pytest.mark.parametrize(
    ("chosen", "tone"),
    [
        ((12,), "positive"),
        ((4,), "negative"),
        ((9,), "negative"),
        ((1, 2), "surprise"),
        ((14,), ""),
        ((), ""),
    ],
)
def test_the_tone_of_actions_is_that_of_the_expressions_that_have_them(
    chosen: tuple[int, ...], tone: str
) -> None:
    assert actions.tone_of_actions(chosen) == tone


def test_made_movements_are_of_every_tone() -> None:
    assert {actions.tone_of_actions(chosen) for chosen in SETS} == {*TONES, ""}
