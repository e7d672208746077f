"""Power sensors over reconstructed trees, a real HTTP server and real programs."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boards import sensors
from boards.errors import UsageError
from boards.root_tree import Tree
from boards.sensor import SensorFailed, SensorUnknown
from tests.boards.trees import write

ORIN_NANO = "/sys/bus/i2c/devices/1-0040/hwmon/hwmon1"
AGX = ("/sys/bus/i2c/devices/1-0040/hwmon/hwmon3", "/sys/bus/i2c/devices/1-0041/hwmon/hwmon4")
RAPL = "/sys/class/powercap/intel-rapl:0"
INA226 = "/sys/class/hwmon/hwmon2"


def ina3221(chip: str, rails: list[tuple[str, int, int]], extra: bool = True) -> dict[str, str | bytes]:
    """A chip's files: (label, mV, mA) for each channel, and the sum channels that newer kernels show."""
    files: dict[str, str | bytes] = {f"{chip}/name": "ina3221\n"}
    for number, (label, millivolts, milliamperes) in enumerate(rails, 1):
        files[f"{chip}/in{number}_label"] = f"{label}\n"
        files[f"{chip}/in{number}_input"] = f"{millivolts}\n"
        files[f"{chip}/curr{number}_input"] = f"{milliamperes}\n"
    if extra:
        files |= {
            f"{chip}/in7_label": "sum of shunt voltages\n",
            f"{chip}/in7_input": "44\n",
            f"{chip}/curr4_input": "99999\n",
        }
    return files


def watts(root: Path, wanted: str = "auto") -> float:
    sensor = sensors.find(wanted, root)
    assert sensor is not None
    return sensor.watts()


def test_a_jetson_with_an_input_rail_counts_that_rail_alone(tmp_path: Path) -> None:
    rails = [("VDD_IN", 5040, 1200), ("VDD_CPU_GPU_CV", 5032, 400), ("VDD_SOC", 5032, 300)]
    sensor = sensors.find("auto", write(tmp_path, ina3221(ORIN_NANO, rails)))
    assert sensor is not None and sensor.name == "ina3221"
    assert sensor.watts() == pytest.approx(5.040 * 1.2)
    assert "VDD_IN" in sensor.covers and "carrier board" in sensor.leaves_out


def test_an_agx_without_one_counts_the_rails_of_both_chips(tmp_path: Path) -> None:
    first = [("VDD_GPU_SOC", 19000, 200), ("VDD_CPU_CV", 19000, 100), ("VIN_SYS_5V0", 5000, 800)]
    second = [("NC", 0, 5000), ("VDDQ_VDD2_1V8AO", 5000, 100), ("NC", 0, 1)]
    root = write(tmp_path, {**ina3221(AGX[0], first), **ina3221(AGX[1], second)})
    assert watts(root) == pytest.approx(3.8 + 1.9 + 4.0 + 0.5)
    sensor = sensors.find("ina3221", root)
    assert sensor is not None and "NC" not in sensor.covers


def test_two_rails_of_one_name_are_both_counted(tmp_path: Path) -> None:
    chips = {**ina3221(AGX[0], [("RAIL", 1000, 1000)]), **ina3221(AGX[1], [("RAIL", 1000, 2000)])}
    assert watts(write(tmp_path, chips)) == pytest.approx(3.0)


def test_an_old_jetson_tells_milliwatts_through_iio(tmp_path: Path) -> None:
    chip = "/sys/bus/i2c/devices/6-0040/iio:device0"
    files: dict[str, str | bytes] = {
        f"{chip}/rail_name_{k}": name
        for k, name in enumerate(("POM_5V_IN\n", "POM_5V_GPU\n", "POM_5V_CPU\n"))
    }
    files |= {f"{chip}/in_power{k}_input": value for k, value in enumerate(("2345\n", "100\n", "600\n"))}
    assert watts(write(tmp_path, files)) == pytest.approx(2.345)


@pytest.mark.parametrize("gone", ["in1_label", "in1_input", "curr1_input", "name"])
def test_half_a_rail_is_no_rail(tmp_path: Path, gone: str) -> None:
    write(tmp_path, ina3221(ORIN_NANO, [("VDD_IN", 5000, 1000)], extra=False))
    (tmp_path / ORIN_NANO.lstrip("/") / gone).unlink()
    assert sensors.find("auto", tmp_path) is None


@pytest.mark.parametrize("said", ["", "\n", "nan", "5.0", "0x10", "9" * 40, "mA"])
def test_what_is_not_a_whole_number_is_no_rail(tmp_path: Path, said: str) -> None:
    write(tmp_path, ina3221(ORIN_NANO, [("VDD_IN", 5000, 1000)], extra=False))
    (tmp_path / ORIN_NANO.lstrip("/") / "curr1_input").write_text(said)
    assert sensors.find("auto", tmp_path) is None


def test_a_rail_that_disappears_while_measuring_is_said(tmp_path: Path) -> None:
    sensor = sensors.find("auto", write(tmp_path, ina3221(ORIN_NANO, [("VDD_IN", 5000, 1000)])))
    assert sensor is not None
    (tmp_path / ORIN_NANO.lstrip("/") / "curr1_input").unlink()
    with pytest.raises(SensorFailed, match="curr1_input' can no longer be read"):
        sensor.watts()


@pytest.mark.parametrize("milliamperes", [-500, 10**9])
def test_impossible_power_is_refused(tmp_path: Path, milliamperes: int) -> None:
    root = write(tmp_path, ina3221(ORIN_NANO, [("VDD_IN", 5000, milliamperes)]))
    with pytest.raises(SensorFailed, match="which cannot be"):
        sensors.find("auto", root)


@settings(deadline=None, max_examples=30)
@given(rails=st.lists(st.tuples(st.integers(0, 24000), st.integers(0, 8000)), min_size=1, max_size=3))
def test_any_rails_add_up(tmp_path_factory: pytest.TempPathFactory, rails: list[tuple[int, int]]) -> None:
    root = tmp_path_factory.mktemp("rails")
    named = [(f"RAIL_{k}", volts, amperes) for k, (volts, amperes) in enumerate(rails)]
    write(root, ina3221(ORIN_NANO, named))
    assert watts(root) == pytest.approx(sum(v / 1e3 * a / 1e3 for v, a in rails))


def energy(root: Path, *microjoules: int) -> None:
    for number, value in enumerate(microjoules):
        (root / f"sys/class/powercap/intel-rapl:{number}/energy_uj").write_text(f"{value}\n")


def rapl(root: Path, zones: int = 1, most: int = 262143328850) -> Path:
    files: dict[str, str | bytes] = {}
    for number in range(zones):
        zone = f"/sys/class/powercap/intel-rapl:{number}"
        files |= {
            f"{zone}/name": f"package-{number}\n",
            f"{zone}/energy_uj": "1000000\n",
            f"{zone}/max_energy_range_uj": f"{most}\n",
        }
    files |= {f"{RAPL}:0/name": "core\n", f"{RAPL}:0/energy_uj": "900000\n"}
    return write(root, files)


def counter(root: Path, zones: int = 1, times: list[float] | None = None) -> sensors.Counter:
    ticks = iter(times or [0.0, 2.0, 4.0])
    names = [f"/sys/class/powercap/intel-rapl:{number}" for number in range(zones)]
    return sensors.Counter(Tree(root), names, lambda: next(ticks))


def test_an_energy_counter_gives_the_mean_since_the_last_look(tmp_path: Path) -> None:
    meter = counter(rapl(tmp_path))
    energy(tmp_path, 31_000_000)
    assert meter.watts() == pytest.approx(15.0)
    energy(tmp_path, 33_000_000)
    assert meter.watts() == pytest.approx(1.0)


def test_an_energy_counter_wraps_at_its_own_range(tmp_path: Path) -> None:
    rapl(tmp_path, most=65_532_610_987)
    energy(tmp_path, 65_532_610_000)
    meter = counter(tmp_path)
    energy(tmp_path, 8_000_000)
    assert meter.watts() == pytest.approx((987 + 1 + 8_000_000) / 1e6 / 2)


@settings(deadline=None, max_examples=30)
@given(start=st.integers(0, 10**6), step=st.integers(0, 10**6))
def test_wrapping_never_changes_the_energy(
    tmp_path_factory: pytest.TempPathFactory, start: int, step: int
) -> None:
    root = rapl(tmp_path_factory.mktemp("rapl"), most=10**6)
    energy(root, start)
    meter = counter(root)
    energy(root, (start + step) % (10**6 + 1))
    assert meter.watts() == pytest.approx(step / 1e6 / 2)


def test_a_wrap_of_unknown_range_is_said(tmp_path: Path) -> None:
    rapl(tmp_path)
    (tmp_path / RAPL.lstrip("/") / "max_energy_range_uj").unlink()
    meter = counter(tmp_path)
    energy(tmp_path, 5)
    with pytest.raises(SensorFailed, match="wrapped"):
        meter.watts()


def test_two_packages_are_added_and_the_cores_inside_are_not_counted_twice(tmp_path: Path) -> None:
    rapl(tmp_path, zones=2)
    meter = counter(tmp_path, zones=2)
    energy(tmp_path, 3_000_000, 5_000_000)
    assert meter.watts() == pytest.approx((2 + 4) / 2)
    sensor = sensors.find("rapl", tmp_path)
    assert sensor is not None and "packages (2)" in sensor.covers and "supply" in sensor.leaves_out


def test_an_energy_counter_read_twice_at_once_is_said(tmp_path: Path) -> None:
    with pytest.raises(SensorFailed, match="one moment"):
        counter(rapl(tmp_path), times=[1.0, 1.0]).watts()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_counter_only_root_may_read_is_named(tmp_path: Path) -> None:
    rapl(tmp_path)
    (tmp_path / RAPL.lstrip("/") / "energy_uj").chmod(0)
    assert sensors.find("auto", tmp_path) is None
    assert "only be read by root" in sensors.not_measurable(tmp_path)
    with pytest.raises(SensorUnknown, match="sudo"):
        sensors.find("rapl", tmp_path)


def test_ina226_tells_microwatts_and_its_shunt(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        f"{INA226}/name": "ina226\n",
        f"{INA226}/power1_input": "4375000\n",
        f"{INA226}/shunt_resistor": "2000\n",
    }
    sensor = sensors.find("auto", write(tmp_path, files))
    assert sensor is not None and sensor.name == "ina2xx" and "2000 µOhm" in sensor.covers
    assert sensor.watts() == pytest.approx(4.375)


def test_ina219_without_a_power_file_multiplies_the_supply_not_the_shunt(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        f"{INA226}/name": "ina219\n",
        f"{INA226}/in0_input": "12\n",
        f"{INA226}/in1_input": "5100\n",
        f"{INA226}/curr1_input": "800\n",
    }
    assert watts(write(tmp_path, files)) == pytest.approx(5.1 * 0.8)


def test_other_hwmon_chips_are_no_power_sensors(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        f"{INA226}/name": "nvme\n",
        f"{INA226}/power1_input": "4375000\n",
        "/sys/class/hwmon/hwmon3/name": "ina226\n",
    }
    assert sensors.find("auto", write(tmp_path, files)) is None


PMIC = """\
 3V7_WL_SW_A current(0)=0.10000000A
   VDD_CORE_A current(7)=1.50000000A
 3V7_WL_SW_V volt(8)=3.70000000V
   VDD_CORE_V volt(15)=0.80000000V
      EXT5V_V volt(24)=5.14000000V
       BATT_V volt(25)=0.00488000V
"""


def program(root: Path, body: str) -> Path:
    path = root / "usr/bin/vcgencmd"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return root


def test_a_pi_5_adds_the_rails_that_have_both_volts_and_amperes(tmp_path: Path) -> None:
    (tmp_path / "told").write_text(PMIC)
    sensor = sensors.find("auto", program(tmp_path, f'[ "$1" = pmic_read_adc ] && cat {tmp_path}/told'))
    assert sensor is not None and sensor.name == "pmic"
    assert sensor.watts() == pytest.approx(0.1 * 3.7 + 1.5 * 0.8)
    assert "USB" in sensor.leaves_out


@pytest.mark.parametrize("body", ["exit 1", "echo 'error=1 error_msg=\"Command not registered\"'", "true"])
def test_a_pi_4_has_the_program_and_no_power_chip(tmp_path: Path, body: str) -> None:
    assert sensors.find("auto", program(tmp_path, body)) is None
    with pytest.raises(SensorUnknown, match="no sensor 'pmic'"):
        sensors.find("pmic", tmp_path)


def test_a_board_without_a_sensor_gets_no_figure(tmp_path: Path) -> None:
    assert sensors.find("auto", tmp_path) is None
    assert sensors.not_measurable(tmp_path).startswith("not measurable on this board")


@pytest.mark.parametrize("name", sensors.NAMES)
def test_a_named_sensor_that_is_not_here_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(SensorUnknown, match=f"no sensor '{name}'"):
        sensors.find(name, tmp_path)


@pytest.mark.parametrize("name", ["", "ina", "rapl2", "shelly", "command:", "tasmota:", "RAPL"])
def test_names_that_mean_nothing_are_usage_errors(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        sensors.find(name, tmp_path)


@pytest.fixture
def plug() -> Iterator[tuple[str, dict[str, object]]]:
    """A plug that answers over HTTP on this machine: its address, and path -> answer."""
    answers: dict[str, object] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            answer = answers.get(f"{parts.path}?{parts.query}")
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(404 if answer is None else 200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_port}", answers
        server.shutdown()
        thread.join()


SHELLY = "/rpc/Switch.GetStatus?id=0"
TASMOTA = "/cm?cmnd=Status%208"


def test_a_shelly_plug(plug: tuple[str, dict[str, object]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    address, answers = plug
    answers[SHELLY] = {"id": 0, "output": True, "apower": 6.3, "voltage": 231.2}
    sensor = sensors.find(f"shelly:{address}")
    assert sensor is not None and sensor.watts() == pytest.approx(6.3)
    answers[SHELLY] = {"apower": 7}
    assert sensor.watts() == pytest.approx(7.0)
    assert sensor.window_s >= 60 and sensor.rate_hz == 1


def test_a_tasmota_plug(plug: tuple[str, dict[str, object]]) -> None:
    address, answers = plug
    answers[TASMOTA] = {"StatusSNS": {"Time": "2026-01-01T00:00:00", "ENERGY": {"Power": 4, "Voltage": 230}}}
    sensor = sensors.find(f"tasmota:http://{address}/")
    assert sensor is not None and sensor.watts() == pytest.approx(4.0)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"<html>",
        {},
        [],
        {"apower": "6"},
        {"apower": True},
        {"apower": None},
        {"apower": -9},
        {"apower": 1e6},
        b'{"apower": NaN}',
        b"[" * 60000,
        b"\xff\xfe",
    ],
    ids=str,
)
def test_a_plug_that_talks_nonsense(plug: tuple[str, dict[str, object]], answer: object) -> None:
    address, answers = plug
    answers[SHELLY] = answer
    with pytest.raises(SensorFailed, match="shelly") as caught:
        sensors.find(f"shelly:{address}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "not a host", "http://", "[::"])
def test_a_plug_that_is_not_there(address: str) -> None:
    with pytest.raises(SensorFailed, match="no answer"):
        sensors.find(f"tasmota:{address}")


@pytest.mark.parametrize(
    ("said", "expected"), [("5.25", 5.25), ("power: 5.25 W", 5.25), ("warming up\n1e1\n\n", 10.0), ("0", 0.0)]
)
def test_a_program_that_prints_watts(said: str, expected: float) -> None:
    sensor = sensors.find(f"command:printf '{said}'")
    assert sensor is not None and math.isclose(sensor.watts(), expected)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("printf ''", "must print watts"),
        ("echo none", "must print watts"),
        ("echo 5.1 V 0.8 A", "must print watts"),
        ("echo -3", "cannot be"),
        ("echo gone >&2; exit 3", "failed: gone"),
        ("/no/such/program", "failed"),
    ],
)
def test_a_program_that_does_not(command: str, why: str) -> None:
    with pytest.raises(SensorFailed, match=why):
        sensors.find(f"command:{command}")
