"""Emulated boards: what they are told of their CPU, and real int8 inference that is the same to the byte."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from boards import cli, cpu, emulate, profile
from boards.emulate import Machine
from boards.errors import BoardsError, EmulationFailed, UsageError
from boards.root_tree import Tree
from edge import bundle as bundles
from edge.bundle_files import golden
from tests.models import integers_throughout

ROOT = Path(__file__).parents[2]
BUNDLES = ROOT / "bundles"
EMULATED = [name for name in profile.names() if profile.load(name).cpu.core in emulate.CORES]
QUICK = [("rpi-3bp", "cortex-a53"), ("rpi-4b", "cortex-a72"), ("rpi-5", "cortex-a76")]
needs_qemu = pytest.mark.skipif(
    not (shutil.which("qemu-aarch64-static") and shutil.which("mmdebstrap")),
    reason="needs qemu-user-static and mmdebstrap",
)

# Two int8 convolutions with their quantization, ReLU and pooling: integer arithmetic all the way through.
MODEL = """
import sys
import numpy as np, onnx
from onnx import TensorProto as T, helper as h, numpy_helper as n
random = np.random.default_rng(7)
nodes, constants, name, channels = [], [], "x", 1
def constant(key, value):
    constants.append(n.from_array(np.asarray(value), key)); return key
def quantized(value, scale, zero=0, kind=np.int8):
    q = [value, constant(f"{value}_s", np.float32(scale)), constant(f"{value}_z", kind(zero))]
    nodes.append(h.make_node("QuantizeLinear", q, [f"{value}_q"]))
    nodes.append(h.make_node("DequantizeLinear", [f"{value}_q", *q[1:]], [f"{value}_d"])); return f"{value}_d"
for layer, width in enumerate((16, 24)):
    weights = random.integers(-127, 128, (width, channels, 3, 3)).astype(np.int8)
    w, c, r = f"w{layer}", f"c{layer}", f"r{layer}"
    constant(w, weights); constant(f"{w}_s", np.float32(0.01)); constant(f"{w}_z", np.int8(0))
    nodes.append(h.make_node("DequantizeLinear", [w, f"{w}_s", f"{w}_z"], [f"{w}_d"]))
    nodes.append(h.make_node("Conv", [quantized(name, 0.02), f"{w}_d"], [c], pads=[1, 1, 1, 1]))
    nodes.append(h.make_node("Relu", [c], [r]))
    name, channels = f"r{layer}", width
final = quantized(name, 0.05)
graph = h.make_graph(nodes, "int8", [h.make_tensor_value_info("x", T.FLOAT, [1, 1, 24, 24])],
                     [h.make_tensor_value_info(final, T.FLOAT, [1, 24, 24, 24])], constants)
onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8), sys.argv[1])
"""
INFER = """
import hashlib, sys
import numpy as np, onnxruntime as ort
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
digest = hashlib.sha256()
for seed in range(10):
    levels = np.random.default_rng(seed).integers(-128, 128, (1, 1, 24, 24))
    frame = levels.astype(np.float32) * np.float32(0.02)
    output = session.run(None, {"x": frame})[0]
    assert len(np.unique(output)) > 20
    digest.update(output.tobytes())
print(digest.hexdigest())
"""


# The answers to golden's faces of each engine that is there, and how they compare with the bundle's own.
GOLDEN = """
import json, sys
from edge.bundle_files import golden
from edge.bundle import load
from edge.engine import engine_class
from edge.errors import EngineMissing
bundle, told = load(sys.argv[1]), {}
for engine in bundle.files:
    try:
        engine_class(engine).version()
    except EngineMissing:
        continue
    outcome = golden.check(bundle, engine)
    taken = golden.take(bundle, engine, bundle.model(engine))
    told[engine] = [taken.sha256, taken.weights, outcome and outcome.state]
print(json.dumps(told))
"""


@pytest.mark.parametrize("name", EMULATED)
def test_a_board_is_told_of_the_core_it_has(name: str, tmp_path: Path) -> None:
    board = profile.load(name)
    (tmp_path / "base/usr").mkdir(parents=True)
    view = emulate._view(tmp_path / "base", board, tmp_path / "views")
    facts = cpu.read(Tree(view), "aarch64")
    assert facts.cores == board.cpu.cores
    assert facts.core == board.cpu.core.title()
    assert set(board.cpu.has) <= set(facts.features)
    assert not set(board.cpu.lacks) & set(facts.features), "a library would use what the core lacks"
    assert not any((view / name).exists() for name in ("tmp", "dev", "sys/class", "sys/bus"))


def test_which_boards_cannot_be_emulated() -> None:
    with pytest.raises(UsageError, match="intel-n100 is an x86 board"):
        emulate.system_for(profile.load("intel-n100"))
    with pytest.raises(UsageError, match="no emulator has the core of Jetson Xavier NX"):
        emulate.system_for(profile.load("jetson-xavier-nx"))
    with pytest.raises(UsageError, match=r"no Debian release has the Python 3\.10 of JetPack 6"):
        emulate.system_for(profile.load("jetson-orin-nano"))
    assert emulate.system_for(profile.load("rpi-5"), "bookworm").python == "3.11"


def test_only_the_boards_own_programs(tmp_path: Path) -> None:
    machine = Machine("cortex-a53", tmp_path, tmp_path, "3.11", tmp_path)
    with pytest.raises(UsageError, match="runs ferlite or python, not 'bash'"):
        machine.command(["bash"])
    assert machine.command(["ferlite", "run"])[-3:] == ["-m", "edge.cli", "run"]


def test_a_view_is_made_anew_each_time(tmp_path: Path) -> None:
    board = profile.load("rpi-4b")
    (tmp_path / "base/usr").mkdir(parents=True)
    view = emulate._view(tmp_path / "base", board, tmp_path)
    (view / "proc/cpuinfo").write_text("asimddp")
    assert "asimddp" not in (emulate._view(tmp_path / "base", board, tmp_path) / "proc/cpuinfo").read_text()


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Machine]]:
    """One machine for each core, with the wheels of Raspberry Pi OS Bookworm; the cache stays."""
    cache = Path(os.environ.get("FERLITE_EMULATION_CACHE") or Path.home() / ".cache") / "ferlite"
    yield [emulate.prepare(profile.load(name), cache, system="bookworm") for name, _ in QUICK]


@needs_qemu
@pytest.mark.slow
def test_the_cores_are_what_they_say(machines: list[Machine]) -> None:
    script = "import platform; print(platform.machine()); print(open('/proc/cpuinfo').read())"
    for machine, (_, core) in zip(machines, QUICK, strict=True):
        done = machine.run(["python", "-c", script], capture=True)
        assert done.stdout.startswith("aarch64\n")
        assert f"CPU part\t: {emulate.CORES[core].part:#05x}" in done.stdout
        assert ("asimddp" in done.stdout) is (core == "cortex-a76")


@needs_qemu
@pytest.mark.slow
def test_int8_outputs_are_the_same_to_the_byte_on_every_core_and_here(
    machines: list[Machine], tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="the comparison with this machine needs onnxruntime")
    model = tmp_path / "int8.onnx"
    subprocess.run([sys.executable, "-c", MODEL, str(model)], check=True)
    here = subprocess.run(
        [sys.executable, "-c", INFER, str(model)], check=True, capture_output=True, text=True
    ).stdout
    digests = emulate.same_everywhere(machines, ["python", "-c", INFER, str(model)])
    assert set(digests) == {"cortex-a53", "cortex-a72", "cortex-a76"}
    assert set(digests.values()) == {hashlib.sha256(here.encode()).hexdigest()}


@needs_qemu
@pytest.mark.slow
@pytest.mark.parametrize("bundle", [BUNDLES / name for name in bundles.shipped()], ids=str)
def test_a_shipped_bundle_answers_the_same_on_every_core_and_here(
    bundle: Path, machines: list[Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    """TFLite's integers are the same bit for bit. ONNX Runtime, and layers kept in float, round in float."""
    done = subprocess.run(
        [sys.executable, "-c", GOLDEN, str(bundle)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    here = json.loads(done.stdout)
    if "tflite" not in here:
        pytest.skip("the comparison with this machine needs ai-edge-litert")
    first: dict[str, list[list[float]]] = {}
    for machine in machines:
        done = machine.run(["python", "-c", GOLDEN, str(bundle)], capture=True)
        assert done.returncode == 0, done.stderr
        there = json.loads(done.stdout)
        assert set(there) == {"onnx", "tflite"}
        for engine, (digest, weights, state) in there.items():
            # Not with this PC's, whose ONNX Runtime may saturate (see golden.py): with the first core's.
            off = np.abs(np.array(weights) - np.array(first.setdefault(engine, weights))).max()
            with capsys.disabled():
                print(
                    f"\n{bundle.name} {engine} {machine.core}: {digest[:12]}, {off:.4f} off, {state}", end=""
                )
            assert off <= golden.CLOSE
            assert state != "other"
        if integers_throughout(bundles.load(bundle)):
            assert there["tflite"][0] == here["tflite"][0]
            assert there["tflite"][2] in ("same", None)


@needs_qemu
@pytest.mark.slow
def test_an_instruction_that_the_core_lacks_is_told(machines: list[Machine]) -> None:
    """sdot (dot product) as machine code: A76 has it, A53 does not."""
    script = (
        "import ctypes, mmap, struct\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(struct.pack('<II', 0x4e829420, 0xd65f03c0))\n"
        "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()\n"
        "print('done')\n"
    )
    assert machines[2].run(["python", "-c", script], capture=True).stdout == "done\n"
    with pytest.raises(EmulationFailed, match="an instruction that cortex-a53 does not have"):
        machines[0].run(["python", "-c", script], capture=True)


@needs_qemu
@pytest.mark.slow
def test_a_command_that_fails_keeps_its_exit_code(machines: list[Machine]) -> None:
    assert machines[0].run(["python", "-c", "raise SystemExit(7)"], capture=True).returncode == 7
    with pytest.raises(BoardsError, match="on cortex-a53: boom"):
        emulate.same_everywhere(machines[:1], ["python", "-c", "raise SystemExit('boom')"])


@needs_qemu
@pytest.mark.slow
def test_the_runtime_itself_starts_on_each_core(machines: list[Machine]) -> None:
    for machine in machines:
        done = machine.run(["ferlite", "--help"], capture=True)
        assert done.returncode == 0, done.stderr
        assert "run" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["intel-lnl", "--", "ferlite"], "is an x86 board"), (["rpi-9", "--", "ferlite"], "unknown board")],
)
def test_usage(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["emulate", *arguments]) in (1, 2)
    assert says in capsys.readouterr().err


def test_without_qemu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BoardsError, match="needs qemu"):
        emulate.prepare(replace(profile.load("rpi-4b")), tmp_path)
