"""What holds of every power sensor and of what a board says of its own heat, over recorded trees.

Watts whatever the kernel's file counts in, at times that rise, said with what they cover; nothing where
nothing is known, and one sentence where a sensor falls silent.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from boards import sensors, telemetry
from boards.errors import BoardsError
from boards.root_tree import Tree
from boards.sensor import Sensor, SensorFailed, SensorUnknown
from measure.power import FEWEST_SAMPLES, sample_until
from tests.boards import test_sensors as recorded
from tests.boards import trees
from tests.boards.test_sensors import plug  # noqa: F401 - a fixture

INA = "/sys/class/hwmon/hwmon2"
IIO = "/sys/bus/i2c/devices/6-0040/iio:device0"
SAID = "VDD_CORE_A current(7)=3.00000000A\nVDD_CORE_V volt(15)=1.50000000V\n"


@dataclass
class Board:
    """A recorded board whose sensor ``name`` truly draws ``watts``, and how to make it fall silent."""

    name: str
    root: Path
    watts: float
    silence: Callable[[], object]


def _tree(folder: Path, name: str, watts: float, **files: str) -> Board:
    root = trees.write(folder / "root", {key.replace("~", "/"): text for key, text in files.items()})
    return Board(name, root, watts, lambda: shutil.rmtree(root / "sys"))


def _files(base: str, **files: str) -> dict[str, str]:
    return {f"{base}/{name}": text for name, text in files.items()}


def _rapl(folder: Path, patch: pytest.MonkeyPatch) -> Board:
    """An energy counter that runs at 30 W by the clock: as in the kernel, its file is made as it is read."""
    root, began, real = recorded.rapl(folder / "root"), time.monotonic(), Tree.whole

    def counting(tree: Tree, name: str) -> int | None:
        value = real(tree, name)
        runs = value is not None and name.endswith("/energy_uj")
        return int(30e6 * (time.monotonic() - began)) if runs else value

    patch.setattr(Tree, "whole", counting)
    return Board("rapl", root, 30.0, lambda: shutil.rmtree(root / "sys"))


def _pmic(folder: Path) -> Board:
    folder.mkdir(exist_ok=True)
    (folder / "told").write_text(SAID)
    root = recorded.program(folder / "root", f"cat {folder}/told")
    return Board("pmic", root, 4.5, lambda: (folder / "told").write_text("error\n"))


def _command(folder: Path) -> Board:
    (folder / "told").write_text("now: 7.25\n")
    return Board(f"command:cat {folder}/told", folder, 7.25, (folder / "told").unlink)


BOARDS: dict[str, Callable[[Path], Board]] = {
    "ina3221 by hwmon (mV x mA)": lambda folder: _tree(
        folder,
        "ina3221",
        6.0,
        **_files(
            recorded.ORIN_NANO, name="ina3221", in1_label="VDD_IN", in1_input="5000\n", curr1_input="1200\n"
        ),
    ),
    "ina3221 by iio (mW)": lambda folder: _tree(
        folder, "ina3221", 2.345, **_files(IIO, rail_name_0="POM_5V_IN\n", in_power0_input="2345\n")
    ),
    "ina2xx (uW)": lambda folder: _tree(
        folder, "ina2xx", 3.2, **_files(INA, name="ina226\n", power1_input="3200000\n")
    ),
    "ina2xx (mV x mA)": lambda folder: _tree(
        folder, "ina2xx", 2.5, **_files(INA, name="ina219\n", in1_input="5000\n", curr1_input="500\n")
    ),
    "pmic (V x A)": _pmic,
    "command": _command,
}


@pytest.fixture(params=[*BOARDS, "rapl", "shelly", "tasmota"])
def board(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    if request.param in BOARDS:
        return BOARDS[request.param](tmp_path)
    if request.param == "rapl":
        return _rapl(tmp_path, monkeypatch)
    address, answers = request.getfixturevalue("plug")
    path, answer = {
        "shelly": (recorded.SHELLY, {"apower": 9.5}),
        "tasmota": (recorded.TASMOTA, {"StatusSNS": {"ENERGY": {"Power": 9.5}}}),
    }[request.param]
    answers[path] = answer
    return Board(f"{request.param}:{address}", tmp_path, 9.5, answers.clear)


def opened(board: Board) -> Sensor:
    sensor = sensors.find(board.name, board.root)
    assert sensor is not None
    return sensor


def test_every_kind_of_sensor_is_held_to_this() -> None:
    held = {name.split()[0] for name in BOARDS} | {"rapl", "shelly", "tasmota"}
    assert held == {*sensors.NAMES, *(meter.partition(":")[0] for meter in sensors.METERS)}


def test_it_tells_watts_whatever_it_counts_in(board: Board) -> None:
    sensor = opened(board)
    time.sleep(0.2)
    assert sensor.watts() == pytest.approx(board.watts, rel=0.1 if sensor.name == "rapl" else 1e-6)


def test_it_says_what_it_covers_and_how_often_it_means_something(board: Board) -> None:
    sensor = opened(board)
    assert board.name.startswith(sensor.name)
    assert sensor.covers and sensor.leaves_out
    assert sensor.rate_hz > 0 and sensor.window_s * sensor.rate_hz >= FEWEST_SAMPLES


def test_samples_come_at_rising_times_that_add_up(board: Board) -> None:
    sensor = dataclasses.replace(opened(board), rate_hz=20.0)
    began = time.monotonic()
    samples = sample_until(sensor, lambda: time.monotonic() > began + 0.4, "power", 0.4)
    assert len(samples) >= 2
    assert all(0 <= sample.watts < math.inf and sample.span > 0 for sample in samples)
    for before, after in itertools.pairwise(samples):
        assert after.when > before.when
        assert after.span == pytest.approx(after.when - before.when, abs=1e-6)
    assert samples[0].when - samples[0].span >= began


def test_one_that_falls_silent_says_so_in_a_sentence(board: Board) -> None:
    sensor = opened(board)
    board.silence()
    with pytest.raises(SensorFailed) as caught:
        sensor.watts()
    assert f"sensor '{sensor.name}'" in str(caught.value) and "\n" not in str(caught.value)
    assert isinstance(caught.value, BoardsError) and isinstance(caught.value, OSError)


@pytest.mark.parametrize("name", sensors.NAMES)
def test_what_is_not_there_is_not_guessed(name: str, tmp_path: Path) -> None:
    with pytest.raises(SensorUnknown, match=f"this board has no sensor '{name}'"):
        sensors.find(name, tmp_path)
    assert sensors.find("auto", tmp_path) is None
    assert sensors.not_measurable(tmp_path).startswith("not measurable on this board")


@pytest.mark.parametrize("name", trees.BOARDS)
def test_heat_is_in_degrees_and_clocks_in_megahertz(name: str, tmp_path: Path) -> None:
    told = telemetry.read(Tree(trees.write(tmp_path, trees.BOARDS[name])))
    assert told.temperature_c is None or 30 < told.temperature_c < 60
    assert (told.clock_mhz, told.clock_max_mhz) == (1500.0, 1800.0)
    assert (told.temperature_c is None) == (told.temperature_from is None)


def test_a_board_that_tells_nothing_is_not_made_to(tmp_path: Path) -> None:
    told = telemetry.read(Tree(tmp_path))
    assert dataclasses.asdict(told) == {field.name: None for field in dataclasses.fields(told)}
