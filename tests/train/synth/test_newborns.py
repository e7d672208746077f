"""Newborns' states: what is drawn is what is called so and read back as such; pain grows with its signs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faces import readers
from faces.labels import NEONATAL
from quantize.prepare import calibrate
from train.cli import main
from train.synth import newborns
from train.synth.actions import LEAST, MOST, units_of

HUMAN = Path(__file__).parents[4] / "shared" / "data" / "makehuman_head.npz"


def mean_actions(state: str) -> dict[int, float]:
    drawn = [newborns.draw(state, 1.0, np.random.default_rng(seed)) for seed in range(200)]
    return {sign: float(np.mean([each.get(sign, 0.0) for each in drawn])) for sign in newborns.SIGNS}


def test_pain_has_a_bulging_brow_and_squeezed_eyes_and_crying_has_a_tall_mouth() -> None:
    calm, cry, mild, severe = (mean_actions(state) for state in NEONATAL)
    assert calm[4] < mild[4] < severe[4]
    assert calm[7] < mild[7] < severe[7]
    assert cry[27] > max(calm[27], mild[27], severe[27])


def test_the_signs_of_pain_grow_together_from_nothing() -> None:
    assert set(newborns.in_pain(0.0).values()) == {0.0}
    half, whole = newborns.in_pain(0.5), newborns.in_pain(1.0)
    assert all(half[sign] < whole[sign] for sign in whole)
    assert all(LEAST <= weight <= MOST for weight in units_of(whole).values())


def test_newborns_are_asked_for_by_their_age(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["synth", "--heads", "none.npz", "--out", str(tmp_path / "x.npz"), "--labels", "neonatal"]
    assert main(words) == 2
    assert "--labels neonatal is of newborns alone: add --ages baby" in capsys.readouterr().err


def test_a_pack_of_newborns_is_written_recognised_and_split_by_baby(tmp_path: Path) -> None:
    if not HUMAN.is_file():
        pytest.skip("makehuman_head.npz is not beside the project")
    out = tmp_path / "newborns.npz"
    words = ["synth", "--heads", str(HUMAN), "--ages", "baby", "--labels", "neonatal", "--count", "12"]
    assert main([*words, "--side", "24", "--out", str(out)]) == 0
    found = readers.read(out, 24)
    assert found.layout.name == "rendered-newborns" and "care" in found.layout.terms
    train, public, private = calibrate.load_only(out, ("train", "public", "private"), 24)
    for split in (train, public, private):
        assert split.classes == NEONATAL and sorted(split.labels.tolist()) == [0, 1, 2, 3]
        assert split.landmarks is not None and split.person is not None and len(set(split.person)) == 1
    assert train.annotators == "rendered-newborns" and train.name == "rendered-newborns-train"
