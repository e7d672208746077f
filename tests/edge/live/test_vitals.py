"""What a run says of itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import FerliteError, SourceError
from edge.live.losses import Losses
from edge.live.spread import Spread
from edge.live.temperature import temperature
from edge.live.vitals import Vitals
from edge.results import FrameReadings
from edge.source import Frame

PICTURE = np.zeros((4, 4, 3), np.uint8)


class Scripted:
    """A source that gives a frame, a fault, a frame, and fails."""

    total, stills, rate = 0, False, 10.0
    faults: Mapping[str, int] = MappingProxyType({})

    def frames(self) -> Iterator[Frame | FerliteError]:
        yield Frame("cam", 0, 0.0, PICTURE)
        yield SourceError("a frame is damaged")
        yield Frame("cam", 1, 0.1, PICTURE, missed=3)
        raise SourceError("'cam' is gone")

    def close(self) -> None:
        self.closed = True


def test_frames_and_faults_are_counted_as_they_come() -> None:
    vitals, source = Vitals(), Scripted()
    watched = vitals.watch(source)
    with pytest.raises(SourceError, match="is gone"):
        for item in watched.frames():
            if isinstance(item, Frame):
                vitals.passed(FrameReadings("cam", item.index, item.time, 4, 4, (), 0.01))
    assert (vitals.frames, vitals.faults["SourceError"], vitals.last_fault) == (2, 2, "'cam' is gone")
    assert sum(vitals.latencies) == 2 and vitals.latency == 0.01 and vitals.missed == 3
    assert vitals.fps > 0
    watched.close()
    assert source.closed


def test_the_end_of_a_run_is_told_in_a_sentence() -> None:
    vitals = Vitals()
    assert vitals.summary() == ""
    vitals.passed(FrameReadings("photo.jpg", 0, None, 4, 4, ()))
    assert vitals.summary() == ""  # a still has no latency
    for index in range(100):
        vitals.passed(
            FrameReadings("cam", index, index / 10, 4, 4, (), latency=0.002 if index < 90 else 0.05)
        )
    vitals.missed = 7
    said = vitals.summary()
    assert said.startswith("101 frames at ") and "0 faces" in said
    assert said.endswith("from capture to reading 2.0 ms, 95 % within 50.4 ms; 7 frames missed")


@given(st.lists(st.floats(1e-5, 500), min_size=1, max_size=300), st.sampled_from([0.05, 0.5, 0.95, 1.0]))
def test_a_quantile_is_right_within_a_hundredth(numbers: list[float], share: float) -> None:
    spread = Spread()
    for number in numbers:
        spread.add(number)
    exact = sorted(numbers)[max(1, math.ceil(share * len(numbers))) - 1]
    found = spread.quantile(share)
    assert found is not None and abs(found / exact - 1) < 0.0101


def test_what_is_out_of_range_counts_at_its_end_and_nothing_has_no_quantile() -> None:
    spread = Spread()
    assert spread.quantile(0.5) is None
    for number in (-1.0, 0.0, 1e9):
        spread.add(number)
    low, high = spread.quantile(0.5), spread.quantile(1.0)
    assert low is not None and low < 2e-5 and high is not None and high > 500


def test_no_frame_is_no_rate() -> None:
    table = Vitals().as_json()
    assert (table["fps"], table["latency_ms"], table["faults"]) == (0.0, None, 0)


def test_temperature_of_a_board(tmp_path: Path) -> None:
    def zone(number: int, kind: str, milli: str) -> None:
        folder = tmp_path / f"sys/class/thermal/thermal_zone{number}"
        folder.mkdir(parents=True)
        (folder / "type").write_text(f"{kind}\n")
        (folder / "temp").write_text(f"{milli}\n")

    assert temperature(tmp_path) is None
    zone(0, "battery", "21000")
    assert temperature(tmp_path) == 21
    zone(1, "cpu-thermal", "48312")
    assert temperature(tmp_path) == 48.312
    zone(2, "x86_pkg_temp", "-273000")  # a sensor that is off
    zone(3, "soc-thermal", "none")
    assert temperature(tmp_path) == 48.312


def test_losses_are_said_at_once_now_and_then_and_at_the_end() -> None:
    said: list[str] = []
    counts: dict[str, int] = {}
    losses = Losses("'out.jsonl'", lambda error: said.append(str(error)), counts, every=1000)
    losses.close()
    assert said == [], "no loss is no news"
    losses.lost("No space left on device")
    for _ in range(1999):
        losses.lost("No space left on device")
    losses.close()
    losses.close()
    assert said == [
        "'out.jsonl': 1 frame lost so far: No space left on device",
        "'out.jsonl': 2,000 frames lost in all: No space left on device",
    ]
    assert counts == {"'out.jsonl'": 2000}
    often = Losses("x", lambda error: said.append(str(error)), every=0)
    often.lost("a")
    often.lost("b", 2)
    assert said[2:] == ["x: 1 frame lost so far: a", "x: 3 frames lost so far: b"]
