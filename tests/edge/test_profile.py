"""A person's profile: learnt at calm moments alone, bounded, held to its bundle, written only where asked
for.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge
from edge import bundle as bundles
from edge import cli, profile
from edge.classify import softmax
from edge.detect import DetectorOptions
from edge.errors import UsageError
from edge.profile import EVERY_S, MOST_BIAS, MOST_MOMENTS, SURE, Learner, Profile
from edge.results import Box, Face, Reading

BUNDLE = bundles.load("mobilenetv2")
LABELS = BUNDLE.labels
CALM = profile.calm_of(BUNDLE)
FACE = Face(Box(0, 0, 96, 96))
SHIPPED = bundles.shipped()


def says(logits: dict[str, float], *doubts: str, worn: Profile | None = None) -> Reading:
    """What a pipeline would say of logits: calm ones, moved by ``logits``."""
    scaling = BUNDLE.scaling_of("onnx")
    scaling = worn.applied(scaling, LABELS) if worn else scaling
    row = np.array([[CALM[label] + logits.get(label, 0.0) for label in LABELS]])
    named = dict(zip(LABELS, map(float, softmax(row, scaling)[0]), strict=True))
    return Reading(FACE, named, max(named, key=named.__getitem__), doubts)


def learnt(*readings: Reading, **how: object) -> Profile:
    learner = Learner(BUNDLE, "onnx", **how)  # type: ignore[arg-type]
    for reading in readings:
        learner.take([reading])
    return learner.profile()


SAD_AT_REST = {"sadness": 0.4, "neutral": 0.2}


def test_what_a_calm_face_wrongly_shows_is_taken_out_by_half_after_three_moments() -> None:
    made = learnt(*[says(SAD_AT_REST)] * 3)
    moved = 0.6 / 7  # what all logits are less, their mean being taken out
    assert made.biases["sadness"] == pytest.approx(-(0.4 - moved) / 2, abs=1e-3)
    assert made.biases["fear"] == pytest.approx(moved / 2, abs=1e-3)
    assert made.moments == 3 and made.bundle == profile.identity(BUNDLE)
    assert learnt(*[says(SAD_AT_REST)] * 30).biases["sadness"] == pytest.approx(
        -(0.4 - moved) / 1.1, abs=1e-3
    )


def test_an_average_calm_face_teaches_nothing() -> None:
    assert all(abs(bias) < 1e-3 for bias in learnt(*[says({})] * 5).biases.values())


def test_no_bias_is_over_a_logit() -> None:
    odd = learnt(*[says({"neutral": 4.0, "happiness": -6.0})] * 100)
    assert max(map(abs, odd.biases.values())) == MOST_BIAS


@pytest.mark.parametrize("shown", ["happiness", "sadness", "anger", "surprise"])
def test_ten_minutes_of_one_expression_change_nothing(shown: str) -> None:
    """At 25 frames a second, after as many calm moments as a profile needs: none of it is learnt."""
    learner = Learner(BUNDLE, "onnx")
    for moment in range(3):
        learner.take([says(SAD_AT_REST)], moment * EVERY_S)
    before = learner.profile()
    tried = [says({shown: strength}) for strength in np.arange(0, 6, 0.1)]
    hardly = next(each for each in tried if each.weights["neutral"] < SURE)
    shows = tried[-1]
    assert shows.expression == shown and hardly.weights["neutral"] > SURE - 0.1
    for frame in range(10 * 60 * 25):
        learner.take([shows if frame % 2 else hardly], 10 + frame / 25)
    assert learner.profile() == before


def test_ten_minutes_of_a_smile_so_faint_that_it_is_taken_for_calm_do_not_hide_a_smile() -> None:
    learner = Learner(BUNDLE, "onnx")
    faint, smile = says({"happiness": 1.9}), {"happiness": 5.0}
    for frame in range(10 * 60 * 25):
        learner.take([faint], frame / 25)
    made = learner.profile()
    assert made.moments == MOST_MOMENTS
    assert says(smile, worn=made).expression == "happiness"


def test_a_profile_does_not_feed_on_what_it_changed() -> None:
    """Learning with a profile worn finds what learning without it finds, whatever that profile says."""
    worn = learnt(*[says({"neutral": 4.0, "happiness": -6.0})] * 100)
    plain = learnt(*[says(SAD_AT_REST)] * 4)
    again = learnt(*[says(SAD_AT_REST, worn=worn)] * 4, worn=worn)
    assert again.biases == pytest.approx(plain.biases, abs=1e-3)
    # A smile that the profile calls neutral is still none to learn from.
    eager = Profile(worn.bundle, worn.neutral, dict.fromkeys(LABELS, 0.0) | {"neutral": 3.0}, 3)
    smile = says({"happiness": 3.0}, worn=eager)
    assert not Learner(BUNDLE, "onnx", worn=eager).take([smile])


def test_doubtful_crowded_and_too_frequent_moments_do_not_count() -> None:
    learner = Learner(BUNDLE, "onnx")
    assert learner.take([says({})], 0.0)
    assert not learner.take([says({})], 0.5)
    assert not learner.take([says({}, "blurred (0.10)")], 2.0)
    assert not learner.take([says({}), says({})], 3.0)
    assert not learner.take([], 4.0)
    assert learner.take([says({})], 5.0)
    assert learner.take([says({})], 0.0)  # another source
    assert learner.moments == 3


def test_too_few_moments_are_told() -> None:
    with pytest.raises(UsageError, match="2 of at least 3 moments were surely calm"):
        learnt(*[says({})] * 2)


def test_it_is_read_as_it_was_written_and_moves_the_weights(tmp_path: Path) -> None:
    made, place = learnt(*[says(SAD_AT_REST)] * 9), tmp_path / "me.json"
    profile.write(place, made)
    assert profile.read(place, BUNDLE) == made
    sad = says(SAD_AT_REST).weights["sadness"]
    assert says(SAD_AT_REST, worn=made).weights["sadness"] < 0.9 * sad


BAD: dict[str, tuple[Callable[[dict[str, object]], object], str]] = {
    "other": (
        lambda table: table.update(bundle="0" * 64),
        "was learnt with another bundle than 'mobilenetv2'",
    ),
    "kind": (lambda table: table.pop("kind"), "is no profile: --learn-profile writes one"),
    "schema": (lambda table: table.update(schema=2), "schema must be 1"),
    "missing": (lambda table: table.pop("moments"), "key 'moments' is missing"),
    "word": (lambda table: table.update(biases={"neutral": "much"}), "'neutral' is 'much'"),
    "infinite": (lambda table: table.update(biases=dict.fromkeys(LABELS, 1e9)), "'biases' must be numbers"),
    "fewer": (lambda table: table.update(biases={"neutral": 0.1}), "must have the same expressions"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_is_no_profile_of_this_bundle_is_refused(case: str, tmp_path: Path) -> None:
    place, (spoil, sentence) = tmp_path / "me.json", BAD[case]
    profile.write(place, learnt(*[says({})] * 3))
    table = json.loads(place.read_text())
    spoil(table)
    place.write_text(json.dumps(table))
    with pytest.raises(UsageError, match=sentence):
        profile.read(place, BUNDLE)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_bundle_says_how_calm_faces_look_to_it(name: str) -> None:
    assert set(profile.calm_of(bundles.load(name))) == set(bundles.load(name).labels)


def test_a_bundle_without_that_is_told(make_bundle: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="says not how calm faces look to it.*quantize build"):
        Learner(bundles.load(make_bundle()), "onnx")
    with pytest.raises(UsageError, match="knows no 'neutral', and a profile is of a calm face"):
        Learner(dataclasses.replace(BUNDLE, labels=("pain", "calm")), "onnx")


def test_the_command_writes_nothing_unasked_and_refuses_in_one_sentence(
    make_bundle: Callable[..., Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    bright_square: np.ndarray,
) -> None:
    pytest.importorskip("onnxruntime", reason="the bundles are run with onnxruntime")
    picture, me = tmp_path / "p.png", tmp_path / "me.json"
    cv2.imwrite(str(picture), bright_square)
    detector = Path(__file__).parent.parent / "data" / "tiny_yunet.onnx"
    run = ["run", str(picture), "--json", "--quiet", "--detector", "yunet", "--detector-model", str(detector)]
    before = set(tmp_path.iterdir())
    assert cli.main([*run, "--engine", "onnx"]) == 0
    assert cli.main([*run, "--learn-profile", str(me)]) == 1
    assert f"'{me}' was not written: 0 of at least 3 moments" in capfd.readouterr().err
    assert set(tmp_path.iterdir()) == before
    profile.write(me, learnt(*[says(SAD_AT_REST)] * 9))
    capfd.readouterr()
    assert cli.main([*run, "--engine", "onnx", "--profile", str(me)]) == 0
    with_it = json.loads(capfd.readouterr().out)["faces"][0]["weights"]
    with edge.open_pipeline(
        engine="onnx",
        detector="yunet",
        detector_options=DetectorOptions(model=detector),
        profile=me,
    ) as pipeline:
        assert with_it == {k: round(v, 4) for k, v in pipeline(bright_square)[0].weights.items()}
    assert cli.main([*run, "--bundle", str(make_bundle()), "--profile", str(me)]) == 2
    assert "was learnt with another bundle than 'tiny'" in capfd.readouterr().err
    assert cli.main([*run, "--profile", str(me), "--learn-profile", str(me)]) == 2
    assert "is read in this run" in capfd.readouterr().err
    assert cli.main([*run, "--learn-profile", f"{tmp_path}{os.sep}p.png"]) == 2
    assert cli.main([*run, "--profile", str(me), "--on", "local:1", "--out", "x"]) == 2
    assert "--profile does not go with --on" in capfd.readouterr().err
