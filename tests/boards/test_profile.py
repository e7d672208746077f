"""Profiles: each file is whole and plausible, and every kind of mistake in one is named."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from boards import profile
from boards.engines import LIBRARIES, EngineName
from boards.errors import BoardsError, BoardUnknown, ProfileInvalid

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
# Without a family, so that every key is the file's own.
GOOD = (profile.FOLDER / "intel-n100.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", profile.names())
def test_every_profile_loads_and_is_plausible(name: str) -> None:
    board = profile.load(name)
    assert board.id == name
    assert min(board.ram_gb) * 1024 > board.deploy.memory_max_mb > 100
    assert any(choice.device == "CPU" for choice in board.engine), "every board has its CPU"
    if board.flash.method == "fat":
        assert all(image.first_boot != "none" for image in board.image)
    if name.startswith("rpi-"):
        assert board.match.model and board.match.revision_type
    if any(choice.device == "NPU" for choice in board.engine):
        assert board.match.pci


def test_the_runtime_has_every_engine_that_a_profile_may_name() -> None:
    from edge.engines.table import ENGINES

    assert {name for name, _ in LIBRARIES} == set(get_args(EngineName)) == set(ENGINES)
    for library in LIBRARIES.values():
        assert not library.extra or library.package in EXTRAS[library.extra]


EXTRAS = {
    extra: " ".join(lines)
    for extra, lines in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ].items()
}


def test_what_a_family_shares_is_written_once() -> None:
    """A key of a board that says what its family's file says already would only be a chance to differ."""
    for path in profile.FOLDER.glob("*.toml"):
        own = tomllib.loads(path.read_text(encoding="utf-8"))
        if "family" in own:
            family = tomllib.loads((profile.FAMILIES / f"{own['family']}.toml").read_text(encoding="utf-8"))
            assert list(repeated(own, family)) == [], path.name


def repeated(own: dict[str, Any], family: dict[str, Any]) -> Iterator[str]:
    for key, value in own.items():
        if isinstance(value, dict):
            yield from repeated(value, family.get(key, {}))
        elif key != "schema" and family.get(key) == value:
            yield key


def test_a_board_goes_before_its_family() -> None:
    board = profile.load("intel-lnl")
    assert (board.cpu.cores, board.cpu.core) == (8, "max")
    assert len(board.limits) == 4 and "eight requests" in board.limits[-1]
    assert [one.name for one in profile.load("rpi-5").engine] == ["onnx", "tflite"]
    assert profile.load("jetson-nano").sensors.power == "none"


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
        ('name = "tflite"', 'name = "tensorrt"', "engine: 'name' is 'tensorrt', and must be onnx, tflite"),
        ("[cpu]", "[cpu]\nclock = 3", "unknown key 'clock'; valid keys: core, cores, has, lacks"),
        ("schema = 1", "schema = 2", "schema 2 is not 1"),
        ("schema = 1", "schema = 1\ncolour = 'red'", "unknown key 'colour'; valid keys: id, name, arch"),
        ('id = "intel-n100"', 'id = "rpi-9"', "id 'rpi-9' is not the file's name 'intel-n100'"),
        ('arch = "x86_64"', 'arch = "armv7l"', "'arch' is 'armv7l', and must be aarch64, x86_64"),
        ("threads = 4", "threads = true", "'threads' is True, and must be a whole number"),
        ("threads = 4", "threads = 0", "'threads' is 0, and must be 1 to 4096"),
        ("threads = 4", 'threads = "4"', "'threads' is '4', and must be a whole number"),
        ("cores = 4", "", "cpu: key 'cores' is missing"),
        ('lacks = ["avx512_vnni"', 'lacks = ["avx2"', "both have and lack 'avx2'"),
        ('"match.cpu"', '"match.cup"', "unverified key 'match.cup' is not in the profile"),
        ('cpu = ["N100", "N97", "N95"]', "", "'match' is empty"),
        ("ram_gb = [4, 8, 16]", "ram_gb = []", "'ram_gb' needs at least one entry"),
        ("ram_gb = [4, 8, 16]", "ram_gb = 4", "'ram_gb' is 4, and must be a list"),
        (
            'glibc = "2.36"',
            'glibc = "2.36"\nfirst_boot = "magic"',
            "'first_boot' is 'magic', and must be cloud-init",
        ),
        ('power = "rapl"', 'power = "guess"', "'power' is 'guess', and must be none, pmic"),
        ('device = "GPU"', 'device = "GPU"\nsettings = 3', "'settings' is 3, and must be a table"),
        (
            'device = "GPU"',
            'device = "GPU"\nsettings = { a = [1] }',
            "and must be text or a whole number or a number or true or false",
        ),
        ("[cpu]", "[cpu", "is not TOML"),
        ("threads = 4", "threads = 100000", "'threads' is 100000, and must be 1 to 4096"),
        ("threads = 4", "threads = 5", "5 threads are more than its cores"),
        ('device = "GPU"', 'device = "GPU"\nsettings = { a = inf }', "setting 'a' is inf, no number"),
        ("threads = 4", "threads = nan", "'threads' is nan, and must be a whole number"),
        ("ram_gb = [4, 8, 16]", "ram_gb = [nan]", "'ram_gb' is nan, and must be a number"),
        ("ram_gb = [4, 8, 16]", "ram_gb = [4, -1]", "'ram_gb' is -1.0, and must be 0.125 to 4096"),
        ("memory_max_mb = 1500", "memory_max_mb = -1", "'memory_max_mb' is -1, and must be 0 to 4.1943e+06"),
        ('glibc = "2.36"', 'glibc = "2"', "image 'debian-12' has Python '3.11' and glibc '2'"),
        ('python = "3.11"', 'python = "three"', "needs two numbers for each"),
        ('device = "GPU"', 'device = "NPU"\nprovider = "CUDAExecutionProvider"', "belongs to onnx on a GPU"),
        (
            'device = "GPU"',
            'device = "GPU"\nprovider = "CUDA"',
            "'provider' is 'CUDA', and must be Tensorrt",
        ),
        ('name = "onnx"\ndevice = "CPU"', 'name = "onnx"\ndevice = "GPU"', "it is one of TensorrtExecution"),
        (
            'name = "onnx"\ndevice = "CPU"',
            'name = "onnx"\ndevice = "NPU"',
            "onnx has no NPU: choose CPU, GPU",
        ),
        ("schema = 1", 'schema = 1\nfamily = "amiga"', "family 'amiga' is unknown: choose intel-npu, jetson"),
        ("schema = 1", "schema = 1\nfamily = [1]", "family '[1]' is unknown"),
    ],
)
def test_a_mistake_is_named(old: str, new: str, says: str) -> None:
    text = GOOD.replace(old, new)
    assert text != GOOD
    with pytest.raises(ProfileInvalid) as caught:
        profile.parse(text, "intel-n100.toml", "intel-n100")
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
    path.write_text(GOOD.replace('id = "intel-n100"', 'id = "mine"'), encoding="utf-8")
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
