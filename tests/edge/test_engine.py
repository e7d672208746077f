"""Choosing an engine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge import engine as engines
from edge.engines.onnx import refuse_version
from edge.errors import EngineMissing, EngineRefused, EngineUnknown, FerliteError, ModelMismatch


def has(name: str) -> bool:
    try:
        engines.engine_class(name).version()
    except FerliteError:
        return False
    return True


needs_onnx = pytest.mark.skipif(not has("onnx"), reason="onnxruntime is not installed")


def test_unknown_engine_names_the_valid_ones() -> None:
    with pytest.raises(EngineUnknown, match="unknown engine 'onxx': choose auto, onnx, tflite, openvino"):
        engines.choose("onxx", ["onnx"])


@needs_onnx
def test_auto_takes_the_first_with_a_file_and_says_what_it_passed_over() -> None:
    choice = engines.choose("auto", ["onnx"], order=("openvino", "onnx", "tflite"))
    assert choice.name == "onnx"
    assert choice.skipped == (("openvino", "the model has no file for engine 'openvino'"),)


def test_auto_with_nothing_says_why_for_each() -> None:
    with pytest.raises(EngineMissing, match=r"engine 'onnx'; .*engine 'tflite'; .*engine 'openvino'"):
        engines.choose("auto", [])


@needs_onnx
def test_a_named_engine_is_never_replaced() -> None:
    with pytest.raises(ModelMismatch, match="no file for engine 'onnx': it has tflite"):
        engines.choose("onnx", ["tflite"])


def test_readers_of_a_format() -> None:
    assert engines.readers(".onnx") == ("onnx", "openvino")
    assert engines.readers(".tflite") == ("tflite",)
    assert engines.readers(".txt") == ()


@pytest.mark.parametrize("version", ["1.21.0", "1.21.1"])
def test_the_version_that_kills_arm_boards_is_refused_there(version: str) -> None:
    with pytest.raises(EngineRefused, match="SIGILL"):
        refuse_version(version, "aarch64")
    refuse_version(version, "x86_64")


@pytest.mark.parametrize("version", ["1.20.1", "1.22.0", "1.32.0", "1.210.0"])
def test_other_versions_pass_on_arm(version: str) -> None:
    refuse_version(version, "aarch64")


@pytest.mark.parametrize(
    ("name", "package"),
    [("onnx", "onnxruntime"), ("tflite", "ai_edge_litert"), ("openvino", "openvino")],
)
def test_a_missing_library_says_what_to_type(name: str, package: str) -> None:
    # A fresh interpreter in which the library cannot be found: the real import machinery, nothing mocked.
    code = f"""
import sys
class Nowhere:
    def find_spec(self, wanted, path=None, target=None):
        if wanted.split('.')[0] in ({package!r}, 'tflite_runtime'):
            raise ModuleNotFoundError(f"No module named '{{wanted}}'", name=wanted)
sys.meta_path.insert(0, Nowhere())
from edge.engine import choose
from edge.errors import EngineMissing
try:
    choose({name!r}, [{name!r}])
except EngineMissing as error:
    assert isinstance(error, ImportError)
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        done.stdout.strip() == f"engine '{name}' needs the {package} package: pip install 'ferlite[{name}]'"
    )


def test_a_library_that_is_broken_is_not_called_missing() -> None:
    error = engines.missing("onnx", "onnxruntime", ImportError("libgomp.so.1: cannot open", name=None))
    assert isinstance(error, EngineRefused)
    assert "libgomp.so.1" in str(error)
