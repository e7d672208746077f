"""Flashing image files: real FAT partitions, written by mtools, read back, and the script run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from boards import cli, fat_image, flash, profile
from boards.errors import ImageInvalid, UsageError
from boards.fat_image import Fat
from boards.payload import Payload
from tests.boards import images, tiny
from tests.boards.test_choice import make_bundle
from tests.boards.test_install import says

pytestmark = images.needs_mtools


@pytest.fixture
def payload(tmp_path: Path, pip_wheel: Path) -> Payload:
    return tiny.make(tmp_path / "one", "1.0", pip=pip_wheel)


def fat(image: Path) -> Fat:
    return Fat.of(image)


@pytest.mark.parametrize("gpt", [False, True])
@pytest.mark.parametrize(("kind", "form"), [("trixie", "cloud-init"), ("bookworm", "firstrun")])
def test_the_payload_is_on_the_card_and_the_stock_image_is_untouched(
    kind: str, form: str, gpt: bool, payload: Payload, tmp_path: Path
) -> None:
    stock = images.make(tmp_path / "stock.img", kind, gpt=gpt)
    before = flash.sha256(stock)
    assert flash.examine(stock).form == form
    flash.flash(flash.examine(stock), tmp_path / "card.img", payload)
    assert flash.sha256(stock) == before
    card = fat(tmp_path / "card.img")
    assert card.names("ferlite") == sorted(
        [*payload.files, *(["first-start.sh"] if form == "firstrun" else [])]
    )
    for name, path in payload.files.items():
        assert card.read(f"ferlite/{name}") == path.read_bytes()
    for name, text in images.FILES[kind].items():
        if name != "cmdline.txt" or form == "cloud-init":
            assert card.read(name) == text.encode(), "the user's own settings stay as they were"


def test_the_same_input_gives_the_same_bytes_at_another_time(payload: Payload, tmp_path: Path) -> None:
    stock = images.make(tmp_path / "stock.img", "trixie")
    digests = set()
    for name, zone in (("a", "UTC"), ("b", "Asia/Tokyo")):
        environment = {**os.environ, "TZ": zone}
        script = (
            "import sys, pathlib, json; from boards import flash; from boards.payload import Payload\n"
            "stock, out, folder = map(pathlib.Path, sys.argv[1:])\n"
            "made = Payload(folder, json.loads((folder / 'manifest.json').read_text()))\n"
            "flash.flash(flash.examine(stock), out, made)\n"
        )
        out = tmp_path / f"{name}.img"
        command = [sys.executable, "-c", script, str(stock), str(out), str(payload.folder)]
        for path in payload.files.values():
            os.utime(path)
        subprocess.run(command, check=True, capture_output=True, env=environment)
        digests.add(flash.sha256(out))
    assert len(digests) == 1


def test_the_firstrun_hook(payload: Payload, tmp_path: Path) -> None:
    stock = images.make(tmp_path / "stock.img", "bookworm")
    flash.flash(flash.examine(stock), tmp_path / "card.img", payload)
    cmdline = fat(tmp_path / "card.img").read("cmdline.txt")
    assert (
        cmdline
        == (
            images.CMDLINE.strip() + " systemd.run=/boot/firmware/ferlite/first-start.sh "
            "systemd.run_success_action=reboot systemd.unit=kernel-command-line.target\n"
        ).encode()
    )


@pytest.mark.parametrize("kind", ["trixie", "bookworm"])
def test_flashing_a_flashed_image_again(kind: str, payload: Payload, tmp_path: Path, pip_wheel: Path) -> None:
    flash.flash(flash.examine(images.make(tmp_path / "stock.img", kind)), tmp_path / "one.img", payload)
    newer = tiny.make(tmp_path / "two", "2.0", pip=pip_wheel)
    flash.flash(flash.examine(tmp_path / "one.img"), tmp_path / "two.img", newer)
    card = fat(tmp_path / "two.img")
    manifest = card.read("ferlite/manifest.json")
    assert manifest and json.loads(manifest)["id"] == newer.id
    assert (card.read("cmdline.txt") or b"").count(b"systemd.run=") == (1 if kind == "bookworm" else 0)


@pytest.mark.parametrize("kind", ["trixie", "bookworm"])
@pytest.mark.parametrize("good", [True, False])
def test_the_first_start_script_really_installs(
    kind: str, good: bool, tmp_path: Path, pip_wheel: Path
) -> None:
    """The files are taken off the card and the script is run, with /boot and the prefix moved to a folder."""
    payload = tiny.make(tmp_path / "one", "1.0", pip=pip_wheel, broken=not good)
    flash.flash(flash.examine(images.make(tmp_path / "stock.img", kind)), tmp_path / "card.img", payload)
    boot, board, card = tmp_path / "boot/firmware", tmp_path / "board", fat(tmp_path / "card.img")
    (boot / "ferlite").mkdir(parents=True)
    names = [*card.names(), *(f"ferlite/{name}" for name in card.names("ferlite"))]
    for name in names:
        if (content := card.read(name)) is not None:
            (boot / name).write_bytes(content)
    script = boot / ("vendor-data" if kind == "trixie" else "ferlite/first-start.sh")
    text = (
        script.read_text()
        .replace("/boot", f"{tmp_path}/boot")
        .replace("install --m", f"install --prefix {board} --m")
    )
    for shell in (["sh"], ["dash"]):
        done = subprocess.run([*shell, "-c", text], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        log = (boot / "ferlite/first-start.log").read_text()
        assert ("does not start" in log) is not good
    if good:
        assert says(board) == "ferlite 1.0"
    assert not (board / "opt/ferlite/current").exists() or good
    assert (
        "systemd.run" not in (boot / "cmdline.txt").read_text().replace(str(tmp_path), "") or kind == "trixie"
    )
    assert (boot / "cmdline.txt").read_text() == images.CMDLINE


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck")
@pytest.mark.parametrize("kind", ["trixie", "bookworm"])
def test_the_script_is_plain_shell(kind: str, payload: Payload, tmp_path: Path) -> None:
    for change in flash.changes(flash.examine(images.make(tmp_path / "stock.img", kind)), payload):
        if isinstance(change.content, bytes) and change.content.startswith(b"#!"):
            (tmp_path / "script").write_bytes(change.content)
            subprocess.run(["shellcheck", tmp_path / "script"], check=True)


def test_a_dry_run_prints_every_change_and_writes_nothing(payload: Payload, tmp_path: Path) -> None:
    stock = images.make(tmp_path / "stock.img", "bookworm")
    before = sorted(tmp_path.iterdir())
    text = "\n".join(change.describe() for change in flash.changes(flash.examine(stock), payload))
    assert sorted(tmp_path.iterdir()) == before
    for name in payload.files:
        assert f"add ferlite/{name}" in text
    assert f"  - {images.CMDLINE.strip()}\n  + {images.CMDLINE.strip()} systemd.run=" in text


@pytest.mark.parametrize(
    ("content", "says_what"),
    [
        (b"", "is no disk image"),
        (bytes(1 << 20), "is no disk image"),
        (b"\xfd7zXZ\0" + bytes(1 << 20), "unpack it first with xz --decompress --keep stock.img"),
        (b"\x1f\x8b" + bytes(1 << 20), "is compressed: unpack it first with gunzip"),
        (bytes(510) + b"\x55\xaa" + bytes(1 << 20), "has no FAT partition"),
        (images._mbr(1 << 20, 1 << 20) + bytes(8 << 20), "has no FAT partition"),
    ],
)
def test_what_is_no_image(content: bytes, says_what: str, payload: Payload, tmp_path: Path) -> None:
    (tmp_path / "stock.img").write_bytes(content)
    with pytest.raises(ImageInvalid) as caught:
        flash.flash(flash.examine(tmp_path / "stock.img"), tmp_path / "card.img", payload)
    assert says_what in str(caught.value)
    assert not (tmp_path / "card.img").exists()


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.99])
def test_a_truncated_image(kept: float, payload: Payload, tmp_path: Path) -> None:
    stock = images.make(tmp_path / "stock.img", "bookworm")
    os.truncate(stock, int((stock.stat().st_size - (1 << 20)) * kept))
    with pytest.raises(ImageInvalid, match="is truncated: partition"):
        flash.flash(flash.examine(stock), tmp_path / "card.img", payload)


def test_a_fat_partition_that_is_too_small(payload: Payload, tmp_path: Path) -> None:
    stock = images.make(tmp_path / "stock.img", "bookworm", megabytes=8)
    with pytest.raises(ImageInvalid, match="FAT partition has 7 MB free and the payload needs 1"):
        flash.flash(flash.examine(stock), tmp_path / "card.img", payload)
    assert [path.name for path in tmp_path.glob("*.img*")] == ["stock.img"]


def test_an_image_in_which_nothing_would_start(payload: Payload, tmp_path: Path) -> None:
    with pytest.raises(ImageInvalid, match="neither cloud-init's user-data nor a cmdline.txt"):
        flash.changes(flash.examine(images.make(tmp_path / "stock.img", "other")), payload)


@pytest.mark.parametrize(
    ("cmdline", "says_what"),
    [
        ("root=/dev/x systemd.run=/boot/firstrun.sh\n", "already has a first-start script"),
        ("console=tty1\n", "is not one line with root= in it"),
        ("root=/dev/x\nquiet\n", "is not one line with root= in it"),
    ],
)
def test_a_cmdline_that_is_left_alone(cmdline: str, says_what: str, payload: Payload, tmp_path: Path) -> None:
    stock = images.make(tmp_path / "stock.img", "bookworm")
    fat(stock).write({"cmdline.txt": cmdline.encode()}, [])
    with pytest.raises(ImageInvalid, match=says_what):
        flash.changes(flash.examine(stock), payload)


def test_vendor_data_of_somebody_else_is_left_alone(payload: Payload, tmp_path: Path) -> None:
    stock = images.make(tmp_path / "stock.img", "trixie")
    fat(stock).write({"vendor-data": b"#cloud-config\npackages: [vim]\n"}, [])
    with pytest.raises(ImageInvalid, match="has a vendor-data of its own"):
        flash.changes(flash.examine(stock), payload)


def test_an_image_that_is_there_is_not_overwritten(payload: Payload, tmp_path: Path) -> None:
    stock = images.make(tmp_path / "stock.img", "bookworm")
    with pytest.raises(ImageInvalid, match="is already there"):
        flash.flash(flash.examine(stock), stock, payload)


def test_a_folder_that_cannot_be_written_leaves_nothing(payload: Payload, tmp_path: Path) -> None:
    stock = images.make(tmp_path / "stock.img", "bookworm")
    with pytest.raises(ImageInvalid, match="No such file or directory"):
        flash.flash(flash.examine(stock), tmp_path / "none/card.img", payload)


def test_the_copy_stays_sparse(payload: Payload, tmp_path: Path) -> None:
    stock = images.make(tmp_path / "stock.img", "bookworm", megabytes=400)
    flash.flash(flash.examine(stock), tmp_path / "card.img", payload)
    assert (tmp_path / "card.img").stat().st_size == stock.stat().st_size
    assert (tmp_path / "card.img").stat().st_blocks * 512 < 60 << 20


def test_which_system_an_image_is() -> None:
    board = profile.load("rpi-4b")
    assert flash.system_of(board, "cloud-init").name == "trixie"
    assert flash.system_of(board, "firstrun").name == "bookworm"
    assert flash.system_of(board, "firstrun", "trixie").name == "trixie"
    with pytest.raises(UsageError, match="no image that starts with firstrun"):
        flash.system_of(profile.load("generic-arm64"), "firstrun")


def test_a_rootfs_hook(payload: Payload, tmp_path: Path) -> None:
    flash.rootfs_hook(tmp_path / "hook", payload)
    rootfs = tmp_path / "rootfs"
    (rootfs / "etc/systemd/system").mkdir(parents=True)
    subprocess.run([tmp_path / "hook/install-into.sh", rootfs], check=True, capture_output=True)
    store = rootfs / "usr/lib/ferlite/payload"
    assert {path.name for path in store.iterdir()} == set(payload.files)
    wanted = rootfs / "etc/systemd/system/multi-user.target.wants/ferlite-first-start.service"
    assert "install.py install" in wanted.resolve().read_text()
    done = subprocess.run(
        [tmp_path / "hook/install-into.sh", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "is no root file system" in done.stderr
    with pytest.raises(ImageInvalid, match="already there"):
        flash.rootfs_hook(tmp_path / "hook", payload)


@pytest.mark.parametrize(
    ("arguments", "says_what"),
    [
        (["--board", "rpi-4b", "--out", "x"], "name the stock .img file with --image"),
        (["--board", "rpi-4b", "--out", "x", "--image", "/none.img"], "there is no image '/none.img'"),
        (["--board", "rpi-4b", "--image", "/none.img"], "name it with --out"),
        (["--board", "jetson-nano", "--out", "x", "--image", "y"], "leave out --image and --card"),
        (["--board", "jetson-nano"], "name it with --out"),
        (["--board", "intel-n100", "--out", "x"], "ferlite boards deb BUNDLE --board intel-n100"),
    ],
)
def test_usage(arguments: list[str], says_what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["flash", "bundle", *arguments]) == 2
    assert says_what in capsys.readouterr().err


def words_for(board: str, model: Path, house: Path) -> list[str]:
    return ["flash", str(model), "--board", board, "--offline", "--wheelhouse", str(house)]


def everything(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("out", [[], ["--out", "hook"]])
def test_a_dry_run_for_a_jetson_prints_every_file_and_writes_none(
    out: list[str],
    house: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    model = make_bundle(tmp_path / "bundle", "onnx")
    before = everything(tmp_path)
    assert cli.main([*words_for("jetson-orin-nano", model, house), "--dry-run", *out]) == 0
    text = capsys.readouterr().out
    for name in ("payload/manifest.json", "payload/install.py", "install-into.sh", "ferlite-first-start"):
        assert f"add {name}" in text
    assert "onnxruntime-1.22.0" in text and "next" not in text
    assert everything(tmp_path) == before


def test_a_hook_as_a_user_types_it(house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = make_bundle(tmp_path / "bundle", "onnx"), tmp_path / "hook"
    words = [*words_for("jetson-orin-nano", model, house), "--json"]
    assert cli.main([*words, "--dry-run"]) == 0
    planned = json.loads(capsys.readouterr().out)["changes"]
    assert cli.main([*words, "--out", str(out)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["changes"] == planned and result["next"] == f"{out}/install-into.sh ROOTFS"
    written = sorted(name for name, content in everything(out).items() if content is not None)
    assert written == sorted(one.split()[1] for one in planned)
    assert os.access(out / "install-into.sh", os.X_OK)


@pytest.mark.parametrize("kind", ["trixie", "bookworm"])
def test_an_image_as_a_user_types_it(
    kind: str,
    house: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The partition table of a stock image is read once, for a dry run and for a real one."""
    looks: list[Path] = []
    real = fat_image.fat_partition
    monkeypatch.setattr(fat_image, "fat_partition", lambda image: (looks.append(image), real(image))[1])
    stock, model = images.make(tmp_path / "stock.img", kind), make_bundle(tmp_path / "bundle", "tflite")
    words = [*words_for("rpi-4b", model, house), "--image", str(stock), "--json"]
    before = everything(tmp_path)
    assert cli.main([*words, "--dry-run"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["system"] == kind and everything(tmp_path) == before
    assert cli.main([*words, "--out", str(tmp_path / "card.img")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["changes"] == planned["changes"]
    assert result["sha256"] == flash.sha256(tmp_path / "card.img")
    assert looks == [stock, stock]


def test_a_cmdline_in_capitals(payload: Payload, tmp_path: Path) -> None:
    """FAT keeps CMDLINE.TXT and cmdline.txt for the same file, and some tools write the former."""
    stock = images.make(tmp_path / "stock.img", "bookworm")
    drive = f"{stock}@@{images.START}"
    images.run(["mdel", "-i", drive, "::/cmdline.txt"])
    (tmp_path / "CMDLINE.TXT").write_text(images.CMDLINE)
    images.run(["mcopy", "-i", drive, str(tmp_path / "CMDLINE.TXT"), "::/CMDLINE.TXT"])
    images.run(["mmd", "-i", drive, "::/FERLITE"])
    assert "CMDLINE.TXT" in fat(stock).names()
    flash.flash(flash.examine(stock), tmp_path / "card.img", payload)
    card = fat(tmp_path / "card.img")
    assert [name for name in card.names() if name.lower() == "cmdline.txt"] == ["CMDLINE.TXT"]
    assert (card.read("CMDLINE.TXT") or b"").count(b"systemd.run=") == 1
    assert b'"$boot/CMDLINE.TXT"' in (card.read("ferlite/first-start.sh") or b"")


@pytest.mark.slow
def test_flash_as_a_user_types_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the real wheels of a Raspberry Pi, which are downloaded."""
    stock = images.make(tmp_path / "stock.img", "trixie", megabytes=400)
    model = make_bundle(tmp_path / "bundle", "onnx", "tflite")
    words = ["flash", str(model), "--board", "rpi-4b", "--image", str(stock)]
    assert cli.main([*words, "--dry-run"]) == 0
    assert "vendor-data" in capsys.readouterr().out
    assert cli.main([*words, "--out", str(tmp_path / "card.img"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["system"] == "trixie"
    assert result["sha256"] == flash.sha256(tmp_path / "card.img")
    assert any("wheels/ai_edge_litert" in change for change in result["changes"])


def test_digest(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc" * 500_000)
    assert flash.sha256(tmp_path / "x") == hashlib.sha256(b"abc" * 500_000).hexdigest()
