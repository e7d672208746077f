from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces import duplicates


def faces(count: int, seed: int, side: int = 48) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 7, 7), dtype=np.uint8)
    return np.stack([cv2.resize(each, (side, side), interpolation=cv2.INTER_CUBIC) for each in coarse])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([32, 48, 64]))
def test_twins_are_found_whatever_was_done_to_their_light_or_coding(seed: int, side: int) -> None:
    left = faces(30, seed, side)
    darker = (left[4] // 2 + 20).astype(np.uint8)
    coded = cv2.imdecode(
        cv2.imencode(".jpg", left[9], [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_GRAYSCALE
    )
    right = np.stack([left[2], darker, coded, left[11][:, ::-1], *faces(5, seed + 50_000, side)])
    found = {(m.left, m.right): (m.exact, m.mirrored) for m in duplicates.find(left, right)}
    assert found == {
        (2, 0): (True, False),
        (4, 1): (False, False),
        (9, 2): (False, False),
        (11, 3): (True, True),
    }


def test_every_pair_is_found_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "BLOCK", 7)
    left = faces(40, 1)
    found = duplicates.find(left, left[::-1].copy())
    assert [(m.left, m.right) for m in found] == [(k, 39 - k) for k in range(40)]
    assert all(m.exact and m.correlation == 1.0 for m in found)


def test_correlation_is_what_numpy_says() -> None:
    left = faces(3, 5)
    noisy = np.clip(left[1].astype(int) + np.random.default_rng(1).normal(0, 4, (48, 48)), 0, 255).astype(
        np.uint8
    )
    (match,) = duplicates.find(left, noisy[None])
    assert match.correlation == pytest.approx(np.corrcoef(left[1].ravel(), noisy.ravel())[0, 1], abs=1e-3)
    assert duplicates.find(left, noisy[None], near=match.correlation + 0.002) == []


def test_blank_faces_match_nothing() -> None:
    flat = np.full((3, 48, 48), 200, np.uint8)
    assert duplicates.find(flat, flat) == []
    assert duplicates.blank(np.concatenate([flat, faces(2, 1)])).tolist() == [True] * 3 + [False] * 2
