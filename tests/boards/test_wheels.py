"""The offline wheelhouse: what fits a board, what is missing, and what is for something else."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from boards import choice, payload, profile, wheels
from boards.bundle import read
from boards.errors import BoardRefused, PayloadInvalid, UsageError
from boards.settings import Settings, check_settings
from boards.wheels import Target
from tests.boards import tiny
from tests.boards.test_choice import make_bundle
from tests.boards.test_install import good, run

ZERO = Target("aarch64", "3.13", "2.41")
BOOKWORM = Target("aarch64", "3.11", "2.36")


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("cp313-cp313-manylinux_2_28_aarch64", True),
        ("cp313-cp313-manylinux_2_41_aarch64", True),
        ("cp313-cp313-manylinux_2_42_aarch64", False),
        ("cp313-cp313-manylinux_2_28_x86_64", False),
        ("cp313-cp313-linux_armv7l", False),
        ("cp312-cp312-manylinux_2_28_aarch64", False),
        ("cp313-cp313-musllinux_1_2_aarch64", False),
        ("cp37-abi3-manylinux2014_aarch64", True),
        ("py3-none-any", True),
        ("py2.py3-none-any", True),
        ("cp313-none-manylinux_2_17_aarch64", True),
        ("cp313-cp313-macosx_11_0_arm64", False),
    ],
)
def test_which_wheels_fit_a_raspberry_pi(tag: str, fits: bool, tmp_path: Path) -> None:
    wheel = tiny.write_wheel(tmp_path, "engine", "1.0", {}, tag=tag)
    found, missing = wheels.closure([tmp_path], ZERO, ["engine"])
    assert [one.path for one in found] == ([wheel] if fits else [])
    assert [str(one) for one in missing] == ([] if fits else ["engine"])


def test_markers_are_read_for_the_board_not_for_this_machine(tmp_path: Path) -> None:
    requires = (
        'arm; platform_machine == "aarch64"',
        'intel; platform_machine == "x86_64"',
        'old; python_version < "3.11"',
        'extra-one; extra == "onnx"',
        'extra-two; extra == "tflite"',
    )
    tiny.write_wheel(tmp_path, "root", "1.0", {}, requires=requires)
    _, missing = wheels.closure([tmp_path], ZERO, ["root[onnx]"])
    assert sorted(one.name for one in missing) == ["arm", "extra-one"]
    _, missing = wheels.closure([tmp_path], Target("x86_64", "3.10", "2.35"), ["root"])
    assert sorted(one.name for one in missing) == ["intel", "old"]


def test_the_newest_that_satisfies_wins_and_extra_folders_count(tmp_path: Path) -> None:
    for version in ("1.20.0", "1.21.0", "1.22.0"):
        tiny.write_wheel(tmp_path / "a", "engine", version, {})
    tiny.write_wheel(tmp_path / "b", "engine", "1.23.0", {})
    folders = [tmp_path / "a", tmp_path / "b"]
    assert str(wheels.closure(folders, ZERO, ["engine"])[0][0].version) == "1.23.0"
    assert str(wheels.closure(folders, ZERO, ["engine<1.22,!=1.21.*"])[0][0].version) == "1.20.0"


def test_a_wheelhouse_for_another_architecture_is_named(tmp_path: Path) -> None:
    tiny.write_wheel(tmp_path, "engine", "1.0", {}, tag="cp313-cp313-manylinux_2_28_x86_64")
    with pytest.raises(
        PayloadInvalid, match=r"no wheel for 'engine' fits Python 3\.13 on aarch64 .* there is only"
    ):
        wheels.collect(ZERO, ["engine"], tmp_path, offline=True)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    tiny.write_wheel(tmp_path, "engine", "1.0", {}, requires=("numbers>=2",))
    with pytest.raises(PayloadInvalid, match=r"the wheelhouse has no wheel for 'numbers>=2'"):
        wheels.collect(ZERO, ["engine"], tmp_path, offline=True)


@pytest.mark.parametrize("damage", ["cut", "empty", "no metadata"])
def test_a_damaged_wheel_is_named(damage: str, tmp_path: Path) -> None:
    wheel = tiny.write_wheel(tmp_path, "engine", "1.0", {"a.py": b"x"})
    content = wheel.read_bytes()
    wheel.write_bytes(
        {"cut": content[:50], "empty": b"", "no metadata": content.replace(b"METADATA", b"METADATB")}[damage]
    )
    with pytest.raises(PayloadInvalid, match="wheel 'engine-1.0-py3-none-any.whl' is damaged"):
        wheels.collect(ZERO, ["engine"], tmp_path, offline=True)


def test_a_file_that_is_not_named_like_a_wheel(tmp_path: Path) -> None:
    (tmp_path / "nonsense.whl").write_bytes(b"")
    with pytest.raises(PayloadInvalid, match=r"'nonsense\.whl' is not the name of a wheel"):
        wheels.collect(ZERO, ["engine"], tmp_path, offline=True)


def test_the_same_payload_twice_is_the_same_to_the_byte(tmp_path: Path, pip_wheel: Path) -> None:
    first, second = (tiny.make(tmp_path / name, "1.0", pip=pip_wheel) for name in ("a", "b"))
    assert first.id == second.id
    assert sorted(first.files) == sorted(second.files)
    for name, path in first.files.items():
        assert path.read_bytes() == second.files[name].read_bytes()
    other = tiny.make(tmp_path / "c", "1.1", pip=pip_wheel)
    assert other.id != first.id


def test_a_payload_is_not_made_of_wheels_that_do_not_fit(tmp_path: Path) -> None:
    wheel = tiny.write_wheel(tmp_path, "engine", "1.0", {}, tag="cp313-cp313-manylinux_2_28_x86_64")
    with pytest.raises(PayloadInvalid, match="does not fit Python 3.13 on aarch64 with glibc 2.41"):
        payload.assemble(tmp_path / "payload", ZERO, [wheels.read_wheel(wheel)], {}, {})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            Settings(sinks=("mqtt://broker",)),
            "unknown sink 'mqtt://broker': choose jsonl:PATH, csv:PATH, table:PATH (PATH '-': the journal)",
        ),
        (Settings(sinks=("jsonl:",)), "unknown sink 'jsonl:'"),
        (Settings(sinks=("csv:/etc/passwd",)), "the service may write below /var/lib/ferlite only"),
        (Settings(sinks=("csv:/var/lib/ferlite/../x",)), "the service may write below /var/lib/ferlite only"),
        (Settings(detector="yunet"), "detector yunet needs its weights"),
    ],
)
def test_settings_that_would_fail_at_power_on(settings: Settings, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_settings(settings)
    assert says in str(caught.value)


def test_a_target_whose_python_is_too_old(tmp_path: Path) -> None:
    plan = choice.plan(profile.load("rpi-4b"), read(make_bundle(tmp_path / "bundle", "onnx")))
    with pytest.raises(BoardRefused, match=r"Python is 3\.9"):
        payload.make(plan, Target("aarch64", "3.9", "2.31"), Settings(), tmp_path / "out", tmp_path)
    with pytest.raises(PayloadInvalid, match="rpi-4b is aarch64, not x86_64"):
        payload.make(plan, Target("x86_64", "3.11", "2.36"), Settings(), tmp_path / "out", tmp_path)


@pytest.mark.slow
def test_the_real_wheels_for_a_board_and_for_this_machine(tmp_path: Path) -> None:
    """Downloads what a Raspberry Pi needs, checks it, and installs this machine's own payload offline."""
    model = read(make_bundle(tmp_path / "bundle", "onnx", "tflite"))
    plan = choice.plan(profile.load("rpi-zero-2w"), model)
    made = payload.make(plan, ZERO, Settings(), tmp_path / "pi", tmp_path / "cache")
    names = [Path(entry["path"]).name for entry in made.manifest["files"]]
    assert any(re.match(r"ai_edge_litert-.*aarch64\.whl", name) for name in names)
    assert any(name.startswith("ferlite-") for name in names)
    assert not any("x86_64" in name or "torch" in name for name in names)
    here = tiny.target()
    board = profile.load("generic-x86-64" if here.arch == "x86_64" else "generic-arm64")
    own = payload.make(choice.plan(board, model), here, Settings(), tmp_path / "own", tmp_path / "cache")
    good(run(own, tmp_path / "board"))
    program = tmp_path / "board/opt/ferlite/current/venv/bin/ferlite"
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout
