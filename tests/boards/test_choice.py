"""The engine plan: the profile's order meets a bundle's files and the board's facts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from boards import bundle, choice, cli, profile
from boards.errors import BoardRefused, BundleInvalid
from boards.probe import probe
from tests.boards import trees


def make_bundle(folder: Path, *engines: str, **changes: Any) -> Path:
    """A bundle folder with a file for each engine; the files are as small as they can be."""
    names = {"onnx": "model.onnx", "tflite": "model.tflite", "openvino": "model.xml"}
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for engine in engines:
        content = f"weights for {engine}".encode()
        (folder / names[engine]).write_bytes(content)
        files[engine] = {"path": names[engine], "sha256": hashlib.sha256(content).hexdigest()}
    table = {"schema": 1, "name": "tiny", "files": files, **changes}
    (folder / "bundle.json").write_text(json.dumps(table), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("board", "engines", "chosen"),
    [
        ("rpi-zero-2w", ("onnx", "tflite"), ("tflite", "CPU")),
        ("rpi-zero-2w", ("onnx",), ("onnx", "CPU")),
        ("rpi-5", ("onnx", "tflite"), ("onnx", "CPU")),
        ("jetson-orin-nano", ("onnx",), ("onnx", "CPU")),
        ("intel-lnl", ("onnx", "openvino"), ("openvino", "NPU")),
        ("intel-lnl", ("onnx",), ("onnx", "CPU")),
        ("generic-arm64", ("tflite",), ("tflite", "CPU")),
    ],
)
def test_the_profiles_order_decides(
    board: str, engines: tuple[str, ...], chosen: tuple[str, str], tmp_path: Path
) -> None:
    model = bundle.read(make_bundle(tmp_path, *engines))
    plan = choice.plan(profile.load(board), model)
    assert (plan.chosen.name, plan.chosen.device) == chosen
    assert len(plan.candidates) == len(profile.load(board).engine)
    assert all(one.reason for one in plan.candidates)


def test_no_engine_fits_says_why_for_each(tmp_path: Path) -> None:
    model = bundle.read(make_bundle(tmp_path, "openvino"))
    with pytest.raises(
        BoardRefused, match=r"tflite on CPU: the bundle has no tflite file \(it has openvino\)"
    ):
        _ = choice.plan(profile.load("rpi-4b"), model).chosen


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ("/sys/bus/pci/devices/0000:00:0b.0/device", None),
        ("/sys/class/accel/accel0/device/driver", "the NPU has no driver"),
        ("/dev/accel/accel0", "no device file under /dev/accel"),
    ],
)
def test_an_npu_that_is_not_ready_is_passed_over(gone: str, says: str | None, tmp_path: Path) -> None:
    root = trees.write(tmp_path / "root", trees.BOARDS["intel-lnl"])
    (root / gone.lstrip("/")).unlink()
    model = bundle.read(make_bundle(tmp_path / "bundle", "openvino"))
    plan = choice.plan(profile.load("intel-lnl"), model, probe(root))
    assert plan.chosen.device == ("NPU" if says is None else "GPU")
    if says:
        assert says in plan.candidates[0].reason
        assert plan.candidates[0].then_type


def test_without_any_npu(tmp_path: Path) -> None:
    model = bundle.read(make_bundle(tmp_path / "bundle", "openvino"))
    facts = probe(trees.write(tmp_path / "root", trees.BOARDS["generic-x86-64"]))
    plan = choice.plan(profile.load("intel-lnl"), model, facts)
    assert plan.candidates[0].reason == "no NPU on the PCI bus"


def test_a_wheel_of_ones_own_opens_the_gpu(tmp_path: Path) -> None:
    model = bundle.read(make_bundle(tmp_path, "onnx"))
    board = profile.load("jetson-orin-nano")
    without, brought = choice.plan(board, model), choice.plan(board, model, own_wheels=True)
    assert [one.usable for one in without.candidates] == [True, False, False]
    assert [one.usable for one in brought.candidates] == [True, True, True]
    assert "--wheels" in without.candidates[1].then_type


def test_a_board_whose_python_is_too_old(tmp_path: Path) -> None:
    model = bundle.read(make_bundle(tmp_path, "onnx"))
    with pytest.raises(
        BoardRefused, match=r"Jetson Nano 4GB: the system's Python is 3\.6 and ferlite needs 3\.10"
    ):
        choice.plan(profile.load("jetson-nano"), model)


def test_edge_json_has_the_runtimes_keys_and_the_same_bytes_twice(tmp_path: Path) -> None:
    model = bundle.read(make_bundle(tmp_path, "onnx", "tflite"))
    plan = choice.plan(profile.load("rpi-zero-2w"), model)
    config = choice.edge_config(plan, bundle="/opt/ferlite/current/bundle")
    assert config == {
        "schema": 1,
        "source": "picamera:0",
        "engine": "tflite",
        "engine_order": ["tflite", "onnx"],
        "threads": 3,
        "device": "CPU",
        "bundle": "/opt/ferlite/current/bundle",
        "detector": "haar",
        "sink": ["jsonl:-"],
    }
    assert json.loads(choice.to_text(config)) == config
    assert choice.to_text(config) == choice.to_text(dict(config))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a table"),
        ("{}", "has no 'files' table"),
        ('{"files": {}}', "has no 'files' table"),
        ('{"files": {"labels": {"path": "bundle.json"}}}', "none of its files (labels) is for an engine"),
        ('{"files": {"onnx": {"path": "gone.onnx"}}}', "its file 'gone.onnx' is missing"),
        ('{"files": {"onnx": {"path": "../x.onnx"}}}', "'../x.onnx' leads out of the bundle"),
        ('{"files": {"onnx": "/etc/passwd"}}', "'/etc/passwd' leads out of the bundle"),
        (
            '{"files": {"onnx": {"path": "model.onnx", "sha256": "' + "0" * 64 + '"}}}',
            "'model.onnx' is damaged",
        ),
    ],
)
def test_a_bad_bundle_is_named(text: str, says: str, tmp_path: Path) -> None:
    make_bundle(tmp_path, "onnx")
    (tmp_path / "bundle.json").write_text(text, encoding="utf-8")
    with pytest.raises(BundleInvalid) as caught:
        bundle.read(tmp_path)
    assert says in str(caught.value)


@pytest.mark.parametrize("entry", ["model.onnx", {"file": "model.onnx"}, {"name": "model.onnx"}])
def test_the_ways_a_file_may_be_named(entry: object, tmp_path: Path) -> None:
    make_bundle(tmp_path, "onnx", files={"onnx": entry})
    assert bundle.read(tmp_path).engines == ("onnx",)


def test_files_keyed_by_their_names(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"weights for onnx").hexdigest()
    make_bundle(tmp_path, "onnx", files={"model.onnx": digest})
    assert bundle.read(tmp_path).engines == ("onnx",)


def test_a_link_in_a_bundle_is_refused(tmp_path: Path) -> None:
    make_bundle(tmp_path, "onnx")
    (tmp_path / "extra").symlink_to("/etc/passwd")
    with pytest.raises(BundleInvalid, match="'extra' is a link"):
        bundle.read(tmp_path)


def test_one_changed_byte_changes_the_digest(tmp_path: Path) -> None:
    first, second = make_bundle(tmp_path / "a", "onnx"), make_bundle(tmp_path / "b", "onnx")
    assert bundle.read(first).sha256 == bundle.read(second).sha256
    (second / "README").write_text("x", encoding="utf-8")
    assert bundle.read(first).sha256 != bundle.read(second).sha256


def test_plan_as_a_user_sees_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_bundle(tmp_path, "onnx")
    assert cli.main(["plan", str(tmp_path), "--board", "rpi-4b"]) == 0
    out = capsys.readouterr().out
    assert "no tflite int8 on CPU: the bundle has no tflite file" in out
    assert "-> onnx int8 on CPU" in out
    assert cli.main(["plan", str(tmp_path), "--board", "rpi-4b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["engine"] == "onnx"
