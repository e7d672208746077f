"""Every key of a profile is used: a recorder watches which fields the verbs of ``ferlite boards`` read.

Printing a profile, checking it and turning it into JSON count for nothing: a key that does no more than stand
in ``ferlite boards show`` decides nothing, and may as well be wrong.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boards import boot, bundle, choice, cli, emulate, profile, texts
from boards.deploy import Look, _check_camera
from boards.errors import UsageError
from boards.probe import probe
from tests.boards import images, trees
from tests.boards.test_choice import make_bundle

TABLES = [
    kind
    for kind in vars(profile).values()
    if dataclasses.is_dataclass(kind)
    and isinstance(kind, type)
    and kind.__module__ in ("boards.profile", "boards.engines")
]
FIELDS = {(kind.__name__, field.name) for kind in TABLES for field in dataclasses.fields(kind)}
# Showing and checking a profile decides nothing, and nor do the methods that dataclasses come with.
DECIDES_NOTHING = re.compile(r"profile_text|_check|_check_engine|_check_unverified|parse|__\w+__")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[str, str]]]:
    """The fields that code of boards has read so far, to decide something by them."""
    seen: set[tuple[str, str]] = set()

    def watch(kind: type) -> None:
        names = {field.name for field in dataclasses.fields(kind)}

        def recorded(self: Any, name: str) -> Any:
            frame = sys._getframe(1)
            ours = frame.f_globals.get("__name__", "").startswith("boards.")
            if name in names and ours and not DECIDES_NOTHING.fullmatch(frame.f_code.co_name):
                seen.add((kind.__name__, name))
            return object.__getattribute__(self, name)

        monkeypatch.setattr(kind, "__getattribute__", recorded)

    for kind in TABLES:
        watch(kind)
    yield seen


def use(name: str, folder: Path, house: Path) -> None:
    """What the verbs do with a board: recognise, explain, install, flash, emulate."""
    root = trees.write(folder / "root", trees.BOARDS[name])
    model = make_bundle(folder / "bundle", "onnx", "tflite", "openvino")
    assert cli.main(["probe", "--root", str(root)]) == 0
    assert cli.main(["plan", str(model), "--board", name, "--json"]) == 0
    board, facts = profile.load(name), probe(root)
    choice.plan(board, bundle.read(model), facts, own_wheels=True)
    packages = frozenset(board.camera.system_packages)
    _check_camera(Look("", 0, "", True, "", {}, packages, facts), board, "", "board")
    make = ["--board", name, "--offline", "--wheelhouse", str(house)]
    if board.flash.method == "deb":
        assert cli.main(["deb", str(model), "--out", str(folder / "x.deb"), *make]) == 0
    else:
        image = ["--image", str(images.make(folder / "stock.img"))] if name.startswith("rpi") else []
        assert cli.main(["flash", str(model), "--dry-run", *image, *make]) == 0
    if board.match.revision_type:
        # An old kernel names no model: then the revision word decides.
        (root / "proc/device-tree/model").unlink()
        assert cli.main(["probe", "--root", str(root)]) == 0
    try:
        emulate.system_for(board)
        emulate.cpuinfo(board)
        boot._machine(board, folder / "card")
    except UsageError:
        assert not name.startswith("rpi")


@images.needs_mtools
def test_every_key_of_a_profile_decides_something(
    read: set[tuple[str, str]], tmp_path: Path, house: Path
) -> None:
    for name in ("rpi-4b", "jetson-orin-nano", "intel-lnl", "intel-n100", "generic-x86-64"):
        (tmp_path / name).mkdir()
        use(name, tmp_path / name, house)
    assert sorted(FIELDS - read) == []


def test_the_recorder_would_notice(read: set[tuple[str, str]]) -> None:
    board = profile.load("rpi-4b")
    dataclasses.asdict(board)
    texts.profile_text(board)
    assert {("Profile", "unverified"), ("Match", "cpu"), ("Deploy", "groups")} & read == set()
    assert board.deploy.threads == 4 and ("Deploy", "threads") not in read
    choice.plan(board, bundle.Bundle("", "", (), {}))
    assert ("Image", "python") in read
