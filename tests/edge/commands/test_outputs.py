"""No way to lose a file: an output that is an input, a picture or another output is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.commands.outputs import refuse_losses
from edge.errors import UsageError
from edge.settings import RunSettings


@pytest.fixture
def place(make_bundle: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two photos and a clip, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shots").mkdir()
    for name in ("a.jpg", "shots/b.png"):
        assert cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(60))
    (tmp_path / "photo").write_bytes((tmp_path / "a.jpg").read_bytes())
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "edge.json").write_text("{}")
    make_bundle(name="b")
    return tmp_path


REFUSED: dict[str, tuple[RunSettings, str]] = {
    "the source": (RunSettings(source=("a.jpg",), save=Path("a.jpg")), "'a.jpg' is read in this run"),
    "by a link": (RunSettings(source=("link.jpg",), save=Path("a.jpg")), "'a.jpg' is read in this run"),
    "by an address": (RunSettings(source=("file://{}/a.jpg",), save=Path("a.jpg")), "is read in this run"),
    "of a pattern": (RunSettings(source=("*.jpg",), save=Path("./a.jpg")), "'a.jpg' is read in this run"),
    "of a folder": (RunSettings(source=("shots",), save=Path("shots/b.png")), "is read in this run"),
    "the folder": (
        RunSettings(source=("shots",), save=Path("shots")),
        "the folder that the pictures are read",
    ),
    "its folder": (RunSettings(source=("shots/b.png",), save=Path("shots")), "the folder that the pictures"),
    "this folder": (RunSettings(source=("a.jpg", "photo"), save=Path()), "the folder that the pictures"),
    "the video": (RunSettings(source=("clip.mp4",), save=Path("clip.mp4")), "is read in this run"),
    "text to a photo": (RunSettings(source=("shots",), sink=("csv:a.jpg",)), "has the name of a picture"),
    "text to a clip": (RunSettings(source=("a.jpg",), sink=("jsonl:new.MP4",)), "has the name of a picture"),
    "text to a nameless photo": (
        RunSettings(source=("a.jpg",), sink=("csv:photo",)),
        "is a picture or a video",
    ),
    "text to the source": (RunSettings(source=("photo",), sink=("csv:photo",)), "is a picture or a video"),
    "the configuration": (RunSettings(source=("a.jpg",), sink=("jsonl:edge.json",)), "is read in this run"),
    "the detector": (
        RunSettings(source=("a.jpg",), detector_model=Path("m.onnx"), sink=("csv:m.onnx",)),
        "'m.onnx' is read in this run",
    ),
    "the prior": (
        RunSettings(source=("a.jpg",), prior="p.json", sink=("jsonl:p.json",)),
        "is read in this run",
    ),
    "the key": (
        RunSettings(source=("a.jpg",), require_signature=Path("k.pem"), sink=("csv:k.pem",)),
        "is read in this run",
    ),
    "the broker's password": (
        RunSettings(source=("a.jpg",), mqtt="b", mqtt_password=Path("word"), sink=("csv:word",)),
        "is read in this run",
    ),
    "the bundle": (
        RunSettings(source=("a.jpg",), bundle="b", sink=("jsonl:b/bundle.json",)),
        "is read in this run",
    ),
    "the bundle's model": (
        RunSettings(source=("a.jpg",), bundle="b", sink=("jsonl:b/tiny.onnx",)),
        "is read in this run",
    ),
    "one file twice": (
        RunSettings(source=("a.jpg",), sink=("jsonl:f", "csv:./f")),
        "'f' would be written to twice",
    ),
    "both printed": (RunSettings(source=("a.jpg",), sink=("jsonl:-", "csv:-")), "cannot both go to standard"),
    "a text as a source": (RunSettings(source=("a.jpg", "out.csv")), "to write there, --sink csv:out.csv"),
}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.replace(" ", "-"))
def test_what_would_lose_a_file_is_refused(place: Path, case: str) -> None:
    settings, said = REFUSED[case]
    settings = replace(settings, source=tuple(each.format(place) for each in settings.source))
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=said):
        refuse_losses(settings, place / "edge.json")
    assert before == {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_a_file_beside_the_settings_is_not_lost_either(place: Path) -> None:
    (place / "token").write_text("correct-horse-battery")
    settings = RunSettings(source=("clip.mp4",), sink=("jsonl:token",))
    refuse_losses(settings, None)
    with pytest.raises(UsageError, match="'token' is read in this run"):
        refuse_losses(settings, None, Path("token"))


def test_everything_else_is_allowed(place: Path) -> None:
    (place / "old.csv").write_text("source\n")
    (place / "out").mkdir()
    for settings in (
        RunSettings(
            source=("a.jpg",), save=Path("b.jpg"), sink=("csv:old.csv", "jsonl:new.jsonl", "table:-")
        ),
        RunSettings(source=("shots", "*.jpg"), save=Path("out"), sink=("jsonl:-", "csv:/dev/null")),
        RunSettings(source=("clip.mp4",), save=Path("clip-seen.mp4")),
        RunSettings(source=("0",), save=Path("camera.mp4")),
        RunSettings(source=("rtsp://camera/stream",), sink=("csv:x" * 60,)),
        RunSettings(source=("nowhere.jpg",), save=Path("nowhere/else.jpg")),
    ):
        refuse_losses(settings)
