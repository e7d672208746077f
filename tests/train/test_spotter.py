"""The spotter network: what it learns from, windows and their changes, training, and how it is judged."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge.errors import DataInvalid, RecipeInvalid
from edge.moments.decode import OUTPUTS
from edge.moments.history import MOVES, RATE, ROWS
from edge.moments.network import NetworkSpotter
from edge.moments.regions import REGIONS
from edge.moments.rule import RuleSpotter
from tests.train.motions import SMALL, films, run_of
from train import cli, gathered
from train.spotter import change, gather, judge, learn, motion_set, recipe
from train.spotter.cli import RECORD
from train.spotter.motion_set import MotionSet
from train.spotter.network import SpotterNetwork


@pytest.fixture(scope="module")
def made() -> MotionSet:
    torch.set_num_threads(1)
    return films(6)


def test_films_are_read_as_they_were_written(made: MotionSet, tmp_path: Path) -> None:
    motion_set.write(made, tmp_path / "a.npz")
    read = motion_set.read(tmp_path / "a.npz")
    for name in motion_set.ARRAYS:
        np.testing.assert_array_equal(getattr(read, name), getattr(made, name))
    assert read.seconds == 6 and len(read) == 6 and read.happened(2, "micro").shape == (1, 3)
    motion_set.write(replace(made, rows=made.rows[:, :, :5]), tmp_path / "b.npz")
    with pytest.raises(DataInvalid, match="24 numbers a moment"):
        motion_set.read(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", rows=made.rows)
    with pytest.raises(DataInvalid, match="no set of 'ferlite train spotter'"):
        motion_set.read(tmp_path / "c.npz")


def test_a_moment_between_two_frames_is_as_noisy_as_they_are() -> None:
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 3, 3000)[:, None]
    rows = (slope + rng.normal(0, [0.1, 0.5], (3000, 2))).astype(np.float32)
    made = gather.between(rows, 2, rng)
    assert made.shape == (6000, 2)
    np.testing.assert_array_equal(made[::2], rows)
    np.testing.assert_allclose((made[1:-1:2] - slope[:-1] - 0.0005).std(0), [0.1, 0.5], rtol=0.06)
    assert gather.between(rows, 1, rng) is rows


def test_a_movement_is_wanted_within_it_and_its_bounds_where_they_are(made: MotionSet) -> None:
    wanted = change.wanted_of(made, 0.025)
    onset, apex, offset = made.happened(0, "micro")[0].tolist()
    seconds = np.arange(600) / RATE
    np.testing.assert_array_equal(wanted[0, :, 0], (seconds >= onset) & (seconds <= offset))
    tops = wanted[0, :, 1:].argmax(0) / RATE
    np.testing.assert_allclose(tops, [onset, apex, offset], atol=0.006)
    blink = made.happened(0, "blink")[0]
    assert wanted[0, (seconds > blink[0] - 0.1) & (seconds < blink[2])].max() == 0


def test_a_window_tells_of_the_moments_that_its_network_tells_of(made: MotionSet) -> None:
    still = "[change]\nsize = 0.0\ntime = 0.0\nnoise = 0.0\nhalf = 0.0\nquarter = 0.0\n"
    drawer = change.Drawer(made, recipe.parse(SMALL.text + still, "still"))
    windows = drawer(400, np.random.default_rng(3))
    net = SMALL.network
    assert windows.levels.shape == (400, ROWS, net.window)
    assert windows.wanted.shape == (400, len(OUTPUTS), net.told)
    # Where a movement is at its strongest, the brows of just those moments are farthest from where they rest.
    apex = windows.wanted[:, 2, net.told // 2] > 0.6
    assert apex.sum() > 2
    brow = windows.levels[apex, 2 * REGIONS.index("left brow") + 1].astype(int)
    middle = net.seen - 1 - net.ahead + net.told // 2
    assert (np.abs(brow[:, middle] - 128) > 40).all()
    again = drawer(400, np.random.default_rng(3))
    np.testing.assert_array_equal(again.levels, windows.levels)


def test_a_mirrored_face_moves_the_other_way_on_the_other_side_and_twice_as_before() -> None:
    rows = np.random.default_rng(0).normal(0, 1, (4, ROWS)).astype(np.float32)
    once = change.mirrored(rows)
    np.testing.assert_array_equal(change.mirrored(once), rows)
    right, left = (2 * REGIONS.index(f"{side} brow") for side in ("right", "left"))
    np.testing.assert_array_equal(once[:, left], -rows[:, right])
    np.testing.assert_array_equal(once[:, left + 1], rows[:, right + 1])
    chin = 2 * REGIONS.index("chin")
    np.testing.assert_array_equal(once[:, chin + 1 : chin + 2], rows[:, chin + 1 : chin + 2])
    np.testing.assert_array_equal(once[:, MOVES:], rows[:, MOVES:])


def test_the_network_looks_at_just_the_moments_that_it_says() -> None:
    torch.manual_seed(1)
    net = SMALL.network
    network = SpotterNetwork(net).eval()
    x = torch.randn(1, 1, ROWS, net.window)
    with torch.no_grad():
        plain = network(x).view(len(OUTPUTS), net.told)
        x[..., 0] += 1  # the first moment: only the first that is told of sees it
        changed = (network(x).view(len(OUTPUTS), net.told) != plain).any(0)
    assert plain.shape == (4, 5) and changed.tolist() == [True, False, False, False, False]


def test_a_run_stopped_after_its_first_step_ends_in_the_very_same_weights(
    made: MotionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert learn.fit(SMALL, made, tmp_path / "whole")
    real = learn._loss

    def stop_then_step(*arguments: Any) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(learn, "_loss", stop_then_step)
        assert not learn.fit(SMALL, made, tmp_path / "parts")
    assert learn.fit(SMALL, made, tmp_path / "parts")
    one, other = (learn.load_learnt(tmp_path / name).network.state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(RecipeInvalid, match="was made by another recipe"):
        learn.fit(recipe.parse(SMALL.text + "seed = 2", "x"), made, tmp_path / "parts")


def test_it_learns_brows_that_come_back_and_tells_them_from_blinks(made: MotionSet, tmp_path: Path) -> None:
    text = SMALL.text.replace("steps = 6", "steps = 100").replace("batch_size = 8", "batch_size = 24")
    longer = recipe.parse(text.replace("ema = 0.5", "ema = 0.9"), "x")
    assert learn.fit(longer, made, tmp_path)
    others = films(4, first=50)
    rule, tried = judge.choose(others, learn.load_learnt(tmp_path), 1.0)
    asked = judge.Asked(learn.load_learnt(tmp_path), rule)
    told = judge.measure(others, lambda: NetworkSpotter(asked))
    assert told["f1"] > 0.7 and told["false_a_minute"] <= 5
    best = next(each for each in tried if (each["begin"], each["end"]) == (rule.begin, rule.end))
    assert best["f1"] == told["f1"]


def test_the_rule_is_judged_by_playing_films_again_and_a_lost_face_is_lost(made: MotionSet) -> None:
    told = judge.measure(made, RuleSpotter)
    assert (told["right"], told["missed"], told["false"]) == (6, 0, 0) and told["apex_off_ms"] < 30
    assert judge.measure(made, RuleSpotter, 2)["right"] == 6
    rows = made.rows.copy()
    for film in range(len(made)):
        apex = round(RATE * float(made.happened(film, "micro")[0, 1]))
        rows[film, apex - 3 : apex + 3] = np.nan
    assert judge.measure(replace(made, rows=rows), RuleSpotter)["right"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("ahead = 99", "the network sees 29 moments"),
        ("dilations = [0]", "must be numbers of 1 to 32"),
        ("dilations = [32, 32]", "ask for 261 moments, and 200"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_one_sentence(words: str, said: str) -> None:
    name = words.partition(" ")[0]
    lines = [words if line.startswith(name) else line for line in SMALL.text.splitlines()]
    with pytest.raises(RecipeInvalid, match=said):
        recipe.parse("\n".join(lines), "x")


def test_the_verb_goes_on_from_films_that_are_there_and_writes_how_to_read_the_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path / "run")
    (tmp_path / "small.toml").write_text(SMALL.text)
    words = ["spotter", str(tmp_path / "small.toml"), "--threads", "1", "--out", str(run)]
    none = ["--photos", "no.npz", "--heads", "no.npz", "--mesh", "no.tflite"]
    assert cli.main([*words, *none, "--json"]) == 0
    record = json.loads((run / RECORD).read_text())
    assert json.loads(capsys.readouterr().out) == record
    assert record["learnt_from"]["micro"] == 6 and record["chosen_by"]["people"] == 3
    assert record["spot"]["ahead"] == 14 and set(record["rates"]) == {"100", "50", "25"}
    assert record["rates"]["100"]["rule"]["right"] == 3
    (run / "learn.npz").unlink()
    assert cli.main([*words, *none]) == 1
    assert "no.npz" in capsys.readouterr().err


def test_films_of_other_people_or_of_so_many_others_ask_for_another_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small.toml").write_text(SMALL.text)
    names = {"--photos": "p.npz", "--heads": "h.npz", "--mesh": "m.tflite"}
    files = {option: tmp_path / name for option, name in names.items()}
    for path in files.values():
        path.write_bytes(b"what films were made of")
    (tmp_path / "run").mkdir()
    gathered.hold(tmp_path / "run", (), files, {"--people": 9})
    run = run_of(tmp_path / "run")
    words = ["spotter", str(tmp_path / "small.toml"), "--threads", "1", "--out", str(run)]
    words += [str(word) for pair in files.items() for word in pair]
    assert cli.main([*words, "--people", "9"]) == 0
    before = {path: path.read_bytes() for path in run.iterdir()}
    capsys.readouterr()
    assert cli.main([*words, "--people", "18"]) == 2
    assert "was begun with --people 9, not 18: give another --out" in capsys.readouterr().err
    files["--photos"].write_bytes(b"other people")
    assert cli.main([*words, "--people", "9"]) == 2
    assert "was begun with another --photos: give another --out" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_a_run_goes_on_with_the_films_that_it_began_with_and_no_others(
    made: MotionSet, tmp_path: Path
) -> None:
    assert learn.fit(SMALL, made, tmp_path)
    with pytest.raises(DataInvalid, match="has learnt from other data: give another --out, or that data"):
        learn.fit(SMALL, replace(made, times=made.times + 1), tmp_path)
