"""The bounds check: a whole model passes, a cut one never does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle_files.tflite_file import refuse_damage
from edge.errors import ModelMismatch

WHOLE = (Path(__file__).parents[2] / "data" / "tiny.tflite").read_bytes()


def test_a_whole_model_passes() -> None:
    refuse_damage(WHOLE, "m")


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0\0\0\0TFL4" + WHOLE[8:], b"\xff" * 4 + WHOLE[4:]])
def test_what_is_no_model(content: bytes) -> None:
    with pytest.raises(ModelMismatch, match="'m' is (not a TFLite model|damaged)"):
        refuse_damage(content, "m")


@pytest.mark.parametrize("cut", range(0, len(WHOLE) - 8, 37))
def test_a_model_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(ModelMismatch):
        refuse_damage(WHOLE[:cut], "m")


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=5))
def test_damaged_bytes_pass_or_are_refused(changes: list[tuple[int, int]]) -> None:
    content = bytearray(WHOLE)
    for at, value in changes:
        content[at] = value
    try:
        refuse_damage(bytes(content), "m")
    except ModelMismatch as error:
        assert "'m'" in str(error)


def test_a_model_without_a_graph_is_refused() -> None:
    """Found by benchmarks/hostile/fuzz.py: LiteRT ends the process with it."""
    content = bytearray(WHOLE)
    content[18:20] = b"\0\0"  # where the root's table says how far its graphs are
    with pytest.raises(ModelMismatch, match="'m' is damaged: it has no graph"):
        refuse_damage(bytes(content), "m")
