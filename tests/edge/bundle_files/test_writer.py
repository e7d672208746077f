"""The one writer of bundle.json: what it writes is read back as it was, whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import bundle as bundles
from edge.bundle import Bundle
from edge.bundle_files import golden
from edge.bundle_files import writer as bundle_writer
from edge.bundle_files.sections import AccuracyRecord, Scaling
from edge.bundle_files.writer import Model
from edge.commands import describe
from edge.errors import BuildFailed, BundleInvalid, StorageFailed, UsageError

RECORDS = (
    AccuracyRecord("fer2013-private", 3589, 0.67, "onnx", "onnxruntime 1", "int8", macro_f1=0.6, agreement=1),
    AccuracyRecord("made", 1, 1.0, "onnx"),
)


@pytest.fixture
def about(make_bundle: Callable[..., Path]) -> Bundle:
    """The tiny bundle with records, about to be written anew."""
    return dataclasses.replace(bundles.load(make_bundle(name="tiny")), accuracy=RECORDS, prior="us")


@pytest.fixture
def models(about: Bundle) -> dict[str, Model]:
    pytest.importorskip("onnxruntime", reason="the writer asks the model for its golden answers")
    ours = Scaling((1.0,) * 7, (0.0,) * 7)
    return {"onnx": Model(about.model("onnx").parts, "fp32", scalings={"us": ours})}


@pytest.mark.parametrize("name", ["new/b", "b.zip"])
def test_what_is_written_reads_back_as_it_was_with_answers_that_hold(
    about: Bundle, models: dict[str, Model], tmp_path: Path, name: str
) -> None:
    bundle, content = bundle_writer.compose(about, models)
    written = bundle_writer.write(tmp_path / name, bundle, {**content, "CARD.md": b"# card"})
    assert written == dataclasses.replace(bundle, path=tmp_path / name)
    assert written.accuracy == RECORDS
    outcome = golden.check(written, "onnx")
    assert outcome is not None and outcome.state == "same"
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name or "old" in path.name] == []
    text = describe.bundle_text(json.loads(json.dumps(describe.bundle(tmp_path / name))))
    assert "67.00% on fer2013-private (n = 3589), onnxruntime 1, int8" in text
    assert "100.00% on made (n = 1), onnx\n" in text + "\n"


def test_the_same_content_gives_the_same_zip(about: Bundle, models: dict[str, Model], tmp_path: Path) -> None:
    made = bundle_writer.compose(about, models)
    for name in ("a.zip", "b.zip"):
        bundle_writer.write(tmp_path / name, *made)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert zipfile.ZipFile(tmp_path / "a.zip").namelist() == ["bundle.json", "model.onnx"]


def test_nothing_but_a_bundle_is_replaced(about: Bundle, models: dict[str, Model], tmp_path: Path) -> None:
    made = bundle_writer.compose(about, models)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "photo.jpg").write_bytes(b"jpeg")
    for name, said in (("mine", "is a folder of other things"), ("photo.jpg", "is a file")):
        with pytest.raises(UsageError, match=said):
            bundle_writer.write(tmp_path / name, *made)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    assert (tmp_path / "photo.jpg").read_bytes() == b"jpeg"
    bundle_writer.write(tmp_path / "b", *made)
    assert bundle_writer.write(tmp_path / "b", made[0], {**made[1], "more": b""}).name == "tiny"
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"bundle.json", "model.onnx", "more"}


def test_a_place_that_cannot_be_written_is_one_sentence(
    about: Bundle, models: dict[str, Model], tmp_path: Path
) -> None:
    made = bundle_writer.compose(about, models)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="cannot write .*file/b"):
        bundle_writer.write(tmp_path / "file" / "b", *made)
    bundle, content = made
    with pytest.raises(BuildFailed, match=r"'model\.onnx' is not the file that its sha256"):
        bundle_writer.write(tmp_path / "b", bundle, {**content, "model.onnx": b"other"})
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"data": "x", "images": 1}, "accuracy: key 'accuracy' is missing"),
        (
            {"data": "x", "images": 1, "accuracy": 67.0, "engine": "onnx"},
            "'accuracy' is 67.0, and must be",
        ),
        (
            {"data": "x", "faces": 1, "accuracy": 0.5},
            "accuracy: unknown key 'faces'; valid keys: data",
        ),
    ],
)
def test_a_record_of_another_shape_is_one_sentence(
    make_bundle: Callable[..., Path], record: dict[str, object], said: str
) -> None:
    with pytest.raises(BundleInvalid, match=said):
        bundles.load(make_bundle(lambda table: table.update(accuracy=[record])))
