"""Probe over reconstructed boards, then with every file missing, empty, negative, garbage or denied."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from boards import match, telemetry, texts
from boards.errors import BoardRefused, BoardUnknown
from boards.facts import Facts
from boards.probe import probe
from tests.boards import trees

LAPTOP = "intel-lnl"
# Every file that the probe of a Raspberry Pi, a Jetson or an NPU laptop may read, and where its fact goes.
WATCHED = {
    "/proc/device-tree/model": ("rpi-4b", "hardware.model"),
    "/proc/device-tree/compatible": ("jetson-orin-nano", "hardware.compatible"),
    "/proc/device-tree/system/linux,revision": ("rpi-4b", "hardware.revision"),
    "/proc/cpuinfo": ("rpi-5", "cpu.features"),
    "/proc/meminfo": ("rpi-4b", "memory.total_mb"),
    "/proc/sys/kernel/osrelease": ("rpi-4b", "system.kernel"),
    "/bin/sh": ("rpi-4b", "system.bits"),
    "/etc/os-release": ("rpi-4b", "system.name"),
    "/usr/lib/aarch64-linux-gnu/libc.so.6": ("rpi-4b", "system.glibc"),
    "/etc/nv_tegra_release": ("jetson-orin-nano", "system.l4t"),
    "/sys/devices/system/cpu/present": ("rpi-4b", "cpu.cores"),
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": ("rpi-4b", "telemetry.clock_mhz"),
    "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": ("rpi-4b", "telemetry.clock_max_mhz"),
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": ("rpi-4b", "telemetry.governor"),
    "/sys/class/thermal/thermal_zone0/temp": ("rpi-4b", "telemetry.temperature_c"),
    "/sys/class/thermal/thermal_zone0/type": ("rpi-4b", "telemetry.temperature_from"),
    "/sys/devices/platform/soc/soc:firmware/get_throttled": ("rpi-4b", "telemetry.throttled"),
    "/sys/class/video4linux/video0/name": ("rpi-4b", "cameras.0.name"),
    "/sys/class/video4linux/video0/index": ("rpi-4b", "cameras.0.node"),
    "/sys/class/hwmon/hwmon1/name": ("jetson-orin-nano", "telemetry.throttled"),
    "/sys/class/hwmon/hwmon1/curr1_crit_alarm": ("jetson-orin-nano", "telemetry.throttled"),
    "/sys/class/hwmon/hwmon3/temp1_input": (LAPTOP, "telemetry.temperature_c"),
    "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": (
        LAPTOP,
        "telemetry.throttled_before",
    ),
    "/sys/bus/pci/devices/0000:00:0b.0/device": (LAPTOP, "hardware.pci"),
    "/sys/class/accel/accel0/device/device": (LAPTOP, "accelerators.0.id"),
    "/sys/class/accel/accel0/device/npu_busy_time_us": (LAPTOP, "accelerators.0.busy_us"),
}
DAMAGE: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "newline": b"\n",
    "negative": b"-5\n",
    "huge": b"9" * 400,
    "garbage": bytes(range(128, 256)) * 4,
    "nuls": bytes(64),
    "a-word": b"unknown\n",
}
# With these the file still says something true: a negative temperature, a name that is any text, a file
# whose fact has a second source.
TRUE_ANYWAY = {
    ("/sys/class/thermal/thermal_zone0/temp", "negative"): -0.005,
    ("/sys/class/hwmon/hwmon3/temp1_input", "negative"): -0.005,
    ("/sys/devices/system/cpu/present", "*"): 4,
    ("/proc/device-tree/system/linux,revision", "*"): 0xC03114,
}
ANY_TEXT = {
    "/proc/device-tree/model",
    "/proc/device-tree/compatible",
    "/proc/sys/kernel/osrelease",
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
    "/sys/class/thermal/thermal_zone0/type",
    "/sys/class/video4linux/video0/name",
}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter (pytest's own is closed to others)."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root for a while: root may read everything, and then nothing is denied."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def fact(facts: Facts, dotted: str) -> object:
    value: object = asdict(facts)
    for part in dotted.split("."):
        if isinstance(value, dict):
            value = value[part]
        elif isinstance(value, tuple | list):
            value = value[int(part)] if int(part) < len(value) else None
    return value


@pytest.mark.parametrize("name", trees.BOARDS)
def test_a_board_is_recognised(name: str, tmp_path: Path) -> None:
    facts = probe(trees.write(tmp_path, trees.BOARDS[name]))
    board, why = match.identify(facts)
    assert board.id == name
    assert why
    assert board.arch == facts.system.arch
    assert facts.denied == ()


@pytest.mark.parametrize("name", trees.BOARDS)
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_text_fits_the_terminal(
    name: str, columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    facts = probe(trees.write(tmp_path, trees.BOARDS[name]))
    board, why = match.identify(facts)
    text = texts.probe_text(facts, board, why)
    assert max(map(len, text.splitlines())) < columns
    assert board.id in text and "engines" in text


def test_every_fact_of_a_raspberry_pi(tmp_path: Path) -> None:
    facts = probe(trees.write(tmp_path, trees.BOARDS["rpi-4b"]))
    assert facts.hardware.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert (facts.hardware.revision, facts.hardware.revision_type) == (0xC03114, 0x11)
    assert facts.system.name == "Debian GNU/Linux 13 (trixie)"
    assert (facts.system.codename, facts.system.arch, facts.system.bits) == ("trixie", "aarch64", 64)
    assert (facts.system.python, facts.system.glibc) == ("3.13", "2.41")
    assert (facts.cpu.core, facts.cpu.cores, facts.cpu.int8) == ("Cortex-A72", 4, ())
    assert (facts.memory.total_mb, facts.memory.available_mb, facts.memory.swap_mb) == (3792, 3027, 199)
    assert [(one.node, one.bus) for one in facts.cameras] == [("/dev/video0", "usb")]
    assert facts.telemetry.temperature_c == pytest.approx(48.312)
    assert (facts.telemetry.clock_mhz, facts.telemetry.clock_max_mhz) == (1500, 1800)
    assert facts.telemetry.throttled == ("under-voltage", "throttled")
    assert facts.telemetry.throttled_before == ("under-voltage", "throttled")


def test_every_fact_of_a_jetson(tmp_path: Path) -> None:
    facts = probe(trees.write(tmp_path, trees.BOARDS["jetson-orin-nano"]))
    assert facts.system.l4t == "36.4.7"
    assert (facts.cpu.core, facts.cpu.cores, facts.cpu.int8) == ("Cortex-A78AE", 6, ("dotprod",))
    assert facts.telemetry.temperature_from == "cpu-thermal"
    assert facts.telemetry.throttled == ("over-current (curr1_crit_alarm)",)


def test_every_fact_of_an_npu_laptop(tmp_path: Path) -> None:
    facts = probe(trees.write(tmp_path, trees.BOARDS[LAPTOP]))
    npu = facts.accelerators[0]
    assert (npu.kind, npu.id) == ("Intel NPU 4000 (Lunar Lake)", "8086:643e")
    assert (npu.node, npu.driver, npu.busy_us) == ("/dev/accel/accel0", "intel_vpu", 123456)
    assert len(facts.accelerators) == 1
    assert facts.cpu.int8 == ("AVX-VNNI",)
    assert facts.telemetry.temperature_c == 44
    assert facts.telemetry.throttled is None
    assert facts.telemetry.throttled_before == ("thermal throttling (3 events)",)


@pytest.mark.parametrize("name", WATCHED)
def test_the_fact_is_there_when_its_file_is(name: str, tmp_path: Path) -> None:
    board, dotted = WATCHED[name]
    assert fact(probe(trees.write(tmp_path, trees.BOARDS[board])), dotted) not in (None, (), [])


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", WATCHED)
def test_a_damaged_file_gives_no_false_fact(name: str, damage: str, tmp_path: Path) -> None:
    board, dotted = WATCHED[name]
    whole = probe(trees.write(tmp_path / "whole", trees.BOARDS[board]))
    root = trees.write(tmp_path / "damaged", trees.BOARDS[board])
    content = DAMAGE[damage]
    (root / name.lstrip("/")).unlink()
    if content is not None:
        (root / name.lstrip("/")).write_bytes(content)
    facts = probe(root)
    value = fact(facts, dotted)
    if (name, damage) in TRUE_ANYWAY or (name, "*") in TRUE_ANYWAY:
        assert value == TRUE_ANYWAY.get((name, damage), TRUE_ANYWAY.get((name, "*")))
    elif damage in ("missing", "empty", "newline", "nuls") or name not in ANY_TEXT:
        assert_unknown(name, damage, value, fact(whole, dotted))
    else:
        assert value is None or value != fact(whole, dotted)
    assert facts.denied == ()
    texts.probe_text(facts, None, "damaged")


def assert_unknown(name: str, damage: str, value: object, whole: object) -> None:
    """The fact is gone, or its other source took over, but it is never a number made of garbage."""
    if name == "/sys/class/thermal/thermal_zone0/type":
        assert value == "thermal_zone0"
    elif name == "/sys/class/video4linux/video0/index":
        # A node without an index is taken for a camera; one that says it is a second node is not.
        assert value == ("/dev/video0" if damage != "negative" else None)
    elif name == "/sys/class/hwmon/hwmon1/curr1_crit_alarm":
        assert value == (), "the other alarm still says that nothing is raised"
    elif name.endswith("core_throttle_count"):
        assert value == ("thermal throttling (1 events)",), "the other core's count still stands"
    elif name.startswith("/sys/bus/pci"):
        assert value == ("8086:7d55",)
    else:
        assert value in (None, (), []), f"{name} {damage}: {value!r} (whole: {whole!r})"


@pytest.mark.parametrize("name", [name for name in WATCHED if name != "/bin/sh"])
def test_a_denied_file_is_named(name: str, open_folder: Path) -> None:
    board, _ = WATCHED[name]
    root = trees.write(open_folder, trees.BOARDS[board])
    (root / name.lstrip("/")).chmod(0)
    with as_nobody():
        facts = probe(root)
    assert name in facts.denied
    assert name in texts.probe_text(facts, None, "denied").replace("\n" + " " * 13, "")


def test_a_denied_folder_is_no_fault(open_folder: Path) -> None:
    root = trees.write(open_folder, trees.BOARDS[LAPTOP])
    for name in ("sys/class/accel", "sys/bus/pci/devices", "proc"):
        (root / name).chmod(0)
    try:
        with as_nobody():
            facts = probe(root)
        assert facts.accelerators == ()
        assert facts.cpu.cores == 4
        assert facts.memory.total_mb is None
    finally:
        for name in ("sys/class/accel", "sys/bus/pci/devices", "proc"):
            (root / name).chmod(0o755)


@pytest.mark.parametrize("kind", ["folder", "dangling link", "link to itself"])
@pytest.mark.parametrize("name", ["/proc/meminfo", "/proc/cpuinfo", "/etc/os-release", "/bin/sh"])
def test_something_else_in_a_files_place(name: str, kind: str, tmp_path: Path) -> None:
    root = trees.write(tmp_path, trees.BOARDS["rpi-4b"])
    path = root / name.lstrip("/")
    path.unlink()
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.name if kind == "link to itself" else "nowhere")
    assert probe(root).hardware.model == "Raspberry Pi 4 Model B Rev 1.4"


@pytest.mark.parametrize(
    ("text", "cores"),
    [("0", 1), ("0-3", 4), ("0-1,4-5", 4), ("0,2,3", 3), ("3-0", 4), ("0-", 4), ("", 4), ("0-3,x", 4)],
)
def test_counting_cores(text: str, cores: int, tmp_path: Path) -> None:
    files = {**trees.BOARDS["rpi-4b"], "/sys/devices/system/cpu/present": text}
    assert probe(trees.write(tmp_path, files)).cpu.cores == cores


@pytest.mark.parametrize(
    ("milli", "celsius"),
    [("0", 0.0), ("-12500", -12.5), ("150000", 150.0), ("150001", None), ("-40001", None), ("48.3", None)],
)
def test_a_temperature_that_cannot_be_is_not_told(milli: str, celsius: float | None, tmp_path: Path) -> None:
    files = {**trees.BOARDS["rpi-4b"], "/sys/class/thermal/thermal_zone0/temp": milli}
    assert probe(trees.write(tmp_path, files)).telemetry.temperature_c == celsius


@pytest.mark.parametrize("bit", range(4))
def test_throttling_bits(bit: int) -> None:
    names = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
    assert telemetry.pi_bits(1 << bit) == ((names[bit],), ())
    assert telemetry.pi_bits(1 << bit + 16) == ((), (names[bit],))


@pytest.mark.parametrize(
    ("hwcap", "hwcap2", "features"),
    [
        (1 << 1, 0, ("asimd",)),
        (1 << 1 | 1 << 20, 0, ("asimd", "asimddp")),
        (2, 1 << 13, ("asimd", "i8mm")),
        (0, 0, ()),
    ],
)
def test_hwcap_stands_in_for_cpuinfo(
    hwcap: int, hwcap2: int, features: tuple[str, ...], tmp_path: Path
) -> None:
    auxv = struct.pack("<8Q", 6, 4096, 16, hwcap, 26, hwcap2, 0, 0)
    files = {**trees.BOARDS["rpi-5"], "/proc/cpuinfo": "processor\t: 0\n", "/proc/self/auxv": auxv}
    assert probe(trees.write(tmp_path, files)).cpu.features == features


def test_hwcap_bits_of_x86_are_not_read_as_arm(tmp_path: Path) -> None:
    files = {
        **trees.BOARDS[LAPTOP],
        "/proc/cpuinfo": "",
        "/proc/self/auxv": struct.pack("<4Q", 16, ~0 & 0xFFFF, 0, 0),
    }
    facts = probe(trees.write(tmp_path, files))
    assert facts.cpu.features == ()
    assert not facts.cpu.features_known


def test_a_32_bit_system_is_refused_with_the_reason(tmp_path: Path) -> None:
    files = trees.raspberry("Raspberry Pi 4 Model B Rev 1.4", 0xC03114, 0xD08, trees.A53, arch="armhf")
    with pytest.raises(BoardRefused, match=r"32-bit system \(armhf programs\).*64-bit image"):
        match.identify(probe(trees.write(tmp_path, files)))


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.9"])
def test_an_old_python_is_refused_with_the_reason(version: str, tmp_path: Path) -> None:
    files = trees.jetson("p3668-0001", "tegra194", "35.6.4", 4, version, implementer=0x4E)
    facts = probe(trees.write(tmp_path, files))
    assert facts.cpu.core == "Carmel"
    with pytest.raises(BoardRefused, match=f"Python is {version} and ferlite needs 3.10"):
        match.identify(facts)


def test_other_architectures_are_refused(tmp_path: Path) -> None:
    files = {**trees.BOARDS["generic-arm64"], "/bin/sh": trees.elf(64, 0xF3)}
    with pytest.raises(BoardRefused, match="riscv64 system"):
        match.identify(probe(trees.write(tmp_path, files)))


def test_an_empty_tree_is_an_unknown_board(tmp_path: Path) -> None:
    facts = probe(tmp_path)
    assert facts == replace(facts, denied=())
    assert facts.system.bits is None
    with pytest.raises(BoardUnknown, match="nothing here says what this board is"):
        match.identify(facts)


def test_a_revision_word_is_enough(tmp_path: Path) -> None:
    files = {k: v for k, v in trees.BOARDS["rpi-3bp"].items() if k != "/proc/device-tree/model"}
    assert match.identify(probe(trees.write(tmp_path, files)))[0].id == "rpi-3bp"


def test_an_old_style_revision_has_no_type(tmp_path: Path) -> None:
    files = {**trees.BOARDS["rpi-4b"], "/proc/device-tree/system/linux,revision": struct.pack(">I", 0x10)}
    assert probe(trees.write(tmp_path, files)).hardware.revision_type is None


def test_l4t_from_the_package_database(tmp_path: Path) -> None:
    status = (
        "Package: bash\nVersion: 5\n\nPackage: nvidia-l4t-core\nStatus: install ok\nVersion: 36.4.7-2025\n"
    )
    files = {**trees.BOARDS["jetson-orin-nano"], "/etc/nv_tegra_release": "?", "/var/lib/dpkg/status": status}
    assert probe(trees.write(tmp_path, files)).system.l4t == "36.4.7"


def test_this_machine() -> None:
    facts = probe()
    assert facts.system.bits == 64
    assert facts.cpu.cores and facts.cpu.cores >= (os.cpu_count() or 1)
    assert facts.memory.total_mb and facts.memory.total_mb > 100
