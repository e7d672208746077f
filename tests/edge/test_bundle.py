"""Bundles: read strictly, digests checked, nothing outside them touched."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from edge import bundle as bundles
from edge.bundle_files.sections import Kind
from edge.errors import BundleInvalid

MakeBundle = Callable[..., Path]


def as_zip(folder: Path) -> Path:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(folder.iterdir()):
            out.write(file, file.name)
    return archive


@pytest.mark.parametrize("pack", [lambda folder: folder, as_zip], ids=["folder", "zip"])
def test_a_good_bundle_loads_whole(make_bundle: MakeBundle, data: Path, pack: Callable[[Path], Path]) -> None:
    bundle = bundles.load(pack(make_bundle()))
    assert bundle.labels[3] == "happiness"
    assert bundle.input.channels == 1
    assert set(bundle.files) == {"onnx", "tflite", "openvino"}
    bundle.verify()
    assert bundle.model("onnx").parts == {".onnx": (data / "tiny.onnx").read_bytes()}
    assert set(bundle.model("openvino").parts) == {".xml", ".bin"}


def set_to(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(table: dict[str, Any]) -> None:
        for key in path[:-1]:
            table = table[key]
        table[path[-1]] = value

    return change


def remove(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(table: dict[str, Any]) -> None:
        for key in path[:-1]:
            table = table[key]
        del table[path[-1]]

    return change


DIGEST = "0" * 64
WRONG = {
    "unknown key": (
        set_to("colour_space", value=1),
        "unknown key 'colour_space'; valid keys: name, description",
    ),
    "unknown inner key": (set_to("input", "sise", value=1), "input: unknown key 'sise'"),
    "missing key": (remove("labels"), "key 'labels' is missing"),
    "missing inner key": (remove("input", "mean"), "input: key 'mean' is missing"),
    "schema": (set_to("schema", value=3), "schema 3 is not 1 or 2: this ferlite is too old"),
    "no schema": (remove("schema"), "schema None is not 1 or 2"),
    "labels twice": (set_to("labels", value=["a", "a"]), "'labels'"),
    "one label": (set_to("labels", value=["a"]), "'labels'"),
    "size": (set_to("input", "size", value=4), "'size' is 4, and must be 8 to 1024 pixels"),
    "size type": (set_to("input", "size", value="48"), "'size' is '48'"),
    "colour": (set_to("input", "colour", value="gray"), "'colour' is 'gray', and must be grey, rgb, bgr"),
    "mean count": (set_to("input", "mean", value=[1, 2, 3]), "'mean'"),
    "std zero": (set_to("input", "std", value=[0]), "'std'"),
    "std word": (set_to("input", "std", value=["x"]), "'std'"),
    "landmarks": (set_to("crop", "landmarks", value=[[0, 0]]), "'landmarks'"),
    "scale": (set_to("crop", "box_scale", value=0), "'box_scale'"),
    "crop size": (set_to("crop", "size", value=7), "'size'"),
    "temperature": (set_to("temperature", value=0), "'temperature'"),
    "temperature nan": (set_to("temperature", value=float("nan")), "'temperature'"),
    "scaling": (
        set_to("files", "onnx", "scalings", value={"us": {"scale": [0] * 7, "bias": [0] * 7}}),
        "'scale' is (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), and must be positive numbers",
    ),
    "scaling count": (
        set_to("files", "onnx", "scalings", value={"us": {"scale": [1] * 6, "bias": [0] * 6}}),
        "'files.onnx.scalings.us' is (1.0, 1.0, 1.0, 1.0, 1.0, 1.0), and must be a number per label, 7",
    ),
    "scaling lengths": (
        set_to("files", "onnx", "scalings", value={"us": {"scale": [1] * 7, "bias": [0]}}),
        "'bias' is (0.0,), and must be a number per label",
    ),
    "scalings": (
        set_to("files", "onnx", "scalings", value=[]),
        "files: onnx: 'scalings' is [], and must be a table",
    ),
    "annotators": (set_to("annotators", value="us"), "'files.onnx' has no scaling of theirs"),
    "annotators type": (set_to("annotators", value=3), "'prior' is 3, and must be text"),
    "doubt": (set_to("doubt", "turn", value=-1), "'turn'"),
    "no files": (set_to("files", value={}), "'files'"),
    "layout": (set_to("files", "onnx", "layout", value="CHWN"), "'layout' is 'CHWN'"),
    "digest": (set_to("files", "onnx", "parts", value={"tiny.onnx": "abc"}), "a sha256 in hex"),
    "section": (set_to("input", value=[]), "input: [] stands where a table of settings belongs"),
    "up": (set_to("files", "onnx", "parts", value={"../tiny.onnx": DIGEST}), "a name inside the bundle"),
    "absolute": (set_to("files", "onnx", "parts", value={"/etc/passwd": DIGEST}), "a name inside the bundle"),
    "backslash": (
        set_to("files", "onnx", "parts", value={"..\\tiny.onnx": DIGEST}),
        "a name inside the bundle",
    ),
}


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.replace(" ", "-"))
def test_a_wrong_manifest_is_one_sentence(make_bundle: MakeBundle, case: str) -> None:
    change, sentence = WRONG[case]
    folder = make_bundle(change)
    with pytest.raises(BundleInvalid) as caught:
        bundles.load(folder)
    assert sentence in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"[" * 100_000])
def test_a_manifest_that_is_no_object(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bundle.json").write_bytes(content)
    with pytest.raises(BundleInvalid, match=r"bundle\.json"):
        bundles.load(tmp_path)


def test_one_flipped_bit_is_noticed(make_bundle: MakeBundle) -> None:
    folder = make_bundle()
    content = bytearray((folder / "tiny.onnx").read_bytes())
    content[1000] ^= 1
    (folder / "tiny.onnx").write_bytes(content)
    bundle = bundles.load(folder)
    with pytest.raises(BundleInvalid, match=r"'tiny\.onnx' is not the file its sha256 was taken of"):
        bundle.model("onnx")
    with pytest.raises(BundleInvalid):
        bundle.verify()
    bundle.model("tflite")


def test_missing_files(make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle()
    (folder / "tiny.bin").unlink()
    with pytest.raises(BundleInvalid, match=r"has no file 'tiny\.bin'"):
        bundles.load(folder).model("openvino")
    with pytest.raises(BundleInvalid, match="has no file for engine 'hailo': it has onnx, tflite, openvino"):
        bundles.load(folder).model("hailo")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleInvalid, match=r"has no file 'bundle\.json'"):
        bundles.load(tmp_path / "empty")
    with pytest.raises(BundleInvalid, match="no bundle 'nowhere': give a folder, a .zip or one of"):
        bundles.load("nowhere")


def test_a_link_out_of_the_bundle_is_refused(make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle()
    secret = tmp_path / "secret"
    secret.write_bytes((folder / "tiny.onnx").read_bytes())  # the right bytes, in the wrong place
    (folder / "tiny.onnx").unlink()
    (folder / "tiny.onnx").symlink_to(secret)
    with pytest.raises(BundleInvalid, match="leads out of the bundle"):
        bundles.load(folder).model("onnx")


def test_what_is_no_zip_or_a_damaged_one(make_bundle: MakeBundle, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(BundleInvalid, match="cannot read"):
        bundles.load(tmp_path / "text.zip")
    archive = as_zip(make_bundle())
    content = archive.read_bytes()
    for cut in (10, len(content) // 2, len(content) - 5):
        archive.write_bytes(content[:cut])
        with pytest.raises(BundleInvalid):
            bundles.load(archive).verify()
    for at in range(40, len(content) - 40, 97):
        archive.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        try:
            bundles.load(archive).verify()
        except BundleInvalid as error:
            assert "\n" not in str(error)


def test_a_file_over_the_limit_is_not_read(make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "LARGEST_FILE", 1000)
    for path in (make_bundle(name="a"), as_zip(make_bundle(name="b"))):
        with pytest.raises(BundleInvalid, match="is over"):
            bundles.load(path)


def test_shipped_bundles_are_whole() -> None:
    for name in (name for kind in get_args(Kind) for name in bundles.shipped(kind)):
        bundle = bundles.load(name)
        bundle.verify()
        assert bundle.accuracy, f"{name} ships without a measured accuracy"
        assert json.loads((bundle.path / "bundle.json").read_text())["name"] == name


def test_a_value_that_is_nested_too_deeply_to_be_shown_is_refused(make_bundle: Callable[..., Path]) -> None:
    """Found by benchmarks/hostile/fuzz.py: JSON takes what repr() gives up on."""
    deep = 0
    for _ in range(900):
        deep = [deep]

    def change(table: dict[str, Any]) -> None:
        table["labels"] = deep

    with pytest.raises(BundleInvalid, match="'labels' is .*must be"):
        bundles.load(make_bundle(change))
    with pytest.raises(BundleInvalid, match="schema"):
        bundles.load(make_bundle(lambda table: table.update(schema=deep), name="other"))
