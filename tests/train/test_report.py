from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.bundle_files.sections import Scaling
from edge.errors import DataInvalid, UsageError
from faces import corruptions, metrics, readers
from faces.crop_rule import crop_rule_of
from faces.labels import EXPRESSIONS
from pages.card import MARK
from tests.pages.reading import plots_in, stands_alone
from tests.train import make
from train import card, classifier, evaluate, report
from train.checkpoint import Trained
from train.classifier import BundleSubject, RunSubject

RULE = crop_rule_of("fer2013")


def face(count: int = 4, side: int = 48) -> np.ndarray[Any, Any]:
    return make.faces(np.arange(count) % 7, seed=count, side=side)


@pytest.mark.parametrize("kind", corruptions.KINDS)
@pytest.mark.parametrize("side", [48, 64])
def test_corruptions_repeat_grow_and_keep_shape(kind: str, side: int) -> None:
    faces = face(side=side)
    before = faces.copy()
    changed = [corruptions.corrupt(faces, kind, strength, RULE) for strength in range(corruptions.STRENGTHS)]
    again = corruptions.corrupt(faces, kind, 1, RULE)
    np.testing.assert_array_equal(changed[1], again)
    np.testing.assert_array_equal(faces, before)
    assert all(each.shape == faces.shape and each.dtype == np.uint8 for each in changed)
    harm = [float(np.abs(each.astype(int) - faces).mean()) for each in changed]
    assert 0 < harm[0] < harm[1] < harm[2]


def test_a_mask_hides_the_mouth_and_glasses_hide_the_eyes_and_nothing_else() -> None:
    faces = face(20)
    for kind, hidden, seen in [
        ("mask", RULE.landmarks[3:], RULE.landmarks[:2]),
        ("sunglasses", RULE.landmarks[:2], RULE.landmarks[3:]),
    ]:
        changed = corruptions.corrupt(faces, kind, 2, RULE) != faces
        for x, y in hidden:
            assert changed[:, round(y * 48), round(x * 48)].mean() > 0.9
        for x, y in seen:
            assert not changed[:, round(y * 48), round(x * 48)].any()


def test_a_small_face_has_no_more_detail_than_its_pixels() -> None:
    board = (np.indices((48, 48)).sum(0) % 2 * 255).astype(np.uint8)[None]
    assert corruptions.corrupt(board, "small", 0, RULE).std() < 2


@pytest.fixture(scope="module")
def record(trained: Trained) -> dict[str, Any]:
    return evaluate.evaluate(
        RunSubject(trained), make.face_set(40, 6), make.face_set(21, 2), corruptions=True
    )


def test_the_corruption_table_has_an_accuracy_for_each(record: dict[str, Any]) -> None:
    assert list(record["corruptions"]) == list(corruptions.KINDS)
    assert all(
        len(row) == 3 and all(0 <= value <= 1 for value in row) for row in record["corruptions"].values()
    )
    assert "sunglasses" in evaluate.as_text(record)


def test_a_bundle_is_measured_as_its_run_was(
    bundle: Any,
    trained: Trained,
    tmp_path: Path,
) -> None:
    test = make.face_set(40, 6)
    by_bundle = BundleSubject(bundle, "onnx", threads=1)
    logits = RunSubject(trained).logits(test.faces)
    expected = logits - logits.mean(1, keepdims=True)
    seen = by_bundle.logits(test.faces, batch=16)
    np.testing.assert_allclose(seen - seen.mean(1, keepdims=True), expected, atol=1e-3)
    measured = evaluate.evaluate(by_bundle, test, make.face_set(21, 2))
    assert measured["calibration"]["temperature"] == 1.7
    assert measured["calibration"]["fitted_on"] == "the bundle"
    chances = metrics.softmax(logits, 1.7)
    assert measured["calibration"]["ece_after"] == pytest.approx(
        metrics.expected_calibration_error(chances, test.labels), abs=1e-3
    )
    assert measured["model"]["engine"].startswith("onnx")
    assert list(measured["model"]["files"].values()) == list(bundle.files["onnx"].parts.values())


def test_each_labelling_is_met_with_the_scaling_that_was_fitted_to_it(bundle: Any) -> None:
    from dataclasses import replace

    own, crowd = (
        Scaling((2.0,) * 7, (0.0,) * 7),
        Scaling((1.0,) * 6 + (1.1,), (0.0, 0.0, 50.0, 0.0, 0.0, 0.0, 0.0)),
    )
    files = {"onnx": replace(bundle.files["onnx"], scalings={"fer2013": own, "ferplus": crowd})}
    by_bundle = BundleSubject(replace(bundle, files=files, prior="ferplus"), "onnx", threads=1)
    test = replace(make.face_set(40, 6), name="fer2013-private", annotators="fer2013")
    logits = by_bundle.logits(test.faces)
    measured = evaluate.evaluate(by_bundle, test, test)
    assert measured["score"]["accuracy"] == (logits.argmax(1) == test.labels).mean()
    assert measured["calibration"]["temperature"] == 0.5
    # With so large a bias all is fear.
    assert measured["ferplus"]["accuracy"] == (test.majority == 2).mean()
    assert measured["ferplus"]["ece"] == pytest.approx(1 - (test.majority == 2).mean(), abs=1e-6)
    # Another data set's labels are held against what the runtime would give: the bundle's own choice.
    other = evaluate.evaluate(by_bundle, make.face_set(40, 6), test)
    assert other["score"]["accuracy"] == measured["ferplus"]["accuracy"]
    assert other["calibration"]["temperature"] is None
    assert "a scale and a bias per label" in evaluate.as_text(other) and report.page([other])


def test_runs_and_bundles_are_told_apart(bundle: Any, trained: Trained) -> None:
    assert isinstance(classifier.open_subject(bundle.path, "onnx", 1, False), BundleSubject)
    assert isinstance(classifier.open_subject(trained.path, "auto", 1, True), RunSubject)
    with pytest.raises(UsageError, match="--flip is for runs"):
        classifier.open_subject(bundle.path, "auto", 1, True)
    with pytest.raises(UsageError, match="--engine onnx is for bundles"):
        classifier.open_subject(trained.path, "onnx", 1, False)


def test_a_bundle_of_other_labels_is_not_measured_on_these(bundle: Any) -> None:
    other = BundleSubject(replace(bundle, labels=("smug", *bundle.labels[1:])), "onnx", 1)
    with pytest.raises(DataInvalid, match=r"knows smug, .*, and made-2 is labelled anger, "):
        evaluate.evaluate(other, make.face_set(21, 2), make.face_set(21, 2))


def test_the_page_stands_alone_and_shows_the_record(record: dict[str, Any]) -> None:
    html = report.page([record, record | {"corruptions": None}])
    assert stands_alone(html)
    assert len(plots_in(html)) == 4 + 3
    total = record["score"]
    assert f"{total['accuracy']:.2%}" in html and f"{total['interval'][0]:.1%}" in html
    assert all(label in html for label in EXPRESSIONS)
    assert record["model"]["weights_sha256"] in html


def test_the_page_escapes_what_it_is_given(record: dict[str, Any]) -> None:
    named = record | {"model": record["model"] | {"name": "<script>alert(1)</script>"}}
    assert "<script" not in report.page([named])


def test_the_card_says_what_was_measured_and_what_it_is_not_for(
    bundle: Any,
    tmp_path: Path,
) -> None:
    make.write_pack(tmp_path / "p.npz")
    data = readers.describe(readers.read(tmp_path / "p.npz", search=True))
    (tmp_path / "d.json").write_text(json.dumps(data))
    measured = evaluate.evaluate(BundleSubject(bundle, "onnx", 1), make.face_set(40, 6), make.face_set(21, 2))
    text = card.write(bundle, [measured], card.read_data_report(tmp_path / "d.json"))
    assert text.startswith("# tiny\n")
    assert f"| {measured['score']['accuracy']:.2%} |" in text
    assert "No authoritative licence" in text
    assert "40 training faces" in text or f"{data['splits']['train']['faces']} training faces" in text
    assert "must not be used for" in text
    for label, row in measured["score"]["per_class"].items():
        assert f"| {label} | {row['count']} | {row['precision']:.1%} |" in text
    kept = card.write(bundle, [measured], data, "# tiny\n\nWhat the build wrote.\n")
    again = card.write(bundle, [measured], data, kept)
    assert again == kept and again.startswith("# tiny\n\nWhat the build wrote.\n")
    assert again.count("## Evaluation") == again.count(MARK) == 1
    stranger = measured | {"model": measured["model"] | {"files": {"model.onnx": "0" * 64}}}
    with pytest.raises(DataInvalid, match="was made with other files"):
        card.write(bundle, [stranger], data)
    for content, expected in [("{", "is not JSON"), ("[]", "is not a record of 'ferlite-train data")]:
        (tmp_path / "d.json").write_text(content)
        with pytest.raises(DataInvalid, match=expected):
            card.read_data_report(tmp_path / "d.json")
