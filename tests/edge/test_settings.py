"""Which settings hold: the default, over it the file, over it what was typed."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from edge import cli
from edge.errors import UsageError
from edge.run import STILL_SIZE, VIDEO_SIZE
from edge.settings import RunSettings, from_file, resolve
from edge.video.follow import DETECT_EVERY
from edge.video.pace import PACE

# Every setting that has an option: another value than the default in the file, and a third one typed.
VALUES: dict[str, tuple[Any, list[str], Any]] = {
    "bundle": ("file", ["--bundle", "typed"], "typed"),
    "prior": ("file", ["--prior", "typed"], "typed"),
    "engine": ("onnx", ["--engine", "tflite"], "tflite"),
    "device": ("GPU", ["--device", "NPU"], "NPU"),
    "threads": (3, ["--threads", "5"], 5),
    "smooth": (1.5, ["--smooth", "2"], 2.0),
    "detector": ("haar", ["--detector", "yunet"], "yunet"),
    "detector_model": ("a.onnx", ["--detector-model", "b.onnx"], Path("b.onnx")),
    "detector_engine": ("onnx", ["--detector-engine", "openvino"], "openvino"),
    "detect_size": (100, ["--detect-size", "200"], 200),
    "detect_every": (5, ["--detect-every", "7"], 7),
    "pace": (0.25, ["--pace", "1.5"], 1.5),
    "detect_score": (0.25, ["--detect-score", "0.5"], 0.5),
    "sink": (["csv:a.csv"], ["--sink", "jsonl:b", "--csv"], ("jsonl:b", "csv:-")),
    "sink_limit_mb": (5, ["--sink-limit-mb", "6"], 6),
    "voice": ("a.wav", ["--voice", "b.wav"], "b.wav"),
    "profile": ("a.json", ["--profile", "b.json"], Path("b.json")),
    "learn_profile": ("a.json", ["--learn-profile", "b.json"], Path("b.json")),
    "save": ("a.png", ["--save", "b.png"], Path("b.png")),
    "overlap": (1, ["--overlap", "2"], 2),
    "most": (1, ["--most", "2"], 2),
    "require_signature": ("a.pem", ["--require-signature", "b.pem"], Path("b.pem")),
    "mqtt": ("mqtt://a", ["--mqtt", "mqtt://b"], "mqtt://b"),
    "metrics": ("1", ["--metrics", "2"], "2"),
    "source": (["a.jpg"], ["b.jpg", "c.jpg"], ("b.jpg", "c.jpg")),
}
SWITCHES = ("isolate", "privacy", "quiet", "notify", "moments")
# The same words, with the value that is the default: they were typed all the same.
DEFAULTS = {
    "engine": ("onnx", ["--engine", "auto"]),
    "smooth": (1.5, ["--smooth", "0.4"]),
    "threads": (3, ["--threads", "0"]),
    "detector": ("haar", ["--detector", "auto"]),
    "detect_size": (100, ["--detect-size", "0"]),
    "detect_every": (5, ["--detect-every", "0"]),
    "pace": (0.25, ["--pace", "0.5"]),
    "overlap": (1, ["--overlap", "0"]),
    "most": (1, ["--most", "0"]),
}


def settings(folder: Path, table: dict[str, Any], *typed: str) -> RunSettings:
    path = folder / "edge.json"
    path.write_text(json.dumps({"schema": 1, **table}))
    return resolve(cli.parser().parse_args(["run", "--config", str(path), *typed]))


def test_every_setting_is_tried_here() -> None:
    assert {each.name for each in fields(RunSettings)} == {
        *VALUES,
        *SWITCHES,
        "engine_order",
        "engine_settings",
        "voice_bundle",
        "mqtt_password",
        "mqtt_ca",
        "timeline",
        "spotter",
    }


@pytest.mark.parametrize("name", VALUES)
def test_a_file_wins_over_the_default_and_what_was_typed_over_the_file(name: str, tmp_path: Path) -> None:
    in_file, typed, value = VALUES[name]
    plain = getattr(RunSettings(), name)
    held = getattr(settings(tmp_path, {name: in_file}), name)
    assert held != plain
    assert held == (tuple(in_file) if isinstance(in_file, list) else type(held)(in_file))
    assert getattr(settings(tmp_path, {name: in_file}, *typed), name) == value
    assert getattr(settings(tmp_path, {}), name) == plain


def test_what_a_broker_needs_goes_with_a_broker(tmp_path: Path) -> None:
    for name in ("mqtt_password", "mqtt_ca"):
        option = f"--{name.replace('_', '-')}"
        held = settings(tmp_path, {"mqtt": "mqtts://me@b", name: "a"})
        assert getattr(held, name) == Path("a")
        assert getattr(settings(tmp_path, {"mqtt": "mqtts://me@b", name: "a"}, option, "c"), name) == Path(
            "c"
        )
        with pytest.raises(UsageError, match="add --mqtt URL"):
            settings(tmp_path, {name: "a"})


def test_a_voice_bundle_goes_with_a_voice(tmp_path: Path) -> None:
    both = {"voice": "a.wav", "voice_bundle": "a"}
    assert settings(tmp_path, both).voice_bundle == "a"
    assert settings(tmp_path, both, "--voice-bundle", "b").voice_bundle == "b"
    with pytest.raises(UsageError, match="add --voice SOUND"):
        settings(tmp_path, {"voice_bundle": "a"})
    with pytest.raises(UsageError, match="cannot both be standard input"):
        settings(tmp_path, {"voice": "-", "source": "-"})


def test_a_profile_is_not_learnt_from_a_voice(tmp_path: Path) -> None:
    assert settings(tmp_path, {"learn_profile": "me.json"}).voice == ""
    with pytest.raises(UsageError, match="it does not go with --voice"):
        settings(tmp_path, {"voice": "a.wav"}, "--learn-profile", "me.json")


def test_a_timeline_goes_with_moments(tmp_path: Path) -> None:
    both = {"moments": True, "timeline": "a.svg"}
    assert settings(tmp_path, both).timeline == Path("a.svg")
    assert settings(tmp_path, both, "--timeline", "b.png").timeline == Path("b.png")
    with pytest.raises(UsageError, match="add --moments"):
        settings(tmp_path, {"timeline": "a.svg"})
    both = {"moments": True, "spotter": "a"}
    assert settings(tmp_path, both).spotter == "a"
    assert settings(tmp_path, both, "--spotter", "b").spotter == "b"
    with pytest.raises(UsageError, match="add --moments"):
        settings(tmp_path, {"spotter": "a"})
    with pytest.raises(UsageError, match="does not go with --isolate"):
        settings(tmp_path, {"moments": True, "isolate": True})


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_typed_default_wins_too(name: str, tmp_path: Path) -> None:
    in_file, typed = DEFAULTS[name]
    assert getattr(settings(tmp_path, {name: in_file}, *typed), name) == getattr(RunSettings(), name)


def test_smoothing_that_is_switched_off_stays_off(tmp_path: Path) -> None:
    assert settings(tmp_path, {"smooth": 2}).smooth == 2.0
    assert settings(tmp_path, {"smooth": 2}, "--smooth", "0").smooth == 0.0


@pytest.mark.parametrize("name", SWITCHES)
def test_switches(name: str, tmp_path: Path) -> None:
    assert getattr(settings(tmp_path, {name: True, "save": "x.png"}), name) is True
    assert getattr(settings(tmp_path, {name: False, "save": "x.png"}, f"--{name}"), name) is True


NPU = {
    "engine": "openvino",
    "engine_order": ["openvino", "onnx"],
    "device": "NPU",
    "engine_settings": {"CACHE_DIR": "/c"},
}


def test_a_typed_engine_comes_without_the_files_device_and_engine_settings(tmp_path: Path) -> None:
    held = settings(tmp_path, NPU)
    assert (held.engine, held.device, held.engine_settings) == ("openvino", "NPU", {"CACHE_DIR": "/c"})
    for engine in ("onnx", "auto"):
        held = settings(tmp_path, NPU, "--engine", engine)
        assert (held.engine, held.device, held.engine_settings) == (engine, "", {})
        assert held.engine_order == ("openvino", "onnx")
    held = settings(tmp_path, NPU, "--engine", "onnx", "--device", "CUDA")
    assert (held.engine, held.device, held.engine_settings) == ("onnx", "CUDA", {})
    held = settings(tmp_path, NPU, "--device", "CPU")
    assert (held.engine, held.device, held.engine_settings) == ("openvino", "CPU", {})


def test_sources_may_stand_between_options() -> None:
    parse = cli.parser().parse_args
    assert resolve(parse(["run", "a", "--json", "b", "c", "--most", "2", "d"])).source == ("a", "b", "c", "d")
    assert resolve(parse(["run", "--json", "a", "--", "-b"])).source == ("a", "-b")
    for wrong in (["run", "a", "--frob", "b"], ["run", "a", "--json", ""], ["info", "a", "b"]):
        with pytest.raises(UsageError):
            parse(wrong)


def test_help_says_the_defaults_that_hold() -> None:
    text = " ".join(cli.parser().format_help().split())
    run = next(action for action in cli.parser()._actions if action.dest == "verb").choices["run"]  # type: ignore[index]
    text = " ".join(run.format_help().split())
    assert "(default: when it asks for it)" in text and DETECT_EVERY == 0
    assert f"(default: {PACE})" in text and RunSettings().pace == PACE
    assert f"(default: {STILL_SIZE}, in videos {VIDEO_SIZE})" in text
    assert f"(default: {RunSettings().smooth})" in text


WRONG = {
    "unknown key": ({"detecter": "haar"}, "unknown key 'detecter'; valid keys: source, bundle"),
    "nan": ({"smooth": float("nan")}, "'smooth' is nan, and must be a number"),
    "infinity": ({"smooth": float("inf")}, "'smooth' is inf, and must be 0 to 3600"),
    "negative": ({"threads": -1}, "'threads' is -1, and must be 0 to 256"),
    "many threads": ({"threads": 100_000}, "'threads' is 100000, and must be 0 to 256"),
    "truth": ({"threads": True}, "'threads' is True, and must be a whole number"),
    "score": ({"detect_score": 1.5}, "'detect_score' is 1.5, and must be 0 to 1"),
    "small": ({"detect_size": 10}, "--detect-size is 10, and must be 64 to 4096 pixels"),
    "sink": ({"sink": ["db:x"]}, "unknown sink 'db:x': choose jsonl:FILE, csv:FILE, table:FILE"),
    "sink without a file": ({"sink": ["csv:"]}, "unknown sink 'csv:'"),
    "a saving sink": ({"sink": ["video:x.mp4"]}, "unknown sink 'video:x.mp4'"),
    "sinks": ({"sink": "csv:x"}, "'sink' is 'csv:x', and must be a list"),
    "privacy": ({"privacy": True}, "--privacy changes what --save writes"),
    "schema": ({"schema": 2}, "schema must be 1"),
}


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.replace(" ", "-"))
def test_a_wrong_file_is_one_sentence(case: str, tmp_path: Path) -> None:
    table, said = WRONG[case]
    with pytest.raises(UsageError) as caught:
        settings(tmp_path, table)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"[]", "schema must be 1"),
        (b'{"schema": 1, "source": ' + b"[" * 100_000, "nested too deeply"),
        (b"\xff", "is not UTF-8 text"),
    ],
)
def test_what_is_no_settings_file(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "e.json").write_bytes(content)
    with pytest.raises(UsageError, match=said):
        from_file(tmp_path / "e.json")


def test_a_file_may_begin_with_a_byte_order_mark_and_leave_choices_open(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_bytes(
        b'\xef\xbb\xbf{"schema": 1, "source": "0", "device": "", "detector_model": ""}'
    )
    assert from_file(tmp_path / "e.json") == replace(RunSettings(), source=("0",))


@pytest.mark.parametrize(
    "typed",
    [
        ["--smooth", "nan"],
        ["--smooth", "inf"],
        ["--smooth", "1e9"],
        ["--threads", "100000"],
        ["--threads", "1.5"],
        ["--detect-score", "nan"],
        ["--detect-score", "1.01"],
        ["--most", "-1"],
        ["--detect-every", "nan"],
        ["--detect-size", "1e3"],
        ["--detect-size", "10"],
        ["--bundle", ""],
        ["--save", ""],
        ["--sink", ""],
        ["--detector-model", ""],
        ["--engine", ""],
        [""],
        ["--thre", "2"],
    ],
)
def test_nonsense_is_a_wrong_call(typed: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(cli.parser().parse_args(["run", "x.jpg", *typed]))
    assert "\n" not in str(caught.value)
