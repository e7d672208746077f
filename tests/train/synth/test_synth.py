"""Made faces: a small head of our own for what needs exact geometry, the real ICT heads where they lie."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import DataInvalid
from faces.crop_rule import crop_rule_of
from train import cli
from train.synth import actions, dataset, raster, scene, skin
from train.synth.families import load_heads
from train.synth.mesh import Heads
from train.synth.render import Light, View, render

ICT = Path(__file__).parents[4] / "shared" / "data" / "ict_face.npz"
RULE = crop_rule_of("fer2013")


@pytest.fixture(scope="module")
def heads() -> Heads:
    if not ICT.is_file():
        pytest.skip("ict_face.npz is not beside the project")
    return load_heads(ICT)


def square(depth: float, low: float, high: float) -> list[tuple[float, float, float]]:
    return [(low, low, depth), (high, low, depth), (high, high, depth), (low, high, depth)]


# Seen with y downwards, a triangle that faces the camera runs clockwise.
FACING = np.array([[0, 2, 1], [0, 3, 2]], np.int32)


def test_each_pixel_of_a_square_is_seen_once_and_nothing_beside_it() -> None:
    points = np.array(square(0, 1.5, 5.5), np.float32)
    seen = raster.rasterise(points, FACING, 8, 8)
    expected = np.zeros((8, 8), bool)
    expected[2:6, 2:6] = True
    np.testing.assert_array_equal(seen.triangle >= 0, expected)
    np.testing.assert_allclose(seen.share[expected].sum(1), 1, atol=1e-6)


def test_values_between_corners_are_mixed_by_how_near_each_is() -> None:
    points = np.array(square(0, -0.5, 7.5), np.float32)
    seen = raster.rasterise(points, FACING, 8, 8)
    rows, columns = np.mgrid[:8, :8]
    found = seen.of(FACING, points)
    np.testing.assert_allclose(found[..., 0], columns, atol=1e-5)
    np.testing.assert_allclose(found[..., 1], rows, atol=1e-5)


def test_the_nearer_square_hides_the_farther_whatever_their_order() -> None:
    near, far = square(2, 1.5, 5.5), square(1, -0.5, 7.5)
    for first, second, hidden_by in ((near, far, 0), (far, near, 2)):
        points = np.array([*first, *second], np.float32)
        seen = raster.rasterise(points, np.concatenate([FACING, FACING + 4]), 8, 8)
        assert set(np.unique(seen.triangle[2:6, 2:6])) <= {hidden_by, hidden_by + 1}
        assert seen.triangle[0, 0] not in (hidden_by, hidden_by + 1)


def test_what_shows_its_back_is_not_seen() -> None:
    seen = raster.rasterise(np.array(square(0, 0, 7), np.float32), FACING[:, ::-1], 8, 8)
    assert (seen.triangle == -1).all()


def test_large_and_small_triangles_cover_alike() -> None:
    """One square in two triangles, and the same in 2 x 64 x 64: the same pixels."""
    steps = np.linspace(3.2, 59.7, 65)
    grid = np.array([(x, y, 0) for y in steps for x in steps], np.float32)
    corner = np.arange(65 * 65).reshape(65, 65)
    a, b, c, d = corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]
    fine = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)])
    many = raster.rasterise(grid, fine.astype(np.int32), 64, 64)
    few = raster.rasterise(np.array(square(0, 3.2, 59.7), np.float32), FACING, 64, 64)
    np.testing.assert_array_equal(many.triangle >= 0, few.triangle >= 0)


def test_normals_of_a_sphere_point_outwards() -> None:
    angles = np.linspace(0, np.pi, 20)
    turns = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = np.array(
        [(np.sin(a) * np.cos(t), np.sin(a) * np.sin(t), np.cos(a)) for a in angles for t in turns], np.float32
    )
    corner = np.arange(800).reshape(20, 40)
    a, b = corner[:-1], np.roll(corner, -1, 1)[:-1]
    c, d = np.roll(corner, -1, 1)[1:], corner[1:]
    faces = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    found = raster.normals(points, faces.astype(np.int32))
    inner = corner[2:-2].ravel()
    assert (np.einsum("ij,ij->i", found, points)[inner] > 0.99).all()


def test_every_expression_is_made_of_actions_that_some_unit_makes() -> None:
    for name, how in actions.EXPRESSIONS.items():
        assert {*how.always, *how.maybe} <= set(actions.ACTIONS), name


def test_every_expression_has_the_actions_of_its_prototype() -> None:
    assert set(actions.PROTOTYPES) == set(actions.EXPRESSIONS)
    for name, prototype in actions.PROTOTYPES.items():
        always = actions.EXPRESSIONS[name].always
        assert set(prototype) <= set(always), name
        # What is always shown is strong enough to be seen.
        assert all(always[action] >= 0.3 for action in prototype), name


def test_every_expression_has_what_was_seen_in_photographs_in_as_many_people() -> None:
    assert set(actions.SEEN) == set(actions.EXPRESSIONS)
    for name, (by_most, by_some) in actions.SEEN.items():
        how = actions.EXPRESSIONS[name]
        assert set(by_most) <= set(how.always), name
        for action, share in by_some.items():
            if action in actions.ACTIONS and action not in how.always:
                assert how.maybe[action][0] == share, (name, action)


def test_what_neither_source_has_is_said_to_be_ours() -> None:
    for name, how in actions.EXPRESSIONS.items():
        by_most, by_some = actions.SEEN[name]
        sourced = {*actions.PROTOTYPES[name], *by_most, *by_some}
        assert {*how.always, *how.maybe} - sourced == set(actions.OURS.get(name, ())), name


def test_every_expression_is_its_own() -> None:
    shown = [frozenset(how.always) for how in actions.EXPRESSIONS.values()]
    assert len(set(shown)) == len(shown)


def test_a_stronger_expression_has_stronger_actions_and_neutral_hardly_any() -> None:
    weak, strong = (actions.draw("anger", strength, np.random.default_rng(3)) for strength in (0.3, 1.0))
    assert weak[4] < 0.5 * strong[4]
    assert max(actions.draw("neutral", 1.0, np.random.default_rng(1)).values()) <= 0.12


def test_a_lopsided_smile_is_stronger_on_the_named_side() -> None:
    units = actions.units_of({12: 0.8}, lopsided=0.25)
    assert units["mouthSmile_L"] == pytest.approx(0.8 * 1.25 * actions.ACTIONS[12]["mouthSmile_"])
    assert units["mouthSmile_R"] == pytest.approx(0.8 * 0.75 * actions.ACTIONS[12]["mouthSmile_"])


def test_units_stay_within_bounds_and_opposite_actions_cancel() -> None:
    units = actions.units_of(dict.fromkeys(actions.ACTIONS, 1.0))
    assert all(actions.LEAST <= weight <= actions.MOST for weight in units.values())
    assert actions.units_of({1: 1.0, 4: 1.0})["browInnerUp_L"] < actions.units_of({1: 1.0})["browInnerUp_L"]


def test_a_camera_does_what_it_is_told() -> None:
    rng, even = np.random.default_rng(1), np.full((48, 48), 120, np.uint8)
    assert abs(int(scene.photograph(even, scene.Camera(gain=0.5), rng).mean()) - 60) <= 1
    noisy = scene.photograph(even, scene.Camera(noise=10), rng)
    assert 6 < noisy.std() < 12


def test_a_person_is_always_the_same_and_two_are_not(heads: Heads) -> None:
    first, again, other = heads.head(3), heads.head(3), heads.head(4)
    np.testing.assert_array_equal(first.neutral, again.neutral)
    assert np.abs(first.neutral - other.neutral).mean() > 0.05


def test_an_unknown_unit_is_named_with_those_there_are(heads: Heads) -> None:
    with pytest.raises(DataInvalid, match=r"unknown unit 'smirk': choose .*jawOpen"):
        heads.head(0).moved({"smirk": 1.0})


def test_landmarks_lie_where_the_turn_puts_them_and_the_far_side_is_hidden(heads: Heads) -> None:
    head = heads.head(1)
    who, painted = skin.draw_complexion(np.random.default_rng(1)), skin.paint(head)
    straight = render(head, {}, painted, who)
    turned = render(head, {}, painted, who, view=View(yaw=55))
    eyes, nose = straight.landmarks[[36, 45]], straight.landmarks[30]
    assert abs(nose[0] - eyes[:, 0].mean()) < 1 and (eyes[:, 1] < nose[1]).all()
    assert straight.visible[17:].mean() > 0.9
    # To the person's left is to the viewer's right.
    assert turned.landmarks[30, 0] - turned.landmarks[[36, 45], 0].mean() > 10
    assert not turned.visible[42:48].all() and turned.visible[36:42].all()


def test_the_lit_side_is_brighter(heads: Heads) -> None:
    head = heads.head(2)
    who, painted = skin.draw_complexion(np.random.default_rng(2)), skin.paint(head)
    lit = render(head, {}, painted, who, light=Light(azimuth=60)).picture
    assert lit[70:100, 85:100].mean() > 1.2 * lit[70:100, 60:75].mean()


def test_an_open_jaw_is_dark_inside(heads: Heads) -> None:
    head = heads.head(5)
    who, painted = skin.draw_complexion(np.random.default_rng(5)), skin.paint(head)
    shut, wide = (render(head, {"jawOpen": weight}, painted, who) for weight in (0.0, 0.9))
    x, y = np.rint(wide.landmarks[[62, 66]].mean(0)).astype(int)
    assert wide.picture[y, x] < 0.7 * shut.picture[y, x]


def test_a_set_is_the_same_twice_balanced_and_cut_as_live_faces_are(heads: Heads) -> None:
    wish = dataset.Wish(14, 48, first=20)
    made, again = (dataset.make(heads, wish, RULE) for _ in range(2))
    np.testing.assert_array_equal(made.faces, again.faces)
    assert np.bincount(made.label).tolist() == [2] * 7 and set(made.person) == {20, 21}
    eyes = made.landmarks[:, 36:42].mean(1), made.landmarks[:, 42:48].mean(1)
    for found, wanted in zip(eyes, RULE.landmarks[:2], strict=True):
        assert np.abs(found.mean(0) / 48 - wanted).max() < 0.05


def test_the_verb_writes_a_set_and_a_sheet(
    heads: Heads, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "synth",
        "--heads",
        str(ICT),
        "--out",
        str(tmp_path / "a.npz"),
        "--sheet",
        str(tmp_path / "a.png"),
    ]
    assert cli.main([*words, "--count", "7", "--side", "48", "--json"]) == 0
    assert '"faces": 7' in capsys.readouterr().out
    with np.load(tmp_path / "a.npz") as file:
        assert file["offset"].shape == (8,) and file["landmarks"].shape == (7, 68, 2)
        first = cv2.imdecode(file["jpeg"][: file["offset"][1]], cv2.IMREAD_GRAYSCALE)
    assert first is not None and first.shape == (48, 48)
    picture = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None and picture.shape == (96 + 18, 7 * 96)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (["--count", "0"], "'0' must be a whole number from 1"),
        (["--yaw", "nan"], "'nan' must be a number from 0 to 90"),
        (["--weakest", "2"], "'2' must be a number from 0 to 1"),
        (["--out", "faces.zip"], "must end with .npz"),
        (["--sheet", "sheet.gif"], "must end with .png"),
        (["--heads", "/dev/null"], "no pack of heads"),
        (["--heads", "no-such.npz"], "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    change: list[str], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["synth", "--heads", str(tmp_path / "none.npz"), "--out", str(tmp_path / "a.npz"), *change]
    assert cli.main(words) in (1, 2)
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and why in told.err
