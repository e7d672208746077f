"""From a sensor's samples to joules."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from boards.sensor import Sensor
from edge.errors import ToolchainError, UsageError
from measure import footage, power
from measure.power import Sample
from measure.request import Order
from tests.boards.trees import write

SENSOR = Sensor("bench supply", "the board", "nothing", 100.0, 0.1, lambda: 3.0)
WORK = {"began": 0.0, "ended": 10.0, "count": 200.0}


def samples(*watts: float, span: float = 1.0) -> list[Sample]:
    return [Sample(float(k), span, each) for k, each in enumerate(watts)]


def test_joules_per_frame_and_frames_per_watt() -> None:
    told = power.figures(SENSOR, samples(*[2.0] * 10), samples(*[5.0] * 10), WORK, "frame")
    assert told.idle_w == 2 and told.running_w == 5 and told.per_second == 20 and told.unit == "frame"
    assert told.joules_each == pytest.approx(0.25)
    assert told.joules_each_above_idle == pytest.approx(0.15)
    assert told.per_second_per_watt == pytest.approx(4.0)
    assert told.samples_per_second == pytest.approx(1.0)


def test_a_sample_weighs_as_much_as_the_time_it_stands_for() -> None:
    assert power.mean([Sample(0, 3.0, 2.0), Sample(1, 1.0, 6.0)]) == pytest.approx(3.0)


@pytest.mark.parametrize("short", ["idle", "running"])
def test_too_few_samples_are_no_mean(short: str) -> None:
    many, few = samples(*[1.0] * 9), samples(1.0, 1.0)
    pair = (few, many) if short == "idle" else (many, few)
    with pytest.raises(ToolchainError, match=f"2 values while {short}"):
        power.figures(SENSOR, *pair, WORK, "face")


def test_a_sensor_is_read_at_its_own_pace() -> None:
    began = time.monotonic()
    taken = power.while_idle(SENSOR, 0.3)
    assert time.monotonic() - began >= 0.3
    assert 3 <= len(taken) <= 31 and {each.watts for each in taken} == {3.0}
    assert sum(each.span for each in taken) == pytest.approx(taken[-1].when - taken[0].when + taken[0].span)


def test_a_board_without_a_sensor_is_not_measured_and_not_estimated(tmp_path: Path) -> None:
    sensor = power.choose("auto", tmp_path)
    assert isinstance(sensor, str) and sensor.startswith("not measurable on this board")
    assert power.measure(Order("tiny"), sensor) == sensor


def test_the_boards_own_sensor_is_found(tmp_path: Path) -> None:
    chip = "/sys/bus/i2c/devices/1-0040/hwmon/hwmon1"
    write(
        tmp_path,
        {
            f"{chip}/name": "ina3221\n",
            f"{chip}/in1_label": "VDD_IN\n",
            f"{chip}/in1_input": "5000\n",
            f"{chip}/curr1_input": "900\n",
        },
    )
    sensor = power.choose("auto", tmp_path)
    assert isinstance(sensor, Sensor) and sensor.watts() == pytest.approx(4.5)


def test_what_cannot_be_had_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="no sensor 'rapl'"):
        power.choose("rapl", tmp_path)
    with pytest.raises(UsageError, match="unknown power sensor"):
        power.choose("guess", tmp_path)


def test_work_that_fails_says_why(bundle: Path, clip: Path, tmp_path: Path) -> None:
    footage.take(str(clip), 2, tmp_path)
    order = Order(str(bundle), ("onnx",), footage=str(tmp_path), detector="haar", detector_model=str(clip))
    with pytest.raises(ToolchainError, match="is not a Haar cascade"):
        power.while_running(SENSOR, order)


def test_only_samples_within_the_work_count(bundle: Path) -> None:
    taken, work = power.while_running(SENSOR, Order(str(bundle), ("onnx",), power_seconds=0.5))
    assert work["count"] > 0 and work["ended"] - work["began"] >= 0.5
    assert taken and all(
        work["began"] <= each.when - each.span and each.when <= work["ended"] for each in taken
    )
