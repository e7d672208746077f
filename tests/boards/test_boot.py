"""A flashed card in an emulated Arm computer: from its first start to the first reading on the console."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from boards import boot, cli, flash, profile
from boards.errors import EmulationFailed, ImageInvalid, UsageError
from tests.boards import debian, images

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "bundles/mobilenetv2"
needs_qemu = pytest.mark.skipif(not shutil.which(boot.PROGRAM), reason=f"needs {boot.PROGRAM}")


def cache() -> Path:
    return Path(os.environ.get("FERLITE_EMULATION_CACHE") or Path.home() / ".cache") / "ferlite/systems"


@pytest.mark.slow
@images.needs_mtools
@pytest.mark.parametrize(("form", "starts"), [("trixie", 1), ("bookworm", 2)])
def test_a_flashed_card_reads_a_photograph_at_power_on(
    form: str, starts: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shipped bundle, flashed as a user flashes it: one installs it by cloud-init, one by firstrun."""
    debian.need_tools()
    photo = (ROOT / "docs/demo.jpg").read_bytes()
    stock = debian.make(form, cache(), {"photo.jpg": photo})
    card = stock.with_name("card.img")
    try:
        words = ["flash", str(BUNDLE), "--board", "rpi-4b", "--image", str(stock), "--out", str(card)]
        assert cli.main([*words, "--source", "/boot/firmware/photo.jpg", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["system"] == form
        before = flash.sha256(card)
        words = ["boot", str(card), "--board", "rpi-4b", "--minutes", "120", "--json"]
        assert cli.main([*words, "--console", str(cache() / f"{form}-console.log")]) == 0
        said = json.loads(capsys.readouterr().out)
        assert flash.sha256(card) == before
    finally:
        shutil.rmtree(stock.parent)
    assert (said["board"], said["core"], said["starts"], said["ready"]) == (
        "rpi-4b",
        "cortex-a72",
        starts,
        True,
    )
    reading = said["reading"]
    assert reading["source"] == "/boot/firmware/photo.jpg"
    assert reading["faces"] and sum(reading["faces"][0]["weights"].values()) == pytest.approx(1, abs=0.001)


READING = '{"schema": 1, "source": "x", "faces": []}'


@pytest.mark.parametrize(("seconds", "gives_up"), [(3600, False), (3601, True)])
def test_a_card_that_waits_for_ever(seconds: int, gives_up: bool, tmp_path: Path) -> None:
    """A program that prints a console's line and ends stands in for the computer."""
    heard = boot.Booted("cortex-a72")
    command = ["echo", f"[ {seconds}.1] systemd[1]: Starting cleanup"]
    with (tmp_path / "log").open("wb") as log:
        if gives_up:
            with pytest.raises(EmulationFailed, match="was up for 3600 s without a reading"):
                boot._start(command, heard, log, time.monotonic() + 20)
        else:
            assert not boot._start(command, heard, log, time.monotonic() + 20)
    assert heard.uptime == seconds


def test_what_the_console_says() -> None:
    heard = boot.Booted("cortex-a72")
    for line in (
        "[   10.1] ferlite[312]: {not a reading}",
        '[   10.1] ferlite[312]: {"schema": 1, "sour',
        "[   10.1] other[9]: " + READING,
        "[   10.2] systemd[1]: Started cron.service - x.",
        "[   11.0] ferlite[312]: error: no camera",
    ):
        assert not heard.listen(line)
    assert heard.reading is None and not heard.ready
    assert not heard.listen(f"[   12.0] ferlite[313]: {READING}")
    assert heard.listen("[   12.1] systemd[1]: Started ferlite.service - Facial-expression recognition.")
    assert heard.as_json()["reading"] == json.loads(READING)
    assert heard.last_line.endswith("recognition.")


@images.needs_mtools
def test_a_card_starts_with_what_its_own_fat_partition_says(tmp_path: Path) -> None:
    card = images.make(tmp_path / "card.img", "bookworm")
    with pytest.raises(ImageInvalid, match=r"has no kernel \(vmlinuz, kernel8.img\): name one with --kernel"):
        boot._software(card, tmp_path, boot.Own())
    images.run(["mcopy", "-i", f"{card}@@{images.START}", str(BUNDLE / "bundle.json"), "::/vmlinuz-6.12"])
    words = boot._software(card, tmp_path, boot.Own(ram_disk=tmp_path / "mine"))
    assert words[0] == "-append"
    assert words[1].split()[:3] == ["root=PARTUUID=4e639091-02", "rootfstype=ext4", "fsck.repair=yes"]
    assert [word for word in words[1].split() if word.startswith("console=")] == ["console=ttyAMA0"]
    assert words[2:] == ["-kernel", str(tmp_path / "kernel"), "-initrd", str(tmp_path / "mine")]
    assert (tmp_path / "kernel").read_bytes() == (BUNDLE / "bundle.json").read_bytes()


def test_the_computer_is_like_the_board(tmp_path: Path) -> None:
    words = boot._machine(profile.load("rpi-zero-2w"), tmp_path / "card.img")
    for option, value in (("-cpu", "cortex-a53"), ("-m", "512"), ("-nic", "none")):
        assert words[words.index(option) + 1] == value


@needs_qemu
@images.needs_mtools
def test_a_card_that_never_gets_anywhere(tmp_path: Path) -> None:
    """Its kernel is no kernel: QEMU runs what it was given, and nothing comes."""
    card = images.make(tmp_path / "card.img", "bookworm")
    (tmp_path / "zero").write_bytes(bytes(1 << 16))
    own = boot.Own(kernel=tmp_path / "zero")
    with pytest.raises(Exception, match="came to the end of --minutes without a reading"):
        boot.boot(card, profile.load("rpi-4b"), minutes=0.05, own=own, console=tmp_path / "console")
    assert (tmp_path / "console").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["/none.img", "--board", "rpi-4b"], "there is no file '/none.img'"),
        ([__file__, "--board", "rpi-4b", "--kernel", "/none"], "there is no file '/none'"),
        (
            [__file__, "--board", "rpi-4b", "--console", "/none/log"],
            "there is no folder '/none' for --console",
        ),
        ([__file__, "--board", "rpi-4b", "--minutes", "0"], "'0' must be a number from 0.01"),
        ([__file__, "--board", "intel-n100"], "no emulator has the core of"),
        ([__file__, "--board", "rpi-9"], "unknown board 'rpi-9'"),
    ],
)
def test_usage(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["boot", *arguments]) in (1, 2)
    assert says in capsys.readouterr().err


@needs_qemu
def test_what_is_no_card(tmp_path: Path) -> None:
    (tmp_path / "card.img").write_bytes(bytes(1 << 16))
    with pytest.raises(ImageInvalid, match="is no disk image"):
        boot.boot(tmp_path / "card.img", profile.load("rpi-4b"))


def test_without_qemu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Exception, match="needs qemu: sudo apt install qemu-system-arm"):
        boot.boot(tmp_path / "card.img", profile.load("rpi-4b"))
    with pytest.raises(UsageError):
        boot.boot(tmp_path / "card.img", profile.load("intel-lnl"))
