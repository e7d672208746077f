"""Profiles: each file is whole and plausible, and every kind of mistake in one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from boards import profile
from boards.errors import BoardsError, BoardUnknown, ProfileInvalid

GOOD = (profile.FOLDER / "rpi-4b.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", profile.names())
def test_every_profile_loads_and_is_plausible(name: str) -> None:
    board = profile.load(name)
    assert board.id == name
    assert 1 <= board.deploy.threads <= board.cpu.cores
    assert all(ram > 0 for ram in board.ram_gb)
    assert min(board.ram_gb) * 1024 > board.deploy.memory_max_mb > 100
    assert any(choice.device == "CPU" for choice in board.engine), "every board has its CPU"
    for image in board.image:
        assert all(part.isdigit() for part in (*image.python.split("."), *image.glibc.split(".")))
    if board.flash.method == "fat":
        assert all(image.first_boot != "none" for image in board.image)
    if board.family == "raspberry-pi":
        assert board.match.model and board.match.revision_type
    if any(choice.device == "NPU" for choice in board.engine):
        assert board.match.pci and board.family == "intel-npu"


def test_the_boards_of_the_specification_are_there() -> None:
    wanted = {"rpi-zero-2w", "rpi-3bp", "rpi-4b", "rpi-5", "jetson-nano", "jetson-xavier-nx"}
    wanted |= {"jetson-orin-nano", "jetson-agx-orin", "intel-mtl", "intel-arl", "intel-lnl", "intel-ptl"}
    wanted |= {"intel-n100", "generic-arm64", "generic-x86-64"}
    assert wanted <= set(profile.names())


def test_no_two_profiles_claim_the_same_board() -> None:
    claims: dict[str, str] = {}
    for board in profile.load_all():
        match = board.match
        facts = [*match.model, *match.compatible, *match.pci, *match.cpu, *map(str, match.revision_type)]
        facts += [f"any {board.arch}"] if match.any_of_arch else []
        for fact in facts:
            assert fact not in claims, f"{board.id} and {claims[fact]} both claim {fact}"
            claims[fact] = board.id


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "tflite"', 'name = "tensorrt"', "engine: name 'tensorrt' is unknown: choose onnx, tflite"),
        ("[cpu]", "[cpu]\nclock = 3", "unknown key 'clock'; valid keys: core, cores, has, lacks"),
        ("schema = 1", "schema = 2", "schema 2 is not 1"),
        ("schema = 1", "schema = 1\ncolour = 'red'", "unknown key 'colour'; valid keys: arch, camera"),
        ('id = "rpi-4b"', 'id = "rpi-9"', "id 'rpi-9' is not the file's name 'rpi-4b'"),
        ('arch = "aarch64"', 'arch = "armv7l"', "arch 'armv7l' is unknown: choose aarch64, x86_64"),
        ("threads = 4", "threads = true", "threads: True is not a whole number"),
        ("threads = 4", "threads = 0", "cores and threads must be at least 1"),
        ("threads = 4", 'threads = "4"', "threads: '4' is not a whole number"),
        ("cores = 4", "", "cpu: key 'cores' is missing"),
        ('lacks = ["asimddp"', 'lacks = ["asimd"', "both have and lack 'asimd'"),
        ('"match.model"', '"match.modle"', "unverified key 'match.modle' is not in the profile"),
        ('model = ["Raspberry Pi 4 Model B"]\nrevision_type = [0x11]', "", "'match' is empty"),
        ("ram_gb = [1, 2, 4, 8]", "ram_gb = []", "'ram_gb' needs at least one entry"),
        ("ram_gb = [1, 2, 4, 8]", "ram_gb = 4", "ram_gb: 4 is not a list"),
        ('first_boot = "firstrun"', 'first_boot = "magic"', "first_boot 'magic' is unknown"),
        ('power = "none"', 'power = "guess"', "power 'guess' is unknown: choose none, pmic"),
        ('provider = "XNNPACK"', "settings = 3", "settings: 3 is not a table"),
        ('provider = "XNNPACK"', "settings = { a = [1] }", "is not text, a number, true or false"),
        ("[cpu]", "[cpu", "is not TOML"),
    ],
)
def test_a_mistake_is_named(old: str, new: str, says: str) -> None:
    text = GOOD.replace(old, new)
    assert text != GOOD
    with pytest.raises(ProfileInvalid) as caught:
        profile.parse(text, "rpi-4b.toml", "rpi-4b")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value) or "TOML" in str(caught.value)


def test_an_unknown_board_lists_the_known_ones() -> None:
    with pytest.raises(BoardUnknown, match=r"unknown board 'rpi-6': choose generic-arm64, .*rpi-zero-2w"):
        profile.load("rpi-6")


@pytest.mark.parametrize("name", ["../rpi-4b", "profiles/rpi-4b", "", "rpi-4b\0"])
def test_a_name_is_not_a_path(name: str) -> None:
    with pytest.raises(BoardUnknown):
        profile.load(name)


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace('id = "rpi-4b"', 'id = "mine"'), encoding="utf-8")
    assert profile.load(str(path)).id == "mine"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileInvalid, match="not UTF-8"):
        profile.load(str(path))
    with pytest.raises(BoardUnknown, match="No such file"):
        profile.load(str(tmp_path / "none.toml"))


def test_an_image_is_chosen_by_name() -> None:
    board = profile.load("rpi-5")
    assert board.image_named().name == "trixie"
    assert board.image_named("bookworm").python == "3.11"
    with pytest.raises(BoardsError, match="rpi-5 has no image 'buster': choose trixie, bookworm"):
        board.image_named("buster")
