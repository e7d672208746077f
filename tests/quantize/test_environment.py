"""Jobs in another interpreter: what they return, and what is said of those that fail or die."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge.errors import BuildFailed, StorageFailed
from quantize.builders import environment as environments
from quantize.builders.environment import Environment, environment, run_job
from quantize.builders.tflite import JOB

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
START = "import json, os, sys\nfrom pathlib import Path\norder = json.loads(Path(sys.argv[1]).read_text())\n"


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment whose interpreter is this one."""
    monkeypatch.setenv("FERLITE_OTHER_PYTHON", sys.executable)
    return Environment("other", (HERE,), (("six==1.0",),))


def job(folder: Path, text: str) -> Path:
    script = folder / "job.py"
    script.write_text(START + text, encoding="utf-8")
    return script


def test_a_job_gets_its_order_and_files_and_returns_bytes(other: Environment, tmp_path: Path) -> None:
    script = job(
        tmp_path,
        "Path(order['out']).write_bytes(Path(order['weights']).read_bytes() * order['times'])",
    )
    assert run_job(other, script, {"times": 3}, {"weights": b"ab"}) == b"ababab"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ValueError('op FOO is not supported')", "failed: ValueError: op FOO is not supported"),
        ("sys.exit(3)", "failed: exit code 3"),
        ("os.kill(os.getpid(), 9)", "was killed by signal 9: was there too little memory"),
        ("pass", "ended without a result"),
    ],
)
def test_a_job_that_fails_is_one_sentence(other: Environment, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        run_job(other, job(tmp_path, text), {}, {})
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_an_interpreter_that_is_not_there_is_refused(
    other: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERLITE_OTHER_PYTHON", "/no/such/python")
    with pytest.raises(BuildFailed, match="FERLITE_OTHER_PYTHON names '/no/such/python', which is no"):
        other.python()


def test_other_pins_are_another_environment_and_an_old_python_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FERLITE_CACHE", str(tmp_path))
    one, two = (Environment("x", ("2.7",), ((f"a=={version}",),)) for version in (1, 2))
    assert one.folder != two.folder and one.folder.parent.parent == tmp_path
    with pytest.raises(BuildFailed, match=rf"needs Python 2.7, not {HERE}: give an interpreter that has a"):
        one.python()
    assert list(tmp_path.iterdir()) == []


def test_an_environment_whose_making_is_interrupted_or_fails_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped between Python and the packages, the folder goes; so it does on a failure."""
    monkeypatch.setenv("FERLITE_CACHE", str(tmp_path))
    made = Environment("z", (HERE,), (("six==1.0",),))
    for error in (KeyboardInterrupt(), BuildFailed("installing six==1.0 failed: no network")):

        def stop(words: list[str], what: str, error: BaseException = error) -> None:
            if "install" in words:
                assert (made.folder / "bin").is_dir()
                raise error
            (made.folder / "bin").mkdir(parents=True)

        monkeypatch.setattr(environments, "command", stop)
        with pytest.raises(type(error)):
            made.python()
        assert not made.folder.exists()
    assert capsys.readouterr().err.count("making the z environment") == 2


def test_what_a_killed_build_left_is_made_again_and_a_whole_one_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FERLITE_CACHE", str(tmp_path))
    made = Environment("z", (HERE,), ())
    made.folder.mkdir(parents=True)
    (made.folder / "half").write_text("")
    monkeypatch.setattr(environments, "command", lambda words, what: made.folder.mkdir(parents=True))
    made.python()
    assert sorted(path.name for path in made.folder.iterdir()) == [environments.READY]
    monkeypatch.setattr(environments, "command", lambda words, what: pytest.fail("made again"))
    made.python()


def test_a_cache_that_cannot_be_written_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FERLITE_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageFailed, match=r"cannot write '.*file/environments/z-.*': Not a directory"):
        Environment("z", (HERE,), ()).python()


def test_pips_own_error_is_told_and_not_what_else_it_noticed(tmp_path: Path) -> None:
    script = tmp_path / "pip.py"
    script.write_text("import sys\nsys.exit('ERROR: No space left on device\\nWARNING: also this')")
    with pytest.raises(BuildFailed, match=r"installing x failed: ERROR: No space left on device$"):
        environments.command([sys.executable, str(script)], "installing x")


@pytest.mark.slow
def test_an_environment_is_made_once_and_a_broken_one_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FERLITE_CACHE", str(tmp_path))
    broken = Environment("y", (HERE,), ((str(tmp_path / "nowhere"),),))
    with pytest.raises(BuildFailed, match="installing .*nowhere failed"):
        broken.python()
    assert not (broken.folder / environments.READY).exists()
    empty = Environment("y", (HERE,), ())
    assert empty.python().is_file()
    assert capsys.readouterr().err.count("making the y environment") == 2
    empty.python()
    assert capsys.readouterr().err == ""


def test_the_tflite_pins_are_exact_and_its_job_needs_nothing_of_ferlite() -> None:
    versions = environment("tflite").versions()
    assert set(versions) == {"torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert"}
    assert all(version[0].isdigit() for version in versions.values())
    text = JOB.read_text(encoding="utf-8")
    assert not any(
        f"import {name}" in text or f"from {name}" in text for name in ("edge", "train", "quantize.")
    )
