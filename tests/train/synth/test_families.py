"""MakeHuman's heads beside ICT's: the same units, places and landmarks, from newborn to old."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataInvalid
from faces.crop_rule import crop_rule_of
from train import cli
from train.synth import actions, dataset, mesh, skin
from train.synth.families import load_heads
from train.synth.makehuman import MakeHumanHeads, Person
from train.synth.render import View, render

DATA = Path(__file__).parents[4] / "shared" / "data"
ICT, HUMAN = DATA / "ict_face.npz", DATA / "makehuman_head.npz"


@pytest.fixture(scope="module")
def heads() -> MakeHumanHeads:
    if not HUMAN.is_file():
        pytest.skip("makehuman_head.npz is not beside the project")
    found = load_heads(HUMAN)
    assert isinstance(found, MakeHumanHeads)
    return found


def test_a_person_is_always_the_same_and_even_on_both_sides(heads: MakeHumanHeads) -> None:
    first, again = heads.head(4), heads.head(4)
    np.testing.assert_array_equal(first.neutral, again.neutral)
    marks = first.neutral[first.landmarks]
    assert np.abs(marks[36] * [-1, 1, 1] - marks[45]).max() < 0.15


def test_ancestry_sex_and_age_change_the_head(heads: MakeHumanHeads) -> None:
    def head(ancestry: str, sex: float, age: str) -> mesh.Points:
        return heads.head_of(Person({ancestry: 1.0}, sex, {age: 1.0}), np.random.default_rng(1)).neutral

    one = head("asian", 0.0, "young")
    for other in (("african", 0.0, "young"), ("asian", 1.0, "young"), ("asian", 0.0, "old")):
        assert np.abs(head(*other) - one).mean() > 0.03, other


def test_a_newborn_has_a_smaller_face_and_no_teeth(heads: MakeHumanHeads) -> None:
    babies = load_heads(HUMAN, ("baby",))
    young, baby = heads.head(2), babies.head(2)

    def length(head: mesh.Head) -> float:
        marks = head.neutral[head.landmarks]
        return float(np.linalg.norm(marks[27] - marks[8]))

    assert length(baby) < 0.85 * length(young)
    assert (young.tissue == mesh.TEETH).any() and not (baby.tissue == mesh.TEETH).any()
    assert babies.source != heads.source and babies.newborn and not heads.newborn
    who = skin.draw_complexion(np.random.default_rng(1))
    assert skin.newborn(who).brows < 0.5 * who.brows and skin.newborn(who).skin == who.skin


def test_both_families_have_the_units_of_every_action_but_the_raised_cheek(heads: MakeHumanHeads) -> None:
    wanted = set(actions.units_of(dict.fromkeys(actions.ACTIONS, 1.0)))
    assert wanted - set(heads.head(1).units) == {"cheekRaiser_L", "cheekRaiser_R"}
    if ICT.is_file():
        assert wanted <= set(load_heads(ICT).head(1).units)


def test_landmarks_follow_units_and_the_far_side_is_hidden(heads: MakeHumanHeads) -> None:
    head = heads.head(3)
    who, painted = skin.draw_complexion(np.random.default_rng(1)), skin.paint(head)
    still, open_, turned = (
        render(head, units, painted, who, view=view)
        for units, view in (({}, View()), ({"jawOpen": 0.8}, View()), ({}, View(yaw=55)))
    )
    assert (
        open_.landmarks[66, 1] - open_.landmarks[62, 1] > still.landmarks[66, 1] - still.landmarks[62, 1] + 5
    )
    assert still.visible[17:].mean() > 0.85
    assert not turned.visible[42:48].all() and turned.visible[36:42].mean() > 0.6
    inside = np.rint(open_.landmarks[[62, 66]].mean(0)).astype(int)
    assert open_.picture[inside[1], inside[0]] < 0.8 * still.picture[inside[1] + 20, inside[0]]


def test_a_set_of_them_names_its_source(heads: MakeHumanHeads) -> None:
    made = dataset.make(heads, dataset.Wish(7, 48), crop_rule_of("fer2013"))
    assert made.source == "rendered MakeHuman" and len(set(made.label.tolist())) == 7
    assert made.faces.std() > 10


def test_ages_of_heads_that_have_none_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not ICT.is_file():
        pytest.skip("ict_face.npz is not beside the project")
    words = ["synth", "--heads", str(ICT), "--ages", "baby", "--out", str(tmp_path / "a.npz")]
    assert cli.main(words) == 1
    assert "have no ages" in capsys.readouterr().err
    with pytest.raises(DataInvalid, match="have no ages"):
        load_heads(ICT, ("baby",))
