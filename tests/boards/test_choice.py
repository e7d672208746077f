"""The engine plan: the profile's order meets a bundle's files and the board's facts."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from boards import bundle, choice, cli, profile
from boards.errors import BoardRefused, BundleInvalid
from boards.probe import probe
from edge.settings import from_file
from tests.boards import trees


def make_bundle(folder: Path, *engines: str, **changes: Any) -> Path:
    """A bundle folder with a file for each engine; the files are as small as they can be."""
    names = {"onnx": "model.onnx", "tflite": "model.tflite", "openvino": "model.xml"}
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for engine in engines:
        content = f"weights for {engine}".encode()
        (folder / names[engine]).write_bytes(content)
        files[engine] = {"parts": {names[engine]: hashlib.sha256(content).hexdigest()}, "precision": "int8"}
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
    assert (plan.chosen().name, plan.chosen().device) == chosen
    assert len(plan.candidates) == len(profile.load(board).engine)
    assert all(one.reason for one in plan.candidates)


def test_no_engine_fits_says_why_for_each(tmp_path: Path) -> None:
    model = bundle.read(make_bundle(tmp_path, "openvino"))
    with pytest.raises(
        BoardRefused, match=r"tflite on CPU: the bundle has no tflite file \(it has openvino\)"
    ):
        choice.plan(profile.load("rpi-4b"), model).chosen()


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
    assert plan.chosen().device == ("NPU" if says is None else "GPU")
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
        "source": "picamera2",
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


def test_the_runtime_reads_every_boards_edge_json_and_logs_do_not_fill_its_card(tmp_path: Path) -> None:
    """The seam between the two packages is a file: what one writes the other must take."""
    model = bundle.read(make_bundle(tmp_path, "onnx", "tflite", "openvino"))
    sinks = ("jsonl:/var/lib/ferlite/readings.jsonl", "csv:-")
    for one in profile.load_all():
        try:
            plan = choice.plan(one, model, own_wheels=True)
            config = choice.edge_config(plan, bundle="/b", sink=sinks, detector_model="/m.onnx")
        except BoardRefused:
            continue
        path = tmp_path / "edge.json"
        path.write_text(choice.to_text(config))
        held = from_file(path)
        assert (held.engine, held.device) == (plan.chosen().name, config["device"])
        assert (held.sink, held.sink_limit_mb) == (sinks, choice.LOG_MB)


ZEROS = "0" * 64


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "has no 'files' table"),
        ("{}", "has no 'files' table"),
        ('{"files": {}}', "has no 'files' table"),
        ('{"files": {"caffe": {}}}', "its files are for caffe, not for onnx, tflite, openvino"),
        ('{"files": {"onnx": {}}}', "'files.onnx' has no 'parts'"),
        ('{"files": {"onnx": "model.onnx"}}', "'files.onnx' has no 'parts'"),
        (f'{{"files": {{"onnx": {{"parts": {{"gone.onnx": "{ZEROS}"}}}}}}}}', "has no file 'gone.onnx'"),
        (f'{{"files": {{"onnx": {{"parts": {{"../x.onnx": "{ZEROS}"}}}}}}}}', "'../x.onnx' leads out of"),
        (f'{{"files": {{"onnx": {{"parts": {{"/etc/passwd": "{ZEROS}"}}}}}}}}', "'/etc/passwd' leads out of"),
        (f'{{"files": {{"onnx": {{"parts": {{"model.onnx": "{ZEROS}"}}}}}}}}', "'model.onnx' is damaged"),
    ],
)
def test_a_bad_bundle_is_named(text: str, says: str, tmp_path: Path) -> None:
    make_bundle(tmp_path, "onnx")
    (tmp_path / "bundle.json").write_text(text, encoding="utf-8")
    with pytest.raises(BundleInvalid) as caught:
        bundle.read(tmp_path)
    assert says in str(caught.value)


def test_a_link_out_of_the_bundle_is_not_followed(tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle", "onnx")
    (tmp_path / "bundle/model.onnx").rename(tmp_path / "model.onnx")
    (tmp_path / "bundle/model.onnx").symlink_to("../model.onnx")
    with pytest.raises(BundleInvalid, match="leads out of the bundle"):
        bundle.read(tmp_path / "bundle")


def test_a_zipped_bundle_is_the_same_bundle(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "tiny", "onnx", "tflite")
    (folder / "stray.txt").write_text("not listed, so not carried", encoding="utf-8")
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", folder)
    assert bundle.read(archive).content == bundle.read(folder).content
    assert sorted(bundle.read(folder).content) == ["bundle.json", "model.onnx", "model.tflite"]
    Path(archive).write_bytes(Path(archive).read_bytes()[:100])
    with pytest.raises(BundleInvalid, match=r"cannot read 'bundle\.json'"):
        bundle.read(archive)


def test_onnx_on_a_gpu_is_named_by_its_provider(tmp_path: Path) -> None:
    model = bundle.read(make_bundle(tmp_path, "onnx"))
    board = profile.load("jetson-orin-nano")
    board = dataclasses.replace(board, engine=board.engine[1:])
    config = choice.edge_config(choice.plan(board, model, own_wheels=True), bundle="b")
    assert config["device"] == "TensorrtExecutionProvider"


@pytest.mark.parametrize(
    "name", [one for one in profile.names() if profile.load(one).engine[0].device == "NPU"]
)
def test_an_npu_keeps_what_it_compiled_and_goes_without_turbo(name: str, tmp_path: Path) -> None:
    """edge.json has the profile's settings, and the runtime reads them from it."""
    from edge import settings

    plan = choice.plan(profile.load(name), bundle.read(make_bundle(tmp_path / "bundle", "openvino")))
    path = tmp_path / "edge.json"
    path.write_text(choice.to_text(choice.edge_config(plan, bundle="b")))
    read = settings.from_file(path)
    assert (read.engine, read.device) == ("openvino", "NPU")
    assert str(read.engine_settings["CACHE_DIR"]).startswith("/var/cache/ferlite/")
    assert read.engine_settings["NPU_TURBO"] == "NO"


def test_plan_as_a_user_sees_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_bundle(tmp_path, "onnx")
    assert cli.main(["plan", str(tmp_path), "--board", "rpi-4b"]) == 0
    out = capsys.readouterr().out
    assert "no tflite int8 on CPU: the bundle has no tflite file" in out
    assert "-> onnx int8 on CPU" in out
    assert cli.main(["plan", str(tmp_path), "--board", "rpi-4b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["engine"] == "onnx"
