"""An engine's own settings: from edge.json to the library, and compiled models kept by version."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge import cli, engine, settings
from edge.engine import EngineOptions, ModelFile
from edge.engines.cache import tensorrt_version, versioned
from edge.errors import EngineFailed, EngineRefused, UsageError

IMAGE = np.arange(64, dtype=np.float32).reshape(1, 1, 8, 8)


def load(data: Path, name: str, **options: object) -> engine.Engine:
    suffixes = {"openvino": (".xml", ".bin"), "onnx": (".onnx",), "tflite": (".tflite",)}[name]
    parts = {suffix: (data / f"tiny{suffix}").read_bytes() for suffix in suffixes}
    return engine.load(name, ModelFile("tiny", parts), EngineOptions(**options))  # type: ignore[arg-type]


def test_openvino_keeps_what_it_compiled_in_a_folder_of_its_version(data: Path, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    kept = {"CACHE_DIR": str(tmp_path / "cache")}
    first = load(data, "openvino", settings=kept)
    (folder,) = (tmp_path / "cache").iterdir()
    assert folder.name == f"openvino-{openvino.__version__.split('-')[0]}"
    blobs = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert blobs, "nothing was kept"
    again = load(data, "openvino", settings=kept)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == blobs, "it compiled again"
    np.testing.assert_array_equal(first.run([IMAGE])[0], again.run([IMAGE])[0])


def test_a_static_model_answers_the_same(data: Path) -> None:
    """What is done for an NPU, on the CPU's plugin."""
    pytest.importorskip("openvino")
    from edge.engines import openvino

    core = openvino._core()
    read = core.read_model((data / "tiny.xml").read_bytes(), (data / "tiny.bin").read_bytes())
    assert read.is_dynamic()
    openvino._make_static(read)
    assert [list(port.shape) for port in read.inputs] == [[1, 1, 8, 8]]
    static = core.compile_model(read, "CPU")(IMAGE)[0]
    np.testing.assert_array_equal(static, load(data, "openvino").run([IMAGE])[0])


@pytest.mark.parametrize(
    ("name", "values", "error", "says"),
    [
        ("openvino", {"NO_SUCH_PROPERTY": 1}, EngineFailed, "NO_SUCH_PROPERTY"),
        (
            "onnx",
            {"trt_int8_enable": True},
            EngineRefused,
            "takes no settings on the CPU, and was given trt_int8",
        ),
        ("tflite", {"x": 1}, EngineRefused, "engine 'tflite' takes no settings, and was given x"),
    ],
)
def test_a_setting_that_the_engine_does_not_have(
    name: str, values: dict[str, object], error: type[Exception], says: str, data: Path
) -> None:
    try:
        engine.engine_class(name).version()
    except Exception as missing:
        pytest.skip(str(missing))
    with pytest.raises(error, match=says):
        load(data, name, settings=values)


def test_a_cache_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineRefused, match=r"cannot keep compiled models in '.*x-1': Not a directory"):
        versioned(str(tmp_path / "file"), "x 1")


def test_versions_become_one_plain_name(tmp_path: Path) -> None:
    assert versioned(str(tmp_path), "openvino 2026.4.1", "", "driver 1/32").endswith(
        "/openvino-2026.4.1-driver-1-32"
    )


def test_tensorrt_is_known_by_its_library(tmp_path: Path) -> None:
    assert tensorrt_version(tmp_path) == ""
    for name in ("libnvinfer.so.10", "libnvinfer.so.10.3.0", "libnvinfer_plugin.so.10.3.0"):
        (tmp_path / name).touch()
    assert tensorrt_version(tmp_path) == "tensorrt 10.3.0"


def config(folder: Path, **table: object) -> Path:
    path = folder / "edge.json"
    path.write_text(json.dumps({"schema": 1, "source": "x.jpg", **table}))
    return path


def test_edge_json_carries_them_to_the_engine(tmp_path: Path) -> None:
    wanted = {"CACHE_DIR": "/c", "NPU_TURBO": "NO"}
    path = config(tmp_path, engine="openvino", device="NPU", engine_settings=wanted)
    arguments = cli.parser().parse_args(["run", "--config", str(path)])
    assert settings.resolve(arguments).engine_settings == wanted


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"engine_settings": {"A": 1}}, "engine_settings belong to one engine: name it with engine"),
        (
            {"engine": "onnx", "engine_settings": {"A": None}},
            "engine_settings: 'A' is None, and must be text or",
        ),
        ({"engine": "onnx", "engine_settings": []}, "'engine_settings' is \\[\\], and must be a table"),
    ],
)
def test_settings_that_make_no_sense(table: dict[str, object], says: str, tmp_path: Path) -> None:
    path = config(tmp_path, **table)
    with pytest.raises(UsageError, match=says):
        settings.resolve(cli.parser().parse_args(["run", "--config", str(path)]))


def test_openvino_calculates_floats_in_32_bits_unless_asked_otherwise(data: Path) -> None:
    pytest.importorskip("openvino")
    asked = {"INFERENCE_PRECISION_HINT": "bf16"}
    for given, wide in (({}, "f32"), (asked, "bf16")):
        engine = load(data, "openvino", settings=given)
        compiled = engine._compiled  # type: ignore[attr-defined]
        assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == wide
        engine.close()
