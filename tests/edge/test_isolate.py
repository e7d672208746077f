"""An engine in a process of its own: stopped and killed for real, with a real pipeline in it."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.errors import BundleInvalid, FrameLost, UsageError
from edge.isolate.parent import LONGEST_HOLD_S, STORM, STORM_S, Isolated, Storm
from edge.run import pipeline_of, run
from edge.settings import RunSettings
from edge.source import Frame

MakeBundle = Callable[..., Path]
PATIENCE = 2.0


@pytest.fixture
def settings(make_bundle: MakeBundle, data: Path) -> RunSettings:
    pytest.importorskip("onnxruntime", reason="the pipeline needs an engine")
    return RunSettings(
        bundle=str(make_bundle()), engine="onnx", detector="yunet", detector_model=data / "tiny_yunet.onnx"
    )


@pytest.fixture
def isolated(settings: RunSettings) -> Iterator[Isolated]:
    with Isolated(settings, stills=True, patience=PATIENCE) as opened:
        yield opened


def pid_of(isolated: Isolated) -> int:
    assert isolated.pid is not None
    return isolated.pid


def test_it_reads_what_a_pipeline_here_reads(
    isolated: Isolated, settings: RunSettings, bright_square: np.ndarray
) -> None:
    with pipeline_of(settings, stills=True) as here:
        expected = here(bright_square)
        assert expected and isolated(bright_square) == expected
        assert isolated.chosen == here.chosen and isolated.bundle == here.bundle
        part = bright_square[10:, ::-1]  # a view that is not in one piece
        assert isolated(part) == here(part)


def test_a_killed_engine_costs_one_frame(isolated: Isolated, bright_square: np.ndarray) -> None:
    expected, before = isolated(bright_square), pid_of(isolated)
    os.kill(before, signal.SIGKILL)
    with pytest.raises(FrameLost, match=r"ended \(signal 9\): it was started anew, and a frame is lost"):
        isolated(bright_square)
    assert isolated(bright_square) == expected
    assert isolated.restarts == 1 and pid_of(isolated) != before


def test_a_new_engine_gives_no_number_a_second_time(isolated: Isolated, bright_square: np.ndarray) -> None:
    numbers = [reading.track for reading in isolated(bright_square, 0.0)]
    os.kill(pid_of(isolated), signal.SIGKILL)
    with pytest.raises(FrameLost):
        isolated(bright_square, 0.1)
    again = [reading.track for reading in isolated(bright_square, 0.2)]
    assert (numbers, again) == ([1], [2])


def test_an_engine_that_cannot_start_anew_costs_frames_until_it_can(
    isolated: Isolated, settings: RunSettings, bright_square: np.ndarray
) -> None:
    expected, bundle = isolated(bright_square), Path(settings.bundle)
    away = bundle.rename(bundle.with_name("away"))
    os.kill(pid_of(isolated), signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(FrameLost, match=f"the engine cannot be started anew: no bundle '{bundle}'"):
            isolated(bright_square)
    away.rename(bundle)
    assert isolated(bright_square) == expected


def test_a_hung_engine_is_given_its_time_and_replaced(isolated: Isolated, bright_square: np.ndarray) -> None:
    expected, before = isolated(bright_square), pid_of(isolated)
    os.kill(before, signal.SIGSTOP)
    with pytest.raises(FrameLost, match="gave no answer for 2 s"):
        isolated(bright_square)
    assert isolated(bright_square) == expected
    assert not Path(f"/proc/{before}").exists()


def test_a_frame_larger_than_any_buffer_does_not_hang_with_the_engine(isolated: Isolated) -> None:
    os.kill(pid_of(isolated), signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(FrameLost, match="gave no answer"):
        isolated(np.zeros((3000, 4000, 3), np.uint8))
    assert time.monotonic() - began < PATIENCE + 60  # and not for ever


def test_what_is_wrong_with_a_frame_or_bundle_is_said_as_ever(
    isolated: Isolated, settings: RunSettings, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="a frame must be"):
        isolated(np.zeros((4, 4), np.uint8))
    assert isolated.restarts == 0
    with pytest.raises(BundleInvalid):
        Isolated(RunSettings(bundle=str(tmp_path)), stills=True)


class Frames:
    """A source of three frames that kills the engine before the second."""

    name, stills, total, rate = "made", False, 3, 30.0

    def __init__(self, image: np.ndarray, isolated: Isolated) -> None:
        self._image, self._isolated = image, isolated

    def frames(self) -> Iterator[Frame]:
        for index in range(3):
            if index == 1:
                os.kill(pid_of(self._isolated), signal.SIGKILL)
            yield Frame("made", index, index / 30, self._image)

    def close(self) -> None:
        pass


def test_a_run_counts_the_lost_frame_and_goes_on(isolated: Isolated, bright_square: np.ndarray) -> None:
    said: list[str] = []
    passed = io.StringIO()
    summary = run(
        isolated,
        Frames(bright_square, isolated),
        [],
        complain=lambda error: said.append(str(error)),
        after_frame=lambda: print("frame", file=passed),
    )
    assert (summary.frames, summary.failures) == (2, 1)
    assert len(said) == 1 and "a frame is lost" in said[0]
    # What feeds the watchdog: frames that passed, and not the lost one.
    assert passed.getvalue().count("frame") == 2


def test_a_child_ends_with_its_parent(settings: RunSettings) -> None:
    isolated = Isolated(settings, stills=True)
    child = pid_of(isolated)
    isolated.close()
    isolated.close()
    assert not Path(f"/proc/{child}").exists()


def test_the_watchdogs_half_is_the_patience(settings: RunSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    with Isolated(settings, stills=True) as isolated:
        assert isolated.patience == 15


def test_a_storm_is_held_back_longer_and_longer_and_forgotten() -> None:
    now = [1000.0]
    storm = Storm(lambda: now[0], jitter=lambda: 0.0)
    holds = []
    for _ in range(STORM + 8):
        hold = storm.hold()
        holds.append(hold)
        now[0] += hold
        storm.started()
    assert holds[:STORM] == [0] * STORM
    assert holds[STORM : STORM + 4] == [1, 2, 4, 8]
    assert max(holds) <= LONGEST_HOLD_S
    now[0] += STORM_S + LONGEST_HOLD_S + 1
    assert storm.hold() == 0
    storm.started()
    assert storm.hold() == 0


def test_no_more_than_five_starts_in_any_minute_of_a_storm_but_for_those_that_waited() -> None:
    now, starts = [0.0], []
    storm = Storm(lambda: now[0], jitter=lambda: 0.0)
    while now[0] < 600:
        if storm.hold() == 0:
            storm.started()
            starts.append(now[0])
        now[0] += 0.5
    assert len([each for each in starts if each < 1.0]) <= STORM
    late = [each for each in starts if each > 300]
    assert len(late) <= 300 / LONGEST_HOLD_S + STORM
